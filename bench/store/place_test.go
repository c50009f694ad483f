package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"latlab/bench"
)

// must fails the test if any of the errors is not nil.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// All names of one store lead to one lock, and a name that cannot is refused.
func TestOneLockForAllNames(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "real", "l.db")
	must(t, os.Mkdir(filepath.Dir(path), 0o700))
	s := openStore(t, path)
	fill(t, s, "a", 2)
	link, folder, dangling := filepath.Join(dir, "link.db"), filepath.Join(dir, "folder"), filepath.Join(dir, "later.db")
	must(t, os.Symlink("real/l.db", link), os.Symlink("real", folder), os.Symlink("real/../real/later.db", dangling))
	t.Chdir(filepath.Join(dir, "real"))
	for _, name := range []string{link, filepath.Join(folder, "l.db"), "l.db", "../link.db", "../real/l.db"} {
		if _, err := Open(t.Context(), name, Options{}); !errors.Is(err, ErrLocked) {
			t.Errorf("%s: %v", name, err)
		}
		r, err := OpenRead(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(all(t, r.Blocks(t.Context(), "a"))); n != 2 {
			t.Errorf("a reader of %s sees %d blocks", name, n)
		}
		must(t, r.Close())
	}
	must(t, os.Remove(path+".lock"))
	if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("without the lock file: %v", err)
	}
	hard := filepath.Join(dir, "hard.db")
	must(t, os.Link(path, hard))
	for _, name := range []string{hard, path} {
		if _, err := Open(t.Context(), name, Options{}); err == nil || !strings.Contains(err.Error(), "it has 2 names (hard links)") {
			t.Errorf("%s with a hard link: %v", name, err)
		}
	}
	must(t, os.Remove(hard))
	later := openStore(t, dangling)
	must(t, later.Close())
	if _, err := os.Stat(filepath.Join(dir, "real", "later.db")); err != nil {
		t.Errorf("a link to a store that does not exist yet: %v", err)
	}
	if n := len(all(t, s.Blocks(t.Context(), "a"))); n != 2 {
		t.Errorf("the writer sees %d blocks", n)
	}
}

// Only a lock that latlab made is written to.
func TestForeignLockFile(t *testing.T) {
	for name, plant := range map[string]func(lock, victim string) error{
		"link":      func(lock, victim string) error { return os.Symlink(victim, lock) },
		"hard link": func(lock, victim string) error { return os.Link(victim, lock) },
		"text":      func(lock, _ string) error { return os.WriteFile(lock, []byte("1 of my notes"), 0o600) },
		"folder":    func(lock, _ string) error { return os.Mkdir(lock, 0o700) },
		"pipe":      func(lock, _ string) error { return unix.Mkfifo(lock, 0o600) },
		"dangling":  func(lock, victim string) error { return os.Symlink(victim+"-none", lock) },
	} {
		dir := t.TempDir()
		path, victim := filepath.Join(dir, "l.db"), filepath.Join(dir, "victim")
		must(t, os.WriteFile(victim, []byte("123\n"), 0o600), plant(path+".lock", victim))
		_, err := Open(t.Context(), path, Options{})
		if err == nil || !strings.Contains(err.Error(), "is not a lock that latlab made") {
			t.Errorf("%s: %v", name, err)
		}
		if text, err := os.ReadFile(victim); err != nil || string(text) != "123\n" {
			t.Errorf("%s: the file has %q, %v", name, text, err)
		}
		for _, file := range []string{path, victim + "-none"} {
			if _, err := os.Lstat(file); err == nil {
				t.Errorf("%s: %s was made", name, file)
			}
		}
	}
}

// SQLite would write into a log that has a second name, and read a pipe for ever.
func TestForeignLog(t *testing.T) {
	for _, part := range []string{"-wal", "-shm", "-journal"} {
		dir := t.TempDir()
		path, victim := filepath.Join(dir, "l.db"), filepath.Join(dir, "victim")
		must(t, openStore(t, path).Close(), os.WriteFile(victim, []byte("mine"), 0o600))
		for name, plant := range map[string]func() error{
			"link":      func() error { return os.Symlink(victim, path+part) },
			"hard link": func() error { return os.Link(victim, path+part) },
			"pipe":      func() error { return unix.Mkfifo(path+part, 0o600) },
			"folder":    func() error { return os.Mkdir(path+part, 0o700) },
		} {
			must(t, plant())
			if _, err := Open(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), "cannot be used") {
				t.Errorf("%s %s: %v", part, name, err)
			}
			if _, err := OpenRead(t.Context(), path); err == nil {
				t.Errorf("%s %s is read", part, name)
			}
			if text, err := os.ReadFile(victim); err != nil || string(text) != "mine" {
				t.Errorf("%s %s: the file has %.9q, %v", part, name, text, err)
			}
			must(t, os.Remove(path+part))
		}
	}
}

// A store that is no longer at its path ends as an error, and loses nothing.
func TestLostStore(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.db")
	o := openStore(t, other)
	fill(t, o, "other", 1)
	must(t, o.Close())
	bytes, err := os.ReadFile(other)
	must(t, err)
	for _, tc := range []struct {
		name, want string
		do         func(path string) error
		foreign    bool // another file is there now, which must stay
	}{
		{"deleted", "it was deleted", os.Remove, false},
		{"deleted with all its files", "it was deleted", func(path string) error {
			return errors.Join(os.Remove(path), os.Remove(path+"-wal"), os.Remove(path+"-shm"), os.Remove(path+".lock"))
		}, false},
		{"replaced", "it was replaced by another file", func(path string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, bytes, 0o600))
		}, true},
		{"replaced with its log", "it was replaced by another file", func(path string) error {
			return errors.Join(os.Remove(path), os.Remove(path+"-wal"), os.WriteFile(path, bytes, 0o600), os.WriteFile(path+"-wal", []byte("theirs"), 0o600))
		}, true},
		{"moved", "it was moved to ", func(path string) error { return os.Rename(path, filepath.Join(filepath.Dir(path), "m.db")) }, false},
		{"moved and linked", "it was replaced by another file", func(path string) error {
			return errors.Join(os.Rename(path, path+"2"), os.Symlink(path+"2", path))
		}, false},
		{"folder moved", "it was moved to ", func(path string) error { return os.Rename(filepath.Dir(path), filepath.Dir(path)+"2") }, false},
		{"folder deleted", "it was deleted", func(path string) error { return os.RemoveAll(filepath.Dir(path)) }, false},
		{"emptied", "it was cut from ", func(path string) error { return os.Truncate(path, 0) }, false},
		{"log deleted", "its log ", func(path string) error { return os.Remove(path + "-wal") }, false},
		{"log replaced", "its log ", func(path string) error {
			return errors.Join(os.Remove(path+"-wal"), os.WriteFile(path+"-wal", []byte("theirs"), 0o600))
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			work := t.TempDir() // where a copy goes if the store's folder is gone
			t.Chdir(work)
			path := filepath.Join(t.TempDir(), "sub", "l.db")
			must(t, os.Mkdir(filepath.Dir(path), 0o700))
			s := openStore(t, path)
			fill(t, s, "a", 4)
			must(t, tc.do(path))
			var lost *LostError
			for i := range 2 { // another device's block is kept as well
				err := s.Finish(t.Context(), "a", []bench.Finished{{Slot: bench.Slot{Order: 4 + i, Network: i, Round: 1}, Block: block(7)}})
				if !errors.As(err, &lost) || !strings.Contains(lost.What, tc.want) || lost.Parts {
					t.Fatalf("%v", err)
				}
			}
			if err := s.Close(); !errors.As(err, &lost) || lost.Kept == "" {
				t.Fatalf("closed: %v", err)
			}
			if text, _ := os.ReadFile(path); tc.foreign && string(text) != string(bytes) {
				t.Error("the other file was changed")
			}
			if strings.Contains(tc.name, "log") && tc.name != "log deleted" {
				if text, err := os.ReadFile(path + "-wal"); string(text) != "theirs" {
					t.Errorf("the other log has %q, %v", text, err)
				}
			}
			kept := openStore(t, lost.Kept)
			if n := len(all(t, kept.Blocks(t.Context(), "a"))); n != 6 {
				t.Errorf("%s has %d blocks, want 6", lost.Kept, n)
			}
			if tc.name == "moved" { // the moved file is whole too
				must(t, kept.Close())
				moved := openStore(t, filepath.Join(filepath.Dir(path), "m.db"))
				if n := len(all(t, moved.Blocks(t.Context(), "a"))); n != 6 {
					t.Errorf("the moved file has %d blocks", n)
				}
			}
		})
	}
}

// A store that is deleted after its last block is noticed when it is closed.
func TestLostAtTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.db")
	s := openStore(t, path)
	fill(t, s, "a", 2)
	must(t, os.Remove(path))
	var lost *LostError
	if err := s.Close(); !errors.As(err, &lost) {
		t.Fatalf("%v", err)
	}
	if n := len(all(t, openStore(t, lost.Kept).Blocks(t.Context(), "a"))); n != 2 {
		t.Errorf("%d blocks were kept", n)
	}
}

// A store that something at least as large was copied over never ends as success, unless all of it was still
// in its log.
func TestOverwrittenInPlace(t *testing.T) {
	made := func(path, id string, n int) []byte {
		s := openStore(t, path)
		fill(t, s, id, n)
		must(t, s.Close())
		text, err := os.ReadFile(path)
		must(t, err)
		return text
	}
	sibling := made(filepath.Join(t.TempDir(), "l.db"), "b", 400)
	for name, tt := range map[string]struct {
		with   func(own []byte) []byte
		before bool // the store was there before this process
		fine   bool
	}{
		"a sibling": {func([]byte) []byte { return sibling }, true, false},
		"an earlier one": {func(own []byte) []byte {
			return append(made(filepath.Join(t.TempDir(), "l.db"), "a", 200), make([]byte, len(own))...)
		}, true, false},
		"garbage":             {func(own []byte) []byte { return make([]byte, 2*len(own)) }, true, false},
		"itself":              {func(own []byte) []byte { return own }, true, true},
		"a sibling, all new":  {func([]byte) []byte { return sibling }, false, true},
		"garbage, all is new": {func([]byte) []byte { return []byte(strings.Repeat("x", 50000)) }, false, true},
	} {
		for _, last := range []bool{false, true} { // at the end, or before the next block
			path := filepath.Join(t.TempDir(), "l.db")
			if tt.before {
				made(path, "a", 400)
			}
			s := openStore(t, path)
			if !tt.before {
				fill(t, s, "a", 4)
			}
			own, err := os.ReadFile(path)
			must(t, err, os.WriteFile(path, tt.with(own), 0o600))
			if !last {
				err = s.Fail(t.Context(), "a", bench.Failure{Network: 1, Final: true})
			}
			err = errors.Join(err, s.Close())
			var lost *LostError
			if errors.As(err, &lost) == tt.fine && name != "garbage, all is new" { // SQLite cuts the rest off
				t.Errorf("%s, last %v: %v", name, last, err)
			}
			if lost != nil && lost.Parts {
				continue
			}
			if lost != nil {
				path = lost.Kept
			}
			r, err := OpenRead(t.Context(), path)
			must(t, err)
			want := 4
			if tt.before {
				want = 400
			}
			if n := len(all(t, r.Blocks(t.Context(), "a"))); n != want {
				t.Errorf("%s, last %v: %d blocks", name, last, n)
			}
			must(t, r.Close())
		}
	}
}

// What SQLite cannot read any more is copied as it is.
func TestCutAfterCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.db")
	s := openStore(t, path)
	fill(t, s, "a", 400)
	must(t, s.Close())
	s = openStore(t, path)
	must(t, os.Truncate(path, 8192))
	var lost *LostError
	err := s.Fail(t.Context(), "a", bench.Failure{Network: 1})
	if !errors.As(err, &lost) || lost.Kept == "" {
		t.Fatalf("%v", err)
	}
	if _, err := os.Stat(lost.Kept); err != nil || !lost.Parts {
		t.Errorf("kept %+v, %v", lost, err)
	}
	_ = s.Close()
}

// A store that is moved in a sweep is not open to a second writer by its new name.
func TestMovedStoreStaysLocked(t *testing.T) {
	dir := t.TempDir()
	path, moved := filepath.Join(dir, "l.db"), filepath.Join(dir, "m.db")
	s := openStore(t, path)
	fill(t, s, "a", 2)
	must(t, os.Rename(path, moved))
	if _, err := Open(t.Context(), moved, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("%v", err)
	}
	_ = s.Close() // reports that it was moved
	must(t, openStore(t, moved).Close())
}
