package python

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"latlab/devices"
)

// Desk is where a device's blocks work: a folder a block, and no more blocks at once than
// there are places.
//
// All folders of a Desk are in one, which is locked while the Desk is open. A folder that
// nobody has locked belongs to a process that was killed; the next Desk removes it.
type Desk struct {
	name   string
	lock   *os.File
	places chan struct{}
}

const (
	deskPrefix = "latlab-estimator-"
	// deskGrace is how old a folder must be to be taken for left behind: between making
	// and locking one nobody waits so long.
	deskGrace = time.Minute
)

// NewDesk opens a Desk for a device of a name.
func NewDesk(name string, parallel int) (*Desk, error) {
	temp, err := filepath.Abs(os.TempDir())
	if err != nil {
		return nil, hostError(name, err)
	}
	removeStale(temp, time.Now().Add(-deskGrace))
	dir, err := os.MkdirTemp(temp, deskPrefix)
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
	return &Desk{name: name, lock: lock, places: make(chan struct{}, parallel)}, nil
}

func hostError(name string, err error) error {
	return &devices.Error{Fault: devices.FaultLab, Op: "open device " + name, Reason: ReasonHost, Err: err,
		Advice: "TMPDIR names a folder for temporary files"}
}

func removeStale(temp string, before time.Time) {
	dirs, _ := filepath.Glob(filepath.Join(temp, deskPrefix+"*"))
	for _, dir := range dirs {
		f, err := os.Open(dir)
		if err != nil {
			continue // somebody else's
		}
		info, err := f.Stat()
		if err == nil && info.IsDir() && info.ModTime().Before(before) && unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = f.Close()
	}
}

// Sit takes a place and makes a folder. Leave gives both back.
func (d *Desk) Sit(op string) (dir string, leave func(), err error) {
	select {
	case d.places <- struct{}{}:
	default:
		return "", nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: devices.ReasonBusy,
			Err: fmt.Errorf("device %s has %d blocks going on, as many as it takes at once", d.name, cap(d.places))}
	}
	free := func() { <-d.places }
	dir, err = os.MkdirTemp(d.lock.Name(), "block-")
	if err != nil {
		free()
		return "", nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: ReasonHost, Err: err}
	}
	return dir, func() { _ = os.RemoveAll(dir); free() }, nil
}

// Close removes the Desk's folder.
func (d *Desk) Close() error {
	return errors.Join(os.RemoveAll(d.lock.Name()), d.lock.Close())
}

// Dir is the Desk's own folder: what lies in it stays until Close.
func (d *Desk) Dir() string { return d.lock.Name() }
