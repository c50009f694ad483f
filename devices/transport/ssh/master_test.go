package ssh_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/devices/transport/ssh"
	"latlab/devices/transport/ssh/sshtest"
)

// Variables that make the test binary act as a different program.
const (
	dialVariable = "SSH_TEST_DIAL" // as a ProxyCommand that connects to HOST:PORT
	heldVariable = "SSH_TEST_HOLD" // as a latlab that holds a connection: USER:PORT:KEY:KNOWN_HOSTS
)

// dial copies between stdin and stdout and a connection.
func dial(address string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		_, _ = io.Copy(c, os.Stdin)
		os.Exit(0)
	}()
	_, _ = io.Copy(os.Stdout, c)
	os.Exit(0)
}

// hold starts a tethered program, reports that, and waits to be killed.
func hold(words string) {
	w := strings.Split(words, ":")
	port, err := strconv.Atoi(w[1])
	if err == nil {
		var tr *ssh.Transport
		tr, err = ssh.Open(context.Background(), ssh.Options{Host: "127.0.0.1", User: w[0], Port: port, IdentityFiles: w[2:3], KnownHosts: w[3:], Config: "none", Agent: "none"})
		if err == nil {
			_, err = tr.Start(context.Background(), transport.Command{Path: "sleep", Args: []string{"3600"}, Tether: true})
		}
	}
	fmt.Println("holds:", err)
	select {}
}

// commands returns the processes whose command line or environment contains given words in
// order.
func commands(t testing.TB, words ...string) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		line, _ := os.ReadFile(f)
		env, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "environ"))
		all := strings.Split(string(line)+string(env), "\x00")
		found := slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(all, w) })
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); err == nil && !found {
			pids = append(pids, pid)
		}
	}
	return pids
}

// clients returns the ssh programs that hold a connection to a server.
func clients(t testing.TB, s *sshtest.Server) []int {
	t.Helper()
	return commands(t, "ControlMaster=yes", "-p", strconv.Itoa(s.Port))
}

// TestKilledSSH: if the ssh program is killed, the connection is broken.
func TestKilledSSH(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	p := sh(t, tr, "echo ready; cat")
	firstLine(t, p)
	for _, pid := range clients(t, s) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	_, _, exit := finish(t, p)
	wants(t, exit.Err, devices.FaultDevice, devices.ReasonOffline, "ssh was ended", "killed")
	if out, err := transport.Shell(t.Context(), tr, 100, "echo again"); err != nil || out != "again\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestStoppedSSH: a program is ended although its connection is stalled.
func TestStoppedSSH(t *testing.T) {
	t.Parallel() // it mostly waits
	s := sshtest.Start(t, sshtest.Options{})
	tr := open(t, options(s))
	p := sh(t, tr, "echo ready; cat")
	firstLine(t, p)
	for _, pid := range clients(t, s) {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	p.Kill()
	_, _, exit := finish(t, p)
	wants(t, exit.Err, devices.FaultDevice, devices.ReasonOffline)
	if out, err := transport.Shell(t.Context(), tr, 100, "echo again"); err != nil || out != "again\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestKilledLatlab: a killed latlab leaves no ssh here, no program on the host, no file.
func TestKilledLatlab(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s:%d:%s:%s", heldVariable, s.User, s.Port, s.Key, s.KnownHosts), "TMPDIR="+temp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "holds: <nil>\n" || err != nil {
		t.Errorf("%q, %v", line, err)
	}
	if n := len(clients(t, s)); n != 1 {
		t.Errorf("%d ssh programs run", n)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	eventually(t, "ssh ends", func() bool { return len(clients(t, s)) == 0 })
	eventually(t, "the program ends", func() bool { return len(s.Left()) == 0 })
	if left := names(t, temp); len(left) > 0 {
		t.Errorf("there are %q", left)
	}
}

// TestNothingIsLeftHere: neither a connection nor a refused one leaves files or processes
// here.
func TestNothingIsLeftHere(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	tr := open(t, options(s))
	if left := names(t, temp); len(left) > 0 {
		t.Errorf("there are %q", left)
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	knowing(t, s, "# nothing")
	refused(t, s, "not known")
	if n := len(clients(t, s)); n != 0 {
		t.Errorf("%d ssh programs run", n)
	}
	if left := names(t, temp); len(left) > 0 {
		t.Errorf("there are %q", left)
	}
}

// TestLongTemporaryFolder: a socket's path has at most 104 bytes.
func TestLongTemporaryFolder(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	temp := filepath.Join(t.TempDir(), strings.Repeat("long", 30), "50% off")
	if err := os.MkdirAll(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temp)
	open(t, options(s))
	short, err := os.MkdirTemp("/tmp", "50%h ")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(short)
	t.Setenv("TMPDIR", short)
	open(t, options(s))
}

func TestNoSSH(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := ssh.Open(t.Context(), ssh.Options{Host: "board"})
	wants(t, err, devices.FaultUser, devices.ReasonMissing, "install OpenSSH's client")
}

// TestForkAfterAuthentication: a configuration that sends ssh to the background after the login
// does not take it away from latlab.
func TestForkAfterAuthentication(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	o := options(s)
	o.Host, o.Config = "board", config(t, s, "ForkAfterAuthentication yes")
	tr := open(t, o)
	if out, err := transport.Shell(t.Context(), tr, 100, "echo here"); err != nil || out != "here\n" {
		t.Errorf("%q, %v", out, err)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, "no ssh is left", func() bool { return len(clients(t, s)) == 0 })
}

// TestSSHWithoutForkAfterAuthentication: an ssh that does not know the keyword is not given it.
func TestSSHWithoutForkAfterAuthentication(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	program, err := exec.LookPath("ssh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := `#!/bin/sh
case "$*$(cat "$2" 2>/dev/null)" in *ForkAfterAuthentication[=\ ]no*) echo "command-line: line 0: Bad configuration option: forkafterauthentication" >&2; exit 255 ;; esac
exec ` + program + ` "$@"
`
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	if out, err := transport.Shell(t.Context(), open(t, options(s)), 100, "echo here"); err != nil || out != "here\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestServerOfAnotherTime(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{Config: []string{"Ciphers 3des-cbc"}})
	_, err := ssh.Open(t.Context(), options(s))
	wants(t, err, devices.FaultDevice, "ssh-algorithms", "no matching cipher found")
}
