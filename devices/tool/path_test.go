package tool_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"latlab/devices/tool"
)

func TestLookPath(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for path, mode := range map[string]fs.FileMode{a + "/plain": 0o600, b + "/plain": 0o700, b + "/prog": 0o700} {
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(a, "prog"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "relative:"+a+":"+b)
	for name, want := range map[string]string{"prog": b + "/prog", "plain": b + "/plain", b + "/prog": b + "/prog"} {
		if got, err := tool.LookPath(name); got != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]error{"nothing": fs.ErrNotExist, a + "/nothing": fs.ErrNotExist, a + "/plain": fs.ErrPermission, a + "/prog": nil} {
		if _, err := tool.LookPath(name); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
