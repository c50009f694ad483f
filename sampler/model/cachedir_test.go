package model

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoHome: without a home the folder is below TMPDIR, and one that others can write to is refused.
func TestNoHome(t *testing.T) {
	for _, name := range []string{"HOME", "XDG_CACHE_HOME"} {
		t.Setenv(name, "")
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	dir := DefaultCacheDir()
	if !strings.HasPrefix(dir, filepath.Join(temp, "latlab-")) {
		t.Fatal(dir)
	}
	if _, err := CheckCacheDir(dir); err != nil {
		t.Error(err)
	}
	own := filepath.Dir(filepath.Dir(dir))
	if info, err := os.Stat(own); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.Chmod(own, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := CheckCacheDir(dir); err == nil {
		t.Error("a folder that others can write to is used")
	}
}
