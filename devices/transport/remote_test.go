package transport_test

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"latlab/devices/transport"
	"latlab/internal/testenv"
	"latlab/internal/text"
)

// shells are those of boards and phones that are installed on this host.
func shells(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{"sh": {"/bin/sh"}, "bash": {"bash"}, "mksh": {"mksh"}, "busybox": {"busybox", "sh"}}
	for name, argv := range all {
		if len(testenv.Installed(t, argv[0])) == 0 {
			delete(all, name)
		}
	}
	return all
}

// lined starts a line as adbd and sshd do: in a shell that leads its own session.
func lined(t testing.TB, shell []string, line string) (*exec.Cmd, io.WriteCloser, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(shell[0], append(shell[1:len(shell):len(shell)], "-c", line)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in, bufio.NewReader(out)
}

func remoteLine(t testing.TB, c transport.Command) string {
	t.Helper()
	line, err := transport.RemoteLine(c)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestRemoteLineInEveryShell(t *testing.T) {
	hostile := []string{"", " ", "a b", "'", `"`, `\`, "$(touch x)", "`touch x`", "a\nb", "-n", "*", "~", "!!", "é", "\x1b[2J"}
	for name, shell := range shells(t) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir() + "/a 'dir' $(x)\n"
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			c := transport.Command{Path: "sh", Dir: dir, Env: []string{"VALUE=" + strings.Join(hostile, "|")}}
			c.Args = append([]string{"-c", `printf '%s\0' "$PWD" "$VALUE" "$@"`, "sh"}, hostile...)
			for _, c.Tether = range []bool{false, true} {
				cmd, in, out := lined(t, shell, remoteLine(t, c))
				pid, err := transport.ReadGreeting(out)
				if err != nil || pid != cmd.Process.Pid {
					t.Fatalf("greeting: pid %d (the shell's is %d), %v", pid, cmd.Process.Pid, err)
				}
				got, err := io.ReadAll(out)
				if err != nil {
					t.Fatal(err)
				}
				want := strings.Join(append([]string{dir, strings.Join(hostile, "|")}, hostile...), "\x00") + "\x00"
				if string(got) != want {
					t.Errorf("tether %v: %q, want %q", c.Tether, got, want)
				}
				_ = in.Close()
				if err := cmd.Wait(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestTether: the program ends with its input, and leaves no process when it ends by itself.
func TestTether(t *testing.T) {
	for name, shell := range shells(t) {
		t.Run(name, func(t *testing.T) {
			cmd, in, out := lined(t, shell, remoteLine(t, transport.Command{Path: "sh", Args: []string{"-c", "sleep 3600 & sleep 3600"}, Tether: true}))
			pid, err := transport.ReadGreeting(out)
			if err != nil {
				t.Fatal(err)
			}
			_ = in.Close()
			_, _ = io.ReadAll(out) // ends when no process holds it open
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Errorf("the program ended with %v", err)
			}
			groupGone(t, pid)

			cmd, in, out = lined(t, shell, remoteLine(t, transport.Command{Path: "sh", Args: []string{"-c", "exit 7"}, Tether: true}))
			if pid, err = transport.ReadGreeting(out); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
				t.Errorf("the program ended with %v", err)
			}
			_ = in.Close() // as adbd and sshd do
			groupGone(t, pid)
		})
	}
}

// groupGone waits until no process of a group runs.
func groupGone(t *testing.T, group int) {
	t.Helper()
	for pids := groupRuns(t, group); len(pids) > 0; pids = groupRuns(t, group) {
		testenv.WaitGone(t, pids[0])
	}
}

// groupRuns lists a group's processes, without those that only wait to be reaped.
func groupRuns(t *testing.T, group int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, file := range stats {
		stat, _ := os.ReadFile(file) // may be missing by now
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 2 && f[0] != "Z" && f[2] == strconv.Itoa(group) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestKillLineEndsTheGroup(t *testing.T) {
	for name, shell := range shells(t) {
		cmd, _, out := lined(t, shell, remoteLine(t, transport.Command{Path: "sh", Args: []string{"-c", "sleep 3600 & sleep 3600"}}))
		pid, err := transport.ReadGreeting(out)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(shell[0], append(shell[1:len(shell):len(shell)], "-c", transport.KillLine(pid))...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		_ = cmd.Wait()
		groupGone(t, pid)
	}
}

func TestRemoteLineRefuses(t *testing.T) {
	for _, c := range []transport.Command{
		{}, {Path: "-rf"}, {Path: "ls", Dir: "relative"}, {Path: "ls", Env: []string{"X"}}, {Path: "ls", Env: []string{"X;touch y=1"}},
		{Path: "ls", Env: []string{"=1"}}, {Path: "ls", Args: []string{"a\x00b"}}, {Path: "l\x00s"}, {Path: "ls", Dir: "/a\x00"},
	} {
		if line, err := transport.RemoteLine(c); err == nil {
			t.Errorf("%+v became %q", c, line)
		}
	}
}

func TestReadGreeting(t *testing.T) {
	for _, tt := range []struct {
		in   string
		pid  int
		want error // nil: any error, if pid is 0
	}{
		{"latlab-pid 42\nrest", 42, nil},
		{"latlab-pid 42\r\n", 42, nil},
		{"Welcome to the board!\n\nlatlab-pid 7\n", 7, nil},
		{"latlab-none\n", 0, fs.ErrNotExist},
		{"", 0, io.ErrUnexpectedEOF},
		{"latlab-pid 4", 0, io.ErrUnexpectedEOF},
		{"latlab-pid -1\n", 0, nil}, {"latlab-pid 1\n", 0, nil}, {"latlab-pid x\n", 0, nil}, {"latlab-pid 99999999999999999999\n", 0, nil},
		{strings.Repeat("x", 1<<20), 0, nil}, {strings.Repeat("\n", 1<<20), 0, nil},
	} {
		pid, err := transport.ReadGreeting(bufio.NewReader(strings.NewReader(tt.in)))
		if pid != tt.pid || (err == nil) != (tt.pid > 0) || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%.20q: %d, %v", tt.in, pid, err)
		}
	}
}

// TestQuote: a shell turns a quoted word back into the word.
func TestQuote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := strings.ReplaceAll(rapid.String().Draw(t, "word"), "\x00", "")
		out, err := exec.Command("/bin/sh", "-c", "printf %s "+text.ShellQuote(word)).Output()
		if err != nil || string(out) != word {
			t.Fatalf("%q became %q, %v", word, out, err)
		}
	})
}
