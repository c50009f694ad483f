package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"latlab/bench/store"
	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/exporters/tunas"
	"latlab/fixtures"
	"latlab/internal/serve"
	"latlab/internal/strictyaml"
	"latlab/regress"
	"latlab/regress/csvtable"
	"latlab/regress/features"
	"latlab/sampler"

	"golang.org/x/sys/unix"
)

// Exit codes are a contract, listed in the README. A script treats an unknown code as a failure.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartial     = 3 // some networks failed or some lines were skipped; wins over 4
	exitInvalid     = 4
	exitSlower      = 5  // compare --fail-over found what it looks for
	exitNoDevice    = 10 // it is unknown, or away
	exitLocked      = 11
	exitInterrupted = 130
)

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

// silent is an error whose message was already printed. Its text, if any, says in the error's JSON what the
// exit code alone does not.
type silent struct{ why string }

func (s *silent) Error() string { return s.why }

func exitSilently(code int) error { return withCode(code, &silent{}) }

func exitCodeIs(err error, code int) bool {
	coded, ok := errors.AsType[*codeError](err)
	return ok && coded.code == code
}

// wraps reports whether an error is, or wraps, one of a type.
func wraps[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func exitCode(err error) int {
	coded, isCoded := errors.AsType[*codeError](err)
	dev, isDevice := errors.AsType[*devices.Error](err)
	switch {
	case err == nil:
		return exitOK
	case isCoded:
		return coded.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, store.ErrLocked):
		return exitLocked
	case wraps[*inventory.UnknownError](err), isDevice && dev.Reason == devices.ReasonOffline:
		return exitNoDevice
	case isDevice && dev.Fault == devices.FaultUser, isUsers(err):
		return exitUsage
	}
	return exitFailed
}

// isUsers reports whether an error is the user's mistake by its type alone.
func isUsers(err error) bool {
	return errors.Is(err, sampler.ErrUnknownSpace) || errors.Is(err, fixtures.ErrUnknown) || errors.Is(err, regress.ErrNoOps) ||
		wraps[*strictyaml.Error](err) || wraps[*csvtable.Error](err) || wraps[*tunas.Error](err) || wraps[*store.NotStoreError](err) || wraps[*store.MergeError](err) || wraps[*serve.OptionError](err) ||
		wraps[*regress.FileError](err) || wraps[*regress.TooFewError](err) || wraps[*regress.MixedError](err) ||
		wraps[*regress.ObservationError](err) || wraps[*regress.OptionError](err) || wraps[*features.Error](err)
}

// inputError treats a missing input file, and a folder in its place, as a usage error.
func inputError(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EISDIR) {
		return withCode(exitUsage, err)
	}
	return err
}

// isMissing reports whether a path is that of a file that does not exist.
func isMissing(path string) bool {
	_, err := os.Stat(path)
	return path != "" && path != stdoutPath && errors.Is(err, fs.ErrNotExist)
}

// asFile refuses a path that cannot be read as a file is: a folder, and what the user may not read. named
// is the flag. A missing file is accepted, because a store may be made.
func asFile(named, path string) error {
	info, err := os.Stat(path)
	why := ""
	switch {
	case path == "" || path == stdoutPath || errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		why = errors.Unwrap(err).Error()
	case info.IsDir():
		return usagef("%s %s is a folder; name a file", named, path)
	case unix.Access(path, unix.R_OK) != nil:
		why = fs.ErrPermission.Error()
	default:
		return nil
	}
	return usagef("%s %s cannot be read: %s", named, path, why)
}
