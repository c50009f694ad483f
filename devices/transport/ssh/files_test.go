package ssh_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/devices/transport/ssh"
	"latlab/devices/transport/ssh/sshtest"
	"latlab/internal/testenv"
)

func put(t testing.TB, tr transport.Transport, path, content string) error {
	t.Helper()
	return tr.Put(t.Context(), transport.File{Path: path, Content: strings.NewReader(content), Size: int64(len(content)), Mode: 0o600})
}

func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestFiles(t *testing.T) {
	everyWay(t, sshtest.Options{}, func(t *testing.T, tr *ssh.Transport) {
		dir := t.TempDir()
		t.Run("hostile names", func(t *testing.T) {
			for _, word := range hostile {
				path := filepath.Join(dir, "x"+word)
				if err := put(t, tr, path, word); err != nil {
					t.Errorf("%q: %v", path, err)
					continue
				}
				st, err := tr.Stat(t.Context(), path)
				if err != nil || st.Size != int64(len(word)) || st.Mode != 0o600 {
					t.Errorf("%q: %+v, %v", path, st, err)
				}
				var b strings.Builder
				if err := tr.Get(t.Context(), path, &b, 100); err != nil || b.String() != word {
					t.Errorf("%q: %q, %v", path, b.String(), err)
				}
			}
		})
		t.Run("over one that is there", func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			for _, content := range []string{"a long content", "short", ""} {
				if err := put(t, tr, path, content); err != nil {
					t.Fatal(err)
				}
				if b, err := os.ReadFile(path); err != nil || string(b) != content {
					t.Errorf("%q, %v", b, err)
				}
			}
			if got := names(t, filepath.Dir(path)); len(got) != 1 {
				t.Errorf("there are %q", got)
			}
		})
		t.Run("not as long as said", func(t *testing.T) {
			dir := t.TempDir()
			for _, size := range []int64{4, 6, 3 << 20} {
				err := tr.Put(t.Context(), transport.File{Path: filepath.Join(dir, "file"), Content: strings.NewReader("hello"), Size: size, Mode: 0o600})
				if err == nil || !strings.Contains(err.Error(), "instead of") {
					t.Errorf("size %d: %v", size, err)
				}
			}
			if got := names(t, dir); len(got) != 0 {
				t.Errorf("there are %q", got)
			}
		})
		t.Run("content that cannot be read", func(t *testing.T) {
			dir := t.TempDir()
			err := tr.Put(t.Context(), transport.File{Path: filepath.Join(dir, "file"), Content: io.MultiReader(strings.NewReader(strings.Repeat("x", 2<<20)), broken{}), Size: 3 << 20, Mode: 0o600})
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("error is %v", err)
			}
			if got := names(t, dir); len(got) != 0 {
				t.Errorf("there are %q", got)
			}
		})
		t.Run("not there", func(t *testing.T) {
			none := filepath.Join(dir, "no", "file")
			_, err := tr.Stat(t.Context(), none)
			for _, err := range []error{err, tr.Get(t.Context(), none, io.Discard, 10), put(t, tr, none, "x")} {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("error is %v", err)
				}
			}
		})
		t.Run("a folder and a limit", func(t *testing.T) {
			st, err := tr.Stat(t.Context(), dir)
			if err != nil || !st.Mode.IsDir() {
				t.Errorf("%+v, %v", st, err)
			}
			if err := tr.Get(t.Context(), "/dev/zero", io.Discard, 5<<20); err == nil || !strings.Contains(err.Error(), "more than") {
				t.Errorf("error is %v", err)
			}
		})
		t.Run("private while it comes", func(t *testing.T) {
			dir := t.TempDir()
			look := &looking{t: t, dir: dir}
			if err := tr.Put(t.Context(), transport.File{Path: filepath.Join(dir, "file"), Content: look, Size: 4 << 20, Mode: 0o644}); err != nil {
				t.Fatal(err)
			}
			if !look.seen {
				t.Error("nothing was seen on its way")
			}
		})
		t.Run("given up", func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			err := tr.Put(ctx, transport.File{Path: filepath.Join(dir, "file"), Content: &ending{cancel, 4 << 20}, Size: 1 << 40, Mode: 0o600})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error is %v", err)
			}
			if got := names(t, dir); len(got) != 0 {
				t.Errorf("there are %q", got)
			}
			if _, err := tr.Stat(t.Context(), dir); err != nil {
				t.Error(err)
			}
		})
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, fs.ErrInvalid }

// looking is content that inspects the files already there while it is read.
type looking struct {
	t    *testing.T
	dir  string
	done int
	seen bool
}

func (l *looking) Read(b []byte) (int, error) {
	files, err := os.ReadDir(l.dir)
	if err != nil {
		l.t.Error(err)
	}
	for _, e := range files {
		st, err := e.Info()
		if err != nil {
			l.t.Error(err)
			continue
		}
		l.seen = l.seen || st.Size() > 0
		if st.Mode().Perm()&0o077 != 0 && st.Size() > 0 || e.Name() == "file" {
			l.t.Errorf("%s has mode %v", e.Name(), st.Mode())
		}
	}
	if l.done == 4<<20 {
		return 0, io.EOF
	}
	n := min(len(b), 4<<20-l.done)
	l.done += n
	return n, nil
}

// ending is endless content that cancels its own copy.
type ending struct {
	cancel context.CancelFunc
	left   int
}

func (e *ending) Read(b []byte) (int, error) {
	if e.left -= len(b); e.left < 0 {
		e.cancel()
	}
	return len(b), nil
}

func TestPermission(t *testing.T) {
	testenv.OrdinaryUser(t, "root may do everything")
	everyWay(t, sshtest.Options{}, func(t *testing.T, tr *ssh.Transport) {
		if err := put(t, tr, "/file", "x"); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("error is %v", err)
		}
	})
}

func TestFullDisk(t *testing.T) {
	everyWay(t, sshtest.Options{}, func(t *testing.T, tr *ssh.Transport) {
		dir := testenv.Mount(t, "size=1m")
		err := put(t, tr, filepath.Join(dir, "file"), strings.Repeat("x", 3<<20))
		wants(t, err, devices.FaultDevice, devices.ReasonFull, "3145728 bytes", "1048576 bytes are free")
		if got := names(t, dir); len(got) != 0 {
			t.Errorf("there are %q", got)
		}
		if err := put(t, tr, filepath.Join(dir, "file"), strings.Repeat("x", 1<<19)); err != nil {
			t.Error(err)
		}
	})
}

// TestRoot runs programs and sftp in a separate root.
func TestRoot(t *testing.T) {
	testenv.Superuser(t, "it is shut into a folder by chroot")
	busybox := testenv.Program(t, "busybox", "busybox-static")
	root := t.TempDir()
	for _, d := range []string{"bin", "proc", "tmp", "dev"} {
		if err := os.Mkdir(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin", "busybox"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, applet := range []string{"sh", "cat", "ls", "stat", "wc", "chmod", "mv", "rm", "df", "setsid", "sleep"} {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
	everyWay(t, sshtest.Options{Root: root}, func(t *testing.T, tr *ssh.Transport) {
		if out, err := transport.Shell(t.Context(), tr, 1000, "ls /bin/busybox; echo $0"); err != nil || out != "/bin/busybox\nsh\n" {
			t.Errorf("%q, %v", out, err)
		}
		putThere(t, tr, root)
		for _, script := range []string{"sleep 3600 & echo ready; sleep 3600", "echo ready; kill -STOP $$; sleep 3600"} {
			p := sh(t, tr, script)
			firstLine(t, p)
			p.Kill()
			if _, _, exit := finish(t, p); exit.Signal != "killed" {
				t.Errorf("%s: exit: %+v", script, exit)
			}
		}
	})
}

func putThere(t *testing.T, tr *ssh.Transport, root string) {
	t.Helper()
	content := strings.Repeat("x", 3<<20)
	if err := put(t, tr, "/tmp/file", content); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(root, "tmp", "file")); err != nil || string(b) != content {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if st, err := tr.Stat(t.Context(), "/tmp/file"); err != nil || st.Size != 3<<20 || st.Mode != 0o600 {
		t.Errorf("%+v, %v", st, err)
	}
}
