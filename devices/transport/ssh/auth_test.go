package ssh_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/devices/transport/ssh"
	"latlab/devices/transport/ssh/sshtest"
	"latlab/internal/testenv"
)

// agent starts a real ssh-agent and returns its socket.
func agent(t testing.TB, keys ...string) string {
	t.Helper()
	testenv.Program(t, "ssh-agent", "openssh-client")
	dir, err := os.MkdirTemp("/tmp", "latlab-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "agent")
	cmd := exec.Command("ssh-agent", "-D", "-a", socket)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		add := exec.Command("ssh-add", k)
		add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		if out, err := add.CombinedOutput(); err != nil {
			t.Fatalf("ssh-add: %v: %s", err, out)
		}
	}
	return socket
}

func TestAgent(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	o := options(s)
	o.IdentityFiles, o.Config = nil, config(t, s, "IdentityFile none")
	_, err := ssh.Open(t.Context(), o)
	wants(t, err, devices.FaultDevice, devices.ReasonUnauthorized, "no ssh-agent", "ssh-copy-id")
	o.Agent = agent(t, s.Key)
	open(t, o)
}

// TestManyKeysOfTheAgent: sshd disconnects after six keys; the key from the options is offered
// first.
func TestManyKeysOfTheAgent(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	var keys []string
	for i := range 8 {
		k := filepath.Join(t.TempDir(), string(rune('a'+i)))
		sshtest.NewKey(t, k)
		keys = append(keys, k)
	}
	o := options(s)
	o.Agent = agent(t, append(keys, s.Key)...)
	open(t, o)
	o.IdentityFiles, o.Host, o.Config = nil, "board", config(t, s, "IdentityFile none")
	_, err := ssh.Open(t.Context(), o)
	wants(t, err, devices.FaultDevice, devices.ReasonUnauthorized, "agent's key")
	o.Config = config(t, s, "IdentitiesOnly yes", "IdentityFile "+s.Key)
	open(t, o)
}

func TestEncryptedKey(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	o := options(s)
	o.Agent = agent(t, s.Key) // before it is locked
	if out, err := exec.Command("ssh-keygen", "-q", "-p", "-f", s.Key, "-N", "a passphrase", "-P", "").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	open(t, o)
	o.Agent = "none"
	_, err := ssh.Open(t.Context(), o)
	wants(t, err, devices.FaultUser, "ssh-key", "passphrase", "ssh-add "+s.Key)
}

func TestKeysThatWillNotDo(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	dir := t.TempDir()
	public := filepath.Join(dir, "public")
	s.Authorize(sshtest.NewKey(t, public))
	if err := os.Chmod(public, 0o644); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, words := range map[string][]string{
		public: {"others can read it", "chmod 600"}, garbage: {garbage}, filepath.Join(dir, "none"): {"no such file"}, dir: {"bad permissions"},
	} {
		o := options(s)
		o.IdentityFiles = []string{file}
		_, err := ssh.Open(t.Context(), o)
		wants(t, err, devices.FaultUser, "ssh-key", words...)
	}
}

func TestUnauthorized(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	o := options(s)
	o.IdentityFiles = []string{filepath.Join(t.TempDir(), "stranger")}
	key := sshtest.NewKey(t, o.IdentityFiles[0])
	_, err := ssh.Open(t.Context(), o)
	wants(t, err, devices.FaultDevice, devices.ReasonUnauthorized, gossh.FingerprintSHA256(key), "ssh-copy-id -i "+o.IdentityFiles[0])
	s.Authorize(key)
	open(t, o)
}

func TestConfigAlias(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	o := ssh.Options{Host: "board", Agent: "none", Config: config(t, s, "IdentityFile "+s.Key, "UserKnownHostsFile /nonexistent "+s.KnownHosts, "StrictHostKeyChecking no")}
	tr := open(t, o)
	if out, err := transport.Shell(t.Context(), tr, 100, "echo hello"); err != nil || out != "hello\n" {
		t.Errorf("%q, %v", out, err)
	}
	s.ChangeHostKey()
	_, err := ssh.Open(t.Context(), o)
	wants(t, err, devices.FaultUser, devices.ReasonHostKey, "CHANGED")
}

// jumping is a board behind a jump host, with further jumps after that one.
func jumping(t *testing.T, more string) (jump, s *sshtest.Server, o ssh.Options) {
	jump, s = sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{})
	key, err := os.ReadFile(s.Key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.ParsePrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	jump.Authorize(signer.PublicKey())
	o = options(s)
	o.Host, o.Port, o.User = "board", 0, ""
	o.KnownHosts = []string{s.KnownHosts, jump.KnownHosts}
	o.Config = config(t, s, "ProxyJump "+jump.User+"@"+jump.Address()+more)
	return jump, s, o
}

// TestBoardVanishesBehindAJump: operations end although the jump host still works. The data in
// flight fits the sockets' buffers; a jump host whose buffers are full is not tested.
func TestBoardVanishesBehindAJump(t *testing.T) {
	t.Parallel() // it mostly waits
	_, s, o := jumping(t, "")
	o.KeepAlive = time.Second
	tr := open(t, o)
	path := t.TempDir() + "/file"
	endless := &silencing{s: s, after: 8 << 20}
	err := tr.Put(t.Context(), transport.File{Path: path, Content: endless, Size: 1 << 30, Mode: 0o600})
	wants(t, err, devices.FaultDevice, devices.ReasonOffline)
	s.Blackhole(false)
	eventually(t, "it connects again", func() bool { _, err := tr.Stat(t.Context(), "/"); return err == nil })
}

func TestSecondJumpThatIsNone(t *testing.T) {
	jump, _, o := jumping(t, ",nowhere:99999")
	_, err := ssh.Open(t.Context(), o)
	wants(t, err, devices.FaultUser, "ssh-config", "nowhere")
	eventually(t, "the first is left", func() bool { return len(jump.Sessions()) == 0 })
}

func TestProxyJump(t *testing.T) {
	jump, _, o := jumping(t, "")
	tr := open(t, o)
	if out, err := transport.Shell(t.Context(), tr, 100, "echo $SSH_CONNECTION"); err != nil || !strings.HasPrefix(out, "127.0.0.1") {
		t.Errorf("%q, %v", out, err)
	}
	if !strings.Contains(jump.Log(), "Accepted publickey") {
		t.Error("it did not go through the jump host")
	}
	jump.Cut()
	eventually(t, "it connects again", func() bool { _, err := tr.Stat(t.Context(), "/"); return err == nil })
	knowing(t, jump, "# nothing")
	_, err := ssh.Open(t.Context(), o)
	wants(t, err, devices.FaultUser, devices.ReasonHostKey, "not known")
}

// TestProxyCommand reaches the host through a program of the user's, which ends with the
// connection.
func TestProxyCommand(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := options(s)
	o.Host, o.Port, o.User = "board", 0, ""
	o.Config = config(t, s, "ProxyCommand env "+dialVariable+"=%h:%p "+self)
	tr := open(t, o)
	if out, err := transport.Shell(t.Context(), tr, 100, "echo hello"); err != nil || out != "hello\n" {
		t.Errorf("%q, %v", out, err)
	}
	if n := len(commands(t, self, dialVariable+"="+s.Address())); n != 1 {
		t.Errorf("%d proxies run", n)
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the proxy ends", func() bool { return len(commands(t, self, dialVariable+"="+s.Address())) == 0 })
	o.Config = config(t, s, "ProxyCommand env "+dialVariable+"=nowhere "+self)
	_, err = ssh.Open(t.Context(), o)
	wants(t, err, devices.FaultDevice, devices.ReasonOffline, "missing port in address")
}

func TestMatchExec(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	o := options(s)
	o.Host, o.Port, o.User = "board", 0, ""
	o.Config = config(t, s)
	b, err := os.ReadFile(o.Config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.Config, append([]byte("Match originalhost board exec \"false\"\n  Port 1\n"), b...), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, o)
}

func TestConfigRefused(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	for _, tt := range []struct{ line, words string }{
		{"Port none", "config line 2: Bad port 'none'"},
		{"IdentityFile %Z", "unknown key %Z"},
		{"Nonsense yes", "config: line 2: Bad configuration option: nonsense"},
	} {
		o := options(s)
		o.Host, o.Port, o.Config = "board", 0, config(t, s)
		b, err := os.ReadFile(o.Config)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(o.Config, append([]byte("Host board\n  "+tt.line+"\n"), b...), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = ssh.Open(t.Context(), o)
		wants(t, err, devices.FaultUser, "ssh-config", tt.words)
	}
	for _, host := range []string{"", "-oProxyCommand=x", "a b", "a;b", "$(x)", "a\nb"} {
		o := options(s)
		o.Host = host
		_, err := ssh.Open(t.Context(), o)
		wants(t, err, devices.FaultUser, "ssh-config", "is no host")
	}
}
