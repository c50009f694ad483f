package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"latlab/devices"
	"latlab/internal/text"
)

// hostKeys checks who answers.
type hostKeys struct {
	t     target
	check ssh.HostKeyCallback
	// What known_hosts has of this host. knownhosts itself takes the key of a certificate
	// authority for a host's own: they are kept apart here.
	plain, authorities []knownhosts.KnownKey
	failed             error // of the check, as a person should read it
}

// newHostKeys reads the known_hosts files that exist.
func newHostKeys(t target) (*hostKeys, error) {
	files, err := existing(t.knownHosts)
	if err != nil {
		return nil, userError("ssh to "+t.String(), err, "")
	}
	check, err := knownhosts.New(files...)
	if err != nil {
		return nil, userError("ssh to "+t.String(), err, "mend or remove the line")
	}
	h := &hostKeys{t: t, check: check}
	return h, h.look()
}

func existing(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		switch st, err := os.Stat(p); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case st.Mode().IsRegular():
			out = append(out, p)
		}
	}
	return out, nil
}

// nobody is a key that no file has: being asked about it, knownhosts tells what it does have.
type nobody struct{ ssh.PublicKey }

func (nobody) Type() string    { return "nobody" }
func (nobody) Marshal() []byte { return []byte("nobody") }

// look finds what is known of the host.
func (h *hostKeys) look() error {
	var known *knownhosts.KeyError
	if err := h.check(h.t.known(), &net.TCPAddr{}, nobody{}); !errors.As(err, &known) {
		return userError("ssh to "+h.t.String(), fmt.Errorf("known hosts: %w", err), "")
	}
	for _, k := range known.Want {
		authority, err := isAuthority(k)
		if err != nil {
			return userError("ssh to "+h.t.String(), err, "")
		}
		if authority {
			h.authorities = append(h.authorities, k)
		} else {
			h.plain = append(h.plain, k)
		}
	}
	return nil
}

// isAuthority looks at the line, for knownhosts does not tell.
func isAuthority(k knownhosts.KnownKey) (bool, error) {
	b, err := os.ReadFile(k.Filename)
	if err != nil {
		return false, err
	}
	lines := bytes.Split(b, []byte("\n"))
	if k.Line < 1 || k.Line > len(lines) {
		return false, fmt.Errorf("%s changed while it was read", k.Filename)
	}
	return bytes.HasPrefix(bytes.TrimSpace(lines[k.Line-1]), []byte("@cert-authority")), nil
}

// algorithms are those that known_hosts can check. Left to itself the server would choose by
// x/crypto's order, and a host whose one known key is not of the first kind would look as if
// it had changed. nil, which leaves the choice, where nothing is known.
//
// RSA with SHA-1 is not among them, as in ssh since 8.8: boards whose server has nothing
// else get "no common algorithm".
func (h *hostKeys) algorithms() []string {
	var out []string
	add := func(names ...string) {
		for _, n := range names {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	if len(h.authorities) > 0 {
		add(ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
			ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01)
	}
	for _, k := range h.plain {
		if k.Key.Type() == ssh.KeyAlgoRSA {
			add(ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			add(k.Key.Type())
		}
	}
	return out
}

// callback is asked during the key exchange.
func (h *hostKeys) callback(_ string, remote net.Addr, key ssh.PublicKey) error {
	err := h.verify(remote, key)
	if err != nil {
		h.failed = h.explain(err, key)
	}
	return err
}

func (h *hostKeys) verify(remote net.Addr, key ssh.PublicKey) error {
	err := h.check(h.t.known(), remote, key)
	if err != nil {
		return err
	}
	if _, certificate := key.(*ssh.Certificate); certificate || h.knows(key) {
		return nil
	}
	return &knownhosts.KeyError{Want: h.plain}
}

func (h *hostKeys) knows(key ssh.PublicKey) bool {
	return slices.ContainsFunc(h.plain, func(k knownhosts.KnownKey) bool { return bytes.Equal(k.Key.Marshal(), key.Marshal()) })
}

// explain says what is wrong with a key and what a person has to do.
func (h *hostKeys) explain(err error, key ssh.PublicKey) error {
	e := &devices.Error{Fault: devices.FaultUser, Op: "ssh to " + h.t.String(), Reason: devices.ReasonHostKey, Err: err}
	kind, print := short(key), ssh.FingerprintSHA256(key)
	var revoked *knownhosts.RevokedError
	var known *knownhosts.KeyError
	switch {
	case errors.As(err, &revoked):
		e.Err = fmt.Errorf("its %s host key %s is revoked by %s:%d", kind, print, revoked.Revoked.Filename, revoked.Revoked.Line)
		e.Advice = "somebody said that this key is no longer to be trusted: do not connect before you know why"
	case errors.As(err, &known) && len(h.plain) > 0:
		old := h.offender(key)
		e.Err = fmt.Errorf("its host key CHANGED: it shows the %s key %s, and %s:%d has %s %s. It is another machine, a new installation, or somebody in between",
			kind, print, old.Filename, old.Line, short(old.Key), ssh.FingerprintSHA256(old.Key))
		e.Advice = fmt.Sprintf("find out which; if it was installed anew: ssh-keygen -f %s -R %s, then add its new key", text.ShellWord(old.Filename), text.ShellWord(knownhosts.Normalize(h.t.known())))
	case errors.As(err, &known):
		e.Err = fmt.Errorf("its %s host key %s is not known here, and host keys are always checked (StrictHostKeyChecking no is not followed)", kind, print)
		e.Advice = h.adviceUnknown(key)
	}
	return e
}

// offender is the line that the key contradicts: one of its own kind where there is one.
func (h *hostKeys) offender(key ssh.PublicKey) knownhosts.KnownKey {
	for _, k := range h.plain {
		if k.Key.Type() == key.Type() {
			return k
		}
	}
	return h.plain[0]
}

func (h *hostKeys) adviceUnknown(key ssh.PublicKey) string {
	file := "~/.ssh/known_hosts"
	if len(h.t.knownHosts) > 0 {
		file = text.ShellWord(h.t.knownHosts[0])
	}
	kind := short(key)
	scan := fmt.Sprintf("ssh-keyscan -t %s -p %d %s", kind, h.t.port, text.ShellWord(h.t.host))
	if h.t.alias != "" {
		scan += fmt.Sprintf(" | sed 's/^[^ ]*/%s/'", h.t.alias)
	}
	return fmt.Sprintf("compare the fingerprint with `ssh-keygen -lf /etc/ssh/ssh_host_%s_key.pub` on the device; if they are the same: %s >> %s", kind, scan, file)
}

// short is ssh-keyscan's word for a key's kind.
func short(key ssh.PublicKey) string {
	switch t := key.Type(); {
	case strings.Contains(t, "ecdsa"):
		return "ecdsa"
	case strings.Contains(t, "ed25519"):
		return "ed25519"
	case strings.Contains(t, "rsa"):
		return "rsa"
	default:
		return t
	}
}
