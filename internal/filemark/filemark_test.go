package filemark_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"latlab/internal/filemark"
)

// TestChangesShow changes a file in ways that keep its size and put the time of its modification back.
func TestChangesShow(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"written": func(path string) error { return os.WriteFile(path, []byte("two"), 0o600) },
		"replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+".new", []byte("two"), 0o600), os.Rename(path+".new", path))
		},
		"moved away and a copy put in its place": func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, []byte("one"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, []byte("one"), 0o600); err != nil {
				t.Fatal(err)
			}
			before := markOf(t, path)
			if again := markOf(t, path); again != before || again.String() != before.String() {
				t.Errorf("the marks of a file that nobody changed are %v and %v", before, again)
			}
			// Without a change of the clock's tick the mark may be the same: Recent says so.
			for end := time.Now().Add(time.Minute); markOf(t, path) == before && time.Now().Before(end); {
				if err := errors.Join(change(path), os.Chtimes(path, before.Modified(), before.Modified())); err != nil {
					t.Fatal(err)
				}
			}
			if after := markOf(t, path); after == before || after.String() == before.String() {
				t.Errorf("the change does not show: %v", after)
			}
		})
	}
}

func TestRecent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m := markOf(t, path)
	for after, want := range map[time.Duration]bool{-time.Hour: true, time.Millisecond: true, time.Hour: false} {
		if got := m.Recent(m.Modified().Add(after)); got != want {
			t.Errorf("%v after the change, Recent is %v", after, got)
		}
	}
	if _, err := filemark.Of(path + ".missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func markOf(t *testing.T, path string) filemark.Mark {
	t.Helper()
	m, err := filemark.Of(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if open, err := filemark.OfOpen(f.Fd()); err != nil || open != m {
		t.Errorf("the open file has the mark %v, %v, its path %v", open, err, m)
	}
	return m
}

// TestExact: where a folder is exact, a file that is written again at once never keeps its mark.
func TestExact(t *testing.T) {
	if filemark.Exact(filepath.Join(t.TempDir(), "missing")) {
		t.Error("a folder that does not exist is exact")
	}
	dir := t.TempDir()
	if !filemark.Exact(dir) {
		t.Skip("this kernel dates changes by its tick")
	}
	path := filepath.Join(dir, "file")
	var before filemark.Mark
	for i := range 100 {
		if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
		after := markOf(t, path)
		if after == before {
			t.Fatalf("write %d left the mark %v", i, after)
		}
		before = after
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%v in the folder, %v", files, err)
	}
}
