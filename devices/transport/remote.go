package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"latlab/internal/text"
)

// The greeting is the line that a RemoteLine prints first: the program's process id, or that
// the program cannot be run.
const (
	greetingPID  = "latlab-pid "
	greetingNone = "latlab-none"
)

// maxGreeting limits what a login shell may print before the greeting.
const maxGreeting = 64 << 10

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// RemoteLine returns a command line for a POSIX shell that leads its process group, as the
// shells that adbd and sshd start do. All words except latlab's own are quoted. The line
// prints a greeting (ReadGreeting) and then becomes the program, so that the exit status is
// the program's own and its process group is known.
//
// It uses only what Android's mksh, dash and busybox have in common.
func RemoteLine(c Command) (string, error) {
	var b strings.Builder
	for _, e := range c.Env {
		name, value, ok := strings.Cut(e, "=")
		if !ok || !envName.MatchString(name) {
			return "", fmt.Errorf("%q sets no environment variable", e)
		}
		fmt.Fprintf(&b, "export %s=%s; ", name, text.ShellQuote(value))
	}
	if c.Dir != "" {
		if !path.IsAbs(c.Dir) {
			return "", fmt.Errorf("working directory %q is not absolute", c.Dir)
		}
		fmt.Fprintf(&b, "cd %s || exit 127; ", text.ShellQuote(c.Dir))
	}
	if c.Path == "" || strings.HasPrefix(c.Path, "-") {
		return "", fmt.Errorf("%q is no program", c.Path)
	}
	for _, w := range append([]string{c.Path, c.Dir}, append(c.Args, c.Env...)...) {
		if strings.ContainsRune(w, 0) {
			return "", fmt.Errorf("%q has a zero byte, which no program can be given", w)
		}
	}
	program := text.ShellQuote(c.Path)
	fmt.Fprintf(&b, "command -v %s >/dev/null 2>&1 || { echo %s; exit 127; }; echo %s$$; ", program, greetingNone, greetingPID)
	if c.Tether {
		// The watcher reads the connection's input; when that ends, it ends the whole group,
		// itself included. A background job reads /dev/null unless its input is named, hence
		// the third descriptor. The redirections are made with exec: mksh keeps a copy of
		// descriptors that it redirects otherwise, and the program's output would then stay
		// open after the program.
		b.WriteString("exec 3<&0 </dev/null; ( exec <&3 3<&- >/dev/null 2>&1; cat; kill -9 -$$ ) & exec 3<&-; ")
	}
	b.WriteString("exec " + program)
	for _, a := range c.Args {
		b.WriteString(" " + text.ShellQuote(a))
	}
	return b.String(), nil
}

// KillLine returns the line that ends the process group of a RemoteLine's program.
func KillLine(pid int) string { return fmt.Sprintf("kill -9 -%d 2>/dev/null", pid) }

// ReadGreeting reads up to the greeting and returns the program's process id, which is also
// its group's. Lines before it, which some login scripts print, are skipped. A missing program
// is fs.ErrNotExist.
func ReadGreeting(r *bufio.Reader) (pid int, err error) {
	for left := maxGreeting; left > 0; {
		line, err := readShort(r, left)
		left -= len(line) + 1
		switch {
		case err != nil:
			return 0, err
		case line == greetingNone:
			return 0, fs.ErrNotExist
		}
		if text, ok := strings.CutPrefix(line, greetingPID); ok {
			pid, err := strconv.Atoi(text)
			if err != nil || pid < 2 {
				return 0, fmt.Errorf("the device's shell greets with %q", line)
			}
			return pid, nil
		}
	}
	return 0, errors.New("the device's shell prints without end before it starts anything")
}

// readShort reads a line of at most limit bytes, without the newline.
func readShort(r *bufio.Reader, limit int) (string, error) {
	var line []byte
	for len(line) < limit {
		c, err := r.ReadByte()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return "", err
		}
		if c == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		line = append(line, c)
	}
	return string(line), nil
}
