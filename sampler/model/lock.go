package model

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A lock belongs to an open file. It ends with the process that holds it, however the process ends,
// and it excludes goroutines of one process as well.

// pollEvery is how often a taken lock is tried again: waiting for flock cannot be interrupted by a
// context.
const pollEvery = 5 * time.Millisecond

// tryLock takes an exclusive or shared lock. It returns false if another holder prevents it.
func tryLock(f *os.File, how int) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		default:
			return false, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
	}
}

func lock(ctx context.Context, f *os.File, how int) error {
	for {
		if ok, err := tryLock(f, how); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

// current reports whether the path still names the open file: between open and lock, another process
// may have evicted or replaced it.
func current(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(path)
	return err == nil && os.SameFile(a, b)
}
