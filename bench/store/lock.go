package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is how often a waiting writer tries again. flock can block instead, but a context
// could not interrupt it.
const lockPoll = 100 * time.Millisecond

// acquire locks a file beside the store by flock until the file is closed. It does not lock the
// store itself: SQLite's own POSIX locks there are dropped when any descriptor of the file is
// closed, and on NFS the two kinds conflict. The lock file is never removed: otherwise two writers
// could lock two different files of the same name.
func acquire(ctx context.Context, path string, wait bool) (*os.File, error) {
	name := path + ".lock"
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, pathOrDisk(path, err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			writePID(f)
			return f, nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			f.Close()
			return nil, &PathError{Path: path, Err: fmt.Errorf("cannot lock %s: %w", name, err)}
		case !wait:
			defer f.Close()
			return nil, &LockedError{Path: path, PID: readPID(f)}
		}
		select {
		case <-ctx.Done():
			defer f.Close()
			return nil, fmt.Errorf("%w: %w", &LockedError{Path: path, PID: readPID(f)}, ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

// writePID stores the process id for error messages. A full disk does not prevent the lock.
func writePID(f *os.File) {
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
}

// readPID is 0 if the holder has not written it yet.
func readPID(f *os.File) int {
	buf := make([]byte, 32)
	n, _ := f.ReadAt(buf, 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	return pid
}
