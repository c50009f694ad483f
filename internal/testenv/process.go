package testenv

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// gonePatience bounds the wait for a killed process. Passing tests never wait that long.
const gonePatience = time.Minute

// WaitGone waits until a process has ended, even if its parent has not reaped it. It need not be a
// child. If the pid was reused meanwhile, it waits for the new process.
func WaitGone(t testing.TB, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return
	}
	if err != nil {
		t.Fatalf("process %d: %v", pid, err)
	}
	defer unix.Close(fd)
	for end := time.Now().Add(gonePatience); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(end).Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR) && time.Now().Before(end):
		case err != nil:
			t.Fatalf("process %d: %v", pid, err)
		case n == 0:
			t.Fatalf("process %d is still running", pid)
		default:
			return
		}
	}
}

// Core is the first CPU that this process may use.
func Core(t testing.TB) int {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	for c := range 1024 {
		if set.IsSet(c) {
			return c
		}
	}
	t.Fatal("no CPU")
	return 0
}
