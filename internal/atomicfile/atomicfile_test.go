package atomicfile_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"latlab/internal/atomicfile"
)

func says(text string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
}

func check(t *testing.T, path, want string, mode fs.FileMode, files int) {
	t.Helper()
	text, err := os.ReadFile(path)
	info, statErr := os.Stat(path)
	if err := errors.Join(err, statErr); err != nil {
		t.Fatal(err)
	}
	if string(text) != want || info.Mode().Perm() != mode {
		t.Errorf("%s has %q and %v, want %q and %v", path, text, info.Mode(), want, mode)
	}
	if all, _ := os.ReadDir(filepath.Dir(path)); len(all) != files {
		t.Errorf("the folder has %v, want %d files", all, files)
	}
}

// A write that fails must leave the old file and nothing else.
func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cost.json")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("disk is full")
	err := atomicfile.Write(path, func(w io.Writer) error {
		_, _ = io.WriteString(w, "half")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want the writer's", err)
	}
	check(t, path, "old", 0o600, 1)
	func() {
		defer func() { _ = recover() }()
		_ = atomicfile.Write(path, func(io.Writer) error { panic("a fault") })
	}()
	check(t, path, "old", 0o600, 1)
	if err := atomicfile.Write(path, says("new")); err != nil {
		t.Fatal(err)
	}
	check(t, path, "new", 0o600, 1)
	fresh := filepath.Join(t.TempDir(), "fresh")
	if err := atomicfile.Write(fresh, says("new")); err != nil {
		t.Fatal(err)
	}
	check(t, fresh, "new", 0o644, 1)
}

// Write follows a link, Replace takes its place.
func TestLinks(t *testing.T) {
	target, dir := filepath.Join(t.TempDir(), "target"), t.TempDir()
	link := filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(target, nil, 0o640), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(link, says("one")); err != nil {
		t.Fatal(err)
	}
	check(t, target, "one", 0o640, 1)
	if err := atomicfile.Replace(link, 0o700, says("two")); err != nil {
		t.Fatal(err)
	}
	check(t, target, "one", 0o640, 1)
	check(t, link, "two", 0o700, 1)
}

func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if err := atomicfile.Write(dir, says("x")); !errors.Is(err, unix.EISDIR) {
		t.Errorf("a folder: %v", err)
	}
	if err := atomicfile.Write("/dev/null", says("x")); err != nil {
		t.Errorf("a device: %v", err)
	}
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode()&fs.ModeDevice == 0 {
		t.Fatal("/dev/null was replaced")
	}
	if err := atomicfile.Write(filepath.Join(dir, "none", "file"), says("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Replace(filepath.Join(dir, "sub"), 0o600, says("x")); err == nil {
		t.Error("a folder was replaced")
	}
	if all, _ := os.ReadDir(dir); len(all) != 1 {
		t.Errorf("left behind: %v", all)
	}
}
