package adbtest

import (
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
