package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is how often a waiting writer tries again. flock can block instead, but a context
// could not interrupt it.
const lockPoll = 100 * time.Millisecond

// locks are the two files that a writer holds until it ends.
type locks struct {
	// beside is the file PATH.lock. It also excludes writers while there is no store yet, and is the
	// only lock that older latlabs know and that works on network file systems. It is never removed.
	beside *os.File
	// store is the database itself, whatever its name: a store that is renamed in a sweep, or whose
	// lock file was removed, is not open to a second writer.
	store *os.File
}

func (l *locks) close() (err error) {
	for _, f := range []*os.File{l.store, l.beside} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// resolve follows links, so that all names of a store lead to one file with one lock and one log. The
// file need not exist.
func resolve(path string) (string, error) {
	for range 40 {
		to, err := os.Readlink(path)
		if err != nil {
			break // a file, or nothing
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil // checkFile reports the folder
	}
	if err != nil {
		return "", &PathError{Path: path, Err: err}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", &PathError{Path: path, Err: err}
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}

// acquire takes both locks by flock, and makes an empty store where there is none. The kernel releases
// them when their files are closed.
//
// flock and the POSIX locks of SQLite do not see each other, and with OFD locks (see open) SQLite loses
// none when a descriptor of the database is closed. On network file systems flock is a POSIX lock and
// would shut SQLite out: the store is not locked there, only the file beside it.
func acquire(ctx context.Context, path string, wait bool) (*locks, error) {
	for {
		l, err := tryAcquire(path)
		if !errors.Is(err, errAgain) && (!wait || !errors.Is(err, ErrLocked)) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

// errAgain means that a file was removed or replaced between opening and locking it.
var errAgain = errors.New("its lock file is replaced all the time")

func tryAcquire(path string) (_ *locks, err error) {
	l := &locks{}
	defer func() {
		if err != nil {
			_ = l.close() // unlocks
		}
	}()
	name := path + ".lock"
	if l.beside, err = openLock(path, name); err != nil {
		return nil, err
	}
	if err := hold(l.beside, path, name); err != nil {
		return nil, err
	}
	if l.store, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644); err != nil {
		return nil, pathOrDisk(path, err)
	}
	if onNetwork(l.store) {
		writePID(l.beside)
		return l, nil
	}
	if err := hold(l.store, path, path); err != nil {
		return nil, err
	}
	writePID(l.beside)
	return l, nil
}

var isPID = regexp.MustCompile(`^[0-9]*\n?$`)

// openLock opens the file beside the store, and refuses whatever latlab did not make: it is about to
// be overwritten.
func openLock(path, name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o666)
	foreign := &PathError{Path: path, Err: fmt.Errorf("%s is not a lock that latlab made; move it away, or use another name for the store", name)}
	switch {
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENXIO):
		return nil, foreign
	case err != nil:
		return nil, pathOrDisk(path, err)
	}
	var st unix.Stat_t
	text := make([]byte, 32)
	n, _ := f.ReadAt(text, 0)
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink > 1 || !isPID.Match(text[:n]) {
		_ = f.Close() // nothing was written
		return nil, foreign
	}
	return f, nil
}

// hold locks an open file of a store and checks that it still has its name.
func hold(f *os.File, path, name string) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			pid := 0
			if name != path {
				pid = readPID(f)
			}
			return &LockedError{Path: path, PID: pid}
		case err != nil:
			return &PathError{Path: path, Err: fmt.Errorf("cannot lock %s: %w", name, err)}
		case !named(f, name):
			return errAgain
		}
		return nil
	}
}

// named reports whether a path still is the open file, not a link to it.
func named(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(path)
	return err == nil && os.SameFile(a, b)
}

// onNetwork reports whether a file is on NFS or SMB. Unknown counts as no.
func onNetwork(f *os.File) bool {
	var st unix.Statfs_t
	if unix.Fstatfs(int(f.Fd()), &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC:
		return true
	}
	return false
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
