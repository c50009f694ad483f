// Package adbtest is the phone's side of adb for tests: a fake adbd over TCP, to which the
// real adb server connects, and that server, private to a test. A phone runs commands with a
// real shell, keeps files in a real folder, and fails on demand.
//
// It does not imitate the server, because the tests depend on how adb's own server words and
// times things. It has no encryption, and implements keys only to reject them.
//
// Sources: AOSP, packages/modules/adb: protocol.txt, SERVICES.TXT, SYNC.TXT,
// daemon/shell_service.cpp, daemon/file_sync_service.cpp. Tried with adb 29.0.6.
package adbtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"latlab/internal/testenv"
)

// ADB is a private real adb server.
type ADB struct {
	Addr   string // "127.0.0.1:PORT"
	Port   string
	Binary string
	Env    []string // keeps an adb command away from the user's keys

	cmd  *exec.Cmd
	done chan struct{}
}

// Server starts the real adb as a server on a free port, and ends it with the test. It needs
// Debian's package adb.
func Server(t testing.TB) *ADB {
	t.Helper()
	testenv.Program(t, "adb", "adb")
	s, err := StartServer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// startPatience is long enough for a busy machine.
const startPatience = 30 * time.Second

// StartServer is Server for callers without a test. home is the folder for the server's key.
func StartServer(home string) (*ADB, error) {
	binary, err := exec.LookPath("adb")
	if err != nil {
		return nil, fmt.Errorf("%w: install Debian's package adb", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	if err := l.Close(); err != nil {
		return nil, err
	}
	s := &ADB{Addr: addr, Port: port, Binary: binary, Env: environment(home), done: make(chan struct{})}
	log, err := os.Create(filepath.Join(home, "adb.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd = exec.Command(binary, "-P", port, "nodaemon", "server")
	s.cmd.Env, s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.Env, home, log, log
	if err := s.start(); err != nil {
		return nil, err
	}
	if err := s.wait(); err != nil {
		s.Close()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	return s, nil
}

// start ties the server to this process, because a test that times out cleans nothing up. The
// kernel ties it to the thread that started it, hence the locked thread.
func (s *ADB) start() error {
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer close(s.done)
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait()
		}
	}()
	return <-started
}

// environment keeps a server away from the user's keys, and stops it from looking for
// emulators.
func environment(home string) []string {
	return append(os.Environ(), "HOME="+home, "ANDROID_USER_HOME="+home, "ANDROID_SDK_HOME="+home, "TMPDIR="+home,
		"ADB_LOCAL_TRANSPORT_MAX_PORT=5553", "ADB_MDNS=0")
}

func (s *ADB) wait() error {
	for end := time.Now().Add(startPatience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		select {
		case <-s.done:
			return errors.New("adb ended at once")
		default:
		}
		if _, err := s.Query("host:version"); err == nil {
			return nil
		}
	}
	return errors.New("adb does not start")
}

// Close ends the server.
func (s *ADB) Close() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// Connect makes the server connect to a phone and waits until the phone can be used.
func (s *ADB) Connect(serial string) error {
	var text string
	for end := time.Now().Add(startPatience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if text, _ = s.Query("host-serial:" + serial + ":get-state"); text == "device" {
			return nil
		}
		if text, err := s.Query("host:connect:" + serial); err != nil {
			return fmt.Errorf("connect %s: %w: %s", serial, err, text)
		}
	}
	return fmt.Errorf("%s stays %q", serial, text)
}

// Query sends the server a request that has one answer.
func (s *ADB) Query(service string) (string, error) {
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(startPatience)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(conn, "%04x%s", len(service), service); err != nil {
		return "", err
	}
	var head [8]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return "", err
	}
	size, err := strconv.ParseUint(string(head[4:]), 16, 16)
	if err != nil {
		return "", err
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(conn, text); err != nil {
		return "", err
	}
	if string(head[:4]) != "OKAY" {
		return "", errors.New(string(text))
	}
	return string(text), nil
}

// Phone starts a phone, connects the server to it, and ends it with the test.
func Phone(t testing.TB, s *ADB, o Options) *Fake {
	t.Helper()
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	if err := s.Connect(f.Serial()); err != nil {
		t.Fatal(err)
	}
	return f
}

// WaitQuiet waits until no program of the phone runs and no stream is open. If that does not
// happen, it reports what is left.
func (f *Fake) WaitQuiet() error {
	var left string
	for end := time.Now().Add(startPatience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		processes, streams := f.Processes(), f.Streams()
		if len(processes) == 0 && streams == 0 {
			return nil
		}
		left = fmt.Sprintf("%d streams, processes %s", streams, strings.Join(commandLines(processes), "; "))
	}
	return errors.New("left on the phone: " + left)
}

func commandLines(pids []int) []string {
	var list []string
	for _, pid := range pids {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		list = append(list, fmt.Sprintf("%d %q", pid, strings.ReplaceAll(string(b), "\x00", " ")))
	}
	return list
}

// sessions lists the living processes of sessions, by their leaders' ids.
func sessions(leaders map[int]bool) []int {
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	var list []int
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// The program's name is in brackets and may contain brackets itself.
		words := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(words) < 4 || words[0] == "Z" || words[0] == "X" {
			continue
		}
		session, _ := strconv.Atoi(words[3])
		if leaders[session] {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			list = append(list, pid)
		}
	}
	return list
}

func killAll(pids []int) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
