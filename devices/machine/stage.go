package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/sampler/model"
)

// Staged is a model's file on the machine, where its programs can read it.
type Staged struct {
	Path   string // on the machine
	SHA256 string // of the file, in hex
	close  func()
}

// Close allows the file to be removed. Further calls do nothing.
func (s *Staged) Close() { s.close() }

// Traffic counts what was pushed to a machine since it was opened.
type Traffic struct {
	Models        int   // pushed, including those that were removed and pushed again
	ModelBytes    int64 // of the pushed models
	Programs      int   // installed
	ProgramBytes  int64
	Seconds       float64 // spent pushing
	StagedBytes   int64   // of models on the machine now
	StagedModels  int
	RemovedModels int // to make room, or because their file had changed
}

type traffic struct{ models, modelBytes, programs, programBytes, nanos, removed atomic.Int64 }

// Traffic returns what was pushed so far.
func (m *Machine) Traffic() Traffic {
	t := &m.traffic
	m.cache.mu.Lock()
	defer m.cache.mu.Unlock()
	return Traffic{
		Models: int(t.models.Load()), ModelBytes: t.modelBytes.Load(),
		Programs: int(t.programs.Load()), ProgramBytes: t.programBytes.Load(),
		Seconds:     time.Duration(t.nanos.Load()).Seconds(),
		StagedBytes: m.cache.total(), StagedModels: len(m.cache.files),
		RemovedModels: int(t.removed.Load()),
	}
}

// Stage puts a model's file on the machine, unless it is there already. When the budget is
// spent, the least recently used models are removed; Close removes all. A staged model is
// checked before it is used again, because a phone may have been wiped, or a board's tmp may
// be empty after a reboot.
//
// If the budget or the disk has no room for a model, the error is a *devices.Error of the
// device (ReasonFull) that gives both numbers of bytes.
func (m *Machine) Stage(ctx context.Context, op string, mdl *model.Model) (*Staged, error) {
	if m.Local() {
		f, err := openModel(ctx, op, mdl)
		if err != nil {
			return nil, err
		}
		return &Staged{Path: f.Path, SHA256: f.SHA256, close: f.Close}, nil
	}
	return m.stage(ctx, op, mdl.Identity+"."+string(mdl.Format), func() (*model.File, error) { return openModel(ctx, op, mdl) })
}

// StageFile is Stage for a file that a compiler made from a model on this host: a context
// binary, a compiled .tflite. It is identified by its content, so the file may be removed
// afterwards.
func (m *Machine) StageFile(ctx context.Context, op, path string) (*Staged, error) {
	one, err := readPart("model", path)
	if err != nil {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: "model-bytes", Err: err}
	}
	if m.Local() {
		return &Staged{Path: path, SHA256: one.sha256, close: func() {}}, nil
	}
	ext := filepath.Ext(path)
	if ext != ".tflite" && ext != ".onnx" {
		ext = ".bin"
	}
	return m.stage(ctx, op, one.sha256+ext, func() (*model.File, error) {
		return &model.File{Path: path, SHA256: one.sha256, Size: one.size}, nil
	})
}

// StageBytes is StageFile for the values of an input.
func (m *Machine) StageBytes(ctx context.Context, op string, content []byte) (*Staged, error) {
	lab := func(err error) error {
		return &devices.Error{Fault: devices.FaultLab, Op: op, Reason: "model-bytes", Err: err}
	}
	f, err := os.CreateTemp("", "latlab-input-")
	if err != nil {
		return nil, lab(err)
	}
	remove := func() { _ = os.Remove(f.Name()) }
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		remove()
		return nil, lab(err)
	}
	staged, err := m.StageFile(ctx, op, f.Name())
	if err != nil || !m.Local() {
		remove()
		return staged, err
	}
	staged.close = remove
	return staged, nil
}

func (m *Machine) stage(ctx context.Context, op, name string, open func() (*model.File, error)) (*Staged, error) {
	if err := m.begins(ctx, op); err != nil {
		return nil, err
	}
	defer m.give()
	f, err := m.cached(ctx, op, name, open)
	if err != nil {
		return nil, err
	}
	return &Staged{Path: m.path("models", f.name), SHA256: f.sha256, close: m.cache.use(f)}, nil
}

func openModel(ctx context.Context, op string, mdl *model.Model) (*model.File, error) {
	f, err := mdl.Open(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, devices.ModelBytes(op, err)
	}
	return f, nil
}

// cached returns the model from the cache, and pushes it if it is missing.
func (m *Machine) cached(ctx context.Context, op, name string, open func() (*model.File, error)) (*stagedModel, error) {
	if !plain(name) {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: "model-bytes", Err: fmt.Errorf("%q is not a model's identity", name)}
	}
	if f := m.cache.get(name); f != nil {
		there, err := m.unchanged(ctx, op, f)
		if err != nil {
			return nil, err
		}
		if there {
			return f, nil
		}
		m.cache.lose(f)
	}
	file, err := open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return m.push(ctx, op, name, file)
}

// plain reports whether a name has only the letters of latlab's own names, which need no
// quoting in a shell, a file system or a tool's log.
func plain(name string) bool {
	return name != "" && name[0] != '.' && name[0] != '-' && len(name) <= 128 &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

// unchanged reports whether a staged file is still the one that was verified.
func (m *Machine) unchanged(ctx context.Context, op string, f *stagedModel) (bool, error) {
	info, err := m.Stat(ctx, op, m.path("models", f.name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Size == f.size && info.ModTime.Equal(f.modTime), err
}

func (m *Machine) push(ctx context.Context, op, name string, file *model.File) (*stagedModel, error) {
	if err := m.makeRoom(ctx, op, file.Size); err != nil {
		return nil, err
	}
	m.left.Store(true)
	p := m.path("models", name)
	err := m.put(ctx, op, pushed{host: file.Path, path: p, size: file.Size, mode: 0o600})
	if err == nil {
		err = m.verify(ctx, op, p, *file)
	}
	var info transport.Info
	if err == nil {
		info, err = m.Stat(ctx, op, p)
	}
	if err != nil {
		m.cache.discard(name)
		return nil, err
	}
	m.traffic.models.Add(1)
	m.traffic.modelBytes.Add(file.Size)
	f := &stagedModel{name: name, size: file.Size, sha256: file.SHA256, modTime: info.ModTime}
	m.cache.put(f)
	return f, nil
}

// makeRoom removes models until size bytes fit both the budget and the disk.
func (m *Machine) makeRoom(ctx context.Context, op string, size int64) error {
	if size > m.o.Budget {
		return m.full(op, size, fmt.Sprintf("the budget for models there is %d bytes", m.o.Budget))
	}
	if !m.cache.room(size) {
		return m.full(op, size, fmt.Sprintf("the budget for models there is %d bytes, and others are in use", m.o.Budget))
	}
	for {
		free, err := m.tidy(ctx, op)
		if err != nil || free < 0 || free >= size {
			return err
		}
		if !m.cache.dropOldest() {
			return m.full(op, size, fmt.Sprintf("%d bytes are free there", free))
		}
	}
}

func (m *Machine) full(op string, size int64, why string) error {
	e := m.fail(op, devices.ReasonFull, fmt.Errorf("no room on %s for a file of %d bytes: %s", m.o.Name, size, why))
	e.Advice = adviceFull
	return e
}

// tidyScript removes the models $1, $2, ... and everything in their folder that is not a
// model, such as files of interrupted pushes. It prints the free space if df reports it.
const tidyScript = `mkdir -p models && cd models || exit 97
for f; do rm -rf "./$f" || exit 97; done
for f in * .[!.]* ..?*; do
	case $f in *.tflite | *.onnx | *.bin) continue ;; esac
	if [ -e "$f" ] || [ -L "$f" ]; then rm -rf "./$f" || exit 97; fi
done
df -Pk . 2>/dev/null || :
`

// tidy removes the files that are no longer in the cache. It returns the free bytes, or -1 if
// they are unknown.
func (m *Machine) tidy(ctx context.Context, op string) (free int64, err error) {
	names := m.cache.toRemove()
	list := batches(names, 1)
	if len(list) == 0 {
		list = [][]string{nil}
	}
	for _, batch := range list {
		out, err := m.inFolder(ctx, op, tidyScript, batch...)
		if err != nil {
			return 0, err
		}
		m.cache.removed(batch)
		m.traffic.removed.Add(int64(len(batch)))
		free = transport.ParseFree(out)
	}
	return free, nil
}

// pushed is a file of this host that is being pushed.
type pushed struct {
	host, path string
	size       int64
	mode       fs.FileMode
}

// slowest is the rate below which a push is given up, so that a very slow device cannot block
// the lab for ever. USB 1 and a phone's wireless network are faster.
const slowest = 128 << 10 // bytes/s

func patience(size int64) time.Duration {
	return shellTimeout + time.Duration(size/slowest)*time.Second
}

func (m *Machine) put(ctx context.Context, op string, p pushed) error {
	f, err := os.Open(p.host)
	if err != nil {
		return &devices.Error{Fault: devices.FaultLab, Op: op, Reason: "model-bytes", Err: err}
	}
	defer f.Close()
	start := time.Now()
	defer func() { m.traffic.nanos.Add(int64(time.Since(start))) }()
	err = m.bounded(ctx, patience(p.size), op, func(ctx context.Context) error {
		return m.t.Put(ctx, transport.File{Path: p.path, Content: f, Size: p.size, Mode: p.mode})
	})
	var known *devices.Error
	if errors.As(err, &known) && known.Reason == devices.ReasonFull && !strings.Contains(known.Error(), strconv.FormatInt(p.size, 10)) {
		// The transport knows that the disk is full, but not always how many bytes were
		// needed.
		return m.full(op, p.size, known.Err.Error())
	}
	return err
}

// sumScript makes a file, $1, private and hashes it. adbd gives group and others the owner's
// permissions, whatever mode it is asked for (send_impl in AOSP's file_sync_service.cpp). The
// file is redirected to the hash command, because the command would print its name with
// escapes.
const sumScript = `[ ! -L "$1" ] && [ -f "$1" ] || exit 96
chmod 600 "$1" || exit 97
sha256sum <"$1" || exit 96
`

// ReasonCorrupt means that a file did not arrive as it was sent (the device's fault).
const ReasonCorrupt = "corrupt"

// verify hashes a file on the machine, or reads it back if the machine has no hash command.
func (m *Machine) verify(ctx context.Context, op, path string, want model.File) error {
	var got string
	var err error
	if m.sums {
		var out string
		out, err = m.shellFor(ctx, patience(want.Size), op, sumScript, path)
		got, _, _ = strings.Cut(out, " ")
	} else {
		got, err = m.readBack(ctx, op, path, want.Size)
	}
	if err != nil {
		return err
	}
	if got != want.SHA256 {
		return m.fail(op, ReasonCorrupt, fmt.Errorf("%s on %s is not what was sent: its sha256 is %.64q instead of %s", path, m.o.Name, got, want.SHA256))
	}
	return nil
}

func (m *Machine) readBack(ctx context.Context, op, path string, size int64) (string, error) {
	hash := sha256.New()
	if err := m.get(ctx, op, path, hash, size); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func (m *Machine) get(ctx context.Context, op, path string, w io.Writer, limit int64) error {
	return m.bounded(ctx, patience(limit), op, func(ctx context.Context) error { return m.t.Get(ctx, path, w, limit) })
}
