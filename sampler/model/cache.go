package model

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultLimit is the default size of a cache in bytes.
const DefaultLimit int64 = 2 << 30

// Cache keeps written models in a folder that any number of processes share. A model is
// IDENTITY.tflite; IDENTITY.json beside it has the sha256 and size, which every Open checks.
//
// An open file has a shared lock and is not evicted. A process that writes or evicts holds the lock
// on the file "lock", so a temporary file found under that lock belongs to a writer that was killed.
// The time of modification is the time of last use.
type Cache struct {
	dir   string
	limit int64
	// create opens a temporary file for writing; tests replace it to simulate a full disk.
	create func(path string) (io.WriteCloser, error)
}

const (
	lockName  = "lock"
	tmpSuffix = ".tmp"
	sumSuffix = ".json"
)

// NewCache returns a cache in a folder, which is created on the first write. It keeps at most limit
// bytes of models (DefaultLimit if limit is not positive). The newest model and all open ones are
// kept even if they exceed the limit.
func NewCache(dir string, limit int64) *Cache {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Cache{dir: dir, limit: limit, create: func(path string) (io.WriteCloser, error) {
		return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	}}
}

// Limit is the size limit in bytes.
func (c *Cache) Limit() int64 { return c.limit }

func (c *Cache) open(ctx context.Context, m *Model) (*File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f := c.lookup(m); f != nil {
		return f, nil
	}
	f, err := c.write(ctx, m)
	if err != nil {
		return nil, diskError(c.dir, err)
	}
	return f, nil
}

func (c *Cache) path(m *Model) string {
	return filepath.Join(c.dir, m.Identity+"."+string(m.Format))
}

func (c *Cache) sumPath(m *Model) string {
	return filepath.Join(c.dir, m.Identity+sumSuffix)
}

// sum is the expected checksum and size of a file.
type sum struct {
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// lookup returns the model's file with a shared lock, or nil if it is missing or damaged.
func (c *Cache) lookup(m *Model) *File {
	f, err := os.Open(c.path(m))
	if err != nil {
		return nil
	}
	if !c.hold(f, m) {
		_ = f.Close()
		return nil
	}
	s, err := c.verify(f, m)
	if err != nil {
		_ = f.Close()
		return nil
	}
	now := time.Now()
	_ = os.Chtimes(f.Name(), now, now) // fails in a read-only folder, where nothing is evicted
	return c.file(f, s)
}

// hold takes the shared lock. It does not wait: an exclusive lock means that the file is being evicted.
func (c *Cache) hold(f *os.File, m *Model) bool {
	ok, err := tryLock(f, unix.LOCK_SH)
	return err == nil && ok && current(f, c.path(m))
}

func (c *Cache) file(f *os.File, s sum) *File {
	return &File{Path: f.Name(), SHA256: s.SHA256, Size: s.Bytes, close: func() { _ = f.Close() }}
}

var errCorrupt = errors.New("the file differs from what was written")

func (c *Cache) verify(f *os.File, m *Model) (sum, error) {
	var want sum
	text, err := os.ReadFile(c.sumPath(m))
	if err != nil {
		return sum{}, err
	}
	if err := json.Unmarshal(text, &want); err != nil {
		return sum{}, err
	}
	hash := sha256.New()
	n, err := io.Copy(hash, f)
	if err != nil {
		return sum{}, err
	}
	if n != want.Bytes || hex.EncodeToString(hash.Sum(nil)) != want.SHA256 {
		return sum{}, errCorrupt
	}
	return want, nil
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
	if f := c.lookup(m); f != nil {
		return f, nil
	}
	if err := c.makeRoom(m, size); err != nil {
		return nil, err
	}
	return c.put(ctx, m)
}

// exclusive takes the right to change the folder, and cleans up after killed writers.
func (c *Cache) exclusive(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(c.dir, 0o777); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(c.dir, lockName), os.O_RDWR|os.O_CREATE, 0o666)
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

// put writes the file and its sum and renames them into place, the sum first: a model without a sum
// would be written again. The caller holds the lock.
func (c *Cache) put(ctx context.Context, m *Model) (f *File, err error) {
	path := c.path(m)
	tmp, tmpSum := path+tmpSuffix, c.sumPath(m)+tmpSuffix
	defer func() {
		if err != nil {
			_ = os.Remove(tmp)
			_ = os.Remove(tmpSum)
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
	s := sum{SHA256: res.SHA256, Bytes: res.Bytes}
	if err := c.putSum(tmpSum, s); err != nil {
		return nil, err
	}
	held, err := os.Open(tmp)
	if err != nil {
		return nil, err
	}
	if _, err = tryLock(held, unix.LOCK_SH); err == nil {
		err = errors.Join(os.Rename(tmpSum, c.sumPath(m)), os.Rename(tmp, path))
	}
	if err != nil {
		_ = held.Close()
		return nil, err
	}
	return &File{Path: path, SHA256: s.SHA256, Size: s.Bytes, close: func() { _ = held.Close() }}, nil
}

func (c *Cache) putSum(path string, s sum) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	w, err := c.create(path)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return errors.Join(err, w.Close())
}

// entry is a model in the folder.
type entry struct {
	path string
	size int64
	used time.Time
}

// makeRoom evicts the least recently used models until size more bytes fit. Open files stay, so the
// cache may exceed its limit meanwhile. The caller holds the lock.
func (c *Cache) makeRoom(m *Model, size int64) error {
	entries, err := c.entries()
	if err != nil {
		return err
	}
	total := size
	for _, e := range entries {
		total += e.size
	}
	for _, e := range entries {
		if total <= c.limit {
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

// evict removes a model unless it is open.
func (c *Cache) evict(path string) bool {
	f, err := os.Open(path)
	if err != nil {
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
