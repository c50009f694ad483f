package ssh

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/internal/testenv"
)

func FuzzParseStat(f *testing.F) {
	for _, s := range []string{"5 81a4 1700000000\n", "0 41ed 0", "-1 81a4 0", "5 fffff 0", "", "a b c", "5 81a4 1700000000 x", "9223372036854775808 1 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if info, err := parseStat(s); err == nil && (info.Size < 0 || len(strings.Fields(s)) != 3) {
			t.Errorf("%q is %+v", s, info)
		}
	})
}

func TestParseStat(t *testing.T) {
	info, err := parseStat("5 81a4 1700000000\n")
	if err != nil || info.Size != 5 || info.Mode != 0o644 || info.ModTime.Unix() != 1700000000 {
		t.Errorf("%+v, %v", info, err)
	}
}

// FuzzRefused: any output of ssh becomes one line that says whose fault it is.
func FuzzRefused(f *testing.F) {
	for _, s := range []string{
		"", "debug1: Connection established.\n", "ssh: Could not resolve hostname x: Name or service not known\n",
		"debug1: Server host key: ssh-ed25519 SHA256:x\nNo ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.\n",
		"Offending key in a:b:1\nHost key for [h]:1 has changed and you have requested strict checking.\n",
		"Host key for h has changed and you have requested strict checking.\n", "The RSA host key for h is marked as revoked.\n",
		"debug1: Authenticating to h:22 as 'me'\ndebug1: Offering public key: a b RSA SHA256:x agent\nme@h: Permission denied (publickey).\n",
		"debug1: Server accepts key: a b RSA SHA256:x explicit\nPermission denied (publickey).\n",
		"Load key \"a\": bad permissions\nPermission denied (publickey).\n", "Unable to negotiate with h port 22: no matching cipher found. Their offer: x\n",
		"/a b/config: line 2: Bad configuration option: x\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := Options{Host: "h"}.refused(s, errors.New("ssh ended"))
		var e *devices.Error
		if !errors.As(err, &e) || e.Reason == "" || e.Err == nil || strings.ContainsRune(e.Error(), '\n') {
			t.Errorf("%q is %v", s, err)
		}
	})
}

func FuzzExit(f *testing.F) {
	f.Add("exit-status", []byte{0, 0, 0, 7})
	f.Add("exit-status", []byte{0})
	f.Add("exit-signal", ssh.Marshal(struct {
		Signal     string
		CoreDumped bool
		Message    string
		Language   string
	}{"SEGV", true, "", ""}))
	f.Add("exit-signal", []byte("\xff\xff\xff\xff"))
	f.Add("keepalive@openssh.com", []byte{})
	f.Fuzz(func(t *testing.T, kind string, payload []byte) {
		e := exitOf(&ssh.Request{Type: kind, Payload: payload})
		if e != nil && (e.Code == -1) != (e.Signal != "") || e != nil && len(e.Signal) > 4<<10 {
			t.Errorf("%+v", e)
		}
	})
}

// TestLineWithoutAGroup: if the login shell does not lead its process group (Dropbear), the
// program gets its own group, in every shell that is installed here.
func TestLineWithoutAGroup(t *testing.T) {
	line, err := startLine(transport.Command{Path: "sh", Args: []string{"-c", `read -r s </proc/$$/stat; set -- ${s##*) }; [ "$3" = $$ ] && echo "leads $1"; exit 7`, "sh"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range [][]string{{"sh"}, {"bash"}, {"mksh"}, {"busybox", "sh"}} {
		if len(testenv.Installed(t, shell[0])) == 0 {
			continue
		}
		out, err := exec.Command(shell[0], append(shell[1:], "-c", line)...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 7 || !strings.Contains(string(out), "leads R") {
			t.Errorf("%v: %q, %v", shell, out, err)
		}
	}
}

func TestSignalNames(t *testing.T) {
	for name, want := range map[string]string{
		"SEGV": "segmentation fault", "KILL": "killed", "ABRT": "aborted", "SIG@openssh.com": "a signal that ssh has no name for", "X\ny": `signal "X\ny"`,
	} {
		if got := signalName(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
