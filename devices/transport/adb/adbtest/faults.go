package adbtest

import (
	"slices"
	"time"
)

// faults are what is broken now.
type faults struct {
	unauthorized bool
	gate         chan struct{} // closed when a stall ends; nil while there is none
	drip         time.Duration
	full         bool
	room         int64 // bytes, where full
	drop         int64 // bytes of the next push after which the line breaks; 0 = none
	at           []*appointment
}

// appointment is a fault that waits for the n-th command or packet.
type appointment struct {
	what Moment
	n    int
	do   func()
}

// Moment is when a fault that was made an appointment for happens.
type Moment int

// The moments: a command is about to be started; a packet is about to be sent to the host; a
// push begins.
const (
	Command Moment = iota
	Packet
	Push
)

// away breaks every line and refuses new ones.
func (f *Fake) away() {
	f.mu.Lock()
	if f.listener != nil {
		_ = f.listener.Close()
		f.listener = nil
	}
	f.mu.Unlock()
	f.cut()
}

// cut breaks every line.
func (f *Fake) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for l := range f.links {
		_ = l.conn.Close()
	}
}

// Offline takes the phone off the network until Back. What runs on it gets adbd's SIGHUP.
func (f *Fake) Offline() { f.away() }

// Back brings a phone that was away back to its address.
func (f *Fake) Back() error {
	var err error
	for range 100 {
		if err = f.listen(f.addr); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// Reboot ends all that runs and stays away for a while.
func (f *Fake) Reboot(away time.Duration) {
	f.away()
	killAll(f.Processes())
	f.wg.Go(func() {
		time.Sleep(away)
		_ = f.Back()
	})
}

// Unauthorized breaks the line, and from then on no key is accepted, as on a phone whose user
// has not touched the question on its screen.
func (f *Fake) Unauthorized(on bool) {
	f.mu.Lock()
	f.fault.unauthorized = on
	f.mu.Unlock()
	f.cut()
}

// Stall stops all traffic without breaking the line, until Resume.
func (f *Fake) Stall() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault.gate == nil {
		f.fault.gate = make(chan struct{})
	}
}

// Resume ends a stall.
func (f *Fake) Resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault.gate != nil {
		close(f.fault.gate)
		f.fault.gate = nil
	}
}

// Drip sends a byte at a time, with a pause after each; 0 ends it.
func (f *Fake) Drip(pause time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault.drip = pause
}

// Full leaves so many bytes for files that are pushed; a negative number ends it.
func (f *Fake) Full(room int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault.full, f.fault.room = room >= 0, room
}

// DropDuringPush breaks the line after so many bytes of the next push.
func (f *Fake) DropDuringPush(after int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault.drop = after
}

// At does something, such as f.Offline, at the n-th of its moments from now, from 1 on.
func (f *Fake) At(what Moment, n int, do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault.at = append(f.fault.at, &appointment{what, n, do})
}

// moment keeps the appointments.
func (f *Fake) moment(what Moment) {
	f.mu.Lock()
	var due []func()
	f.fault.at = slices.DeleteFunc(f.fault.at, func(a *appointment) bool {
		if a.what != what {
			return false
		}
		a.n--
		if a.n > 0 {
			return false
		}
		due = append(due, a.do)
		return true
	})
	f.mu.Unlock()
	for _, do := range due {
		do()
	}
}

// pass waits for the end of a stall.
func (f *Fake) pass(gone <-chan struct{}) {
	f.mu.Lock()
	gate := f.fault.gate
	f.mu.Unlock()
	if gate == nil {
		return
	}
	select {
	case <-gate:
	case <-gone:
	}
}

func (f *Fake) broken() faults {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fault
}
