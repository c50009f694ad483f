// Package transport runs a program where the device is and brings files there. Local is
// this machine; adb and ssh are packages below.
//
// It refuses to know what the program is: devices/agent and devices/tool do. What every
// device that models are timed on has besides (a private folder, staged models, settings)
// is devices/machine's.
package transport

import (
	"context"
	"io"
	"io/fs"
	"time"
)

// Command is a program with its arguments. No shell reads them: where a transport has
// nothing but a shell, it quotes every word (Quote).
type Command struct {
	Path string
	Args []string
	Env  []string // "NAME=value", added to the environment there
	Dir  string   // working directory; "" = wherever the transport starts programs
	// Tether ends the program and all that it started when its Stdin closes or the
	// connection breaks. It is for programs that do not read stdin, and would go on timing
	// when the lab is gone.
	Tether bool
}

// Process is a started program. Close its Stdin when there is nothing more to say, read
// its streams to their end, then Wait.
type Process interface {
	Stdin() io.WriteCloser
	Stdout() io.Reader
	Stderr() io.Reader
	// Wait returns how the program ended. It must be called once, after both streams were
	// read to their end.
	Wait() Exit
	// Kill ends the program and everything that it started. It may be called at any time.
	Kill()
}

// Exit is how a program ended.
type Exit struct {
	Code   int    // exit code, -1 where a signal ended it or it could not be waited for
	Signal string // "segmentation fault", as syscall.Signal.String says it; empty where none
	Err    error  // the program's end could not be learned: the device went away
}

// File is a file to bring to the device.
type File struct {
	Path    string      // there, absolute; its folder exists
	Content io.Reader   // Size bytes
	Size    int64       // what Content has; fewer or more is an error
	Mode    fs.FileMode // permission bits
	// Progress is told now and then how many bytes are there; nil where nobody asks.
	Progress func(done int64)
}

// Info is what Stat knows.
type Info struct {
	Size    int64
	Mode    fs.FileMode
	ModTime time.Time
}

// Transport reaches one device. Its methods may be called from several goroutines at once.
//
// Errors are the context's, or a *devices.Error where the transport knows whose fault it
// is: ReasonOffline for a device that cannot be reached, ReasonUnauthorized, ReasonFull with
// the number of bytes, ReasonHostKey. Others are what the operation itself gave: fs.ErrNotExist,
// fs.ErrPermission.
type Transport interface {
	// Start starts a program. When ctx ends the program is killed.
	Start(ctx context.Context, c Command) (Process, error)
	// Put writes a file, all of it or none: under a temporary name beside it first.
	Put(ctx context.Context, f File) error
	// Get reads a file of at most limit bytes into w; a longer one is an error.
	Get(ctx context.Context, path string, w io.Writer, limit int64) error
	// Stat looks at a file; one that is not there is fs.ErrNotExist.
	Stat(ctx context.Context, path string) (Info, error)
	// Close gives the connection up. Programs that still run are killed.
	Close() error
}
