package state

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// OverOptions configure Over.
type OverOptions struct {
	Root string // of /proc and /sys on the device, for tests; default "/"
	// Timeout is the longest wait for the device; default 45 s. dumpsys itself gives up on a
	// hanging service after 10 s.
	Timeout time.Duration
}

const (
	snapshotTimeout = 45 * time.Second
	// snapshotLimit limits the output about a device's state: 2,048 files, of which the
	// largest, /proc/stat, has maxText bytes, and Android's dumps.
	snapshotLimit = 1 << 20
)

// snapshotScript prints everything that is read of a device at once. It runs in dash, in
// BusyBox's shell and in Android's mksh with toybox (Android 6 and newer). It does not start a
// process for each file, because a phone has four hundred files.
//
//go:embed snapshot.sh
var snapshotScript string

// Over returns the condition of the machine at the other end of a transport, in one round
// trip: what Read reads, and on Android also what its services report. It works on this host
// too.
//
// The error is the context's or a *devices.Error of the device: it could not be reached
// (devices.ReasonOffline), did not answer in time (ReasonHung), or answered with something
// else (ReasonGarbage). A partial answer is no error: what is missing is nil.
func Over(ctx context.Context, t transport.Starter, o OverOptions) (devices.State, error) {
	if o.Timeout == 0 {
		o.Timeout = snapshotTimeout
	}
	parts, err := ask(ctx, t, question{op: "read the state of the device", script: snapshotScript, root: o.Root, timeout: o.Timeout})
	if err != nil {
		return devices.State{}, err
	}
	s := devices.State{Time: time.Now()}
	files := readSnapshot(parts["files"], parts["texts"], o.Root)
	if len(files.texts) == 0 && parts["thermal"] == "" && parts["battery"] == "" {
		return devices.State{}, &devices.Error{Fault: devices.FaultDevice, Op: "read the state of the device", Reason: devices.ReasonGarbage,
			Err: errors.New("nothing at all could be read of its /proc, /sys and services")}
	}
	tree{files}.fill(&s)
	if n := hexFlags(parts["throttled"]); n != nil {
		s.RaspberryThrottled = n
	}
	thermalService(parts["thermal"], &s)
	if text := parts["battery"]; text != "" {
		battery(text, &s)
	}
	s.ScreenOn, s.AirplaneMode = screenOn(parts["power"]), flag(parts["airplane"])
	return s, nil
}

// question is a script that prints parts, each after a line with the mark and the part's name.
// The last part is "end".
type question struct {
	op, script string
	root       string // the script's $2, without a slash at the end
	timeout    time.Duration
}

var errSlow = errors.New("timeout")

// ask runs the script and returns its output by part. The mark is random each time, so no file
// of the device can contain it.
func ask(parent context.Context, t transport.Starter, q question) (map[string]string, error) {
	ctx, cancel := context.WithTimeoutCause(parent, q.timeout, errSlow)
	defer cancel()
	mark := "latlab-" + rand.Text()
	out, err := transport.Shell(ctx, t, snapshotLimit, q.script, mark, strings.TrimRight(q.root, "/"))
	if parent.Err() != nil {
		return nil, parent.Err()
	}
	parts := cutParts(out, mark)
	if _, whole := parts["end"]; whole && err == nil {
		return parts, nil
	}
	return nil, askError(ctx, q, out, err)
}

func askError(ctx context.Context, q question, out string, err error) error {
	var known *devices.Error
	var failed *transport.ShellError
	e := &devices.Error{Fault: devices.FaultDevice, Op: q.op, Output: text.Tail(out, maxTail)}
	switch {
	case errors.Is(context.Cause(ctx), errSlow):
		e.Reason, e.Err = devices.ReasonHung, fmt.Errorf("no answer in %v", q.timeout)
	case errors.As(err, &known):
		return known
	case errors.As(err, &failed) || errors.Is(err, transport.ErrTooLong):
		e.Reason, e.Err = devices.ReasonGarbage, err
	case err != nil:
		e.Reason, e.Err = devices.ReasonOffline, err
	default:
		e.Reason, e.Err = devices.ReasonGarbage, errors.New("the device's shell ended before the script did")
	}
	return e
}

// maxTail is how much of a device's output an error keeps.
const maxTail = 16 << 10

// cutParts splits a script's output into its parts. A shell without the v2 protocol ends lines
// with CR LF.
func cutParts(out, mark string) map[string]string {
	parts := map[string]string{}
	for part := range strings.SplitSeq("\n"+strings.ReplaceAll(out, "\r\n", "\n"), "\n"+mark+" ") {
		name, text, _ := strings.Cut(part, "\n")
		parts[name] = text
	}
	return parts
}

// snapshot holds the files that a shell printed.
type snapshot struct {
	exists  map[string]bool     // files and folders
	texts   map[string]string   // of the readable files
	folders map[string][]string // names in each, sorted
}

// readSnapshot parses a list of paths and head's output for them: "==> PATH <==" in front of
// each text. A header whose file is not in the list belongs to the text before.
func readSnapshot(list, texts, root string) snapshot {
	s := snapshot{map[string]bool{}, map[string]string{}, map[string][]string{}}
	root = strings.TrimRight(root, "/") + "/"
	for line := range strings.SplitSeq(list, "\n") {
		if p, ok := strings.CutPrefix(line, root); ok && p == path.Clean(p) && fs.ValidPath(p) {
			s.add(p)
		}
	}
	var current string
	var text strings.Builder
	flush := func() {
		if current != "" {
			s.texts[current] = cutText(text.String())
		}
		text.Reset()
	}
	for line := range strings.SplitSeq(texts, "\n") {
		if p, ok := header(line, root); ok && s.exists[p] {
			flush()
			current = p
			continue
		}
		text.WriteString(line)
		text.WriteByte('\n')
	}
	flush()
	for _, names := range s.folders {
		slices.Sort(names)
	}
	return s
}

// header returns the path in a line that head prints in front of a file.
func header(line, root string) (string, bool) {
	p, ok := strings.CutPrefix(line, "==> ")
	if !ok {
		return "", false
	}
	if p, ok = strings.CutSuffix(p, " <=="); !ok {
		return "", false
	}
	return strings.CutPrefix(p, root)
}

// cutText cuts a text to what would be read of a file of this host.
func cutText(s string) string { return strings.TrimSpace(s[:min(len(s), maxText)]) }

// add records a path and the folders above it.
func (s snapshot) add(p string) {
	for !s.exists[p] && p != "." {
		s.exists[p] = true
		dir := path.Dir(p)
		s.folders[dir] = append(s.folders[dir], path.Base(p))
		p = dir
	}
}

func (s snapshot) text(p string) (string, error) {
	if text, ok := s.texts[p]; ok {
		return text, nil
	}
	if s.exists[p] {
		return "", &fs.PathError{Op: "read", Path: p, Err: fs.ErrPermission}
	}
	return "", &fs.PathError{Op: "read", Path: p, Err: fs.ErrNotExist}
}

func (s snapshot) entries(dir string) []string { return s.folders[strings.TrimRight(dir, "/")] }
