package model

import (
	"os"
	"path/filepath"
	"testing"
)

// nobody is no user's number of a usual system.
const nobody = 54321

// TestOwnFolder: where there is no home, nobody else's folder is used, nor one that others can
// write to.
func TestOwnFolder(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	for range 2 {
		if got, err := ownFolder(mine); got != mine || err != nil {
			t.Errorf("%s, %v", got, err)
		}
	}
	if info, err := os.Stat(mine); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	open, link := filepath.Join(dir, "open"), filepath.Join(dir, "link")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(mine, link); err != nil {
		t.Fatal(err)
	}
	refused := []string{open, link}
	if os.Getuid() == 0 {
		other := filepath.Join(dir, "other")
		if err := os.Mkdir(other, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(other, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		refused = append(refused, other)
	}
	for _, dir := range refused {
		if _, err := ownFolder(dir); err == nil {
			t.Errorf("%s is taken", dir)
		}
	}
}
