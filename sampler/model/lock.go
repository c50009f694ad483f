package model

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A lock belongs to an open file, so it ends with the process that holds it, however the
// process ends, and two goroutines exclude each other as two processes do.

// pollEvery is how often a taken lock is asked for again: flock cannot be waited for with a
// context.
const pollEvery = 5 * time.Millisecond

// tryLock takes an exclusive or shared lock, or reports false where others hold it.
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

// current reports whether the open file is still the one that the path names: between open
// and lock, another process may have evicted or replaced it.
func current(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}
