package adbtest

import (
	"slices"
	"time"
)

// faults are the faults in force.
type faults struct {
	unauthorized bool
	gate         chan struct{} // closed when a stall ends; nil if there is none
	drip         time.Duration
	full         bool
	room         int64 // bytes, if full
	drop         int64 // bytes of the next push after which the connection breaks; 0 = none
	at           []*appointment
}

// appointment is a fault that happens at the n-th command or packet.
type appointment struct {
	what Moment
	n    int
	do   func()
}

// Moment is a kind of event at which a fault can happen.
type Moment int

// The moments: a command is about to be started; a packet is about to be sent to the host; a
// push begins.
const (
	Command Moment = iota
	Packet
	Push
)

// away breaks all connections and refuses new ones.
func (f *Fake) away() {
	f.mu.Lock()
	if f.listener != nil {
		_ = f.listener.Close()
		f.listener = nil
	}
	f.mu.Unlock()
	f.cut()
}

// cut breaks all connections.
func (f *Fake) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for l := range f.links {
		_ = l.conn.Close()
	}
}

// Offline takes the phone off the network until Back. Its running commands get adbd's SIGHUP.
func (f *Fake) Offline() { f.away() }

// Back makes a phone listen at its address again.
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

// Reboot ends everything that runs and keeps the phone away for a while.
func (f *Fake) Reboot(away time.Duration) {
	f.away()
	killAll(f.Processes())
	f.wg.Go(func() {
		time.Sleep(away)
		_ = f.Back()
	})
}

// Unauthorized breaks the connection, and from then on no key is accepted, as on a phone whose
// user has not answered the question on its screen.
func (f *Fake) Unauthorized(on bool) {
	f.mu.Lock()
	f.fault.unauthorized = on
	f.mu.Unlock()
	f.cut()
}

// Stall stops all traffic without breaking the connection, until Resume.
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

// Full leaves a number of bytes free for pushed files; a negative number ends it.
func (f *Fake) Full(room int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault.full, f.fault.room = room >= 0, room
}

// DropDuringPush breaks the connection after a number of bytes of the next push.
func (f *Fake) DropDuringPush(after int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault.drop = after
}

// At calls a function, such as f.Offline, at the n-th of its moments from now, counted from 1.
func (f *Fake) At(what Moment, n int, do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault.at = append(f.fault.at, &appointment{what, n, do})
}

// moment runs the faults that are due.
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
