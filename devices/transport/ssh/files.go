package ssh

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"latlab/devices"
	"latlab/devices/transport"
)

// chunk is how much of a file is in flight at once; sftp splits it into packets of 32 KiB that
// are sent together. A whole chunk is acknowledged before the next, so that progress is true.
const chunk = 1 << 20

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
	n := &counted{f: f, temp: path.Join(path.Dir(f.Path), ".latlab-put-"+rand.Text())}
	op := "put " + f.Path + " on"
	err = l.withFTP(ctx, op, func(c *ftp) error { return c.put(ctx, n, t.o) })
	if errors.Is(err, errNoSFTP) {
		err = t.putShell(ctx, n)
	}
	if ctx.Err() != nil && l.alive() {
		t.discard(n.temp)
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

// counted reads a file's content, which must have the announced length.
type counted struct {
	f    transport.File
	temp string // name on the host until it is complete
	read int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.f.Content.Read(b)
	c.read += int64(n)
	if c.read > c.f.Size || errors.Is(err, io.EOF) && c.read < c.f.Size {
		return 0, fmt.Errorf("%s: %d bytes or more instead of %d", c.f.Path, c.read, c.f.Size)
	}
	return n, err
}

func (c *counted) progress(done int64) {
	if c.f.Progress != nil {
		c.f.Progress(done)
	}
}

func (c *ftp) put(ctx context.Context, n *counted, o Options) error {
	err := c.write(ctx, n)
	if err == nil {
		err = c.rename(n.temp, n.f.Path)
	}
	if err == nil {
		return nil
	}
	_ = c.Remove(n.temp)
	return c.full(err, n.f, o)
}

func (c *ftp) write(ctx context.Context, n *counted) (err error) {
	f, err := c.OpenFile(n.temp, fWrite)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	buf := make([]byte, min(chunk, max(n.f.Size, 1)))
	var done int64
	for {
		k, err := io.ReadFull(n, buf)
		if k > 0 {
			if _, err := f.WriteAt(buf[:k], done); err != nil {
				return err
			}
			done += int64(k)
			n.progress(done)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return f.Chmod(n.f.Mode.Perm())
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
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
		return copyLimited(w, f, name, limit)
	})
	if errors.Is(err, errNoSFTP) {
		err = t.getShell(ctx, name, w, limit)
	}
	return err
}

// copyLimited copies in chunks, which sftp fetches in parallel. It does not rely on the size
// that the file reports.
func copyLimited(w io.Writer, r io.Reader, name string, limit int64) error {
	buf := make([]byte, chunk)
	var done int64
	for {
		n, err := r.Read(buf[:min(chunk, limit-done+1)])
		if done+int64(n) > limit {
			return fmt.Errorf("%s has more than %d bytes", name, limit)
		}
		if _, e := w.Write(buf[:n]); e != nil {
			return e
		}
		done += int64(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
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
