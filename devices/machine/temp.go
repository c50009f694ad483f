package machine

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"latlab/devices"
	"latlab/devices/transport"
)

// Temp is a private folder on the machine for what a tool writes: a result file, exported
// times, a compiled model. It starts empty.
type Temp struct {
	Dir string // on the machine, absolute
	m   *Machine
	id  string
}

const tempScript = `mkdir -p tmp && mkdir "tmp/$1" || exit 97
`

// Temp makes a folder for a tool's files. Close removes the folder and everything in it.
func (m *Machine) Temp(ctx context.Context, op string) (*Temp, error) {
	if err := m.begins(ctx, op); err != nil {
		return nil, err
	}
	defer m.give()
	if m.Local() {
		dir, err := os.MkdirTemp("", "latlab-")
		if err != nil {
			return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: ReasonFolder, Err: err}
		}
		return &Temp{Dir: dir, m: m}, nil
	}
	id := rand.Text()
	m.left.Store(true)
	if _, err := m.inFolder(ctx, op, tempScript, id); err != nil {
		return nil, err
	}
	return &Temp{Dir: m.path("tmp", id), m: m, id: id}, nil
}

// Path returns the path of a file in the folder.
func (t *Temp) Path(name string) string { return path.Join(t.Dir, name) }

// Put writes a private file of size bytes into the folder.
func (t *Temp) Put(ctx context.Context, op, name string, content io.Reader, size int64) error {
	return t.m.bounded(ctx, patience(size), op, func(ctx context.Context) error {
		return t.m.t.Put(ctx, transport.File{Path: t.Path(name), Content: content, Size: size, Mode: 0o600})
	})
}

// ReadFile reads a file that a tool wrote, of at most limit bytes. A missing file is
// fs.ErrNotExist.
func (t *Temp) ReadFile(ctx context.Context, op, name string, limit int64) ([]byte, error) {
	return t.m.ReadFile(ctx, op, t.Path(name), limit)
}

// ReadFile reads a file of the machine, of at most limit bytes. A missing file is
// fs.ErrNotExist.
func (m *Machine) ReadFile(ctx context.Context, op, path string, limit int64) ([]byte, error) {
	var b bytes.Buffer
	if err := m.get(ctx, op, path, &b, limit); err != nil {
		return nil, err
	}
	if int64(b.Len()) > limit {
		return nil, m.fail(op, devices.ReasonGarbage, fmt.Errorf("%s on %s has more than %d bytes", path, m.o.Name, limit))
	}
	return b.Bytes(), nil
}

// Stat returns the details of a file of the machine. A missing file is fs.ErrNotExist.
func (m *Machine) Stat(ctx context.Context, op, path string) (info transport.Info, err error) {
	err = m.bounded(ctx, shellTimeout, op, func(ctx context.Context) error {
		info, err = m.t.Stat(ctx, path)
		return err
	})
	return info, err
}

const dropScript = `if [ -L tmp ]; then exit 0; fi
rm -rf "tmp/$1" || exit 97
`

// Close removes the folder. If the device is offline, the folder is removed at the next
// contact: when this machine is closed, or when it is next opened.
func (t *Temp) Close() {
	if t.id == "" {
		_ = os.RemoveAll(filepath.Clean(t.Dir))
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_, _ = t.m.shell(ctx, "remove temporary files", enterScript+dropScript, t.m.o.Dir, t.id)
}
