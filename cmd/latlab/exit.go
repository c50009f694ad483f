package main

import (
	"context"
	"errors"
	"fmt"

	"latlab/bench/store"
	"latlab/devices"
	"latlab/internal/strictyaml"
	"latlab/sampler"
)

// Exit codes are a contract, listed in the README. A script treats an unknown code as a failure.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartial     = 3 // some networks failed or some lines were skipped; wins over 4
	exitInvalid     = 4
	exitNoDevice    = 10
	exitLocked      = 11
	exitInterrupted = 130
)

// codeError is an error with its exit code.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string { return e.err.Error() }
func (e *codeError) Unwrap() error { return e.err }

func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &codeError{code, err}
}

func usagef(format string, args ...any) error {
	return withCode(exitUsage, fmt.Errorf(format, args...))
}

// silent is an error whose message was already printed.
type silent struct{}

func (*silent) Error() string { return "" }

func exitSilently(code int) error { return withCode(code, &silent{}) }

// exitCodeIs reports whether an error carries that exit code.
func exitCodeIs(err error, code int) bool {
	var coded *codeError
	return errors.As(err, &coded) && coded.code == code
}

func exitCode(err error) int {
	var coded *codeError
	var load *strictyaml.Error
	var dev *devices.Error
	switch {
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, store.ErrLocked):
		return exitLocked
	case errors.As(err, &load), errors.Is(err, sampler.ErrUnknownSpace):
		return exitUsage
	case errors.As(err, &dev) && dev.Fault == devices.FaultUser:
		return exitUsage
	}
	return exitFailed
}
