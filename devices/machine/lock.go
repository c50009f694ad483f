package machine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"latlab/devices"
)

// A lock belongs to an open file, so it ends with the process that holds it, however the
// process ends. The lock file is kept: if it were removed, two processes could hold two files
// of the same name.
type lock struct{ f *os.File }

func (l *lock) release() {
	if l != nil {
		_ = l.f.Close()
	}
}

// lockPath makes a file name from any key: serial numbers and addresses contain colons,
// slashes and worse.
func lockPath(dir, key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(dir, hex.EncodeToString(sum[:16])+".lock")
}

// acquireLock takes the lock of a key or fails at once. It returns nil if there is no folder
// for locks.
func acquireLock(dir, key, name string) (*lock, error) {
	if dir == "" {
		return nil, nil
	}
	op := "open device " + name
	f, pid, err := tryLock(dir, key)
	if err != nil {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: "lock", Err: fmt.Errorf("the device cannot be locked: %w", err)}
	}
	if f == nil {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: devices.ReasonBusy,
			Err:    fmt.Errorf("device %s is in use by %s", name, holder(pid)),
			Advice: "two at once would both be slow: wait for it, or end it"}
	}
	return &lock{f}, nil
}

func holder(pid int) string {
	switch pid {
	case 0:
		return "another process"
	case os.Getpid():
		return "this process (pid " + strconv.Itoa(pid) + ")"
	}
	return "process " + strconv.Itoa(pid)
}

// Locked reports whether a machine is in use, and the process that uses it (0 if unknown).
func Locked(lockDir, key string) (busy bool, pid int) {
	f, err := openLock(lockPath(lockDir, key), os.O_RDONLY)
	if err != nil {
		return false, 0
	}
	defer f.Close()
	// The lock is shared, so that two processes that check at the same time do not take each
	// other for users.
	if err := flock(f, unix.LOCK_SH); err == nil {
		return false, 0
	}
	return true, readPID(f)
}

// tryLock returns the locked file, or nil and the process that holds it.
func tryLock(dir, key string) (*os.File, int, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, 0, err
	}
	f, err := openLock(lockPath(dir, key), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, 0, err
	}
	switch err := lockWithRetry(f); {
	case errors.Is(err, unix.EWOULDBLOCK):
		pid := readPID(f)
		return nil, pid, f.Close()
	case err != nil:
		return nil, 0, errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Truncate(0), writePID(f)); err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, 0, nil
}

// openLock opens a lock file. It follows no link, does not wait for a pipe, and refuses a file with a second
// name, which would be overwritten.
func openLock(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink > 1 {
		return nil, errors.Join(fmt.Errorf("%s is not a lock that latlab made; remove it", path), err, f.Close())
	}
	return f, nil
}

// lockWithRetry tries a few times, because Locked in a different process holds the lock for a
// moment.
func lockWithRetry(f *os.File) (err error) {
	for range 5 {
		if err = flock(f, unix.LOCK_EX); !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return err
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func writePID(f *os.File) error {
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func readPID(f *os.File) int {
	b, _ := io.ReadAll(io.NewSectionReader(f, 0, 32))
	pid, err := strconv.Atoi(string(bytes.TrimSpace(b)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
