package machine_test

import (
	"context"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/devices/transport/ssh"
	"latlab/devices/transport/ssh/sshtest"
	"latlab/internal/testphone"
)

// TestPhone runs everything on one machine in a root folder with only a phone's userland.
func TestPhone(t *testing.T) {
	p := testphone.New(t, testphone.Options{})
	life(t, p.Transport(), filepath.Join(testphone.Tmp, hostile, "lat lab"), p.Path)
}

// TestGateOfAPhone uses the temperatures of Android's thermal service.
func TestGateOfAPhone(t *testing.T) {
	p := testphone.New(t, testphone.Options{})
	hot := machine.CoolDown{BelowC: 30, Limit: time.Nanosecond}
	for _, tt := range []struct {
		cool machine.CoolDown
		want string
	}{
		{machine.CoolDown{BelowC: 90}, "^$"},
		{hot, "^still 38.0 C after [0-9]+ s, 30 C were asked for$"}, // the cached figure is 55.5
	} {
		m := open(t, p.Transport(), machine.Options{Dir: testphone.Tmp + "/latlab", CoolDown: tt.cool})
		b, err := m.Block(t.Context(), "time it", func(*devices.Block) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(b.Warnings, "\n"); !regexp.MustCompile(tt.want).MatchString(got) {
			t.Errorf("warnings %q, want %s", got, tt.want)
		}
	}
}

// TestSSH runs everything on one machine behind a real sshd.
func TestSSH(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	r := overSSH(t, s)
	life(t, r, filepath.Join(t.TempDir(), hostile, "lat lab"), itself)
	brokenWire(t, r, s.Cut)
	away(t, r, s.Refuse, s.Cut)
}

// TestSSHWithoutSFTP uses a board whose files are copied through its shell.
func TestSSHWithoutSFTP(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{NoSFTP: true})
	brokenWire(t, overSSH(t, s), s.Cut)
}

func overSSH(t testing.TB, s *sshtest.Server) transport.Transport {
	t.Helper()
	r, err := ssh.Open(t.Context(), ssh.Options{Host: s.Host, Port: s.Port, User: s.User, IdentityFiles: []string{s.Key},
		KnownHosts: []string{s.KnownHosts}, Config: "none", Agent: "none"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// cutting is a transport that is cut when half of the next file is pushed.
type cutting struct {
	transport.Transport
	cut func()
}

func (c *cutting) Put(ctx context.Context, f transport.File) error {
	if cut := c.cut; cut != nil {
		c.cut = nil
		half := &io.LimitedReader{R: f.Content, N: f.Size / 2}
		f.Content = io.MultiReader(half, then(cut), f.Content)
	}
	return c.Transport.Put(ctx, f)
}

// then is an empty reader that calls a function when it is read.
type then func()

func (f then) Read([]byte) (int, error) { f(); return 0, io.EOF }

// brokenWire cuts the connection in the middle of a model and of a program: the device is
// offline, and the half files are not taken for whole ones.
func brokenWire(t *testing.T, wire transport.Transport, cut func()) {
	t.Helper()
	r := &cutting{Transport: wire}
	dir := filepath.Join(t.TempDir(), "lab")
	m := open(t, r, machine.Options{Dir: dir})
	mdl, p := sized(t, t.TempDir(), 4_000_000, 1), program(t, t.TempDir())
	r.cut = cut
	if _, err := m.Stage(t.Context(), "time it", mdl); reason(err) != "device offline" {
		t.Errorf("cut in the middle of a model: %s: %v", reason(err), err)
	}
	back(t, r)
	s := stage(t, m, mdl)
	checkStaged(t, s, itself)
	wantNames(t, filepath.Join(dir, "models"), filepath.Base(s.Path))
	r.cut = cut
	if _, err := m.Install(t.Context(), p); reason(err) != "device offline" {
		t.Errorf("cut in the middle of a program: %s: %v", reason(err), err)
	}
	back(t, r)
	got, err := m.Install(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	runs(t, m, filepath.Join(got, "hello"))
	wantNames(t, filepath.Join(dir, "programs"), filepath.Base(got))
	stage(t, m, mdl) // it is still there
	if n := m.Traffic().Models; n != 1 {
		t.Errorf("a model was pushed %d times", n)
	}
}

// back waits until the machine is reachable again.
func back(t *testing.T, r transport.Transport) {
	t.Helper()
	var err error
	for range 500 {
		if _, err = transport.Shell(t.Context(), r, 100, "exit 0"); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it does not come back: %v", err)
}

// away closes a machine that is unreachable, and opens it when it is reachable again.
func away(t *testing.T, r transport.Transport, refuse func(bool), cut func()) {
	t.Helper()
	o := machine.Options{Name: "board", Dir: filepath.Join(t.TempDir(), "lab")}
	m, err := machine.Open(t.Context(), r, o)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(stage(t, m, sized(t, t.TempDir(), 100_000, 1)).Path)
	refuse(true)
	cut()
	if err := m.Close(); reason(err) != "device offline" || !strings.Contains(err.Error(), "models remain in "+o.Dir) {
		t.Errorf("close: %s: %v", reason(err), err)
	}
	if _, err := machine.Clean(t.Context(), r, o); reason(err) != "device offline" {
		t.Errorf("clean: %s: %v", reason(err), err)
	}
	refuse(false)
	back(t, r)
	wantNames(t, filepath.Join(o.Dir, "models"), name)
	if err := open(t, r, o).Close(); err != nil {
		t.Error(err)
	}
	wantNames(t, o.Dir, ".latlab")
}
