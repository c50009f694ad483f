package machine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"latlab/devices/state"
	"latlab/devices/transport"
)

// lookScript prints what is in latlab's folder: "models 3 61440" and "programs 1 18432",
// number of files and KiB; nothing if there is no folder.
const lookScript = `echo folder 1 0
for s in models programs tmp; do
	if [ -L "$s" ] || [ ! -d "$s" ]; then continue; fi
	n=0
	for f in "$s"/* "$s"/.[!.]* "$s"/..?*; do
		if [ -e "$f" ] || [ -L "$f" ]; then n=$((n + 1)); fi
	done
	k=$(du -sk "$s" 2>/dev/null) || k=0
	echo "$s" "$n" "${k%%[!0-9]*}"
done
`

// wipeScript removes what latlab put into its folder, and the folder if nothing else is in it.
// A link is removed, not followed.
const wipeScript = `rm -rf models programs tmp || exit 97
rm -f .latlab-put-* settings.json.???????? || exit 97
if [ "$1" = all ]; then
	rm -f .latlab || exit 97
	cd / && rmdir "$d" 2>/dev/null || { if [ -e "$d" ]; then echo kept; fi; }
fi
`

// Clean removes everything that latlab put on the machine and restores its settings. It
// returns one line for each thing done. A folder without latlab's marker is refused, and
// nothing outside the folder is changed.
func Clean(ctx context.Context, t transport.Transport, o Options) ([]string, error) {
	m := with(t, o)
	if m.Local() {
		return []string{"nothing of latlab's is put on this machine"}, nil
	}
	op := "clean device " + o.Name
	lock, err := acquireLock(o.LockDir, m.o.LockKey, o.Name)
	if err != nil {
		return nil, err
	}
	defer lock.release()
	if m.o.Dir, err = m.resolve(ctx, op); err != nil {
		return nil, err
	}
	out, err := m.shell(ctx, op, enterScript+lookScript, m.o.Dir)
	if err != nil {
		return nil, err
	}
	found := parseLook(out)
	if len(found) == 0 {
		return []string{fmt.Sprintf("nothing of latlab's is in %s", m.o.Dir)}, nil
	}
	return m.wipe(ctx, op, found)
}

func (m *Machine) wipe(ctx context.Context, op string, found map[string]amount) ([]string, error) {
	// Settings that cannot be restored keep their journal, and so the folder.
	lines, settingsErr := state.Restore(ctx, m.t, m.o.Dir)
	what := "all"
	if settingsErr != nil {
		what = "files"
	}
	out, err := m.inFolder(ctx, op, wipeScript, what)
	if err != nil {
		return lines, errors.Join(settingsErr, err)
	}
	for _, kind := range []struct{ folder, word string }{{"models", "model"}, {"programs", "program"}, {"tmp", "temporary folder"}} {
		if a := found[kind.folder]; a.n > 0 {
			lines = append(lines, "removed "+a.say(kind.word))
		}
	}
	switch {
	case settingsErr != nil:
	case strings.TrimSpace(out) == "kept":
		lines = append(lines, fmt.Sprintf("kept %s: it holds files that are not latlab's", m.o.Dir))
	default:
		lines = append(lines, "removed "+m.o.Dir)
	}
	return lines, settingsErr
}

// amount is the number and size of files of one kind.
type amount struct {
	n   int
	kib int64
}

func (a amount) say(word string) string {
	if a.n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s (%.1f MB)", a.n, word, float64(a.kib)*1024/1e6)
}

// parseLook parses the output of lookScript and ignores other lines.
func parseLook(out string) map[string]amount {
	found := map[string]amount{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		n, err := strconv.Atoi(f[1])
		kib, kibErr := strconv.ParseInt(f[2], 10, 64)
		if err == nil && kibErr == nil && n >= 0 && kib >= 0 {
			found[f[0]] = amount{n, kib}
		}
	}
	return found
}
