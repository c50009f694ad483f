package python

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"latlab/devices"
)

// Workspace holds the folders of a device's blocks, one for each block, and limits how many blocks run
// at once.
//
// All folders are in one parent, which is locked while the Workspace is open. An unlocked parent
// belongs to a process that was killed; the next Workspace removes it.
type Workspace struct {
	name   string
	lock   *os.File
	places chan struct{}
}

const (
	workspacePrefix = "latlab-estimator-"
	// workspaceGrace is the age from which an unlocked folder counts as abandoned. No process takes as
	// long between making and locking it.
	workspaceGrace = time.Minute
)

// NewWorkspace opens a Workspace for the device of the given name.
func NewWorkspace(name string, parallel int) (*Workspace, error) {
	temp, err := filepath.Abs(os.TempDir())
	if err != nil {
		return nil, hostError(name, err)
	}
	removeStale(temp, time.Now().Add(-workspaceGrace))
	dir, err := os.MkdirTemp(temp, workspacePrefix)
	if err != nil {
		return nil, hostError(name, err)
	}
	lock, err := os.Open(dir)
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		return nil, hostError(name, errors.Join(err, os.RemoveAll(dir)))
	}
	return &Workspace{name: name, lock: lock, places: make(chan struct{}, parallel)}, nil
}

func hostError(name string, err error) error {
	return &devices.Error{Fault: devices.FaultLab, Op: "open device " + name, Reason: ReasonHost, Err: err,
		Advice: "TMPDIR names a folder for temporary files"}
}

func removeStale(temp string, before time.Time) {
	dirs, _ := filepath.Glob(filepath.Join(temp, workspacePrefix+"*"))
	for _, dir := range dirs {
		// Anyone may put a link or a pipe there.
		f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_DIRECTORY, 0)
		if err != nil {
			continue // it belongs to a different user
		}
		info, err := f.Stat()
		if err == nil && ownedByUser(info) && info.ModTime().Before(before) && unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = f.Close()
	}
}

// ownedByUser is false for folders of others, which root could open.
func ownedByUser(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// Folder takes a free place and makes a folder; it fails if all places are taken. leave removes the
// folder and frees the place.
func (d *Workspace) Folder(op string) (dir string, leave func(), err error) {
	select {
	case d.places <- struct{}{}:
	default:
		return "", nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: devices.ReasonBusy,
			Err: fmt.Errorf("device %s has %d blocks running, its maximum", d.name, cap(d.places))}
	}
	free := func() { <-d.places }
	dir, err = os.MkdirTemp(d.lock.Name(), "block-")
	if err != nil {
		free()
		return "", nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: ReasonHost, Err: err}
	}
	return dir, func() { _ = os.RemoveAll(dir); free() }, nil
}

// Close removes the Workspace's folder.
func (d *Workspace) Close() error {
	return errors.Join(os.RemoveAll(d.lock.Name()), d.lock.Close())
}

// Dir is the Workspace's own folder: its files remain until Close.
func (d *Workspace) Dir() string { return d.lock.Name() }
