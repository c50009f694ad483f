package sshtest

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy forwards connections.
type proxy struct {
	l    net.Listener
	done sync.WaitGroup

	mu     sync.Mutex
	target string
	pairs  map[*pair]struct{}
	quiet  chan struct{} // if not nil: nothing passes until it is closed
	drip   time.Duration // if not 0: the pause after each byte
	drops  bool          // new connections are closed at once
}

type pair struct{ client, server net.Conn }

func newProxy(t testing.TB) *proxy {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, pairs: map[*pair]struct{}{}}
	p.done.Go(p.accept)
	return p
}

func (p *proxy) port() int { return p.l.Addr().(*net.TCPAddr).Port }

func (p *proxy) to(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

func (p *proxy) targetPort() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.target[strings.LastIndexByte(p.target, ':')+1:]
}

func (p *proxy) accept() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		p.done.Go(func() { p.serve(c) })
	}
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	target, drops := p.target, p.drops
	p.mu.Unlock()
	if drops {
		return
	}
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	one := &pair{client, server}
	p.mu.Lock()
	p.pairs[one] = struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(client, server) })
	both.Go(func() { p.pass(server, client) })
	both.Wait()
	p.mu.Lock()
	delete(p.pairs, one)
	p.mu.Unlock()
}

// pass copies one direction. When it ends, both end: ssh connections are never half closed.
func (p *proxy) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && p.send(to, buf[:n]) != nil || err != nil {
			return
		}
	}
}

func (p *proxy) send(to io.Writer, b []byte) error {
	for len(b) > 0 {
		p.mu.Lock()
		quiet, drip := p.quiet, p.drip
		p.mu.Unlock()
		if quiet != nil {
			<-quiet
			continue
		}
		part := b
		if drip > 0 {
			part = b[:1]
			time.Sleep(drip)
		}
		if _, err := to.Write(part); err != nil {
			return err
		}
		b = b[len(part):]
	}
	return nil
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		_ = c.client.Close()
		_ = c.server.Close()
	}
}

func (p *proxy) silence(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case on && p.quiet == nil:
		p.quiet = make(chan struct{})
	case !on && p.quiet != nil:
		close(p.quiet)
		p.quiet = nil
	}
}

func (p *proxy) close() {
	p.silence(false)
	p.mu.Lock()
	p.drip, p.drops = 0, true
	p.mu.Unlock()
	_ = p.l.Close()
	p.cut()
	p.done.Wait()
}

// Cut breaks all connections, as a cable or a reboot does. New ones are accepted.
func (s *Server) Cut() { s.proxy.cut() }

// Blackhole stops all traffic of open and new connections without closing them, until it is
// called with false.
func (s *Server) Blackhole(on bool) { s.proxy.silence(on) }

// Drip passes one byte each time d has gone by, in each direction; 0 ends that.
func (s *Server) Drip(d time.Duration) {
	s.proxy.mu.Lock()
	defer s.proxy.mu.Unlock()
	s.proxy.drip = d
}

// Refuse closes new connections at once, as a board that is booting does.
func (s *Server) Refuse(on bool) {
	s.proxy.mu.Lock()
	defer s.proxy.mu.Unlock()
	s.proxy.drops = on
}
