package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
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
	t      target
	client *ssh.Client
	conn   net.Conn
	parent *link // the host it goes through, which is closed with it; nil where none

	slots  chan struct{} // one a session in use
	killer sync.Mutex    // one session for killing

	files files

	mu       sync.Mutex
	running  map[*process]struct{}
	cause    error         // why it ended
	dead     chan struct{} // closed when it ended
	watchers sync.WaitGroup
}

// dial connects, through other hosts where the config file says so.
func dial(ctx context.Context, o Options, t target) (*link, error) {
	var via *link
	for _, jump := range t.jumps {
		next, err := jumpTarget(o, jump)
		if err != nil {
			if via != nil {
				via.close(err)
			}
			return nil, err
		}
		next.jumps = nil
		if via, err = through(ctx, o, via, next); err != nil {
			return nil, err
		}
	}
	return through(ctx, o, via, t)
}

// jumpTarget resolves one host of ProxyJump. Its own ProxyJump is followed by nobody: the
// list that names it is whole.
func jumpTarget(o Options, jump string) (target, error) {
	jo := Options{KnownHosts: o.KnownHosts, IdentityFiles: o.IdentityFiles, Config: o.Config, Agent: o.Agent}
	jump = strings.TrimPrefix(strings.TrimSpace(jump), "ssh://")
	if at := strings.LastIndexByte(jump, '@'); at >= 0 {
		jo.User, jump = jump[:at], jump[at+1:]
	}
	jo.Host = jump
	if host, p, err := net.SplitHostPort(jump); err == nil {
		n, err := port(p)
		if err != nil {
			return target{}, userError("ssh through "+jump, err, "")
		}
		jo.Host, jo.Port = host, n
	}
	return resolve(jo)
}

// through connects to one host, over another or straight. Where it fails the other is closed.
func through(ctx context.Context, o Options, via *link, t target) (*link, error) {
	l, err := login(ctx, o, via, t)
	if err != nil {
		if via != nil {
			via.close(err)
		}
		return nil, err
	}
	return l, nil
}

// login connects and logs in. Everything before a session is bounded by ConnectTimeout: the
// connection is closed under whoever still waits then, which no slow drip can put off.
func login(ctx context.Context, o Options, via *link, t target) (*link, error) {
	keys, err := newHostKeys(t)
	if err != nil {
		return nil, err
	}
	ring, err := gather(ctx, t)
	if err != nil {
		return nil, err
	}
	defer ring.close()
	limited, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
	defer cancel()
	conn, err := connect(limited, via, t)
	if err != nil {
		return nil, notReached(ctx, o, t, err)
	}
	stop := context.AfterFunc(limited, func() {
		if via != nil {
			via.end(limited.Err()) // closing conn wakes nobody there: see end
		}
		_ = conn.Close()
	})
	c, channels, requests, err := ssh.NewClientConn(conn, t.known(), &ssh.ClientConfig{
		User: t.user, Auth: ring.methods(),
		HostKeyCallback: keys.callback, HostKeyAlgorithms: keys.algorithms(),
		ClientVersion: "SSH-2.0-latlab",
	})
	if err == nil && !stop() {
		_ = c.Close()
		err = limited.Err()
	}
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, whyRefused(ctx, limited, o, t, refusal{err, keys, ring})
	}
	l := &link{t: t, client: ssh.NewClient(c, channels, requests), conn: conn, parent: via}
	l.watch(o.KeepAlive)
	return l, nil
}

func connect(ctx context.Context, via *link, t target) (net.Conn, error) {
	if via != nil {
		return via.client.DialContext(ctx, "tcp", t.address())
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", t.address())
}

func notReached(ctx context.Context, o Options, t target, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %v", o.ConnectTimeout)
	}
	return t.offline("ssh to", err)
}

// refusal is a handshake that failed.
type refusal struct {
	err  error
	keys *hostKeys
	ring *keyring
}

func whyRefused(ctx, limited context.Context, o Options, t target, r refusal) error {
	var negotiation *ssh.AlgorithmNegotiationError
	text := r.err.Error()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case r.keys.failed != nil:
		return r.keys.failed
	case limited.Err() != nil:
		return t.offline("ssh to", fmt.Errorf("it took the connection but did not finish logging in within %v", o.ConnectTimeout))
	case errors.As(r.err, &negotiation) && len(r.keys.algorithms()) > 0 && strings.Contains(text, "host key"):
		return r.keys.otherKinds(r.err)
	case errors.As(r.err, &negotiation):
		return &devices.Error{Fault: devices.FaultDevice, Op: "ssh to " + t.String(), Reason: "ssh-algorithms", Err: r.err,
			Advice: "its ssh server is too old to be safe: bring it up to date"}
	case strings.Contains(text, "unable to authenticate"), strings.Contains(text, "Too many authentication failures"):
		return r.ring.refused(r.err)
	case errors.Is(r.err, io.EOF):
		return t.offline("ssh to", errors.New("it hung up before it said who it is"))
	}
	return t.offline("ssh to", r.err)
}

// otherKinds is a host that has no key of the kinds that are known of it.
func (h *hostKeys) otherKinds(err error) error {
	where := "an authority's line"
	if len(h.plain) > 0 {
		where = fmt.Sprintf("%s:%d", h.plain[0].Filename, h.plain[0].Line)
	}
	return &devices.Error{
		Fault: devices.FaultUser, Op: "ssh to " + h.t.String(), Reason: devices.ReasonHostKey, Output: err.Error(),
		Err:    fmt.Errorf("its host key CHANGED: it has none of the kind that %s has", where),
		Advice: "find out why; if it was installed anew, remove that line and add its new key",
	}
}

// watch starts what notices the link's end, once who it is and goes through is set.
func (l *link) watch(every time.Duration) {
	l.slots, l.running, l.dead = make(chan struct{}, maxSessions), map[*process]struct{}{}, make(chan struct{})
	l.spawn(func() {
		err := l.client.Wait()
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("the connection broke")
		}
		l.end(err)
	})
	l.spawn(func() { l.keepAlive(every) })
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

// patience is how many intervals a host has for its answer.
const patience = 3

// keepAlive asks the host whether it is there. A cable that was pulled shows in no other
// way: TCP itself would wait a quarter of an hour. Any answer will do, a refusal too.
func (l *link) keepAlive(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-l.dead:
			return
		case <-tick.C:
		}
		answered := make(chan struct{})
		l.spawn(func() {
			defer close(answered)
			_, _, _ = l.client.SendRequest("keepalive@openssh.com", true, nil) // an error ends client.Wait too
		})
		limit := time.NewTimer(patience * every)
		select {
		case <-answered:
		case <-l.dead:
		case <-limit.C:
			l.end(fmt.Errorf("no answer for %v", patience*every))
		}
		limit.Stop()
	}
}

// end closes the connection under all who use it. The first reason stays. The host that it
// goes through serves nobody else and is ended first: a channel's Close there is a message that
// wakes no reader, and its sshd does not answer it while a board that vanished takes no bytes.
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
	if l.parent != nil {
		l.parent.end(why)
	}
	_ = l.conn.Close()
}

// close ends the connection and waits for its goroutines.
func (l *link) close(why error) {
	l.end(why)
	_ = l.client.Close()
	l.watchers.Wait()
	l.files.close()
	if l.parent != nil {
		l.parent.close(why)
	}
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
		return l.t.offline("open a session on", l.why())
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
		return opened{}, l.t.offline("open a session on", l.why())
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
			Fault: devices.FaultDevice, Op: "open a session on " + l.t.String(), Reason: "ssh-sessions", Err: err,
			Advice: "its sshd may allow fewer than 10 at once: see MaxSessions in /etc/ssh/sshd_config there",
		}
	}
	return l.lost("open a session on", err)
}
