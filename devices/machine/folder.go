package machine

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"latlab/devices"
)

// beginScript makes the folder private, checks that this worked, and removes what a crashed
// latlab left. It prints what the machine can do.
const beginScript = `chmod 700 . || exit 97
ls -ld . | {
	read -r mode rest
	case $mode in drwx------*) ;; *) exit 95 ;; esac
} || exit 95
rm -rf models tmp || exit 97
rm -f .latlab-put-* settings.json.???????? || exit 97
if command -v sha256sum >/dev/null 2>&1; then echo sha256sum; fi
`

func (m *Machine) openFolder(ctx context.Context) error {
	op := "open device " + m.o.Name
	dir, err := m.resolve(ctx, op)
	if err != nil {
		return err
	}
	m.o.Dir = dir
	out, err := m.inFolder(ctx, op, beginScript)
	m.sums = strings.TrimSpace(out) == "sha256sum"
	return err
}

// resolve checks Options.Dir and replaces "~" by the home folder on the machine.
func (m *Machine) resolve(ctx context.Context, op string) (string, error) {
	dir := m.o.Dir
	if rest, ok := strings.CutPrefix(dir, "~/"); ok {
		home, err := m.shell(ctx, op, `printf %s "$HOME"`)
		if err != nil {
			return "", err
		}
		if !path.IsAbs(home) {
			return "", m.badDir(op, dir, "there is no home")
		}
		dir = strings.TrimSuffix(home, "/") + "/" + rest
	}
	if why := refuse(dir); why != "" {
		return "", m.badDir(op, m.o.Dir, why)
	}
	return path.Clean(dir), nil
}

// refuse returns why a folder cannot be latlab's, or "" if it can.
func refuse(dir string) string {
	switch {
	case !path.IsAbs(dir):
		return "it is not absolute"
	case slices.Contains(strings.Split(dir, "/"), ".."):
		return `it has ".."`
	case path.Clean(dir) == "/":
		return "it is the whole file system"
	case strings.ContainsRune(dir, 0):
		return "it has a zero byte"
	}
	return ""
}

func (m *Machine) badDir(op, dir, why string) error {
	return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: ReasonFolder,
		Err:    fmt.Errorf("%q cannot be latlab's folder on %s: %s", dir, m.o.Name, why),
		Advice: "an absolute folder such as /data/local/tmp/latlab, or ~/.cache/latlab"}
}

// leave removes staged models and temporary files. If none were put there, it does not contact
// the machine.
func (m *Machine) leave(ctx context.Context) error {
	if !m.left.Load() {
		return nil
	}
	if _, err := m.shell(ctx, "close device "+m.o.Name, enterScript+"rm -rf models tmp || exit 97\n", m.o.Dir); err != nil {
		return remains(err, fmt.Sprintf("models remain in %s there; they are removed when %s is next used", m.o.Dir, m.o.Name))
	}
	m.left.Store(false)
	return nil
}

// remains adds to an error what was not cleaned up.
func remains(err error, what string) error {
	var known *devices.Error
	if !errors.As(err, &known) {
		return fmt.Errorf("%w: %s", err, what)
	}
	e := *known
	e.Err = fmt.Errorf("%w; %s", known.Err, what)
	return &e
}
