package inventory

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"latlab/devices"
	"latlab/devices/state"
	"latlab/devices/transport"
	"latlab/devices/transport/adb"
	"latlab/devices/transport/ssh"
)

// place is where a device is and how it is reached. A new kind of place is a type here, a field in
// placeFields and placeNames, and, if devices can be named by it, a family.
type place interface {
	transport() string // as in Info.Transport; empty for this machine
	String() string    // for people: "phone 9A281F over adb"
	dial(ctx context.Context, l *Lab) (transport.Transport, error)
	// walk is dial with the steps of a check. If it fails, the last step says why.
	walk(ctx context.Context, l *Lab, e *entry, w *walk) (transport.Transport, error)
	// folder is the default of latlab's folder there, empty if it needs none.
	folder(l *Lab, e *entry) string
	// lockKey is the same for all names of one machine: two sweeps on two delegates of one phone
	// would disturb each other too.
	lockKey(e *entry) string
}

// here is this machine.
type here struct{}

func (here) transport() string { return "" }
func (here) String() string    { return "this machine" }

func (here) dial(context.Context, *Lab) (transport.Transport, error) { return transport.Local{}, nil }

func (here) walk(context.Context, *Lab, *entry, *walk) (transport.Transport, error) {
	return transport.Local{}, nil
}

// folder is needed only for the journal of settings to restore.
func (here) folder(l *Lab, e *entry) string {
	if e.settings == (state.Settings{}) {
		return ""
	}
	return filepath.Join(filepath.Dir(l.lockDir()), "settings")
}

// lockKey is the device's name: different accelerators of this machine can run at the same time.
func (here) lockKey(e *entry) string {
	if e.settings != (state.Settings{}) {
		return "local" // they share the journal of settings
	}
	return "local:" + e.Name
}

// phone is the serial number or address of an Android phone, as `adb devices` lists it.
type phone string

func (phone) transport() string { return "adb" }
func (p phone) String() string  { return "phone " + string(p) + " over adb" }

func (p phone) dial(ctx context.Context, l *Lab) (transport.Transport, error) {
	return l.openPhone(ctx, string(p))
}

// folder is the one that Android's shell may both write to and start programs in.
func (phone) folder(*Lab, *entry) string { return "/data/local/tmp/latlab" }

func (p phone) lockKey(*entry) string { return "adb:" + adb.WithoutConflict(string(p)) }

// walk checks adb and that the phone accepts this host.
func (p phone) walk(ctx context.Context, l *Lab, e *entry, w *walk) (transport.Transport, error) {
	if _, err := l.adbServer().Version(ctx); err != nil {
		if err := l.startADB(ctx); err != nil {
			w.missing("adb", err, "")
			return nil, err
		}
		w.ok("adb", "its server was not running and has been started")
	} else {
		w.ok("adb", "its server answers")
	}
	t, err := l.dialTo(ctx, e)
	if err != nil {
		w.missing(stepOf(err, "phone", map[string]string{
			adb.ReasonServer: "adb", devices.ReasonUnauthorized: "authorized", devices.ReasonUnsupported: "shell",
		}), err, "")
		return nil, err
	}
	w.ok("phone", "%s is attached and has accepted this computer's key", string(p))
	return t, nil
}

// sshHost is where and how to log in. Empty fields are left to ssh: ~/.ssh/config, the agent, the
// default keys.
type sshHost struct {
	host       string // an alias of ~/.ssh/config, or a name or address
	user       string
	port       int
	identity   string // private key, a file of this host
	knownHosts string // a file of this host
}

func (sshHost) transport() string { return "ssh" }
func (h sshHost) String() string  { return "board " + h.address() + " over ssh" }

func (h sshHost) dial(ctx context.Context, _ *Lab) (transport.Transport, error) {
	o := ssh.Options{Host: h.host, User: h.user, Port: h.port}
	if h.identity != "" {
		o.IdentityFiles = []string{h.identity}
	}
	if h.knownHosts != "" {
		o.KnownHosts = []string{h.knownHosts}
	}
	t, err := ssh.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (h sshHost) walk(ctx context.Context, l *Lab, e *entry, w *walk) (transport.Transport, error) {
	t, err := l.dialTo(ctx, e)
	if errors.Is(err, devices.ErrNoHost) {
		w.missing("host name", err, "")
		return nil, err
	}
	if err != nil {
		w.missing(stepOf(err, "connection", map[string]string{
			devices.ReasonHostKey: "host key", devices.ReasonUnauthorized: "login", "ssh-config": "ssh configuration",
		}), err, "")
		return nil, err
	}
	w.ok("connection", "%v: its host key is known and the login works", t)
	return t, nil
}

func (sshHost) folder(*Lab, *entry) string { return "~/.cache/latlab" }

func (h sshHost) lockKey(*entry) string { return fmt.Sprintf("ssh:%s:%d", h.host, h.port) }

// stepOf is the step of a check that failed, by the error's reason.
func stepOf(err error, otherwise string, byReason map[string]string) string {
	var known *devices.Error
	if errors.As(err, &known) && byReason[known.Reason] != "" {
		return byReason[known.Reason]
	}
	return otherwise
}
