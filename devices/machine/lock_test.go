package machine_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"latlab/devices/machine"
	"latlab/devices/transport"
)

// holdLock runs this test's binary as a second latlab, which opens a machine and waits.
const holdLock = "MACHINE_TEST_HOLD_LOCK"

func init() {
	dir := os.Getenv(holdLock)
	if dir == "" {
		return
	}
	if _, err := machine.Open(context.Background(), transport.Local{}, machine.Options{Name: "other", LockDir: dir, LockKey: hostile}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("locked")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	os.Exit(0)
}

// other starts a different process that holds the lock of hostile.
func other(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdLock+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "locked\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return cmd
}

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "locks")
	if busy, pid := machine.Locked(dir, hostile); busy || pid != 0 {
		t.Errorf("before: %v, %d", busy, pid)
	}
	cmd := other(t, dir)
	if busy, pid := machine.Locked(dir, hostile); !busy || pid != cmd.Process.Pid {
		t.Errorf("locked: %v, %d; want %d", busy, pid, cmd.Process.Pid)
	}
	r := &remote{}
	o := machine.Options{Name: "pixel", Dir: filepath.Join(t.TempDir(), "lab"), LockDir: dir, LockKey: hostile}
	want := fmt.Sprintf("device pixel is in use by process %d", cmd.Process.Pid)
	if _, err := machine.Open(t.Context(), r, o); reason(err) != "lab busy" || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "wait for it, or end it") {
		t.Errorf("open: %v", err)
	}
	if _, err := machine.Clean(t.Context(), r, o); reason(err) != "lab busy" {
		t.Errorf("clean: %v", err)
	}
	if n := r.starts.Load(); n != 0 {
		t.Errorf("a machine in use was asked %d times", n)
	}
	free := o
	free.LockKey = ""
	open(t, r, free) // a different key, so a different machine

	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if busy, _ := machine.Locked(dir, hostile); busy {
		t.Error("locked by a process that was killed")
	}
	m := open(t, r, o)
	if _, err := machine.Open(t.Context(), r, o); reason(err) != "lab busy" || !strings.Contains(err.Error(), "this process") {
		t.Errorf("twice in one process: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	open(t, r, o)
}

// TestLockFiles: keys are not used as paths, and Locked does not block others.
func TestLockFiles(t *testing.T) {
	dir := t.TempDir()
	seen := map[string]bool{}
	for _, key := range []string{"a", "A", "../a", "/etc/passwd", "a/b", hostile, strings.Repeat("x", 5000), "192.168.0.7:5555", "a\x00"} {
		for range 2 {
			m, err := machine.Open(t.Context(), transport.Local{}, machine.Options{Name: "n", LockDir: dir, LockKey: key})
			if err != nil {
				t.Fatalf("%q: %v", key, err)
			}
			for range 20 {
				if busy, pid := machine.Locked(dir, key); !busy || pid != os.Getpid() {
					t.Fatalf("%q: %v, %d", key, busy, pid)
				}
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			if busy, _ := machine.Locked(dir, key); busy {
				t.Errorf("%q is locked after Close", key)
			}
		}
		for _, name := range tree(t, dir) {
			seen[name] = true
		}
	}
	if len(seen) != 9 {
		t.Errorf("%d files for 9 keys: %v", len(seen), seen)
	}
	for name := range seen {
		if !strings.HasSuffix(name, ".lock") || len(name) != len("0123456789abcdef0123456789abcdef.lock") {
			t.Errorf("a lock's file is %q", name)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := machine.Open(t.Context(), transport.Local{}, machine.Options{Name: "n", LockDir: filepath.Join(dir, "file")}); reason(err) != "lab lock" {
		t.Errorf("no folder: %v", err)
	}
}

// TestFailedOpenIsNotLocked: after a failed Open the next one may try.
func TestFailedOpenIsNotLocked(t *testing.T) {
	o := machine.Options{Name: "pixel", Dir: filepath.Join(t.TempDir(), "lab"), LockDir: t.TempDir()}
	r := &remote{onStart: func(transport.Command) error { return offline() }}
	if _, err := machine.Open(t.Context(), r, o); reason(err) != "device offline" {
		t.Errorf("open: %v", err)
	}
	if busy, _ := machine.Locked(o.LockDir, "pixel"); busy {
		t.Error("it is locked")
	}
}
