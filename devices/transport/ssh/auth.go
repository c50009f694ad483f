package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"latlab/devices"
	"latlab/internal/text"
)

// keyring gathers the keys to log in with, and what became of each, for the error.
//
// All are offered in one go: x/crypto tries each method once, so that a second "publickey"
// would never be asked. Named files come first, for servers hang up after six keys, and an
// agent may hold more.
type keyring struct {
	t       target
	conn    net.Conn     // to the agent; nil where none
	agents  []ssh.Signer // the agent's
	offered []ssh.Signer
	tried   []string // "key /home/me/.ssh/id_ed25519 (ED25519 SHA256:...)"
}

// agentTimeout bounds the whole talk with the agent, which may ask its user.
const agentTimeout = 20 * time.Second

// gather reads identity files and asks the agent.
func gather(ctx context.Context, t target) (*keyring, error) {
	k := &keyring{t: t}
	k.openAgent(ctx)
	for _, id := range t.identities {
		if err := k.addFile(id); err != nil {
			k.close()
			return nil, err
		}
	}
	if !t.only {
		for _, s := range k.agents {
			k.offer(s, "agent's key")
		}
	}
	return k, nil
}

// openAgent lists the agent's keys. An agent that is not there is no error: many have none.
func (k *keyring) openAgent(ctx context.Context) {
	if k.t.agent == "" {
		k.tried = append(k.tried, "no ssh-agent (SSH_AUTH_SOCK is not set)")
		return
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", k.t.agent)
	if err != nil {
		k.tried = append(k.tried, "no ssh-agent ("+err.Error()+")")
		return
	}
	_ = conn.SetDeadline(time.Now().Add(agentTimeout))
	k.conn = conn
	k.agents, err = agent.NewClient(conn).Signers()
	if err != nil {
		k.tried = append(k.tried, "ssh-agent ("+err.Error()+")")
	}
}

func (k *keyring) close() {
	if k.conn != nil {
		_ = k.conn.Close()
	}
}

// offer adds a key unless it is there already.
func (k *keyring) offer(s ssh.Signer, what string) {
	for _, o := range k.offered {
		if bytes.Equal(o.PublicKey().Marshal(), s.PublicKey().Marshal()) {
			return
		}
	}
	k.offered = append(k.offered, s)
	k.tried = append(k.tried, fmt.Sprintf("%s (%s %s)", what, short(s.PublicKey()), ssh.FingerprintSHA256(s.PublicKey())))
}

// addFile adds an identity file. One that cannot be used is passed over unless it was given.
func (k *keyring) addFile(id identity) error {
	err := k.readFile(id.path)
	switch {
	case err == nil:
	case id.given:
		return &devices.Error{Fault: devices.FaultUser, Op: "ssh to " + k.t.String(), Reason: "ssh-key", Err: fmt.Errorf("key %s: %w", id.path, err), Advice: adviceKey(id.path, err)}
	case !errors.Is(err, fs.ErrNotExist):
		k.tried = append(k.tried, fmt.Sprintf("not key %s: %v", id.path, err))
	}
	return nil
}

var (
	errEncrypted = errors.New("it has a passphrase, and no agent has it open")
	errOpen      = errors.New("others can read it")
)

func adviceKey(path string, err error) string {
	switch {
	case errors.Is(err, errEncrypted):
		return "eval $(ssh-agent); ssh-add " + text.ShellWord(path)
	case errors.Is(err, errOpen):
		return "chmod 600 " + text.ShellWord(path)
	}
	return ""
}

func (k *keyring) readFile(path string) error {
	b, err := readSmall(path)
	if err != nil {
		return err
	}
	if st, err := os.Stat(path); err == nil && st.Mode()&0o077 != 0 {
		return errOpen
	}
	s, err := ssh.ParsePrivateKey(b)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		return k.fromAgent(path, locked.PublicKey)
	}
	if err != nil {
		return err
	}
	k.offer(s, "key "+path)
	return nil
}

// fromAgent uses the agent's copy of a key whose file is locked. OpenSSH's own format tells
// the public key of a locked file; the older ones have it in a file beside.
func (k *keyring) fromAgent(path string, public ssh.PublicKey) error {
	if public == nil {
		if b, err := readSmall(path + ".pub"); err == nil {
			public, _, _, _, _ = ssh.ParseAuthorizedKey(b)
		}
	}
	if public == nil {
		return errEncrypted
	}
	for _, s := range k.agents {
		if bytes.Equal(s.PublicKey().Marshal(), public.Marshal()) {
			k.offer(s, "key "+path+" by the agent")
			return nil
		}
	}
	return errEncrypted
}

// methods are what the client offers. "none" is always tried first by x/crypto.
func (k *keyring) methods() []ssh.AuthMethod {
	if len(k.offered) == 0 {
		return nil
	}
	return []ssh.AuthMethod{ssh.PublicKeys(k.offered...)}
}

// refused is a host that took none of the keys.
func (k *keyring) refused(err error) error {
	tried := "nothing: there is no key here"
	if len(k.tried) > 0 {
		tried = strings.Join(k.tried, "; ")
	}
	advice := "ssh-copy-id " + k.copyID() + k.t.typed()
	if len(k.offered) == 0 {
		advice = "make a key with ssh-keygen -t ed25519 or open one with ssh-add, then " + advice
	}
	return &devices.Error{
		Fault: devices.FaultDevice, Op: "ssh to " + k.t.String(), Reason: devices.ReasonUnauthorized,
		Err:    fmt.Errorf("it does not let %s in: tried %s", k.t.user, tried),
		Advice: advice, Output: err.Error(),
	}
}

func (k *keyring) copyID() string {
	for _, id := range k.t.identities {
		if id.given {
			return "-i " + text.ShellWord(id.path) + " "
		}
	}
	return ""
}
