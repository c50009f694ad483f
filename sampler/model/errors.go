package model

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// DiskError is a folder that models cannot be written to. It is the lab's fault: every other model
// or device would fail too.
type DiskError struct {
	Dir string
	Err error
}

func (e *DiskError) Error() string {
	return fmt.Sprintf("cannot write models to %s: %s", e.Dir, e.reason())
}

func (e *DiskError) Unwrap() error { return e.Err }

func (e *DiskError) reason() string {
	switch {
	case e.Full():
		return "the disk is full: free some space or choose another folder"
	case errors.Is(e.Err, syscall.EROFS):
		return "the file system is read-only: choose another folder"
	case errors.Is(e.Err, fs.ErrPermission):
		return "permission denied: choose another folder"
	}
	return e.Err.Error()
}

// Full reports whether disk space or quota is exhausted.
func (e *DiskError) Full() bool {
	return errors.Is(e.Err, syscall.ENOSPC) || errors.Is(e.Err, syscall.EDQUOT)
}

// diskError wraps only errors of the file system: a graph that cannot be written is the model's
// fault.
func diskError(dir string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return &DiskError{Dir: dir, Err: err}
	}
	return err
}
