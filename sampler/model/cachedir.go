package model

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// DefaultCacheDir is the folder of the user's models. Without a home, as of a daemon, it is below the
// folder for temporary files, in one that is this user's alone.
func DefaultCacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir, err = ownFolder(filepath.Join(os.TempDir(), fmt.Sprintf("latlab-%d", os.Getuid())))
	}
	return filepath.Join(dir, "latlab", "models"), err
}

// ownFolder makes a folder where everybody may, for this user alone. One that somebody else
// made is refused: they could put models into it.
func ownFolder(dir string) (string, error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return "", fmt.Errorf("%s: %w", dir, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Getuid() || st.Mode&0o022 != 0 {
		return "", fmt.Errorf("there is no $HOME, and %s is not this user's alone: --cache-dir names another folder", dir)
	}
	return dir, nil
}

// ErrFreeUnknown is of a folder that can be written, on a disk whose free space cannot be read.
var ErrFreeUnknown = errors.New("free space unknown")

// CheckCacheDir makes the folder and writes a file there, as the cache will. It returns the bytes free.
func CheckCacheDir(dir string) (free int64, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	f, err := os.CreateTemp(dir, ".check-")
	if err != nil {
		return 0, err
	}
	f.Close()
	os.Remove(f.Name())
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return 0, fmt.Errorf("%s: %w: %w", dir, ErrFreeUnknown, err)
	}
	return int64(disk.Bavail) * disk.Bsize, nil
}
