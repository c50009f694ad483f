package private_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"latlab/internal/private"
)

// nobody is no user of a usual system.
const nobody = 54321

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "a", "b")
	must(t, private.Folder(mine), private.Folder(mine))
	for _, dir := range []string{mine, filepath.Dir(mine)} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
	folder := func(name string, mode uint32) string {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(path, 0o700), unix.Chmod(path, mode))
		return path
	}
	link := filepath.Join(dir, "link")
	must(t, os.Symlink(mine, link))
	for _, dir := range []string{link, folder("readable", 0o755), folder("sticky/below", 0o700)} {
		if err := private.Folder(dir); err != nil {
			t.Errorf("%v", err)
		}
	}
	must(t, unix.Chmod(filepath.Join(dir, "sticky"), 0o1777))
	if err := private.Folder(filepath.Join(dir, "sticky", "below")); err != nil {
		t.Errorf("%v", err)
	}
	open := folder("open", 0o777)
	for dir, want := range map[string]string{
		open:                        "can be written by other users",
		folder("group", 0o770):      "can be written by other users",
		folder("sticky2", 0o1777):   "can be written by other users",
		filepath.Join(open, "mine"): "can be written by every user",
	} {
		err := private.Folder(dir)
		var refused *private.FolderError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if os.Getuid() != 0 {
		return
	}
	other := folder("other", 0o755)
	must(t, os.Chown(other, nobody, nobody))
	for _, dir := range []string{other, filepath.Join(other, "below")} {
		if err := private.Folder(dir); err == nil || !strings.Contains(err.Error(), "belongs to user 54321") {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, []byte("x"), 0o600))
	f, err := private.Open(file, os.O_RDONLY, 0)
	must(t, err, f.Close())
	link, pipe := filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	must(t, os.Symlink(file, link), unix.Mkfifo(pipe, 0o600))
	for _, path := range []string{link, pipe} {
		for _, flags := range []int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_CREATE} {
			if _, err := private.Open(path, flags, 0o600); !errors.Is(err, private.ErrForeign) {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	if _, err := private.Open(dir, os.O_RDONLY, 0); !errors.Is(err, private.ErrForeign) {
		t.Errorf("a folder: %v", err)
	}
	hard := filepath.Join(dir, "hard")
	must(t, os.Link(file, hard))
	if _, err := private.Open(hard, os.O_RDONLY, 0); !errors.Is(err, private.ErrForeign) {
		t.Errorf("a hard link: %v", err)
	}
	must(t, os.Remove(hard))
	if os.Getuid() == 0 {
		must(t, os.Chown(file, nobody, nobody))
		if _, err := private.Open(file, os.O_RDONLY, 0); !errors.Is(err, private.ErrForeign) {
			t.Errorf("another user's file: %v", err)
		}
	}
}
