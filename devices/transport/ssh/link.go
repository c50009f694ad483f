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

// maxSessions is what OpenSSH allows one connection (MaxSessions 10), less one that is kept
// for killing and one that an idle sftp client may hold.
const maxSessions = 8

// link is one connection, logged in.
type link struct {
	o      Options
	ssh    *master
	client *ssh.Client

	slots  chan struct{} // one a session in use
	killer sync.Mutex    // one session for killing

	files files

	mu       sync.Mutex
	running  map[*process]struct{}
	cause    error         // why it ended
	dead     chan struct{} // closed when it ended
	watchers sync.WaitGroup
}

// login has ssh connect and log in, which is bounded by ConnectTimeout as a whole, and becomes a
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

// end closes the connection under all who use it. The first reason stays.
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

// why is the reason of the end, nil while there is none.
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

// opened is a session's channel with the requests that come over it: how its program ended.
// x/crypto's Session is not used, for its Wait returns only when nobody holds the program's
// streams open any more, and somebody may do so for ever.
type opened struct {
	ssh.Channel
	requests <-chan *ssh.Request
}

// hangUp closes a session, and where it is not gone in time the whole connection. Close is a
// message: readers wake when the host closes its side too, which OpenSSH does not do while the
// program lives, be it that nobody could kill it or that it is stuck in the kernel.
func (l *link) hangUp(s opened, gone <-chan struct{}) {
	_ = s.Close()
	limit := time.NewTimer(endTimeout)
	defer limit.Stop()
	select {
	case <-gone:
	case <-l.dead:
	case <-limit.C:
		l.end(errors.New("a program there cannot be ended"))
	}
}

// session opens one.
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

// open opens a session's channel. Where ctx or the connection ends first, what comes late is closed
// by the goroutine that waits for it. Nobody waits for that one: x/crypto's OpenChannel never
// returns where the connection ends in just that moment, for its mux closes the channels that it
// knows once, and then takes another. A sweep over ssh stood still for that.
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

// noSession says why the host opened none.
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
	// x/crypto has no error of its own for a connection that ends meanwhile.
	return l.lost("open a session on", fmt.Errorf("%w (%w)", err, io.ErrUnexpectedEOF))
}
