package machine

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A link, a pipe or a second name in the folder of locks is refused: it is neither waited for nor
// overwritten.
func TestForeignLock(t *testing.T) {
	for name, plant := range map[string]func(path, victim string) error{
		"pipe":      func(path, _ string) error { return unix.Mkfifo(path, 0o600) },
		"link":      func(path, victim string) error { return os.Symlink(victim, path) },
		"hard link": func(path, victim string) error { return os.Link(victim, path) },
	} {
		dir := t.TempDir()
		victim := filepath.Join(dir, "victim")
		if err := errors.Join(os.WriteFile(victim, []byte("mine"), 0o600), plant(lockPath(dir, "key"), victim)); err != nil {
			t.Fatal(err)
		}
		if l, err := acquireLock(dir, "key", "phone"); err == nil {
			l.release()
			t.Errorf("%s: locked", name)
		}
		if busy, _ := Locked(dir, "key"); busy {
			t.Errorf("%s: busy", name)
		}
		if text, err := os.ReadFile(victim); string(text) != "mine" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}
