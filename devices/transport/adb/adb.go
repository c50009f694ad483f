// Package adb reaches Android phones as the adb command does: through the adb server of this
// host, whose protocol it speaks itself. It runs programs with separate streams and their exit
// code, copies files, and notices phones that come and go.
//
// It does not speak to a phone directly, because the server does that and holds the phone's
// key. It never ends a server, which other programs may use. It refuses phones whose adbd has
// no shell protocol (before Android 7): without an exit code a time cannot be trusted.
//
// The public Go clients were rejected: none returns an exit code or ends with a context.
// devices/transport/ssh does the same for boards.
//
// Sources: AOSP, packages/modules/adb: OVERVIEW.TXT, SERVICES.TXT, SYNC.TXT, shell_protocol.h,
// daemon/shell_service.cpp.
package adb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// Options identify a phone.
type Options struct {
	Serial string
	Server Server
}

// Device is a phone.
type Device struct {
	server   Server
	serial   string // as the caller wrote it
	features []string

	mu      sync.Mutex
	listed  string // the server's name for it
	closed  bool
	running map[*process]bool
	wg      sync.WaitGroup
}

var _ transport.Transport = (*Device)(nil)

// Open finds a phone and asks which features its adbd has. It starts a server if none runs.
func Open(ctx context.Context, o Options) (*Device, error) {
	if err := o.Server.Start(ctx); err != nil {
		return nil, err
	}
	listed, err := find(ctx, o)
	if err != nil {
		return nil, err
	}
	d := &Device{server: o.Server, serial: o.Serial, listed: listed, running: map[*process]bool{}}
	text, err := o.Server.query(ctx, "host-serial:"+listed+":features")
	if err != nil {
		return nil, d.culprit(d.revived(ctx, err))
	}
	d.features = strings.Split(text, ",")
	if !slices.Contains(d.features, "shell_v2") {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: "adb " + o.Serial, Reason: devices.ReasonUnsupported,
			Err: errors.New("its adbd gives no exit codes"), Advice: "Android 7 or later is needed"}
	}
	return d, nil
}

// address is the HOST:PORT of a phone that the server can connect to.
var address = regexp.MustCompile(`^(\[[0-9A-Fa-f:.%a-z]+\]|[0-9A-Za-z.-]+):[0-9]{1,5}$`)

// find checks that the phone can be used, and returns the name that the server has for it. It
// connects to a phone on the network if the server has no connection to it.
func find(ctx context.Context, o Options) (listed string, err error) {
	listed, state, err := o.Server.state(ctx, o.Serial)
	if err != nil {
		return "", err
	}
	if state != usable && address.MatchString(o.Serial) && !strings.HasPrefix(state, "unauthorized") && !strings.HasPrefix(state, "authorizing") {
		if state != "" {
			// The server retries a lost phone every ten seconds, and reports it as connected
			// until then.
			_ = o.Server.Disconnect(ctx, o.Serial)
		}
		if state, err = o.Server.connected(ctx, o.Serial); err != nil {
			return "", err
		}
	}
	return listed, StateError(listed, state)
}

// connected connects to a phone on the network and waits until the phone has introduced
// itself. A server that was told to forget the phone does so later: until then it answers
// "already connected", and a moment later it has no phone. So the request is repeated.
func (s Server) connected(ctx context.Context, serial string) (string, error) {
	const often, patience = 50 * time.Millisecond, 5 * time.Second
	state := ""
	for end := time.Now().Add(patience); ; {
		if state == "" {
			if err := s.connect(ctx, serial); err != nil {
				return "", err
			}
		}
		var err error
		_, state, err = s.state(ctx, serial)
		settled := !slices.Contains([]string{"", "offline", "connecting", "authorizing"}, state)
		if err != nil || settled || time.Now().After(end) {
			return state, err
		}
		select {
		case <-ctx.Done():
			return state, ctx.Err()
		case <-time.After(often):
		}
	}
}

// connect is Connect for a server that has just answered: if it now gives no answer about this
// phone, the phone is at fault.
func (s Server) connect(ctx context.Context, serial string) error {
	err := s.Connect(ctx, serial)
	if err == nil {
		return nil
	}
	var known *devices.Error
	if errors.As(err, &known) && known.Reason == ReasonServer {
		err = known.Err
	}
	return asOffline(ctx, serial, err)
}

// usable is the state of a phone that can be used.
const usable = "device"

// state returns the name by which the server knows a phone, and its state, "" if it is not listed.
func (s Server) state(ctx context.Context, serial string) (listed, state string, err error) {
	list, err := s.Devices(ctx)
	if err != nil {
		return "", "", err
	}
	return match(list, serial)
}

// match prefers the listed name itself: after a phone has been away, adb lists it under a second
// name, under both, or under the old one as offline (flutter issues 187092, 191343).
func match(list []Listed, serial string) (listed, state string, err error) {
	listed = serial
	var others []string
	for _, l := range list {
		switch {
		case l.Serial == serial || l.USB == serial:
			if listed, state = serial, l.State; state == usable {
				return listed, state, nil
			}
		case !SamePhone(l.Serial, serial):
		case l.State == usable:
			others = append(others, l.Serial)
		case state == "":
			listed, state = l.Serial, l.State
		}
	}
	switch len(others) {
	case 0:
		return listed, state, nil
	case 1:
		return others[0], usable, nil
	}
	return "", "", offline(serial, fmt.Errorf("adb lists it more than once: %s", strings.Join(others, ", ")), "adb disconnect "+text.ShellWord(others[1]))
}

// conflict is what mDNS adds to a name that is already in use on the network (RFC 6762, section
// 9), also to a phone's own name after it has been away for a moment.
var conflict = regexp.MustCompile(`( \([0-9]{1,4}\))+(\._adb(?:-tls-connect|-tls-pairing)?\._tcp\.?)$`)

// WithoutConflict is the name of a phone without what mDNS adds to it from time to time: the same
// phone is listed as "adb-X-y._adb-tls-connect._tcp" and as "adb-X-y (2)._adb-tls-connect._tcp".
func WithoutConflict(serial string) string { return conflict.ReplaceAllString(serial, "$2") }

// SamePhone reports whether two names differ at most by what mDNS adds.
func SamePhone(a, b string) bool { return WithoutConflict(a) == WithoutConflict(b) }

// StateError explains a state and what to do; nil if the phone can be used. The state is
// Listed's, or "" for a phone that is not listed.
func StateError(serial, state string) error {
	first, _, _ := strings.Cut(state, " ")
	switch {
	case first == usable:
		return nil
	case state == "":
		return offline(serial, errors.New("adb does not see it"), "is the cable in, and USB debugging on? `adb devices` lists what it sees")
	case first == "unauthorized", first == "authorizing":
		return &devices.Error{Fault: devices.FaultDevice, Op: "adb " + serial, Reason: devices.ReasonUnauthorized,
			Err: errors.New("the phone has not accepted this computer's key"), Advice: "unlock it and accept the key on its screen; if it does not ask: adb reconnect offline"}
	case strings.HasPrefix(state, noPermissions):
		return &devices.Error{Fault: devices.FaultLab, Op: "adb " + serial, Reason: devices.ReasonUnauthorized,
			Err: errors.New("this user may not open the USB device: " + text.Line(state, maxClip)), Advice: "install udev rules (Debian: android-sdk-platform-tools-common), join the group plugdev, plug it in again"}
	case first == "offline", first == "connecting", first == "detached":
		return offline(serial, errors.New("adb sees it and gets no answer"), "wait until it has booted, or: adb reconnect "+text.ShellWord(serial))
	}
	return offline(serial, fmt.Errorf("it is in the state %q", text.Line(state, maxClip)), "boot it into Android: adb -s "+text.ShellWord(serial)+" reboot")
}

func offline(serial string, err error, advice string) error {
	return &devices.Error{Fault: devices.FaultDevice, Op: "adb " + serial, Reason: devices.ReasonOffline, Err: err, Advice: advice}
}

// asOffline turns the errors of a missing phone into ReasonOffline.
func asOffline(ctx context.Context, serial string, err error) error {
	var known *devices.Error
	if ctx.Err() != nil || errors.As(err, &known) {
		return err
	}
	return offline(serial, err, "`adb devices` lists what it sees")
}

// Close kills the programs that still run on the phone.
func (d *Device) Close() error {
	d.mu.Lock()
	d.closed = true
	running := slices.Collect(maps.Keys(d.running))
	d.mu.Unlock()
	for _, p := range running {
		p.Kill()
	}
	d.wg.Wait()
	return nil
}

// run listens to a program, unless the device is closed.
func (d *Device) run(p *process) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.running[p] = true
	d.wg.Go(func() {
		p.listen()
		d.mu.Lock()
		delete(d.running, p)
		d.mu.Unlock()
	})
	return true
}

// also starts something for a program that still runs; Close waits for it.
func (d *Device) also(p *process, do func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running[p] {
		d.wg.Go(do)
	}
}

var errClosed = errors.New("the connection was closed")

func (d *Device) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// open opens a service of the phone.
func (d *Device) open(ctx context.Context, service string) (*wire, error) {
	if d.isClosed() {
		return nil, offline(d.serial, errClosed, "")
	}
	w, err := d.server.open(ctx, d.transport(), service)
	if err != nil && d.renamed(ctx) {
		w, err = d.server.open(ctx, d.transport(), service)
	}
	if err != nil {
		return nil, d.culprit(d.revived(ctx, err))
	}
	return w, nil
}

// transport is the request that switches a connection to the phone.
func (d *Device) transport() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return "host:transport:" + d.listed
}

// renamed reports whether the server lists the phone by a new name.
func (d *Device) renamed(ctx context.Context) bool {
	listed, state, err := d.server.state(ctx, d.serial)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || state != usable || listed == d.listed {
		return false
	}
	d.listed = listed
	return true
}

// revived distinguishes a server that died from a phone that has just left, which look the
// same (seen about once in a hundred departures). If the server answers or can be started
// again, it is not at fault, and the next attempt finds it.
func (d *Device) revived(ctx context.Context, err error) error {
	var known *devices.Error
	if !errors.As(err, &known) || known.Reason != ReasonServer || d.server.Start(ctx) != nil {
		return err
	}
	return &unanswered{known.Err}
}

// culprit: if the server refuses a request or gets no answer to it, the phone is missing.
func (d *Device) culprit(err error) error {
	var silent *unanswered
	if errors.As(err, &silent) {
		return offline(d.serial, silent.error, "`adb devices` lists what it sees; adb reconnect "+text.ShellWord(d.serial))
	}
	var no *refused
	if !errors.As(err, &no) {
		return err
	}
	if strings.Contains(no.text, "unauthorized") || strings.Contains(no.text, "authorizing") {
		return StateError(d.serial, "unauthorized")
	}
	return offline(d.serial, no, "`adb devices` lists what it sees; adb reconnect "+text.ShellWord(d.serial))
}

// lost is the error of a connection that ended in the middle of something.
func (d *Device) lost(ctx context.Context, w *wire, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var known *devices.Error
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return offline(d.serial, errors.New("it went away"), "is the cable in? `adb devices`")
	}
	if err = w.failed(ctx, err); errors.As(err, &known) && known.Reason == ReasonServer {
		return offline(d.serial, known.Err, "is the cable in? `adb devices`; adb reconnect "+text.ShellWord(d.serial))
	}
	return err
}
