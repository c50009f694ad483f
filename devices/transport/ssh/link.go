package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"latlab/devices"
)

// maxSessions is what OpenSSH allows per connection (MaxSessions 10), less one that is
// reserved for killing and one for an idle sftp client.
const maxSessions = 8

// link is one connection, logged in.
type link struct {
	o      Options
	ssh    *master
	client *ssh.Client

	slots  chan struct{} // one for each session in use
	killer sync.Mutex    // held while the reserved session kills

	files files

	mu       sync.Mutex
	running  map[*process]struct{}
	cause    error         // why the connection ended
	dead     chan struct{} // closed when the connection ended
	watchers sync.WaitGroup
}

// login makes ssh connect and log in, which ConnectTimeout limits as a whole, and becomes a
// client of its connection.
func login(ctx context.Context, o Options) (*link, error) {
	m, err := startMaster(o)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	client, err := m.login(limited)
	if err != nil {
		m.close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, o.refused(m.said.String(), err)
	}
	l := &link{
		o: o, ssh: m, client: client,
		slots: make(chan struct{}, maxSessions), running: map[*process]struct{}{}, dead: make(chan struct{}),
	}
	l.spawn(func() {
		_ = client.Wait()
		l.end(m.why())
	})
	return l, nil
}

// spawn starts a goroutine that close waits for. It starts none once the link has ended.
func (l *link) spawn(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.alive() {
		return false
	}
	l.watchers.Go(f)
	return true
}

// end closes the connection for all its users. Only the first reason is kept.
func (l *link) end(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.dead:
		return
	default:
	}
	l.cause = why
	close(l.dead)
	_ = l.client.Close()
	l.ssh.kill()
}

// close ends the connection and waits for its goroutines.
func (l *link) close(why error) {
	l.end(why)
	l.watchers.Wait()
	l.files.close()
	l.ssh.close()
}

func (l *link) alive() bool {
	select {
	case <-l.dead:
		return false
	default:
		return true
	}
}

// why returns the reason of the end, nil while the connection lives.
func (l *link) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// slot waits until a session may be opened.
func (l *link) slot(ctx context.Context) error {
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.dead:
		return l.o.offline("open a session on", l.why())
	}
}

func (l *link) free() { <-l.slots }

// opened is a session's channel with its requests, which report how its program ended.
// x/crypto's Session is not used, because its Wait returns only when no process holds the
// program's streams open, which may be never.
type opened struct {
	ssh.Channel
	requests <-chan *ssh.Request
}

// hangUp closes a session, and the whole connection if the session does not end in time. Close
// only sends a message: readers wake when the host closes its side too, which OpenSSH does not
// do while the program lives, for example if it cannot be killed or is stuck in the kernel.
func (l *link) hangUp(s opened, gone <-chan struct{}) {
	_ = s.Close()
	select {
	case <-gone:
	case <-l.dead:
	case <-time.After(endTimeout):
		l.end(errors.New("a program on the host cannot be ended"))
	}
}

// session opens a session.
func (l *link) session(ctx context.Context) (opened, error) {
	o, err := open(ctx, l.dead, l.client.OpenChannel)
	if errors.Is(err, errDead) {
		return opened{}, l.o.offline("open a session on", l.why())
	}
	if err != nil && ctx.Err() != nil {
		return opened{}, ctx.Err()
	}
	return o, l.noSession(err)
}

var errDead = errors.New("the connection ended")

// open opens a session's channel. If ctx or the connection ends first, a channel that comes
// late is closed by the goroutine that waits for it. That goroutine is not waited for:
// x/crypto's OpenChannel never returns if the connection ends at just that moment, because its
// mux closes the channels that it knows once, and then accepts a new one. A sweep over ssh
// once hung for that reason.
func open(ctx context.Context, dead <-chan struct{}, channel func(string, []byte) (ssh.Channel, <-chan *ssh.Request, error)) (opened, error) {
	select {
	case <-dead:
		return opened{}, errDead
	default:
	}
	type result struct {
		opened
		err error
	}
	came, left := make(chan result), make(chan struct{})
	defer close(left)
	go func() {
		c, requests, err := channel("session", nil)
		select {
		case came <- result{opened{c, requests}, err}:
		case <-left:
			if err == nil {
				go ssh.DiscardRequests(requests)
				_ = c.Close()
			}
		}
	}()
	select {
	case r := <-came:
		return r.opened, r.err
	case <-ctx.Done():
		return opened{}, ctx.Err()
	case <-dead:
		return opened{}, errDead
	}
}

// noSession explains why the host opened no session.
func (l *link) noSession(err error) error {
	if err == nil {
		return nil
	}
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) {
		return &devices.Error{
			Fault: devices.FaultDevice, Op: "open a session on " + l.o.String(), Reason: "ssh-sessions", Err: err,
			Advice: "its sshd may allow fewer than 10 at once: see MaxSessions in /etc/ssh/sshd_config there",
		}
	}
	// x/crypto has no error of its own for a connection that ends in the meantime.
	return l.lost("open a session on", fmt.Errorf("%w (%w)", err, io.ErrUnexpectedEOF))
}
