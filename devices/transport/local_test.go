package transport_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"latlab/devices/transport"
	"latlab/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sh(t *testing.T, ctx context.Context, script string) transport.Process {
	t.Helper()
	p, err := transport.Local{}.Start(ctx, transport.Command{Path: "/bin/sh", Args: []string{"-c", script}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// finish reads both streams to their end and waits.
func finish(t *testing.T, p transport.Process) (stdout, stderr string, exit transport.Exit) {
	t.Helper()
	_ = p.Stdin().Close()
	out, err := io.ReadAll(p.Stdout())
	if err != nil {
		t.Fatal(err)
	}
	errs, err := io.ReadAll(p.Stderr())
	if err != nil {
		t.Fatal(err)
	}
	return string(out), string(errs), p.Wait()
}

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		script         string
		stdout, stderr string
		exit           transport.Exit
	}{
		{"echo out; echo err >&2", "out\n", "err\n", transport.Exit{}},
		{"exit 42", "", "", transport.Exit{Code: 42}},
		{"kill -SEGV $$", "", "", transport.Exit{Code: -1, Signal: "segmentation fault"}},
		{"cat", "", "", transport.Exit{}},
		{"sleep 3600 & echo left", "left\n", "", transport.Exit{}},
	} {
		out, errs, exit := finish(t, sh(t, t.Context(), tt.script))
		if out != tt.stdout || errs != tt.stderr || exit != tt.exit {
			t.Errorf("%q: %q, %q, %+v; want %q, %q, %+v", tt.script, out, errs, exit, tt.stdout, tt.stderr, tt.exit)
		}
	}
}

func TestStdinReachesTheProgram(t *testing.T) {
	p := sh(t, t.Context(), "read line; echo got $line")
	if _, err := io.WriteString(p.Stdin(), "hello\n"); err != nil {
		t.Fatal(err)
	}
	if out, _, _ := finish(t, p); out != "got hello\n" {
		t.Errorf("stdout is %q", out)
	}
}

func TestKillAndCancelEndTheWholeGroup(t *testing.T) {
	for name, end := range map[string]func(transport.Process, context.CancelFunc){
		"kill":   func(p transport.Process, _ context.CancelFunc) { p.Kill() },
		"cancel": func(_ transport.Process, cancel context.CancelFunc) { cancel() },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		pidFile := filepath.Join(t.TempDir(), "pid")
		p := sh(t, ctx, "sleep 3600 & echo $! > "+pidFile+"; echo ready; wait")
		ready := make([]byte, 6)
		if _, err := io.ReadFull(p.Stdout(), ready); err != nil {
			t.Fatal(err)
		}
		end(p, cancel)
		if _, _, exit := finish(t, p); exit.Signal != "killed" {
			t.Errorf("%s: exit is %+v", name, exit)
		}
		cancel()
		p.Kill() // does nothing once the program has ended
		b, err := os.ReadFile(pidFile)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		testenv.WaitGone(t, pid)
	}
}

func TestStartNothing(t *testing.T) {
	_, err := transport.Local{}.Start(t.Context(), transport.Command{Path: "/nonexistent"})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
}
