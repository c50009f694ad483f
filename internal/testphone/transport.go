package testphone

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// Transport reaches the phone without adb, by chroot, like a remote machine to which files are copied
// and whose shell runs commands. It tests what all transports have in common, but not adb itself.
func (p *Phone) Transport() *Chroot { return &Chroot{phone: p} }

// Chroot is a phone reached by chroot.
type Chroot struct {
	phone *Phone
	local transport.Local
	// Away makes the next Start fail as if the phone were unplugged.
	Away bool
}

var _ transport.Transport = (*Chroot)(nil)

// Start runs a command in the phone's shell with every word quoted.
func (c *Chroot) Start(ctx context.Context, cmd transport.Command) (transport.Process, error) {
	if c.Away {
		c.Away = false
		return nil, &devices.Error{Fault: devices.FaultDevice, Op: "start", Reason: devices.ReasonOffline, Err: errors.New("the phone is not there")}
	}
	var line strings.Builder
	if cmd.Dir != "" {
		line.WriteString("cd " + text.ShellQuote(cmd.Dir) + " && ")
	}
	line.WriteString("exec env")
	for _, w := range slices.Concat(cmd.Env, []string{cmd.Path}, cmd.Args) {
		line.WriteString(" " + text.ShellQuote(w))
	}
	args := slices.Concat([]string{"-i"}, Env(), []string{"/usr/sbin/chroot", c.phone.Root, "/system/bin/sh", "-c", line.String()})
	return c.local.Start(ctx, transport.Command{Path: "env", Args: args, Tether: cmd.Tether})
}

// Put writes a file below the phone's root.
func (c *Chroot) Put(ctx context.Context, f transport.File) error {
	f.Path = c.phone.Path(f.Path)
	return c.local.Put(ctx, f)
}

// Get reads a file of the phone.
func (c *Chroot) Get(ctx context.Context, path string, w io.Writer, limit int64) error {
	return c.local.Get(ctx, c.phone.Path(path), w, limit)
}

// Stat describes a file of the phone.
func (c *Chroot) Stat(ctx context.Context, path string) (transport.Info, error) {
	return c.local.Stat(ctx, c.phone.Path(path))
}

// Close does nothing.
func (c *Chroot) Close() error { return nil }

// Files lists the files in and below a folder of the phone, for tests that compare them before and
// after. A missing folder has none.
func (p *Phone) Files(there string) string {
	p.t.Helper()
	var list []string
	err := fs.WalkDir(os.DirFS(p.Path(there)), ".", func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if path != "." {
			list = append(list, path)
		}
		return err
	})
	p.check(err)
	return strings.Join(list, "\n")
}
