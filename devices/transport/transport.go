// Package transport runs a program where the device is and brings files there. Local
// processes here; adb and ssh have their place beside it.
//
// It refuses to know what the program is: devices/agent and devices/tool do.
package transport

import (
	"context"
	"io"
)

// Command is a program with its arguments; no shell reads it.
type Command struct {
	Path string
	Args []string
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
	Signal string // "segmentation fault"; empty where none
	Err    error  // the program's end could not be learned
}

// Transport reaches one device.
type Transport interface {
	// Push makes a local file available to programs there and returns its path there.
	Push(ctx context.Context, local string) (string, error)
	// Start starts a program. When ctx ends the program is killed.
	Start(ctx context.Context, c Command) (Process, error)
}
