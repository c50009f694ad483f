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

// Options describe a phone.
type Options struct {
	// Root is the folder of the phone's file system: its shell is chrooted there (which needs
	// root) and its files are there. "" is this machine's own.
	Root string
	// Shell runs commands, in Root, with its arguments before "-c". The default is /bin/sh, or
	// /system/bin/sh in a Root.
	Shell []string
	// Env is the environment of commands, added to PATH and to adbd's variables.
	Env []string
	// Props are ro.product.name, .model and .device in the phone's banner.
	Props map[string]string
	// Features are those of adbd; default shell_v2, cmd and stat_v2.
	Features []string
}

// Fake is a phone.
type Fake struct {
	o    Options
	addr string
	wg   sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while the phone is away
	links    map[*link]bool
	leaders  map[int]bool // sessions of commands, including ended ones
	streams  int
	closed   bool
	fault    faults
	handlers map[string]func(io.ReadWriteCloser)
	log      []string
}

// New starts a phone that listens on a free port.
func New(o Options) (*Fake, error) {
	// A signal that is ignored when a program starts (nohup) stays ignored in its children,
	// and adbd could not hang up on their shells. A caught signal is reset to its default in
	// them.
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

// Serial returns adb's name for the phone: the address at which it listens.
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

// Streams returns how many services are open.
func (f *Fake) Streams() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.streams
}

// Processes returns the ids, on this machine, of the processes that the phone's commands still
// run.
func (f *Fake) Processes() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := sessions(f.leaders)
	if len(list) == 0 && f.streams == 0 {
		clear(f.leaders) // their ids may be reused
	}
	return list
}

// Services returns the services that were opened, in order: "sync:", "shell,v2,raw:...".
func (f *Fake) Services() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

// Serve makes h answer the services that begin with a prefix; a nil h restores the default.
func (f *Fake) Serve(prefix string, h func(io.ReadWriteCloser)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h == nil {
		delete(f.handlers, prefix)
		return
	}
	f.handlers[prefix] = h
}

// Close ends the phone and everything that runs on it.
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
