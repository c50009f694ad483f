package model

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"latlab/fixtures"
	"latlab/internal/filemark"
	"latlab/internal/private"
	"latlab/internal/testenv"
	"latlab/sampler/tflite"
	"latlab/sampler/tflite/tflitetest"
)

// models are small networks, all different, kept in the cache.
func models(t testing.TB, c *Cache, n int) []*Model {
	t.Helper()
	cases, err := tflitetest.Cases()
	if err != nil {
		t.Fatal(err)
	}
	var ms []*Model
	for _, tc := range cases[:n] {
		m, err := New(tc.Graph, Form{Format: TFLite, Precision: Float32}, c)
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m)
	}
	return ms
}

func open(t testing.TB, m *Model) *File {
	t.Helper()
	f, err := m.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// checkFile compares a file with what the writer makes.
func checkFile(m *Model, f *File) error {
	got, err := os.ReadFile(f.Path)
	if err != nil {
		return err
	}
	want, err := tflitetest.Bytes(m.Graph, tflite.Options{})
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s: %d bytes differ from the %d written", m.Name, len(got), len(want))
	}
	if s := fmt.Sprintf("%x", sha256.Sum256(want)); f.SHA256 != s || f.Size != int64(len(want)) {
		return fmt.Errorf("%s: File says %s, %d", m.Name, f.SHA256, f.Size)
	}
	return nil
}

// kept lists which of the models have a file.
func kept(c *Cache, ms []*Model) []bool {
	has := make([]bool, len(ms))
	for i, m := range ms {
		_, err := os.Stat(c.path(m))
		has[i] = err == nil
	}
	return has
}

func size(t testing.TB, m *Model) int64 {
	t.Helper()
	n, err := m.Size()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func noTemporaryFiles(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), tmpSuffix) || strings.HasPrefix(f.Name(), ".") {
			t.Errorf("%s was left behind", f.Name())
		}
	}
}

func TestOpenWritesOnceAndServes(t *testing.T) {
	c := NewCache(filepath.Join(t.TempDir(), "a", "b"), 0)
	for _, m := range models(t, c, 5) {
		f := open(t, m)
		if err := checkFile(m, f); err != nil {
			t.Error(err)
		}
		first, err := os.Stat(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		f.Close() // a second Close does no harm
		again := open(t, m)
		second, err := os.Stat(again.Path)
		if err != nil {
			t.Fatal(err)
		}
		if !os.SameFile(first, second) {
			t.Errorf("%s was written twice", m.Name)
		}
		again.Close()
	}
	noTemporaryFiles(t, c.dir)
}

// TestEviction opens models in an order and says which are left at the end.
func TestEviction(t *testing.T) {
	for _, tc := range []struct {
		name   string
		limit  func(sizes []int64) int64
		opens  []int
		inUse  []int // these stay open
		remain []bool
	}{
		{"all fit", func(s []int64) int64 { return s[0] + s[1] + s[2] + s[3] }, []int{0, 1, 2, 3}, nil, []bool{true, true, true, true}},
		{"oldest out", func(s []int64) int64 { return s[0] + s[1] + s[2] + s[3] - 1 }, []int{0, 1, 2, 3}, nil, []bool{false, true, true, true}},
		{"used again", func(s []int64) int64 { return s[0] + s[1] + s[2] + s[3] - 1 }, []int{0, 1, 2, 0, 3}, nil, []bool{true, false, true, true}},
		{"in use", func(s []int64) int64 { return s[0] + s[1] + s[2] + s[3] - 1 }, []int{0, 1, 2, 3}, []int{0}, []bool{true, false, true, true}},
		{"all in use", func([]int64) int64 { return 1 }, []int{0, 1, 2, 3}, []int{0, 1, 2}, []bool{true, true, true, true}},
		{"room for none", func([]int64) int64 { return 1 }, []int{0, 1, 2, 3}, nil, []bool{false, false, false, true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			var sizes []int64
			for _, m := range models(t, nil, 4) {
				sizes = append(sizes, size(t, m))
			}
			c := NewCache(dir, tc.limit(sizes))
			ms := models(t, c, 4)
			held := map[int]bool{}
			for _, i := range tc.inUse {
				held[i] = true
			}
			for k, i := range tc.opens {
				c.now = func() time.Time { return time.Now().Add(time.Duration(k) * 2 * useStep) }
				f := open(t, ms[i])
				if err := checkFile(ms[i], f); err != nil {
					t.Error(err)
				}
				if held[i] {
					defer f.Close()
				} else {
					f.Close()
				}
			}
			if d := cmp.Diff(tc.remain, kept(c, ms)); d != "" {
				t.Errorf("models kept (-want +got):\n%s", d)
			}
		})
	}
}

// TestDiskLimitsTheCache: of what others leave on the disk, the cache takes half.
func TestDiskLimitsTheCache(t *testing.T) {
	c := NewCache(t.TempDir(), 0)
	ms := models(t, c, 4)
	var sizes int64
	for _, m := range ms {
		sizes += size(t, m)
	}
	disk := 2*sizes - 2
	c.free = func() (int64, error) {
		entries, err := c.entries()
		return disk - bytesOf(entries), err
	}
	for k, m := range ms {
		c.now = func() time.Time { return time.Now().Add(time.Duration(k) * 2 * useStep) }
		open(t, m).Close()
	}
	if d := cmp.Diff([]bool{false, true, true, true}, kept(c, ms)); d != "" {
		t.Errorf("models kept (-want +got):\n%s", d)
	}
	if got, want := c.Limit(), sizes-1; got != want {
		t.Errorf("limit %d, want %d", got, want)
	}
	c.free = func() (int64, error) { return 0, ErrFreeUnknown }
	if got := c.Limit(); got != DefaultLimit {
		t.Errorf("limit %d of an unknown disk, want %d", got, DefaultLimit)
	}
}

// TestForeignFilesStay: the folder may hold models of the user's own.
func TestForeignFilesStay(t *testing.T) {
	c := NewCache(t.TempDir(), 1)
	mine := []string{"best.tflite", "notes.tmp", "best.json", strings.Repeat("a", 64) + ".tflite.bak"}
	for _, name := range mine {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range models(t, c, 3) {
		open(t, m).Close()
	}
	for _, name := range mine {
		if _, err := os.Stat(filepath.Join(c.dir, name)); err != nil {
			t.Errorf("the cache removed %s", name)
		}
	}
}

func TestDamagedFilesAreWrittenAgain(t *testing.T) {
	for _, tc := range []struct {
		name   string
		damage func(c *Cache, m *Model) error
	}{
		{"truncated", func(c *Cache, m *Model) error { return os.Truncate(c.path(m), 1000) }},
		{"empty", func(c *Cache, m *Model) error { return os.Truncate(c.path(m), 0) }},
		{"longer", func(c *Cache, m *Model) error { return os.Truncate(c.path(m), 1<<20) }},
		{"one bit", func(c *Cache, m *Model) error {
			data, err := os.ReadFile(c.path(m))
			if err != nil {
				return err
			}
			data[len(data)-5] ^= 1
			return os.WriteFile(c.path(m), data, 0o600)
		}},
		{"a link", func(c *Cache, m *Model) error {
			return errors.Join(os.Rename(c.path(m), c.path(m)+".moved"), os.Symlink(c.path(m)+".moved", c.path(m)))
		}},
		{"a hard link", func(c *Cache, m *Model) error { return os.Link(c.path(m), c.path(m)+".other") }},
		{"a pipe", func(c *Cache, m *Model) error {
			return errors.Join(os.Remove(c.path(m)), unix.Mkfifo(c.path(m), 0o600))
		}},
		{"model gone", func(c *Cache, m *Model) error { return os.Remove(c.path(m)) }},
		{"stale temporary files", func(c *Cache, m *Model) error {
			return errors.Join(os.Remove(c.path(m)), os.WriteFile(c.path(m)+tmpSuffix, []byte("half"), 0o600))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := NewCache(t.TempDir(), 0)
			m := models(t, c, 1)[0]
			open(t, m).Close()
			if err := tc.damage(c, m); err != nil {
				t.Fatal(err)
			}
			for _, c := range []*Cache{c, NewCache(c.dir, 0)} { // this process's, and another's
				f := open(t, models(t, c, 1)[0])
				if err := checkFile(m, f); err != nil {
					t.Error(err)
				}
				f.Close()
			}
			noTemporaryFiles(t, c.dir)
		})
	}
}

// TestUnchangedFilesAreHashedOnce: a file is hashed until its mark is old enough to prove something, and again
// once it changed, even if somebody puts its time of modification back.
func TestUnchangedFilesAreHashedOnce(t *testing.T) {
	c := NewCache(t.TempDir(), 0)
	c.exact = func() bool { return false }
	m := models(t, c, 1)[0]
	open(t, m).Close()
	name := filepath.Base(c.path(m))
	before := markOf(c.path(m))
	if open(t, m).Close(); len(c.compared) > 0 {
		t.Error("a file was believed that may have been written again within the step of its times")
	}
	if markOf(c.path(m)) != before {
		t.Error("the time of use was set within seconds: a file in use all the time would be hashed for every block")
	}
	c.now = func() time.Time { return time.Now().Add(time.Minute) }
	if open(t, m).Close(); len(c.compared) != 1 {
		t.Fatal("the mark of an old file is not kept")
	}
	right := c.sums[name]
	c.sums[name] = written{SHA256: "no hash is this", Bytes: right.Bytes}
	if f := open(t, m); f.SHA256 != "no hash is this" {
		t.Error("the file was hashed again")
	} else {
		f.Close()
	}
	c.sums[name] = right
	info, err := os.Stat(c.path(m))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(c.path(m))
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-5] ^= 1
	was := c.compared[name]
	for c.compared[name] == was { // until the clock's next tick
		if err := errors.Join(os.WriteFile(c.path(m), data, 0o600), os.Chtimes(c.path(m), info.ModTime(), info.ModTime())); err != nil {
			t.Fatal(err)
		}
		if mark, err := filemark.Of(c.path(m)); err != nil || mark != was {
			break
		}
	}
	f := open(t, m)
	defer f.Close()
	if err := checkFile(m, f); err != nil {
		t.Error(err)
	}
}

// TestWrittenFilesAreNotHashed: where marks are exact, what was hashed while it was written is known.
func TestWrittenFilesAreNotHashed(t *testing.T) {
	c := NewCache(t.TempDir(), 0)
	c.exact = func() bool { return true }
	m := models(t, c, 1)[0]
	open(t, m).Close()
	name := filepath.Base(c.path(m))
	if mark, ok := c.compared[name]; !ok || mark != markOf(c.path(m)) {
		t.Errorf("%v is kept of a file of mark %v", mark, markOf(c.path(m)))
	}
}

// TestUserFilesAreHashedOnce: FromFile hashes a file, and the first Open does not do it again.
func TestUserFilesAreHashedOnce(t *testing.T) {
	path := filepath.Join("..", "onnx", "testdata", "fixed.onnx")
	if markOf(path).Recent(time.Now()) {
		t.Skip("the file was checked out within the last seconds")
	}
	m, err := FromFile(path, Call{})
	if err != nil {
		t.Fatal(err)
	}
	u := m.source.(userFile)
	if known := u.hashed.Load(); known == nil || *known != markOf(path) {
		t.Errorf("%v is kept of a file of mark %v", known, markOf(path))
	}
}

// TestPlantedFile: a file of another network, with a sum that fits it, is not served to a process that has
// not written the model itself.
func TestPlantedFile(t *testing.T) {
	c := NewCache(t.TempDir(), 0)
	ms := models(t, c, 2)
	planted := open(t, ms[1])
	data, err := os.ReadFile(planted.Path)
	if err != nil {
		t.Fatal(err)
	}
	sums := fmt.Sprintf(`{"sha256":%q,"bytes":%d}`, planted.SHA256, planted.Size)
	path := c.path(ms[0])
	if err := errors.Join(os.WriteFile(path, data, 0o600), os.WriteFile(strings.TrimSuffix(path, ".tflite")+sumSuffix, []byte(sums), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := checkFile(ms[0], open(t, models(t, NewCache(c.dir, 0), 1)[0])); err != nil {
		t.Error(err)
	}
}

// TestFolderOfOthers: what others can write to is not used.
func TestFolderOfOthers(t *testing.T) {
	dirs := map[string]string{}
	for _, mode := range []uint32{0o777, 0o770, 0o1777} {
		dir := t.TempDir()
		if err := unix.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		dirs[dir] = "can be written by other users"
	}
	if os.Getuid() == 0 {
		dir := t.TempDir()
		if err := os.Chown(dir, 54321, 54321); err != nil {
			t.Fatal(err)
		}
		dirs[dir] = "belongs to user 54321"
	}
	for dir, want := range dirs {
		_, err := models(t, NewCache(dir, 0), 1)[0].Open(context.Background())
		var disk *DiskError
		if !errors.As(err, &disk) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--cache-dir") {
			t.Errorf("%v", err)
		}
		if _, err := CheckCacheDir(dir); err == nil {
			t.Errorf("doctor: %s is used", dir)
		}
	}
}

// TestPipeAsLock: the lock of the folder must not wait for a pipe, nor change a file that it links to.
func TestPipeAsLock(t *testing.T) {
	c := NewCache(t.TempDir(), 0)
	lock, victim := filepath.Join(c.dir, lockName), filepath.Join(c.dir, "victim")
	for _, plant := range []func() error{
		func() error { return unix.Mkfifo(lock, 0o600) },
		func() error { return os.Symlink(victim, lock) },
	} {
		if err := plant(); err != nil {
			t.Fatal(err)
		}
		if _, err := models(t, c, 1)[0].Open(context.Background()); !errors.Is(err, private.ErrForeign) {
			t.Errorf("%v", err)
		}
		if err := os.Remove(lock); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(victim); err == nil {
		t.Error("the lock was made elsewhere")
	}
}

// TestEvictsPipes: an eviction does not wait for a pipe with a model's name.
func TestEvictsPipes(t *testing.T) {
	c := NewCache(t.TempDir(), 1)
	ms := models(t, c, 2)
	if err := unix.Mkfifo(c.path(ms[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, ms[0]).Close()
}

// filling is a file on a disk with little room.
type filling struct {
	io.WriteCloser
	room *int
	err  error
}

func (f filling) Write(p []byte) (int, error) {
	if *f.room -= len(p); *f.room < 0 {
		return 0, &os.PathError{Op: "write", Path: "some.tmp", Err: f.err}
	}
	return f.WriteCloser.Write(p)
}

func TestFullDisk(t *testing.T) {
	total := int(size(t, models(t, nil, 1)[0]))
	for _, tc := range []struct {
		room int
		err  error
	}{
		{0, syscall.ENOSPC}, {total / 2, syscall.ENOSPC}, {total - 1, syscall.ENOSPC}, {total / 2, syscall.EDQUOT},
	} {
		c := NewCache(t.TempDir(), 0)
		create, room := c.create, tc.room
		c.create = func(path string) (io.WriteCloser, error) {
			w, err := create(path)
			return filling{w, &room, tc.err}, err
		}
		m := models(t, c, 1)[0]
		_, err := m.Open(context.Background())
		var disk *DiskError
		if !errors.As(err, &disk) || !disk.Full() || !errors.Is(err, tc.err) {
			t.Fatalf("room for %d: %v", tc.room, err)
		}
		if s := err.Error(); !strings.Contains(s, "the disk is full") || !strings.Contains(s, c.dir) || strings.Contains(s, "\n") {
			t.Errorf("room for %d: message %q", tc.room, s)
		}
		noTemporaryFiles(t, c.dir)
		if got := kept(c, []*Model{m}); got[0] {
			t.Errorf("room for %d: the model is there", tc.room)
		}
		c.create = create
		open(t, m).Close() // with room again, all is well
	}
}

func TestFolderThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		m := models(t, NewCache(dir, 0), 1)[0]
		_, err := m.Open(context.Background())
		var disk *DiskError
		if !errors.As(err, &disk) || disk.Full() || strings.Contains(err.Error(), "\n") {
			t.Errorf("cache in %s: %v", dir, err)
		}
		if _, err := m.WriteFile(context.Background(), dir); !errors.As(err, &disk) {
			t.Errorf("WriteFile to %s: %v", dir, err)
		}
	}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{syscall.EROFS, "cannot write models to /x: the file system is read-only: choose another folder"},
		{syscall.EACCES, "cannot write models to /x: permission denied: choose another folder"},
		{syscall.ENOSPC, "cannot write models to /x: the disk is full: free some space or choose another folder"},
	} {
		if got := diskError("/x", &os.PathError{Op: "open", Path: "/x/y", Err: tc.err}).Error(); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

// TestReadOnlyFolderServes: cached models can be used without write permission.
func TestReadOnlyFolderServes(t *testing.T) {
	testenv.OrdinaryUser(t, "root writes everywhere")
	c := NewCache(t.TempDir(), 0)
	ms := models(t, c, 2)
	open(t, ms[0]).Close()
	if err := os.Chmod(c.dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(c.dir, 0o700) })
	open(t, ms[0]).Close()
	if _, err := ms[1].Open(context.Background()); !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v, want permission denied", err)
	}
}

func TestOpenStopsWithItsContext(t *testing.T) {
	c := NewCache(t.TempDir(), 0)
	unlock, err := c.exclusive(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	m := models(t, c, 1)[0]
	if _, err := m.Open(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for the lock: %v", err)
	}
	unlock()
	if _, err := m.Open(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the end: %v", err)
	}
	open(t, m).Close()
}

func TestConcurrentOpens(t *testing.T) {
	var sizes int64
	for _, m := range models(t, nil, 6) {
		sizes += size(t, m)
	}
	c := NewCache(t.TempDir(), sizes/3)
	ms := models(t, c, 6)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 12 {
				m := ms[(i*(g+1)+g)%len(ms)]
				f, err := m.Open(context.Background())
				if err == nil {
					err = checkFile(m, f)
				}
				if err != nil {
					t.Error(err)
				}
				f.Close()
			}
		})
	}
	wg.Wait()
	noTemporaryFiles(t, c.dir)
}

func mobileDet(b *testing.B, c *Cache) *Model {
	b.Helper()
	fixture, err := fixtures.Get("mobiledet_cpu")
	if err != nil {
		b.Fatal(err)
	}
	g, err := fixture.Graph()
	if err != nil {
		b.Fatal(err)
	}
	m, err := New(g, Form{Format: TFLite, Precision: Float32}, c)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// BenchmarkFirstHit is what the first block of a MobileDet costs in a process that has not written it:
// the sha256 of the file, and of what would be written.
func BenchmarkFirstHit(b *testing.B) {
	dir := b.TempDir()
	m := mobileDet(b, NewCache(dir, 0))
	open(b, m).Close()
	for b.Loop() {
		open(b, mobileDet(b, NewCache(dir, 0))).Close()
	}
}

// BenchmarkMiss is what writing it costs.
func BenchmarkMiss(b *testing.B) {
	m := mobileDet(b, NewCache(b.TempDir(), 0))
	for b.Loop() {
		f := open(b, m)
		f.Close()
		_ = os.Remove(f.Path)
	}
}

// BenchmarkHit is what a block of a MobileDet costs before its process starts: when the file has to be
// hashed, and when its mark is known.
func BenchmarkHit(b *testing.B) {
	for name, later := range map[string]time.Duration{"hashed": 0, "known": time.Minute} {
		b.Run(name, func(b *testing.B) {
			c := NewCache(b.TempDir(), 0)
			c.exact = func() bool { return false }
			m := mobileDet(b, c)
			c.now = func() time.Time { return time.Now().Add(later) }
			open(b, m).Close()
			for b.Loop() {
				open(b, m).Close()
			}
		})
	}
}
