package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func tree(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestWrite: licences of the top folder and of the way to linked packages, of no others.
func TestWrite(t *testing.T) {
	dir := tree(t, "LICENSE", "NOTICE.txt", "README.md", "licence.go", "a/COPYING", "a/b/LICENSE-3RD-PARTY.md", "a/b/code.go", "c/LICENSE")
	out := filepath.Join(t.TempDir(), "licences")
	if err := write(out, []source{{name: "example.org/m@v1.0.0", dir: dir, folders: map[string]bool{"a/b": true}}}); err != nil {
		t.Fatal(err)
	}
	m := "example.org/m@v1.0.0/"
	if diff := cmp.Diff([]string{m + "LICENSE", m + "NOTICE.txt", m + "a/COPYING", m + "a/b/LICENSE-3RD-PARTY.md"}, files(t, out)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestMissing: every module without a licence is named; a part's is not the whole's.
func TestMissing(t *testing.T) {
	err := write(t.TempDir(), []source{
		{name: "example.org/none@v1.0.0", dir: tree(t, "README.md", "AUTHORS")},
		{name: "example.org/good@v1.0.0", dir: tree(t, "COPYING")},
		{name: "example.org/part@v2.0.0", dir: tree(t, "sub/LICENSE"), folders: map[string]bool{"sub": true}},
	})
	if err == nil || !strings.HasPrefix(err.Error(), "no licence is in example.org/none@v1.0.0, example.org/part@v2.0.0: ") {
		t.Errorf("error is %v", err)
	}
}

// TestGather: a module once with all its linked folders, one that is replaced under the name of
// what is linked; Go first, this module and Go's own packages not at all.
func TestGather(t *testing.T) {
	got, err := gather(t.Context(), strings.NewReader(`
{"Dir": "/go/src/fmt", "Standard": true}
{"Dir": "/m/b@v2/sub", "Module": {"Path": "b", "Version": "v2", "Dir": "/m/b@v2"}}
{"Dir": "/m/b@v2", "Module": {"Path": "b", "Version": "v2", "Dir": "/m/b@v2"}}
{"Dir": "/m/fork@v3", "Module": {"Path": "a", "Version": "v1", "Replace": {"Path": "fork", "Version": "v3", "Dir": "/m/fork@v3"}}}
{"Dir": "/here", "Module": {"Path": "latlab", "Main": true, "Dir": "/here"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 || !strings.HasPrefix(got[0].name, "go@") {
		t.Fatalf("sources are %v", got)
	}
	want := []source{
		{name: "b@v2", dir: "/m/b@v2", folders: map[string]bool{"sub": true, ".": true}},
		{name: "fork@v3", dir: "/m/fork@v3", folders: map[string]bool{".": true}},
	}
	if diff := cmp.Diff(want, got[1:], cmp.AllowUnexported(source{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := gather(t.Context(), strings.NewReader("{")); err == nil {
		t.Error("half a document is read")
	}
}
