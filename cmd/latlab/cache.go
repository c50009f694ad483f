package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"latlab/devices/inventory"
	"latlab/sampler/model"
)

// open opens the model cache.
func (o cacheOptions) open() (*model.Cache, error) {
	dir, err := o.folder()
	if err != nil {
		return nil, err
	}
	size, err := inventory.ParseSize(o.size)
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	return model.NewCache(dir, size), nil
}

func (o cacheOptions) folder() (string, error) {
	if o.dir != "" {
		return o.dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil { // no home: a daemon, or a program started with an empty environment
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
