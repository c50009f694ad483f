package adbtest

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// Commands of the protocol. Source: AOSP, packages/modules/adb/protocol.txt.
const (
	cmdCNXN = 0x4e584e43
	cmdAUTH = 0x48545541
	cmdOPEN = 0x4e45504f
	cmdOKAY = 0x59414b4f
	cmdCLSE = 0x45534c43
	cmdWRTE = 0x45545257

	protocolVersion = 0x01000001 // checksums are not checked from this version on
	maxPayload      = 256 << 10
	authToken       = 1
)

type packet struct {
	cmd, arg0, arg1 uint32
	data            []byte
}

// link is one connection of an adb server.
type link struct {
	f    *Fake
	conn net.Conn
	gone chan struct{} // closed when the connection broke

	out sync.Mutex // one packet at a time

	mu      sync.Mutex
	streams map[uint32]*stream
	last    uint32
}

func (l *link) run() {
	defer func() {
		close(l.gone)
		_ = l.conn.Close()
		l.mu.Lock()
		for _, s := range l.streams {
			s.end()
		}
		l.mu.Unlock()
		l.f.mu.Lock()
		delete(l.f.links, l)
		l.f.mu.Unlock()
	}()
	for {
		p, err := readPacket(l.conn)
		if err != nil {
			return
		}
		l.f.pass(nil)
		if err := l.handle(p); err != nil {
			return
		}
	}
}

func readPacket(r io.Reader) (packet, error) {
	var h [24]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return packet{}, err
	}
	u := func(i int) uint32 { return binary.LittleEndian.Uint32(h[4*i:]) }
	if u(5) != u(0)^0xffffffff || u(3) > 1<<20 {
		return packet{}, errors.New("no packet of adb's")
	}
	p := packet{u(0), u(1), u(2), make([]byte, u(3))}
	_, err := io.ReadFull(r, p.data)
	return p, err
}

func (l *link) send(p packet) error {
	l.f.pass(l.gone)
	if p.cmd == cmdWRTE {
		l.f.moment(Packet)
	}
	l.out.Lock()
	defer l.out.Unlock()
	b := make([]byte, 24, 24+len(p.data))
	var sum uint32
	for _, c := range p.data {
		sum += uint32(c)
	}
	for i, v := range []uint32{p.cmd, p.arg0, p.arg1, uint32(len(p.data)), sum, p.cmd ^ 0xffffffff} {
		binary.LittleEndian.PutUint32(b[4*i:], v)
	}
	_, err := l.conn.Write(append(b, p.data...))
	return err
}

func (l *link) handle(p packet) error {
	switch p.cmd {
	case cmdCNXN, cmdAUTH:
		if l.f.broken().unauthorized {
			if p.cmd == cmdAUTH && p.arg0 != 2 {
				return nil // its public key is shown on the screen, and nobody accepts it
			}
			return l.send(packet{cmdAUTH, authToken, 0, make([]byte, 20)})
		}
		return l.send(packet{cmdCNXN, protocolVersion, maxPayload, []byte(l.f.banner())})
	case cmdOPEN:
		return l.open(p.arg0, strings.TrimSuffix(string(p.data), "\x00"))
	}
	l.mu.Lock()
	s := l.streams[p.arg1]
	l.mu.Unlock()
	switch {
	case s == nil && p.cmd == cmdWRTE:
		return l.send(packet{cmdCLSE, 0, p.arg0, nil})
	case s == nil:
		return nil
	case p.cmd == cmdOKAY:
		select {
		case s.acks <- struct{}{}:
		default:
		}
	case p.cmd == cmdWRTE:
		select {
		case s.in <- p.data:
		case <-s.done:
		}
	case p.cmd == cmdCLSE:
		s.end()
	}
	return nil
}

// open starts a service.
func (l *link) open(remote uint32, service string) error {
	h := l.f.handler(service)
	if h == nil {
		return l.send(packet{cmdCLSE, 0, remote, nil})
	}
	l.mu.Lock()
	l.last++
	s := &stream{l: l, local: l.last, remote: remote, in: make(chan []byte, 1), acks: make(chan struct{}, 1), done: make(chan struct{})}
	l.streams[s.local] = s
	l.mu.Unlock()
	// The answer goes first: adb drops what arrives for a stream that it does not know yet,
	// and the sender would wait for ever.
	if err := l.send(packet{cmdOKAY, s.local, remote, nil}); err != nil {
		return err
	}
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	l.f.streams++
	l.f.log = append(l.f.log, service)
	l.f.wg.Go(func() {
		h(s)
		_ = s.Close()
		l.f.mu.Lock()
		l.f.streams--
		l.f.mu.Unlock()
	})
	return nil
}

func (f *Fake) handler(service string) func(io.ReadWriteCloser) {
	f.mu.Lock()
	for prefix, h := range f.handlers {
		if strings.HasPrefix(service, prefix) {
			f.mu.Unlock()
			return h
		}
	}
	f.mu.Unlock()
	name, arg, _ := strings.Cut(service, ":")
	kind, options, _ := strings.Cut(name, ",")
	switch kind {
	case "shell", "exec":
		v2 := slices.Contains(strings.Split(options, ","), "v2")
		return func(s io.ReadWriteCloser) { f.shell(s, arg, v2) }
	case "sync":
		return f.sync
	}
	return nil
}

// stream is the stream of one service.
type stream struct {
	l             *link
	local, remote uint32
	in            chan []byte
	rest          []byte
	acks          chan struct{}
	once          sync.Once
	done          chan struct{} // closed when either side closed it
}

// end handles a CLSE and a broken connection.
func (s *stream) end() { s.once.Do(func() { close(s.done) }) }

func (s *stream) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		select {
		case s.rest = <-s.in:
		default:
			select {
			case s.rest = <-s.in:
			case <-s.done:
				return 0, io.EOF
			}
		}
		// Accepted, so the next one may come.
		if err := s.l.send(packet{cmdOKAY, s.local, s.remote, nil}); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *stream) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		chunk := p[:min(len(p), maxPayload)]
		if pause := s.l.f.broken().drip; pause > 0 {
			chunk = p[:1]
			select {
			case <-time.After(pause):
			case <-s.done:
			}
		}
		select {
		case <-s.done:
			return n, io.ErrClosedPipe
		default:
		}
		if err := s.l.send(packet{cmdWRTE, s.local, s.remote, chunk}); err != nil {
			return n, err
		}
		select {
		case <-s.acks:
		case <-s.done:
			return n, io.ErrClosedPipe
		}
		n, p = n+len(chunk), p[len(chunk):]
	}
	return n, nil
}

func (s *stream) Close() error {
	s.l.mu.Lock()
	_, open := s.l.streams[s.local]
	delete(s.l.streams, s.local)
	s.l.mu.Unlock()
	s.end()
	if !open {
		return nil
	}
	return s.l.send(packet{cmdCLSE, s.local, s.remote, nil})
}
