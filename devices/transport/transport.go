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

// Command is a program with its arguments. They reach the program unchanged: a transport that
// has only a shell quotes every word (Quote).
type Command struct {
	Path string
	Args []string
	Env  []string // "NAME=value", added to the environment on the device
	Dir  string   // working directory; "" = the transport's default
	// Tether ends the program and everything it started when its Stdin closes or the
	// connection breaks. It is for programs that do not read stdin, which would otherwise go
	// on timing after the lab is gone.
	Tether bool
}

// Process is a started program. The caller closes Stdin when nothing more is to be written,
// reads both streams to their end, then calls Wait.
type Process interface {
	Stdin() io.WriteCloser
	Stdout() io.Reader
	Stderr() io.Reader
	// Wait returns how the program ended. It must be called once, after both streams were read
	// to their end.
	Wait() Exit
	// Kill ends the program and everything it started. It may be called at any time.
	Kill()
}

// Exit is how a program ended.
type Exit struct {
	Code   int    // exit code, -1 if a signal ended the program or its end is unknown
	Signal string // "segmentation fault", from syscall.Signal.String; empty if no signal ended it
	Err    error  // why the end of the program is unknown: the device went offline
}

// File is a file to copy to the device.
type File struct {
	Path    string      // on the device, absolute; its folder must exist
	Content io.Reader   // Size bytes
	Size    int64       // size of Content in bytes; a different size is an error
	Mode    fs.FileMode // permission bits
}

// Info is the result of Stat.
type Info struct {
	Size    int64
	Mode    fs.FileMode
	ModTime time.Time
}

// Transport reaches one device. Its methods may be called from several goroutines at once.
//
// Errors are the context's, or a *devices.Error if the transport knows whose fault it is:
// ReasonOffline for a device that cannot be reached, ReasonUnauthorized, ReasonFull with the
// number of bytes, ReasonHostKey. Other errors are those of the operation itself:
// fs.ErrNotExist, fs.ErrPermission.
type Transport interface {
	// Start starts a program. When ctx ends, the program is killed.
	Start(ctx context.Context, c Command) (Process, error)
	// Put writes a file completely or not at all: it first writes a temporary file beside it.
	Put(ctx context.Context, f File) error
	// Get copies a file of at most limit bytes to w; a longer file is an error.
	Get(ctx context.Context, path string, w io.Writer, limit int64) error
	// Stat returns a file's details; a missing file is fs.ErrNotExist.
	Stat(ctx context.Context, path string) (Info, error)
	// Close closes the connection and kills the programs that still run.
	Close() error
}
