package adbtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options say what a phone is.
type Options struct {
	// Root is where the phone's file system is: its shell is chrooted there (which takes root)
	// and its files are there. "" is this machine's own.
	Root string
	// Shell is what runs commands, in Root, and what stands before "-c"; /bin/sh unless told,
	// /system/bin/sh in a Root.
	Shell []string
	// Env is the environment of commands, added to PATH and what adbd sets.
	Env []string
	// Props are ro.product.name, .model and .device as the phone introduces itself.
	Props map[string]string
	// Features are those of adbd; shell_v2, cmd and stat_v2 unless told.
	Features []string
}

// Fake is a phone.
type Fake struct {
	o    Options
	addr string
	wg   sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while it is away
	links    map[*link]bool
	leaders  map[int]bool // sessions of commands, ended ones too
	streams  int
	closed   bool
	fault    faults
	handlers map[string]func(io.ReadWriteCloser)
	log      []string
}

// faults are what is broken now.
type faults struct {
	unauthorized bool
	gate         chan struct{} // closed when a stall ends; nil while there is none
	drip         time.Duration
	full         bool
	room         int64 // bytes, where full
	drop         int64 // bytes of the next push after which the line breaks; 0 = none
	at           []*appointment
}

// appointment is a fault that waits for the n-th command or packet.
type appointment struct {
	what Moment
	n    int
	do   func()
}

// Moment is when a fault that was made an appointment for happens.
type Moment int

// The moments: a command is about to be started; a packet is about to be sent to the host; a
// push begins.
const (
	Command Moment = iota
	Packet
	Push
)

// New starts a phone that listens on a free port.
func New(o Options) (*Fake, error) {
	// What is ignored when a program starts (nohup) stays so in its children, whose shells then
	// cannot be hung up on, as adbd does. What is caught is the system's own again there.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	if o.Root != "" && os.Getuid() != 0 {
		return nil, errors.New("only root can run a shell in another root")
	}
	if len(o.Shell) == 0 {
		o.Shell = []string{"/bin/sh"}
		if o.Root != "" {
			o.Shell = []string{"/system/bin/sh"}
		}
	}
	if o.Features == nil {
		o.Features = []string{"shell_v2", "cmd", "stat_v2"}
	}
	f := &Fake{o: o, links: map[*link]bool{}, leaders: map[int]bool{}, handlers: map[string]func(io.ReadWriteCloser){}}
	if err := f.listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	return f, nil
}

// Serial is what adb calls the phone: the address at which it listens.
func (f *Fake) Serial() string { return f.addr }

func (f *Fake) listen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.listener != nil {
		return l.Close()
	}
	f.listener, f.addr = l, l.Addr().String()
	f.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.serve(conn)
		}
	})
	return nil
}

func (f *Fake) serve(conn net.Conn) {
	l := &link{f: f, conn: conn, streams: map[uint32]*stream{}, gone: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.listener == nil {
		_ = conn.Close()
		return
	}
	f.links[l] = true
	f.wg.Go(l.run)
}

// Streams is how many services are open.
func (f *Fake) Streams() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.streams
}

// Processes are the ids, of this machine, of what the phone's commands still run.
func (f *Fake) Processes() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := sessions(f.leaders)
	if len(list) == 0 && f.streams == 0 {
		clear(f.leaders) // their ids may become somebody else's
	}
	return list
}

// Services are those that were opened, in order: "sync:", "shell,v2,raw:...".
func (f *Fake) Services() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

// Serve has a service answered by h instead. Services are told by how they begin; nil takes it
// back.
func (f *Fake) Serve(prefix string, h func(io.ReadWriteCloser)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h == nil {
		delete(f.handlers, prefix)
		return
	}
	f.handlers[prefix] = h
}

// Close ends the phone and all that runs on it.
func (f *Fake) Close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.Resume()
	f.away()
	killAll(f.Processes())
	f.wg.Wait()
	killAll(f.Processes())
}

// away breaks every line and refuses new ones.
func (f *Fake) away() {
	f.mu.Lock()
	if f.listener != nil {
		_ = f.listener.Close()
		f.listener = nil
	}
	f.mu.Unlock()
	f.cut()
}

// cut breaks every line.
func (f *Fake) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for l := range f.links {
		_ = l.conn.Close()
	}
}

// Offline takes the phone off the network until Back. What runs on it gets adbd's SIGHUP.
func (f *Fake) Offline() { f.away() }

// Back brings a phone that was away back to its address.
func (f *Fake) Back() error {
	var err error
	for range 100 {
		if err = f.listen(f.addr); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

// Reboot ends all that runs and stays away for a while.
func (f *Fake) Reboot(away time.Duration) {
	f.away()
	killAll(f.Processes())
	f.wg.Go(func() {
		time.Sleep(away)
		_ = f.Back()
	})
}

// Unauthorized breaks the line, and from then on no key is accepted, as on a phone whose user
// has not touched the question on its screen.
func (f *Fake) Unauthorized(on bool) {
	f.mu.Lock()
	f.fault.unauthorized = on
	f.mu.Unlock()
	f.cut()
}

// Stall stops all traffic without breaking the line, until Resume.
func (f *Fake) Stall() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault.gate == nil {
		f.fault.gate = make(chan struct{})
	}
}

// Resume ends a stall.
func (f *Fake) Resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault.gate != nil {
		close(f.fault.gate)
		f.fault.gate = nil
	}
}

// Drip sends a byte at a time, with a pause after each; 0 ends it.
func (f *Fake) Drip(pause time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault.drip = pause
}

// Full leaves so many bytes for files that are pushed; a negative number ends it.
func (f *Fake) Full(room int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault.full, f.fault.room = room >= 0, room
}

// DropDuringPush breaks the line after so many bytes of the next push.
func (f *Fake) DropDuringPush(after int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault.drop = after
}

// At does something, such as f.Offline, at the n-th of its moments from now, from 1 on.
func (f *Fake) At(what Moment, n int, do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault.at = append(f.fault.at, &appointment{what, n, do})
}

// moment keeps the appointments.
func (f *Fake) moment(what Moment) {
	f.mu.Lock()
	var due []func()
	f.fault.at = slices.DeleteFunc(f.fault.at, func(a *appointment) bool {
		if a.what != what {
			return false
		}
		a.n--
		if a.n > 0 {
			return false
		}
		due = append(due, a.do)
		return true
	})
	f.mu.Unlock()
	for _, do := range due {
		do()
	}
}

// pass waits for the end of a stall.
func (f *Fake) pass(gone <-chan struct{}) {
	f.mu.Lock()
	gate := f.fault.gate
	f.mu.Unlock()
	if gate == nil {
		return
	}
	select {
	case <-gate:
	case <-gone:
	}
}

func (f *Fake) broken() faults {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fault
}

// banner is how a phone introduces itself.
func (f *Fake) banner() string {
	var b strings.Builder
	b.WriteString("device::")
	for _, name := range []string{"ro.product.name", "ro.product.model", "ro.product.device"} {
		value := f.o.Props[name]
		if value == "" {
			value = "fake"
		}
		fmt.Fprintf(&b, "%s=%s;", name, value)
	}
	return b.String() + "features=" + strings.Join(f.o.Features, ",")
}

// Commands of the protocol. Source: AOSP, packages/modules/adb/protocol.txt.
const (
	cmdCNXN = 0x4e584e43
	cmdAUTH = 0x48545541
	cmdOPEN = 0x4e45504f
	cmdOKAY = 0x59414b4f
	cmdCLSE = 0x45534c43
	cmdWRTE = 0x45545257

	protocolVersion = 0x01000001 // checksums are not looked at from here on
	maxPayload      = 256 << 10
	authToken       = 1
)

type packet struct {
	cmd, arg0, arg1 uint32
	data            []byte
}

// link is one connection of an adb server's.
type link struct {
	f    *Fake
	conn net.Conn
	gone chan struct{} // closed when the line broke

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
				return nil // its public key is shown on the screen, and nobody looks
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
	// The answer goes first: adb drops what arrives for a stream that it does not know yet, and
	// its sender would wait for ever.
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

// stream is one service's.
type stream struct {
	l             *link
	local, remote uint32
	in            chan []byte
	rest          []byte
	acks          chan struct{}
	once          sync.Once
	done          chan struct{} // closed when either side closed it
}

// end is what a CLSE and a broken line do.
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
		// Taken, so the next one may come.
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
