package inventory

import (
	"context"
	"slices"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/devices/transport/adb"
	"latlab/internal/text"
)

func (l *Lab) adbServer() adb.Server { return adb.Server{Binary: l.o.ADB} }

// openPhone connects to a phone through the adb server, which is started if none is running. Only
// one goroutine at a time starts it, so that ten phones do not start ten servers.
func (l *Lab) openPhone(ctx context.Context, serial string) (transport.Transport, error) {
	if err := l.startADB(ctx); err != nil {
		return nil, err
	}
	t, err := adb.Open(ctx, adb.Options{Serial: serial, Server: l.adbServer()})
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (l *Lab) startADB(ctx context.Context) error {
	select {
	case l.adbTurn <- struct{}{}:
		defer func() { <-l.adbTurn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return l.adbServer().Start(ctx)
}

// listPhones asks a running server for the attached phones. It never starts a server, which would
// keep running on a host whose user has no phone.
func (l *Lab) listPhones(ctx context.Context) ([]adb.Listed, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if slices.ContainsFunc(l.entries, func(e *entry) bool { _, ok := e.place.(phone); return ok }) {
		if err := l.startADB(ctx); err != nil {
			return nil, err
		}
	}
	return l.adbServer().Devices(ctx)
}

// attachedProbes are probes of phones that the file does not name. If adb cannot be asked the list
// is empty; PhonesUnseen says why.
func (l *Lab) attachedProbes(ctx context.Context) []probe {
	var list []probe
	for _, p := range l.attachedPhones(ctx) {
		list = append(list, func(ctx context.Context) Status { return l.probeAttached(ctx, p, full) })
	}
	return list
}

// attachedPhones are the phones that adb lists and the file does not.
func (l *Lab) attachedPhones(ctx context.Context) []adb.Listed {
	listed, err := l.listPhones(ctx)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(listed, func(p adb.Listed) bool {
		return slices.ContainsFunc(l.entries, func(e *entry) bool {
			named, ok := e.place.(phone)
			return ok && (named == phone(p.USB) || adb.SamePhone(string(named), p.Serial))
		})
	})
}

func (l *Lab) probeAttached(ctx context.Context, p adb.Listed, d depth) Status {
	s, e := l.attachedStatus(p)
	if e == nil {
		return s
	}
	return l.probeEntry(ctx, e, SourceAttached, d)
}

// attachedEntry is nil for a serial number that latlab does not support.
func (l *Lab) attachedEntry(p adb.Listed) *entry {
	e, err := l.phoneFamily().entry(adbPrefix + p.Serial)
	if err != nil {
		return nil
	}
	return e
}

// attachedStatus returns the device of a listed phone, nil if it cannot be used; the Status then
// says why.
func (l *Lab) attachedStatus(p adb.Listed) (Status, *entry) {
	s := Status{
		Info:  devices.Info{Name: adbPrefix + text.Clip(p.Serial), Kind: devices.Measured, Transport: "adb"},
		State: NotReady, Source: SourceAttached, Delegates: []string{},
	}
	e := l.attachedEntry(p)
	if e == nil {
		s.Problem = "latlab does not support this form of serial number"
		return s, nil
	}
	if err := adb.StateError(p.Serial, p.State); err != nil {
		if info, derr := l.describeTool(e); derr == nil {
			s.Info = info
		}
		s.fail(err)
		return s, nil
	}
	return s, e
}

// PhonesUnseen says why attached phones could not be listed, nil if they could.
func (l *Lab) PhonesUnseen(ctx context.Context) *Step {
	if _, err := l.listPhones(ctx); err != nil {
		w := &walk{}
		w.missing("adb", err, "")
		return &w.steps[0]
	}
	return nil
}
