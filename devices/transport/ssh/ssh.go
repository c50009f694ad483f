// Package ssh runs programs on a board and brings files there over ssh: a Jetson, a
// Raspberry Pi, a Coral board, any host with a POSIX shell.
//
// The user's own ssh connects and logs in, so that all of ~/.ssh/config holds: aliases,
// ProxyJump, ProxyCommand, Match exec, keys on hardware, the agent. It holds the connection
// as a master (ControlMaster), and x/crypto/ssh opens channels in it through the master's
// socket (its proxy mode, OpenSSH 7.4): a program costs no new connection and no new process
// here, and the signal that ended one is known. The other modes were rejected: `ssh -S` for
// each program costs a process and says 255 for any signal.
//
// It refuses what would make the user's configuration dangerous here: a host key that is not
// known or has changed is never taken, whatever StrictHostKeyChecking says, and nothing is ever
// asked (no passwords, no passphrases): a sweep runs alone. ssh ends with latlab, however that
// ends.
//
// A program that may have run is never run a second time: a broken connection fails all
// that was open over it, and the next call connects anew.
//
// Its neighbours: transport declares what it implements and builds the command lines;
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

	mu     sync.Mutex // held while connecting: who comes meanwhile takes what that gives
	link   *link
	closed bool
}

var _ transport.Transport = (*Transport)(nil)

// Open connects and logs in. Errors are the context's or a *devices.Error: the user's for a
// config file, key or host key that will not do (ReasonHostKey), the device's for one that
// cannot be reached (ReasonOffline) or does not let us in (ReasonUnauthorized).
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

// String is USER@HOST, with the port where it is not 22.
func (t *Transport) String() string { return t.o.String() }

// connected returns the connection, a new one where there is none or it broke.
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
		t.link = nil
	}
	l, err := login(ctx, t.o)
	if err != nil {
		return nil, err
	}
	t.link = l
	return l, nil
}

// Close kills the programs that still run and gives the connection up.
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

// lost is what an operation's error means once the connection is known to be gone. Who uses
// a broken connection may learn of it before the link does, which is waited for.
func (l *link) lost(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *devices.Error
	if errors.As(err, &known) {
		return err
	}
	if broken(err) {
		limit := time.NewTimer(endTimeout)
		defer limit.Stop()
		select {
		case <-l.dead:
		case <-limit.C:
		}
	}
	if !l.alive() {
		return l.o.offline(op, l.why())
	}
	return err
}

// broken reports whether an error is how a broken connection shows.
func broken(err error) bool {
	var network *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, sftp.ErrSSHFxConnectionLost) || errors.As(err, &network)
}
