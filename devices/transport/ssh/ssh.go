// Package ssh runs programs on a board and copies files to it over ssh: a Jetson, a Raspberry
// Pi, a Coral board, any host with a POSIX shell.
//
// The user's own ssh connects and logs in, so everything in ~/.ssh/config applies: aliases,
// ProxyJump, ProxyCommand, Match exec, hardware keys, the agent. It holds the connection as a
// master (ControlMaster), and x/crypto/ssh opens channels in it through the master's socket
// (its proxy mode, OpenSSH 7.4). So starting a program needs no new connection and no new
// local process, and the signal that ended a program is known. `ssh -S` for each program was
// rejected: it costs a process, and exits with 255 for any signal.
//
// Two settings of the user's configuration are overridden for safety: an unknown or changed
// host key is never accepted, whatever StrictHostKeyChecking says, and ssh never asks for a
// password or passphrase, because a sweep runs unattended. ssh ends with latlab, however
// latlab ends.
//
// A program that may have run is never run a second time: a broken connection fails everything
// that was open over it, and the next call reconnects.
//
// Its neighbours: transport declares the interface and builds the command lines;
// devices/inventory opens it; sshtest starts a real sshd for tests.
package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"sync"
	"time"

	"github.com/pkg/sftp"

	"latlab/devices"
	"latlab/devices/transport"
)

// Transport reaches one host over ssh.
type Transport struct {
	o Options

	mu     sync.Mutex // held while connecting, so that concurrent callers share the result
	link   *link
	closed bool
}

var _ transport.Transport = (*Transport)(nil)

// Open connects and logs in. Errors are the context's or a *devices.Error: the user's for an
// unusable config file, key or host key (ReasonHostKey), the device's if it cannot be reached
// (ReasonOffline) or refuses the login (ReasonUnauthorized).
func Open(ctx context.Context, o Options) (*Transport, error) {
	if o.KeepAlive <= 0 {
		o.KeepAlive = defaultKeepAlive
	}
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = defaultConnectTimeout
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	t := &Transport{o: o}
	if _, err := t.connected(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// String returns USER@HOST, with the port if it is not 22.
func (t *Transport) String() string { return t.o.String() }

// connected returns the connection, and makes a new one if there is none or it broke.
func (t *Transport) connected(ctx context.Context) (*link, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, fmt.Errorf("ssh to %s: %w", t.o, fs.ErrClosed)
	}
	if t.link != nil && t.link.alive() {
		return t.link, nil
	}
	if t.link != nil {
		t.link.close(errors.New("it broke"))
	}
	var err error
	t.link, err = login(ctx, t.o)
	return t.link, err
}

// Close kills the programs that still run and closes the connection.
func (t *Transport) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.link != nil {
		t.link.killAll()
		t.link.close(fs.ErrClosed)
		t.link = nil
	}
	return nil
}

// lost replaces an operation's error by ReasonOffline if the connection is gone. The operation
// may fail before the link notices, so lost waits for the link.
func (l *link) lost(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *devices.Error
	if errors.As(err, &known) {
		return err
	}
	if broken(err) {
		select {
		case <-l.dead:
		case <-time.After(endTimeout):
		}
	}
	if !l.alive() {
		return l.o.offline(op, l.why())
	}
	return err
}

// broken reports whether an error is typical of a broken connection.
func broken(err error) bool {
	var network *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, sftp.ErrSSHFxConnectionLost) || errors.As(err, &network)
}
