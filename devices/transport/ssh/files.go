package ssh

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"latlab/devices"
	"latlab/devices/transport"
)

// requests is how many packets of a file, of 32 KiB, are in flight at once.
const requests = 32

// files keeps one idle sftp client. A client serves one call at a time, because giving up a
// call means closing its client.
type files struct {
	mu   sync.Mutex
	idle *ftp
	none bool // the host has no sftp server
}

// ftp is an sftp client with its session.
type ftp struct {
	*sftp.Client
	s    opened
	gone <-chan struct{} // closed when the session has ended
}

func (f *ftp) close() {
	_ = f.s.Close()
	_ = f.Close()
}

func (f *files) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.idle != nil {
		f.idle.close()
		f.idle = nil
	}
}

func (f *files) take() (client *ftp, none bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	client, f.idle = f.idle, nil
	return client, f.none
}

func (f *files) keep(c *ftp) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.idle != nil {
		_ = c.s.Close() // without waiting for the host
		return
	}
	f.idle = c
}

var errNoSFTP = errors.New("it has no sftp server")

// openFTP starts the host's sftp server.
func (l *link) openFTP(ctx context.Context) (*ftp, error) {
	s, err := l.session(ctx)
	if err != nil {
		return nil, err
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		ssh.DiscardRequests(s.requests)
	}()
	go func() { _, _ = io.Copy(io.Discard, s.Stderr()) }()
	stop := context.AfterFunc(ctx, func() { l.hangUp(s, gone) })
	c, err := subsystem(s)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		_ = s.Close()
		return nil, l.lost("start sftp on", err)
	}
	return &ftp{c, s, gone}, nil
}

// subsystem starts sftp. A host may refuse it, or accept it and have no such program.
func subsystem(s opened) (*sftp.Client, error) {
	ok, err := s.SendRequest("subsystem", true, ssh.Marshal(struct{ Name string }{"sftp"}))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errNoSFTP
	}
	c, err := sftp.NewClientPipe(s, s, sftp.UseConcurrentWrites(true))
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", errNoSFTP, err)
	}
	return c, nil
}

// withFTP runs one call over sftp. It returns errNoSFTP if the host has none.
func (l *link) withFTP(ctx context.Context, op string, call func(*ftp) error) error {
	if err := l.slot(ctx); err != nil {
		return err
	}
	defer l.free()
	c, none := l.files.take()
	if none {
		return errNoSFTP
	}
	if c == nil {
		var err error
		if c, err = l.openFTP(ctx); err != nil {
			if errors.Is(err, errNoSFTP) {
				l.files.mu.Lock()
				l.files.none = true
				l.files.mu.Unlock()
			}
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { l.hangUp(c.s, c.gone) })
	err := call(c)
	if !stop() {
		return ctx.Err()
	}
	if l.alive() && !errors.Is(err, sftp.ErrSSHFxConnectionLost) {
		l.files.keep(c)
	} else {
		c.close()
	}
	return l.lost(op, err)
}

// Put writes a temporary file beside the target and renames it. Until the file is complete
// only the user may read it.
func (t *Transport) Put(ctx context.Context, f transport.File) error {
	l, err := t.connected(ctx)
	if err != nil {
		return err
	}
	temp := path.Join(path.Dir(f.Path), ".latlab-put-"+rand.Text())
	op := "put " + f.Path + " on"
	err = l.withFTP(ctx, op, func(c *ftp) error { return c.put(temp, f, t.o) })
	if errors.Is(err, errNoSFTP) {
		err = t.putShell(ctx, temp, f)
	}
	if ctx.Err() != nil && l.alive() {
		t.discard(temp)
	}
	return err
}

// discard removes the temporary file of an interrupted Put. After a broken connection the file
// stays: latlab's folder is cleaned before it is next used.
func (t *Transport) discard(temp string) {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	_, _ = transport.Shell(ctx, t, maxSaid, `rm -f "$1"`, temp)
}

func (c *ftp) put(temp string, f transport.File, o Options) error {
	err := c.write(temp, f)
	if err == nil {
		err = c.rename(temp, f.Path)
	}
	if err == nil {
		return nil
	}
	_ = c.Remove(temp)
	return c.full(err, f, o)
}

func (c *ftp) write(temp string, file transport.File) (err error) {
	f, err := c.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	if _, err := f.ReadFromWithConcurrency(file.Exactly(), requests); err != nil {
		return err
	}
	return f.Chmod(file.Mode.Perm())
}

// rename moves the file to its place. Plain sftp does not rename over an existing file.
func (c *ftp) rename(temp, name string) error {
	if _, ok := c.HasExtension("posix-rename@openssh.com"); ok {
		return c.PosixRename(temp, name)
	}
	if err := c.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return c.Rename(temp, name)
}

// full checks whether a failure was a full disk: sftp reports only "failure". The temporary
// file has been removed already.
func (c *ftp) full(err error, f transport.File, o Options) error {
	var status *sftp.StatusError
	if !errors.As(err, &status) || status.FxCode() != sftp.ErrSSHFxFailure {
		return err
	}
	if _, ok := c.HasExtension("statvfs@openssh.com"); !ok {
		return err
	}
	st, e := c.StatVFS(path.Dir(f.Path))
	if e != nil || int64(st.Frsize*st.Bavail) >= f.Size {
		return err
	}
	return noRoom(o, f, int64(st.Frsize*st.Bavail))
}

func noRoom(o Options, f transport.File, free int64) error {
	return &devices.Error{
		Fault: devices.FaultDevice, Op: "put " + f.Path + " on " + o.String(), Reason: devices.ReasonFull,
		Err: fmt.Errorf("no room for a file of %d bytes: %d bytes are free there", f.Size, free),
	}
}

// Get copies a file of at most limit bytes to w.
func (t *Transport) Get(ctx context.Context, name string, w io.Writer, limit int64) error {
	l, err := t.connected(ctx)
	if err != nil {
		return err
	}
	err = l.withFTP(ctx, "get "+name+" from", func(c *ftp) error {
		f, err := c.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return transport.CopyLimited(w, f, name, limit)
	})
	if errors.Is(err, errNoSFTP) {
		err = t.getShell(ctx, name, w, limit)
	}
	return err
}

// Stat returns a file's details; a missing file is fs.ErrNotExist.
func (t *Transport) Stat(ctx context.Context, name string) (transport.Info, error) {
	l, err := t.connected(ctx)
	if err != nil {
		return transport.Info{}, err
	}
	var info transport.Info
	err = l.withFTP(ctx, "look at "+name+" on", func(c *ftp) error {
		st, err := c.Stat(name)
		if err == nil {
			info = transport.Info{Size: st.Size(), Mode: st.Mode(), ModTime: st.ModTime()}
		}
		return err
	})
	if errors.Is(err, errNoSFTP) {
		info, err = t.statShell(ctx, name)
	}
	return info, err
}
