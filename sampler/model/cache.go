package model

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"latlab/internal/filemark"
	"latlab/internal/private"
)

// DefaultLimit is the default size of a cache in bytes: 50 networks of a MobileDet space in float32, of up to 160 MB each,
// are timed in turn and should all be in it.
const DefaultLimit int64 = 8 << 30

// Cache keeps written models in a folder that any number of processes of one user share. A model is
// IDENTITY.tflite. The folder must be the user's own (internal/private); links, pipes and other users' files
// in it are replaced, never opened.
//
// Open compares the file's sha256 with that of what this process would write, which it knows from
// writing the model, here or into a hash. It does so until the file's mark proves (internal/filemark) that it
// is the file whose sha256 is known: a block of a MobileDet in float32 would hash 20 to 120 MB. Where marks
// are exact, a file that this process wrote is never read for it. A checksum beside the file, as older versions kept
// (IDENTITY.json), was rejected: whoever can change one can change the other. The first Open of a model in
// a process therefore takes as long as writing it without the disk: for a MobileDet 0.1 s in float32, see
// BenchmarkFirstHit. Writing the file again each time was rejected too: it would need the lock and replace
// files that other processes have open.
//
// An open file has a shared lock and is not evicted. A process that writes or evicts holds the lock
// on the file "lock", so a temporary file found under that lock belongs to a writer that was killed.
// The time of modification is the time of last use, to useStep.
type Cache struct {
	dir   string
	limit int64

	mu   sync.Mutex
	sums map[string]written // by file name: what this process wrote, or would write
	// compared are the marks of files whose sha256 was compared, or computed while they were written, by file name.
	compared map[string]filemark.Mark

	// create opens a temporary file for writing; tests replace it to simulate a full disk.
	create func(path string) (io.WriteCloser, error)
	now    func() time.Time
	exact  func() bool           // filemark.Exact
	free   func() (int64, error) // bytes on the folder's disk
}

// useStep is how old the time of a file's last use may be: setting it changes the file's mark, so that the
// file has to be hashed again.
const useStep = 10 * time.Minute

const (
	lockName  = "lock"
	tmpSuffix = ".tmp"
	sumSuffix = ".json" // of older versions; removed with their models
)

// NewCache returns a cache in a folder, which is created on the first write. It keeps at most limit
// bytes of models (DefaultLimit if limit is not positive). The newest model and all open ones are
// kept even if they exceed the limit.
func NewCache(dir string, limit int64) *Cache {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Cache{dir: dir, limit: limit, sums: map[string]written{}, compared: map[string]filemark.Mark{}, now: time.Now, exact: sync.OnceValue(func() bool { return filemark.Exact(dir) }), free: func() (int64, error) { return freeBytes(dir) }, create: func(path string) (io.WriteCloser, error) {
		return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}}
}

// Limit is how many bytes of models the cache may hold: the limit, but no more than half of what its disk has left for
// models, those that it holds included.
func (c *Cache) Limit() int64 {
	free, err := c.free()
	if err != nil {
		return c.limit // there is no folder yet, or its file system does not say
	}
	entries, _ := c.entries()
	return min(c.limit, (bytesOf(entries)+free)/2)
}

func bytesOf(entries []entry) (total int64) {
	for _, e := range entries {
		total += e.size
	}
	return total
}

func (c *Cache) open(ctx context.Context, m *Model) (*File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.private(); err != nil {
		return nil, err
	}
	if f, err := c.lookup(ctx, m); f != nil || err != nil {
		return f, err
	}
	f, err := c.write(ctx, m)
	if err != nil {
		return nil, diskError(c.dir, err)
	}
	return f, nil
}

// private makes the folder and checks that it is the user's own.
func (c *Cache) private() error {
	err := private.Folder(c.dir)
	if refused, ok := errors.AsType[*private.FolderError](err); ok {
		return &DiskError{Dir: c.dir, Err: fmt.Errorf("%w; --cache-dir names another folder", refused)}
	}
	return diskError(c.dir, err)
}

func (c *Cache) path(m *Model) string {
	return filepath.Join(c.dir, m.Identity+"."+string(m.Format))
}

// expected is what writing the model gives.
func (c *Cache) expected(ctx context.Context, m *Model) (written, error) {
	name := filepath.Base(c.path(m))
	c.mu.Lock()
	known, ok := c.sums[name]
	c.mu.Unlock()
	if ok {
		return known, nil
	}
	w, err := m.write(ctx, io.Discard)
	if err == nil {
		c.learn(m, w)
	}
	return w, err
}

func (c *Cache) learn(m *Model, w written) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sums[filepath.Base(c.path(m))] = written{SHA256: w.SHA256, Bytes: w.Bytes}
}

// lookup returns the model's file with a shared lock, or nil if it is missing or differs from what latlab
// writes.
func (c *Cache) lookup(ctx context.Context, m *Model) (*File, error) {
	f, err := private.Open(c.path(m), os.O_RDONLY, 0)
	if err != nil {
		return nil, nil //nolint:nilerr // it is written again
	}
	if !c.hold(f, m) {
		_ = f.Close()
		return nil, nil
	}
	want, err := c.expected(ctx, m)
	if err != nil || !c.same(f, want) {
		_ = f.Close()
		return nil, err
	}
	return c.file(f, want), nil
}

// hold takes the shared lock. It does not wait: an exclusive lock means that the file is being evicted.
func (c *Cache) hold(f *os.File, m *Model) bool {
	ok, err := tryLock(f, unix.LOCK_SH)
	return err == nil && ok && current(f, c.path(m))
}

func (c *Cache) file(f *os.File, w written) *File {
	return &File{Path: f.Name(), SHA256: w.SHA256, Size: w.Bytes, close: func() { _ = f.Close() }}
}

// same reports whether an open file has the bytes that are expected, and notes that it is used.
func (c *Cache) same(f *os.File, want written) bool {
	mark, err := filemark.OfOpen(f.Fd())
	if err != nil {
		return false
	}
	name, now := filepath.Base(f.Name()), c.now()
	c.mu.Lock()
	known, ok := c.compared[name]
	c.mu.Unlock()
	if (!ok || known != mark) && !hasBytes(f, want) {
		return false
	}
	// Blocks that follow each other within seconds do not set the time: each would make the mark recent again.
	if age := now.Sub(mark.Modified()); age < 0 || age > useStep {
		_ = os.Chtimes(f.Name(), now, now) // fails in a read-only folder, where nothing is evicted
		return true
	}
	// A file that was changed while it was hashed has another mark by now.
	if after, err := filemark.OfOpen(f.Fd()); err == nil && after == mark {
		c.believe(name, mark)
	}
	return true
}

// believe keeps the mark of a file whose bytes are known, if it proves anything.
func (c *Cache) believe(name string, mark filemark.Mark) {
	if mark.Recent(c.now()) && !c.exact() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.compared[name] = mark
}

func hasBytes(f *os.File, want written) bool {
	if info, err := f.Stat(); err != nil || info.Size() != want.Bytes {
		return false
	}
	hash := sha256.New()
	_, err := io.Copy(hash, f)
	return err == nil && hex.EncodeToString(hash.Sum(nil)) == want.SHA256
}

// write writes the model's file, unless another process was faster.
func (c *Cache) write(ctx context.Context, m *Model) (*File, error) {
	size, err := m.Size()
	if err != nil {
		return nil, err
	}
	unlock, err := c.exclusive(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if f, err := c.lookup(ctx, m); f != nil || err != nil {
		return f, err
	}
	if err := c.makeRoom(m, size); err != nil {
		return nil, err
	}
	return c.put(ctx, m)
}

// exclusive takes the right to change the folder, and cleans up after killed writers.
func (c *Cache) exclusive(ctx context.Context) (unlock func(), err error) {
	f, err := private.Open(filepath.Join(c.dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(ctx, f, unix.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, err
	}
	if err := c.clean(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}

// clean removes temporary files of killed writers.
func (c *Cache) clean() error {
	files, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if base, found := strings.CutSuffix(f.Name(), tmpSuffix); found && ours(base) {
			_ = os.Remove(filepath.Join(c.dir, f.Name()))
		}
	}
	return nil
}

// ours reports whether a file name is the cache's own. A user's own models in the folder are never
// touched.
func ours(name string) bool {
	ext := filepath.Ext(name)
	id, err := hex.DecodeString(strings.TrimSuffix(name, ext))
	return err == nil && len(id) == sha256.Size && (ext == "."+string(TFLite) || ext == "."+string(ONNX) || ext == sumSuffix)
}

// put writes the file and renames it into place. The caller holds the lock.
func (c *Cache) put(ctx context.Context, m *Model) (f *File, err error) {
	path := c.path(m)
	tmp := path + tmpSuffix
	defer func() {
		if err != nil {
			_ = os.Remove(tmp)
		}
	}()
	w, err := c.create(tmp)
	if err != nil {
		return nil, err
	}
	res, err := m.writeAndClose(ctx, w)
	if err != nil {
		return nil, err
	}
	held, err := private.Open(tmp, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	if _, err = tryLock(held, unix.LOCK_SH); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = held.Close()
		return nil, err
	}
	c.learn(m, res)
	if mark, err := filemark.OfOpen(held.Fd()); err == nil {
		c.believe(filepath.Base(path), mark)
	}
	return &File{Path: path, SHA256: res.SHA256, Size: res.Bytes, close: func() { _ = held.Close() }}, nil
}

// entry is a model in the folder.
type entry struct {
	path string
	size int64
	used time.Time
}

// makeRoom evicts the least recently used models until so many more bytes fit. Open files stay, so the
// cache may exceed its limit meanwhile. The caller holds the lock.
func (c *Cache) makeRoom(m *Model, bytes int64) error {
	entries, err := c.entries()
	if err != nil {
		return err
	}
	total, limit := bytes+bytesOf(entries), c.Limit()
	for _, e := range entries {
		if total <= limit {
			return nil
		}
		if e.path == c.path(m) || c.evict(e.path) {
			// The model itself is present only if it is damaged: put replaces it.
			total -= e.size
		}
	}
	return nil
}

// entries lists the models, the least recently used first.
func (c *Cache) entries() ([]entry, error) {
	files, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, err
	}
	var es []entry
	for _, f := range files {
		if !ours(f.Name()) || filepath.Ext(f.Name()) == sumSuffix {
			continue
		}
		info, err := f.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		es = append(es, entry{filepath.Join(c.dir, f.Name()), info.Size(), info.ModTime()})
	}
	slices.SortFunc(es, func(a, b entry) int {
		return cmp.Or(a.used.Compare(b.used), strings.Compare(a.path, b.path))
	})
	return es, nil
}

// evict removes a model unless it is open. Links, pipes and files of other users are removed as they are.
func (c *Cache) evict(path string) bool {
	f, err := private.Open(path, os.O_RDONLY, 0)
	switch {
	case errors.Is(err, private.ErrForeign):
		return os.Remove(path) == nil
	case err != nil:
		return errors.Is(err, fs.ErrNotExist)
	}
	defer func() { _ = f.Close() }()
	if ok, err := tryLock(f, unix.LOCK_EX); err != nil || !ok {
		return false
	}
	if os.Remove(path) != nil {
		return false
	}
	_ = os.Remove(strings.TrimSuffix(path, filepath.Ext(path)) + sumSuffix)
	return true
}
