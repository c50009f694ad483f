// Package private checks that a folder is the user's own before anything in it is used: whoever else can
// write there could replace what latlab runs or measures. It opens files in such a folder without
// following links and without waiting for pipes.
//
// It changes no permissions of a folder that exists: what others put there while they could would remain.
package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// FolderError is a folder that others can change.
type FolderError struct {
	Dir string // the folder, or one above it
	Why string
}

func (e *FolderError) Error() string { return e.Dir + " " + e.Why }

// ErrForeign is a file that is not a regular file of the user with a single name.
var ErrForeign = errors.New("it is a link, a pipe, or not this user's file")

// Folder makes a folder for the user alone (0700) and the folders above it where they are missing. It
// refuses a folder of another user, one that others can write to, and one below such a folder, except a
// sticky one such as /tmp. The group may write to folders above: many systems give each user a group.
func Folder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return Check(dir)
}

// Check checks an existing folder.
func Check(dir string) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	if real, err = filepath.Abs(real); err != nil {
		return err
	}
	euid := uint32(os.Geteuid())
	for at := real; ; at = filepath.Dir(at) {
		var st unix.Stat_t
		if err := unix.Lstat(at, &st); err != nil {
			return &fs.PathError{Op: "stat", Path: at, Err: err}
		}
		if why := refuse(&st, at == real, euid); why != "" {
			return &FolderError{at, why}
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// refuse returns why a folder cannot be trusted, or "". itself is false for the folders above.
func refuse(st *unix.Stat_t, itself bool, euid uint32) string {
	mode := uint32(st.Mode) //nolint:unconvert // its width differs between machines
	switch {
	case mode&unix.S_IFMT != unix.S_IFDIR:
		return "is not a folder"
	case st.Uid != euid && (itself || st.Uid != 0):
		return fmt.Sprintf("belongs to user %d, and this is user %d (sudo -H uses root's own home)", st.Uid, euid)
	case itself && mode&0o022 != 0:
		return "can be written by other users: remove it and latlab makes a private one, or chmod go-w after a look at what is in it"
	case mode&0o002 != 0 && mode&unix.S_ISVTX == 0:
		return "can be written by every user"
	}
	return ""
}

// Open opens a file in a private folder: a regular one of this user, with a single name. Others are
// ErrForeign, and are not read, written or waited for.
func Open(path string, flags int, mode fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, mode)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrForeign}
	}
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() || st.Nlink > 1 {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: path, Err: ErrForeign}, f.Close())
	}
	return f, nil
}
