//go:build xnnpack_builtin

// Command latlab-agent times models with the TFLite runtime on the machine where it runs. It is
// the only cgo program of latlab. devices/agent starts a new process for each block and has the
// protocol.
//
// It writes JSON lines to its own copy of stdout. File descriptor 1 is redirected to stderr,
// because vendors' libraries print there. It exits at once when stdin closes, even during a block,
// so that nothing is timed after latlab is gone. It refuses arguments, files other than those of a
// request, and any decision about protocol or validity, which bench makes.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"

	"latlab/devices"
	"latlab/devices/agent/wire"
	"latlab/internal/version"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "latlab-agent:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) > 1 {
		return errors.New("takes no arguments; it is started by latlab and speaks JSON lines on stdin and stdout")
	}
	out, err := ownStdout()
	if err != nil {
		return err
	}
	dieOfSignals()
	// A garbage collection during a timed invoke would count as the model's latency.
	debug.SetGCPercent(-1)
	enc := json.NewEncoder(out)
	if err := enc.Encode(hello()); err != nil {
		return err
	}
	for line := range requests(os.Stdin) {
		if err := enc.Encode(answer(line)); err != nil {
			return err
		}
	}
	return nil
}

// ownStdout keeps a copy of stdout for the protocol and points fd 1 at stderr.
func ownStdout() (*os.File, error) {
	fd, err := unix.Dup(1)
	if err != nil {
		return nil, fmt.Errorf("copying stdout: %w", err)
	}
	unix.CloseOnExec(fd)
	if err := unix.Dup3(2, 1, 0); err != nil {
		return nil, fmt.Errorf("pointing stdout at stderr: %w", err)
	}
	return os.NewFile(uintptr(fd), "protocol"), nil
}

// requests yields stdin's lines. When stdin closes, the reading goroutine ends the process at once,
// without waiting for a block in progress.
func requests(in io.Reader) <-chan []byte {
	lines := make(chan []byte)
	go func() {
		r := bufio.NewReader(in)
		for {
			line, err := r.ReadBytes('\n')
			if err != nil {
				os.Exit(0)
			}
			lines <- line
		}
	}()
	return lines
}

func hello() wire.Hello {
	cpus, _ := affinity() // nil is "not known"
	hash, mark := runtimeLibrary()
	return wire.Hello{
		Type: "hello", Wire: wire.Revision, Version: version.Version, PID: os.Getpid(),
		Runtime: "tflite " + runtimeVersion(), Library: hash, LibraryMark: mark,
		Arch: runtime.GOARCH, CPUs: cpus, Delegates: strings.Join([]string{wire.XNNPACK, wire.None, wire.External}, ","),
	}
}

func fileHash(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

func answer(line []byte) wire.Response {
	var req wire.Request
	if err := json.Unmarshal(line, &req); err != nil {
		return failure(fault(devices.FaultLab, "request", "request is not JSON: %v", err))
	}
	var resp wire.Response
	var err error
	switch req.Type {
	case wire.Time:
		resp, err = timeModel(req)
	case wire.Profile:
		resp, err = profile(req)
	case wire.Outputs:
		resp, err = outputs(req)
	case wire.Load:
		resp, err = load(req)
	default:
		err = fault(devices.FaultLab, "request", "unknown request %q", req.Type)
	}
	if err != nil {
		return failure(err)
	}
	return resp
}

type wireError struct{ e wire.Error }

func (e *wireError) Error() string { return e.e.Message }

func fault(f devices.Fault, reason, format string, args ...any) error {
	return &wireError{wire.Error{Fault: f, Reason: reason, Message: fmt.Sprintf(format, args...)}}
}

func failure(err error) wire.Response {
	var e *wireError
	if !errors.As(err, &e) {
		e = &wireError{wire.Error{Fault: devices.FaultLab, Reason: "agent", Message: err.Error()}}
	}
	return wire.Response{Type: "error", Error: &e.e}
}
