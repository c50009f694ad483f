package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/transport"
)

// Program is a set of files that are installed together: a tool with its libraries, the
// agent's bundle.
type Program struct {
	Name  string            // of its folder: "agent", "benchmark_model"
	Files map[string]string // name on the machine ("lib/libQnnHtp.so") -> path of the file on this host
}

// part is a file of a program.
type part struct {
	name, host, sha256 string
	size               int64
	mode               fs.FileMode
}

// completeName marks an installed program. The marker is written last, so an interrupted
// install has none.
const completeName = ".latlab-complete"

// Install puts a program on the machine, unless it is there already with the same hashes, and
// returns its folder. Files are executable if they are on this host, and only their owner can
// read them. An older program of the same name is removed. A program from an earlier run is
// hashed on the machine once; after that a call only checks that it is there.
func (m *Machine) Install(ctx context.Context, p Program) (dir string, err error) {
	op := "install " + p.Name
	if m.Local() {
		return "", &devices.Error{Fault: devices.FaultLab, Op: op, Reason: "local", Err: errors.New("nothing is installed on this machine")}
	}
	parts, err := p.parts(ctx, op)
	if err != nil {
		return "", err
	}
	if err := m.begins(ctx, op); err != nil {
		return "", err
	}
	defer m.give()
	folder := p.Name + "-" + hashOf(parts)
	dir = m.path("programs", folder)
	there, err := m.isInstalled(ctx, op, folder, parts)
	if err == nil && !there {
		err = m.install(ctx, op, p, folder, parts)
	}
	if err != nil {
		return "", err
	}
	m.installed[folder] = true
	return dir, nil
}

// parts hashes a program's files and sorts them by name.
func (p Program) parts(ctx context.Context, op string) ([]part, error) {
	if !plain(p.Name) || len(p.Files) == 0 {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: "program", Err: fmt.Errorf("%q with %d files is not a program", p.Name, len(p.Files))}
	}
	var parts []part
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		one, err := readPart(name, p.Files[name])
		if err != nil {
			return nil, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonMissing, Err: err}
		}
		parts = append(parts, one)
	}
	return parts, nil
}

func readPart(name, host string) (part, error) {
	if !fs.ValidPath(name) || name == "." || name == completeName || strings.ContainsRune(name, 0) {
		return part{}, fmt.Errorf("%q cannot be a file of a program", name)
	}
	f, err := os.Open(host)
	if err != nil {
		return part{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return part{}, err
	}
	if !info.Mode().IsRegular() {
		return part{}, fmt.Errorf("%s is no file", host)
	}
	hash := sha256.New()
	n, err := io.Copy(hash, f)
	if err != nil {
		return part{}, err
	}
	mode := fs.FileMode(0o600)
	if info.Mode()&0o111 != 0 {
		mode = 0o700
	}
	return part{name: name, host: host, sha256: hex.EncodeToString(hash.Sum(nil)), size: n, mode: mode}, nil
}

// hashOf hashes names, modes and contents.
func hashOf(parts []part) string {
	hash := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(hash, "%q %o %s\n", p.name, p.mode, p.sha256)
	}
	return hex.EncodeToString(hash.Sum(nil))[:12]
}

// isInstalled reports whether the whole program is on the machine. A program that this Machine
// has not verified yet is hashed.
func (m *Machine) isInstalled(ctx context.Context, op, folder string, parts []part) (bool, error) {
	_, err := m.Stat(ctx, op, m.path("programs", folder, completeName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || m.installed[folder] {
		return err == nil, err
	}
	switch err := m.verifyParts(ctx, op, folder, parts); {
	case err == nil:
		return true, nil
	case reasonOf(err) == ReasonCorrupt:
		return false, nil
	default:
		return false, err
	}
}

func reasonOf(err error) string {
	var e *devices.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func (m *Machine) install(ctx context.Context, op string, p Program, folder string, parts []part) error {
	delete(m.installed, folder)
	total := int64(0)
	for _, one := range parts {
		total += one.size
	}
	if err := m.prepare(ctx, op, p.Name, folder, parts, total); err != nil {
		return err
	}
	for _, one := range parts {
		if err := m.put(ctx, op, pushed{host: one.host, path: m.path("programs", folder, one.name), size: one.size, mode: one.mode}); err != nil {
			return err
		}
	}
	if err := m.verifyParts(ctx, op, folder, parts); err != nil {
		return err
	}
	if err := m.complete(ctx, op, folder, parts); err != nil {
		return err
	}
	m.traffic.programs.Add(1)
	m.traffic.programBytes.Add(total)
	return nil
}

// sixHex, after a program's name, matches only the folders of that program.
const sixHex = "[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]"

// prepareScript removes the programs named $1 and makes the folder $2 with the folders $3,
// $4, ... in it. It prints the free space if df reports it.
const prepareScript = `mkdir -p programs && cd programs || exit 97
for f in "$1"-` + sixHex + sixHex + `; do
	if [ -e "$f" ] || [ -L "$f" ]; then rm -rf "./$f" || exit 97; fi
done
mkdir "$2" && cd "$2" || exit 97
shift 2
for f; do mkdir -p "./$f" || exit 97; done
df -Pk . 2>/dev/null || :
`

func (m *Machine) prepare(ctx context.Context, op, name, folder string, parts []part, total int64) error {
	args := []string{name, folder}
	for _, one := range parts {
		if dir := path.Dir(one.name); dir != "." && !slices.Contains(args[2:], dir) {
			args = append(args, dir)
		}
	}
	out, err := m.inFolder(ctx, op, prepareScript, args...)
	if err != nil {
		return err
	}
	if free := transport.ParseFree(out); free >= 0 && free < total {
		return m.full(op, total, fmt.Sprintf("%d bytes are free there", free))
	}
	return nil
}

// partsScript sets the mode of each file of the program $1 and hashes it. Modes and names
// follow in pairs.
const partsScript = `cd "programs/$1" || exit 96
shift
while [ $# -gt 0 ]; do
	[ ! -L "./$2" ] && [ -f "./$2" ] || exit 96
	chmod "$1" "./$2" || exit 97
	sha256sum <"./$2" || exit 96
	shift 2
done
`

// verifyParts hashes the files of a program on the machine. A file with a different hash is
// ReasonCorrupt.
func (m *Machine) verifyParts(ctx context.Context, op, folder string, parts []part) error {
	if !m.sums {
		return m.readParts(ctx, op, folder, parts)
	}
	var args []string
	var total int64
	for _, one := range parts {
		args = append(args, fmt.Sprintf("%o", one.mode), one.name)
		total += one.size
	}
	var lines []string
	for _, batch := range batches(args, 2) {
		out, err := m.shellFor(ctx, patience(total), op, folderScript+partsScript, append([]string{m.o.Dir, folder}, batch...)...)
		if err != nil {
			return err
		}
		lines = append(lines, strings.Split(strings.TrimSuffix(out, "\n"), "\n")...)
	}
	for i, one := range parts {
		if i >= len(lines) || len(lines) != len(parts) {
			return m.fail(op, devices.ReasonGarbage, fmt.Errorf("sha256sum on %s gave %d lines for %d files", m.o.Name, len(lines), len(parts)))
		}
		got, _, _ := strings.Cut(lines[i], " ")
		if got != one.sha256 {
			return m.corrupt(op, one, got)
		}
	}
	return nil
}

// readParts reads the files back, for a machine without a hash command.
func (m *Machine) readParts(ctx context.Context, op, folder string, parts []part) error {
	for _, one := range parts {
		got, err := m.readBack(ctx, op, m.path("programs", folder, one.name), one.size)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return m.corrupt(op, one, "")
		case err != nil:
			return err
		case got != one.sha256:
			return m.corrupt(op, one, got)
		}
	}
	return nil
}

func (m *Machine) corrupt(op string, p part, got string) error {
	return m.fail(op, ReasonCorrupt, fmt.Errorf("%s on %s is not what was sent: its sha256 is %.64q instead of %s", p.name, m.o.Name, got, p.sha256))
}

// complete writes the marker, with a list of the files for people.
func (m *Machine) complete(ctx context.Context, op, folder string, parts []part) error {
	var b strings.Builder
	for _, one := range parts {
		fmt.Fprintf(&b, "%s %o %q\n", one.sha256, one.mode, one.name)
	}
	return m.bounded(ctx, shellTimeout, op, func(ctx context.Context) error {
		return m.t.Put(ctx, transport.File{Path: m.path("programs", folder, completeName), Content: strings.NewReader(b.String()),
			Size: int64(b.Len()), Mode: 0o600})
	})
}
