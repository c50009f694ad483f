package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAsFile: what cannot be read where a file is wanted is the user's mistake.
func TestAsFile(t *testing.T) {
	dir := t.TempDir()
	secret, loop := filepath.Join(dir, "secret"), filepath.Join(dir, "loop")
	if err := os.WriteFile(secret, nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	type sample struct{ path, want string }
	cases := []sample{
		{dir, "--db " + dir + " is a folder; name a file"},
		{loop, "--db " + loop + " cannot be read: too many levels of symbolic links"},
		{"exit_test.go/x", "--db exit_test.go/x cannot be read: not a directory"},
		{"exit_test.go", ""}, {"none", ""}, {"-", ""}, {"", ""}, {os.DevNull, ""},
	}
	if os.Geteuid() != 0 { // who reads everything
		cases = append(cases, sample{secret, "--db " + secret + " cannot be read: permission denied"})
	}
	for _, c := range cases {
		err := asFile("--db", c.path)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%q: %v", c.path, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || exitCode(err) != exitUsage):
			t.Errorf("%q: %v with exit code %d, want %q with 2", c.path, err, exitCode(err), c.want)
		}
	}
}
