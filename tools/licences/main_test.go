package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/internal/testenv"
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
	dir := tree(t, "LICENSE", "NOTICE.txt", "README.md", "licence.go", "a/COPYING", "a/b/LICENSE-3RD-PARTY.md", "a/b/code.go", "c/LICENSE", "licenses/ftl.txt", "licenses/code.go", "d/licenses/e.txt")
	out := filepath.Join(t.TempDir(), "licences")
	if err := write(out, []source{{name: "example.org/m@v1.0.0", dir: dir, folders: map[string]bool{"a/b": true}}}); err != nil {
		t.Fatal(err)
	}
	m := "example.org/m@v1.0.0/"
	if diff := cmp.Diff([]string{m + "LICENSE", m + "NOTICE.txt", m + "a/COPYING", m + "a/b/LICENSE-3RD-PARTY.md", m + "licenses/ftl.txt"}, files(t, out)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestMissing: every module without a licence is named; a part's is not the whole's.
func TestMissing(t *testing.T) {
	err := write(t.TempDir(), []source{
		{name: "example.org/none@v1.0.0", dir: tree(t, "README.md", "AUTHORS")},
		{name: "example.org/good@v1.0.0", dir: tree(t, "COPYING")},
		{name: "example.org/part@v2.0.0", dir: tree(t, "sub/LICENSE"), folders: map[string]bool{"sub": true}},
		{name: "example.org/letters@v1.0.0", dir: tree(t, "LICENSE"), fonts: []string{"a.ttf"}},
		{name: "example.org/printed@v1.0.0", dir: tree(t, "LICENSE", "LICENSE-Fonts"), fonts: []string{"a.ttf"}},
	})
	if err == nil || !strings.HasPrefix(err.Error(), "no licence found in example.org/none@v1.0.0, example.org/part@v2.0.0, example.org/letters@v1.0.0 for its fonts: ") {
		t.Errorf("error is %v", err)
	}
}

// TestGather: a module once with all its linked folders, one that is replaced under the name of
// what is linked; Go first, this module and Go's own packages not at all.
func TestGather(t *testing.T) {
	got, err := gather(t.Context(), strings.NewReader(`
{"Dir": "/go/src/fmt", "Standard": true}
{"Dir": "/m/b@v2/sub", "EmbedFiles": ["sans.ttf", "list.txt"], "Module": {"Path": "b", "Version": "v2", "Dir": "/m/b@v2"}}
{"Dir": "/m/b@v2", "Module": {"Path": "b", "Version": "v2", "Dir": "/m/b@v2"}}
{"Dir": "/m/fork@v3", "Module": {"Path": "a", "Version": "v1", "Replace": {"Path": "fork", "Version": "v3", "Dir": "/m/fork@v3"}}}
{"Dir": "/here", "EmbedFiles": ["page.js"], "Module": {"Path": "latlab", "Main": true, "Dir": "/here"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.sources) == 0 || !strings.HasPrefix(got.sources[0].name, "go@") {
		t.Fatalf("sources are %v", got)
	}
	if diff := cmp.Diff([]string{"/here/page.js"}, got.own); diff != "" {
		t.Errorf("own files (-want +got):\n%s", diff)
	}
	want := []source{
		{name: "b@v2", dir: "/m/b@v2", folders: map[string]bool{"sub": true, ".": true}, fonts: []string{"sub/sans.ttf"}},
		{name: "fork@v3", dir: "/m/fork@v3", folders: map[string]bool{".": true}},
	}
	if diff := cmp.Diff(want, got.sources[1:], cmp.AllowUnexported(source{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := gather(t.Context(), strings.NewReader("{")); err == nil {
		t.Error("half a document is read")
	}
}

// TestForeign: what latlab embeds is its own as long as it says nothing else.
func TestForeign(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"page.js":   {"// draws the table", false},
		"chart.js":  {"/*! chart v4 | MIT License */ let a", true},
		"style.css": {"/* Copyright 2020 somebody */", true},
		"sans.woff": {"letters", true},
		"logo.png":  {"\x89PNG\r\n\x1a\n", true},
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := foreign([]string{path}); (err != nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOwnFiles: what the programs embed now, and that a program without terms is told.
func TestOwnFiles(t *testing.T) {
	root := testenv.Root(t)
	t.Chdir(root)
	out := filepath.Join(t.TempDir(), "go")
	if err := run(t.Context(), options{out: out, arch: runtime.GOARCH, packages: []string{"./cmd/latlab", "./cmd/latlab-agent"}}); err != nil {
		t.Fatal(err)
	}
	names := strings.Join(files(t, out), "\n")
	for _, want := range []string{"/go-fonts/liberation@", "/LICENSE-SIL\n", "/THIRD_PARTY_LICENSES/Cephes-LICENSE\n"} {
		if !strings.Contains(names, want) {
			t.Errorf("no %q in\n%s", want, names)
		}
	}
}
