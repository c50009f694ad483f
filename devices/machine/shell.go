package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/internal/text"
)

const (
	// maxShell bounds what a script of ours may print: a line a file is the most.
	maxShell = 256 << 10
	// shellTimeout is for scripts that only create, list or remove files: a device that does
	// not answer, or answers very slowly, is given up.
	shellTimeout = 30 * time.Second
	// maxArgs is how many bytes of arguments one script gets. The oldest adb daemons accept a
	// command of 4096 bytes, including the script and its quotes.
	maxArgs = 1500
)

// Exit codes of latlab's scripts, far from those of a shell and its tools.
const (
	codeLink    = 91 // the folder is a symbolic link
	codeNoDir   = 92 // the path exists and is not a folder
	codeForeign = 93 // the folder belongs to somebody else
	codeTaken   = 94 // the folder holds files that are not latlab's
	codeOpen    = 95 // others can read it, and that cannot be changed
	codeGone    = 96 // a file is missing
	codeFailed  = 97 // a command failed and printed the reason
)

// folderScript enters latlab's folder, $1, and makes it if it is missing. Every script that
// changes something begins with it, because a phone may have been wiped since the last one.
//
// It runs in mksh with toybox (Android), in dash and in busybox's ash.
const folderScript = `umask 077
d=$1
shift
if [ -L "$d" ]; then exit 91; fi
if [ ! -e "$d" ]; then mkdir -p "$d" || exit 97; fi
if [ -L "$d" ]; then exit 91; fi
if [ ! -d "$d" ]; then exit 92; fi
if [ ! -O "$d" ]; then exit 93; fi
cd "$d" || exit 97
if [ ! -f .latlab ] || [ -L .latlab ]; then
	for f in * .[!.]* ..?*; do
		if [ -e "$f" ] || [ -L "$f" ]; then exit 94; fi
	done
	echo latlab >.latlab || exit 97
fi
for s in models programs tmp; do
	if [ -L "$s" ]; then rm -f "$s" || exit 97; fi
done
`

// enterScript enters latlab's folder, $1, and exits with 0 if it is missing. It makes nothing.
const enterScript = `d=$1
shift
if [ -L "$d" ]; then exit 91; fi
if [ ! -e "$d" ]; then exit 0; fi
if [ ! -d "$d" ]; then exit 92; fi
if [ ! -O "$d" ]; then exit 93; fi
cd "$d" || exit 97
if [ ! -f .latlab ] || [ -L .latlab ]; then exit 94; fi
`

// inFolder runs a script in latlab's folder. The script's arguments begin at $1.
func (m *Machine) inFolder(ctx context.Context, op, script string, args ...string) (string, error) {
	return m.shell(ctx, op, folderScript+script, append([]string{m.o.Dir}, args...)...)
}

func (m *Machine) shell(ctx context.Context, op, script string, args ...string) (string, error) {
	return m.shellFor(ctx, shellTimeout, op, script, args...)
}

func (m *Machine) shellFor(ctx context.Context, limit time.Duration, op, script string, args ...string) (out string, err error) {
	err = m.bounded(ctx, limit, op, func(ctx context.Context) error {
		out, err = transport.Shell(ctx, m.t, maxShell, script, args...)
		return err
	})
	return out, err
}

var errLate = errors.New("the device gave no answer in time")

// bounded runs f with a timeout of limit, and adds to its error whose fault it is.
func (m *Machine) bounded(parent context.Context, limit time.Duration, op string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(parent, limit, errLate)
	defer cancel()
	err := f(ctx)
	if err == nil {
		return nil
	}
	if parent.Err() != nil {
		return parent.Err()
	}
	if errors.Is(context.Cause(ctx), errLate) {
		return m.fail(op, devices.ReasonHung, fmt.Errorf("no answer from %s in %v", m.o.Name, limit))
	}
	return m.blame(op, err)
}

// blame adds to an error of the transport or of a script whose fault it is. A *devices.Error
// from the transport is returned unchanged.
func (m *Machine) blame(op string, err error) error {
	var known *devices.Error
	var script *transport.ShellError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &script):
		return m.blameScript(op, script)
	case errors.Is(err, transport.ErrTooLong):
		return m.fail(op, devices.ReasonGarbage, fmt.Errorf("in %s on %s: %w", m.o.Dir, m.o.Name, err))
	case errors.Is(err, unix.ENOSPC):
		return m.fail(op, devices.ReasonFull, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return m.fail(op, ReasonFolder, fmt.Errorf("on %s: %w", m.o.Name, err))
	case refuses(err.Error()):
		e := m.fail(op, ReasonFolder, fmt.Errorf("on %s: %w", m.o.Name, err))
		e.Fault, e.Advice = devices.FaultUser, adviceDir
		return e
	}
	return m.fail(op, devices.ReasonOffline, err)
}

// ReasonFolder means that latlab refuses or cannot use a folder on the machine (the user's
// fault).
const ReasonFolder = "folder"

var folderCodes = map[int]string{
	codeLink:    "it is a symbolic link",
	codeNoDir:   "it is no folder",
	codeForeign: "it belongs to another user",
	codeTaken:   "it holds files that are not latlab's",
	codeOpen:    "it cannot be made private: others could read and change what is timed",
}

func (m *Machine) blameScript(op string, err *transport.ShellError) error {
	if why, found := folderCodes[err.Exit.Code]; found && err.Exit.Signal == "" {
		return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: ReasonFolder, Output: err.Stderr,
			Err:    fmt.Errorf("the folder %s on %s is not used: %s", m.o.Dir, m.o.Name, why),
			Advice: adviceDir}
	}
	if err.Exit.Code == codeGone {
		return m.fail(op, ReasonCorrupt, fmt.Errorf("a file that was sent to %s on %s is not there", m.o.Dir, m.o.Name))
	}
	e := m.fail(op, ReasonFolder, fmt.Errorf("in %s on %s: %w", m.o.Dir, m.o.Name, err))
	e.Output = err.Stderr
	switch {
	case strings.Contains(err.Stderr, "o space left"):
		e.Reason, e.Advice = devices.ReasonFull, adviceFull
	case refuses(err.Stderr):
		e.Fault, e.Advice = devices.FaultUser, adviceDir
	}
	return e
}

const (
	adviceDir  = "name a folder that is latlab's alone as the device's dir"
	adviceFull = "make room on the device, name a dir on a larger disk, or raise its budget"
)

// permissionMessages are messages of commands about a folder in which latlab has no
// permissions. C libraries differ only in their capitals.
var permissionMessages = []string{"ermission denied", "ead-only file system", "ot a directory", "peration not permitted"}

func refuses(text string) bool {
	return slices.ContainsFunc(permissionMessages, func(why string) bool { return strings.Contains(text, why) })
}

// fail returns an error that is the device's fault.
func (m *Machine) fail(op, reason string, err error) *devices.Error {
	return &devices.Error{Fault: devices.FaultDevice, Op: op, Reason: reason, Err: err}
}

// batches splits arguments, of which each n belong together, into as many scripts as they
// need.
func batches(args []string, n int) [][]string {
	var list [][]string
	size := 0
	for i := 0; i < len(args); i += n {
		group := args[i : i+n]
		bytes := 0
		for _, a := range group {
			bytes += len(text.ShellQuote(a)) + 1
		}
		if len(list) == 0 || size+bytes > maxArgs {
			list, size = append(list, nil), 0
		}
		list[len(list)-1] = append(list[len(list)-1], group...)
		size += bytes
	}
	return list
}
