package model

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// The test binary starts itself as the other processes that share a cache: these variables
// say what to be.
const (
	roleVar  = "LATLAB_TEST_ROLE"
	dirVar   = "LATLAB_TEST_DIR"
	limitVar = "LATLAB_TEST_LIMIT"
	seedVar  = "LATLAB_TEST_SEED"
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "":
		os.Exit(m.Run())
	case "user":
		os.Exit(report(useCache()))
	case "stuck":
		os.Exit(report(stickInWrite()))
	case "holder":
		os.Exit(report(holdFirst()))
	}
	os.Exit(2)
}

func report(err error) int {
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func childCache() (*Cache, []*Model) {
	limit, _ := strconv.ParseInt(os.Getenv(limitVar), 10, 64)
	c := NewCache(os.Getenv(dirVar), limit)
	return c, models(fatal{}, c, 8)
}

// fatal stands in for a test in a child process, where there is none.
type fatal struct{ testing.TB }

func (fatal) Helper()           {}
func (fatal) Fatal(args ...any) { fmt.Println(args...); os.Exit(1) }

// useCache opens models in random order and checks their bytes while it holds them.
func useCache() error {
	seed, _ := strconv.ParseUint(os.Getenv(seedVar), 10, 64)
	_, ms := childCache()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 60 {
		m := ms[r.IntN(len(ms))]
		f, err := m.Open(context.Background())
		if err != nil {
			return err
		}
		if err := checkFile(m, f); err != nil {
			return err
		}
		f.Close()
	}
	return nil
}

// stuckFile says so in the middle of a write, and never comes back.
type stuckFile struct {
	io.WriteCloser
}

func (s stuckFile) Write(p []byte) (int, error) {
	n, err := s.WriteCloser.Write(p[:len(p)/2])
	fmt.Println("writing", n, err)
	select {}
}

func stickInWrite() error {
	c, ms := childCache()
	create := c.create
	c.create = func(path string) (io.WriteCloser, error) {
		w, err := create(path)
		return stuckFile{w}, err
	}
	// Another goroutine keeps the runtime from calling it a deadlock.
	go func() { _, _ = io.Copy(io.Discard, os.Stdin) }()
	_, err := ms[0].Open(context.Background())
	return err
}

// holdFirst keeps model 0 open until stdin closes.
func holdFirst() error {
	_, ms := childCache()
	f, err := ms[0].Open(context.Background())
	if err != nil {
		return err
	}
	fmt.Println("holding")
	_, err = io.Copy(io.Discard, os.Stdin)
	f.Close()
	return err
}

func child(t *testing.T, role, dir string, limit int64, seed int) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), roleVar+"="+role, dirVar+"="+dir,
		limitVar+"="+strconv.FormatInt(limit, 10), seedVar+"="+strconv.Itoa(seed))
	return cmd
}

// TestProcessesShareACache lets processes evict what others want all the time.
func TestProcessesShareACache(t *testing.T) {
	dir := t.TempDir()
	var sizes int64
	for _, m := range models(t, nil, 8) {
		sizes += size(t, m)
	}
	errs := make(chan error)
	const processes = 5
	for i := range processes {
		cmd := child(t, "user", dir, sizes/3, i)
		go func() {
			out, err := cmd.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			errs <- err
		}()
	}
	for range processes {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	noTemporaryFiles(t, dir)
	// The last writer had to leave what others were using; the next one need not.
	c := NewCache(dir, sizes/3)
	ms := models(t, c, 8)
	for _, m := range ms {
		open(t, m).Close()
	}
	var left int64
	for i, has := range kept(c, ms) {
		if has {
			left += size(t, ms[i])
		}
	}
	if left > sizes/3 {
		t.Errorf("%d bytes are kept, the limit is %d", left, sizes/3)
	}
}

// started starts a child and waits for its first line.
func started(t *testing.T, cmd *exec.Cmd) (stdin io.Closer) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the child said %q: %v", line, err)
	}
	return in
}

// TestKilledWriter kills a process in the middle of a write.
func TestKilledWriter(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, "stuck", dir, 0, 0)
	started(t, cmd)
	c := NewCache(dir, 0)
	m := models(t, c, 1)[0]
	if _, err := os.Stat(c.path(m) + tmpSuffix); err != nil {
		t.Fatalf("the child is not in the middle of a write: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	f := open(t, m)
	defer f.Close()
	if err := checkFile(m, f); err != nil {
		t.Error(err)
	}
	noTemporaryFiles(t, dir)
}

// TestFilesOfOtherProcessesStay: a file that another process has open is not evicted until that process ends,
// even if it is killed.
func TestFilesOfOtherProcessesStay(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, "holder", dir, 1, 0)
	started(t, cmd)
	c := NewCache(dir, 1)
	ms := models(t, c, 3)
	open(t, ms[1]).Close()
	if !kept(c, ms)[0] {
		t.Error("a file in use was evicted")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	open(t, ms[2]).Close()
	if kept(c, ms)[0] {
		t.Error("a file that nobody uses any more was kept beyond the limit")
	}
}
