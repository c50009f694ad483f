package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"latlab/devices/transport"
)

// Files are copied through the shell if the host has no sftp server: Dropbear has none of its
// own.

// maxSaid limits what the scripts below may print.
const maxSaid = 4 << 10

// Exit codes of the scripts, far from those of a shell and its tools.
const (
	codeShort  = 93 // fewer bytes arrived than announced
	codeFull   = 94 // writing failed, and df reports the free space
	codeDenied = 95
	codeGone   = 96
	codeFailed = 97 // a command failed and printed the reason
)

// putScript writes stdin to a temporary file, $2, checks its length, $3, sets its mode, $4,
// and renames it to $1. Stdin also ends when the connection breaks, so the length is checked.
const putScript = `umask 077
[ -w "${1%/*}/" ] || { [ -d "${1%/*}/" ] && exit 95; exit 96; }
if ! cat >"$2"; then
	rm -f "$2"
	df -Pk "${1%/*}/"
	exit 94
fi
n=$(wc -c <"$2") && [ "$n" -eq "$3" ] || { rm -f "$2"; exit 93; }
chmod "$4" "$2" && mv -f "$2" "$1" || { rm -f "$2"; exit 97; }`

const getScript = `[ -e "$1" ] || exit 96
[ -r "$1" ] || exit 95
exec cat <"$1"`

// statScript prints size, mode and time, in a format that GNU, busybox and toybox support.
const statScript = `[ -e "$1" ] || exit 96
stat -L -c '%s %f %Y' "$1" || exit 97`

func (t *Transport) script(ctx context.Context, script string, args ...string) (transport.Process, error) {
	return t.Start(ctx, transport.Command{Path: "sh", Args: append([]string{"-c", script, "sh"}, args...)})
}

func (t *Transport) putShell(ctx context.Context, temp string, f transport.File) error {
	p, err := t.script(ctx, putScript, f.Path, temp, strconv.FormatInt(f.Size, 10), strconv.FormatUint(uint64(f.Mode.Perm()), 8))
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- send(p, f) }()
	out, errs := drain(p, maxSaid)
	exit := p.Wait()
	err = <-sent
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case exit.Err != nil:
		return exit.Err
	case exit.Code == codeFull:
		if free := transport.ParseFree(out); free >= 0 && free < f.Size {
			return noRoom(t.o, f, free)
		}
		return t.scriptError("put", f.Path, exit, errs)
	case err != nil && (exit.Code == codeShort || exit == transport.Exit{}):
		return err
	}
	return t.scriptError("put", f.Path, exit, errs)
}

// send writes the content. If the content cannot be read, the script gets too few bytes and
// stores nothing.
func send(p transport.Process, f transport.File) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{p.Stdin()}, f.Exactly(), make([]byte, 256<<10))
	return errors.Join(err, p.Stdin().Close())
}

// drain reads both streams to their end and keeps the first bytes of each.
func drain(p transport.Process, limit int64) (stdout, stderr string) {
	read := func(r io.Reader) string {
		b, _ := io.ReadAll(io.LimitReader(r, limit))
		_, _ = io.Copy(io.Discard, r)
		return string(b)
	}
	errs := make(chan string)
	go func() { errs <- read(p.Stderr()) }()
	stdout = read(p.Stdout())
	return stdout, <-errs
}

func (t *Transport) getShell(ctx context.Context, name string, w io.Writer, limit int64) error {
	p, err := t.script(ctx, getScript, name)
	if err != nil {
		return err
	}
	_ = p.Stdin().Close()
	copied := transport.CopyLimited(w, p.Stdout(), name, limit)
	if copied != nil {
		p.Kill()
	}
	_, errs := drain(p, maxSaid)
	exit := p.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case copied != nil:
		return copied
	case exit.Err != nil:
		return exit.Err
	}
	return t.scriptError("get", name, exit, errs)
}

func (t *Transport) statShell(ctx context.Context, name string) (transport.Info, error) {
	out, err := transport.Shell(ctx, t, maxSaid, statScript, name)
	var failed *transport.ShellError
	if errors.As(err, &failed) {
		err = t.scriptError("look at", name, failed.Exit, failed.Stderr)
	}
	if err != nil {
		return transport.Info{}, err
	}
	return parseStat(out)
}

// scriptError converts the exit of a script to an error, nil if it succeeded.
func (t *Transport) scriptError(what, name string, exit transport.Exit, stderr string) error {
	if exit == (transport.Exit{}) {
		return nil
	}
	err := error(&transport.ShellError{Exit: exit, Stderr: strings.TrimSpace(clip(stderr))})
	switch exit.Code {
	case codeGone:
		err = fs.ErrNotExist
	case codeDenied:
		err = fs.ErrPermission
	case codeShort:
		err = errors.New("not all bytes arrived")
	}
	return fmt.Errorf("%s %s on %s: %w", what, name, t.o, err)
}

// parseStat parses "SIZE MODE TIME": bytes, st_mode in hex, seconds since 1970.
func parseStat(s string) (transport.Info, error) {
	f := strings.Fields(s)
	if len(f) != 3 {
		return transport.Info{}, fmt.Errorf("stat printed %q", clip(s))
	}
	size, e1 := strconv.ParseInt(f[0], 10, 64)
	mode, e2 := strconv.ParseUint(f[1], 16, 16)
	at, e3 := strconv.ParseInt(f[2], 10, 64)
	if e1 != nil || e2 != nil || e3 != nil || size < 0 {
		return transport.Info{}, fmt.Errorf("stat printed %q", clip(s))
	}
	return transport.Info{Size: size, Mode: transport.FileMode(uint32(mode)), ModTime: time.Unix(at, 0)}, nil
}
