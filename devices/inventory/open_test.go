package inventory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/devices/transport/ssh/sshtest"
	"latlab/internal/testenv"
	"latlab/sampler/model"
)

// board is a Lab with one device, "board": this machine as if it were another.
func board(t *testing.T, fields string) *Lab {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "there", "latlab")
	file := write(t, "devices.yml", fmt.Sprintf("devices:\n  - name: board\n    ssh: board\n    dir: %s\n%s", dir, fields))
	l, err := New(Options{File: file, AgentPath: testenv.Agent(t), LockDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	l.dial = func(context.Context, *entry) (transport.Transport, error) { return elsewhere{transport.Local{}}, nil }
	return l
}

func stepNames(steps []Step) (names []string) {
	for _, s := range steps {
		names = append(names, s.Name)
	}
	return names
}

// TestCheckGoesStepByStep: the steps of a device that works, and the one at which each fault
// stops, with what to type.
func TestCheckGoesStepByStep(t *testing.T) {
	l := board(t, "")
	steps, err := l.Check(t.Context(), "board")
	if err != nil || Failed(steps) != nil {
		t.Fatalf("%+v, %v", steps, err)
	}
	want := []string{"inventory", "connection", "shell", "folder", "agent", "delegate", "state"}
	if got := stepNames(steps); !slices.Equal(got, want) {
		t.Errorf("steps %v, want %v", got, want)
	}
	for name, c := range map[string]struct {
		change func(l *Lab, e *entry)
		fields string
		failed string
		says   string
	}{
		"no transport": {func(l *Lab, _ *entry) {
			l.dial = func(context.Context, *entry) (transport.Transport, error) {
				return nil, &devices.Error{Fault: devices.FaultDevice, Op: "x", Reason: devices.ReasonOffline, Err: errors.New("gone"), Advice: "plug it in"}
			}
		}, "", "connection", "plug it in"},
		"no key":      {func(_ *Lab, e *entry) { e.place = sshHost{host: "board", identity: "/no/such/key"} }, "", "files", "/no/such/key"},
		"not ours":    {func(_ *Lab, e *entry) { e.dir = filepath.Dir(write(t, "x", "")) }, "", "folder", "not latlab's"},
		"no agent":    {func(l *Lab, _ *entry) { l.o.AgentPath = "/no/such/latlab-agent" }, "", "agent bundle", "make build"},
		"no bundle":   {func(l *Lab, _ *entry) { l.o.AgentBundle = "/no/such" }, "    arch: arm64\n", "agent bundle", "make agent-arm64"},
		"no delegate": {nil, "    delegate: external\n    delegate_library: device:/no/such/lib.so\n", "delegate", "/no/such/lib.so"},
		"no program":  {nil, "    tool: benchmark_model\n    binary: device:/no/such/benchmark_model\n", "benchmark_model", "/no/such/benchmark_model"},
	} {
		t.Run(name, func(t *testing.T) {
			l := board(t, c.fields)
			if c.change != nil {
				c.change(l, l.entries[0])
			}
			steps, err := l.Check(t.Context(), "board")
			if err != nil {
				// What can be said without asking the device is an error of the call.
				steps = []Step{{Name: "files", State: Missing, Detail: err.Error()}}
			}
			s := Failed(steps)
			if s == nil || s.Name != c.failed || !strings.Contains(s.Detail+" "+s.Type, c.says) || s != &steps[len(steps)-1] {
				t.Errorf("steps are %+v, want %s to fail with %q", steps, c.failed, c.says)
			}
		})
	}
}

// TestOpenAndClean: a device installs its agent, times, gives all up when it is closed, and
// leaves nothing after Clean.
func TestOpenAndClean(t *testing.T) {
	l := board(t, "    threads: 1\n    precision: int8\n")
	d, err := l.Open(t.Context(), "board")
	if err != nil {
		t.Fatal(err)
	}
	info := d.Info()
	if info.Name != "board" || info.Transport != "ssh" || info.Precisions[0] != "int8" || info.Fingerprint["os"] == "" || info.Fingerprint["runtime"] == "" {
		t.Errorf("%+v", info)
	}
	described, err := l.Describe("board")
	if err != nil || described.Precisions[0] != "int8" || described.Transport != "ssh" {
		t.Errorf("%+v, %v", described, err)
	}
	var busy *devices.Error
	if _, err := l.Open(t.Context(), "board"); !errors.As(err, &busy) || busy.Reason != devices.ReasonBusy {
		t.Errorf("opened twice: %v", err)
	}
	if _, err := l.Clean(t.Context(), "board"); !errors.As(err, &busy) || busy.Reason != devices.ReasonBusy {
		t.Errorf("cleaned while in use: %v", err)
	}
	if s := l.probeEntry(t.Context(), l.entries[0], SourceFile, full); s.State != Busy {
		t.Errorf("in use it is %s", s.State)
	}
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Error(err)
	}
	done, err := l.Clean(t.Context(), "board")
	if err != nil || len(done) < 2 || !strings.Contains(done[0], "1 program") {
		t.Errorf("%q, %v", done, err)
	}
	if _, err := os.Stat(l.entries[0].dir); !os.IsNotExist(err) {
		t.Errorf("%s remains: %v", l.entries[0].dir, err)
	}
	if done, err := l.Clean(t.Context(), Local); err != nil || len(done) != 1 {
		t.Errorf("%q, %v", done, err)
	}
}

// sshd is a Lab with the device "board" on a real sshd of this machine.
func sshd(t *testing.T) (*Lab, *sshtest.Server) {
	t.Helper()
	s := sshtest.Start(t, sshtest.Options{})
	file := write(t, "devices.yml", fmt.Sprintf("devices:\n  - name: board\n    ssh: {host: %s, user: %s, port: %d, identity: %s, known_hosts: %s}\n    dir: %s\n",
		s.Host, s.User, s.Port, s.Key, s.KnownHosts, filepath.Join(t.TempDir(), "latlab")))
	// Nothing of the user's own ssh has a say.
	t.Setenv("HOME", t.TempDir())
	t.Setenv("SSH_AUTH_SOCK", "")
	l, err := New(Options{File: file, AgentPath: testenv.Agent(t), LockDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return l, s
}

// TestBoard: a real sshd is listed, checked, used and cleaned.
func TestBoard(t *testing.T) {
	l, s := sshd(t)
	row := l.probeEntry(t.Context(), l.entries[0], SourceFile, full)
	if row.State != Ready || row.OS == nil || row.Now == nil {
		t.Errorf("listed as %+v", row)
	}
	steps, err := l.Check(t.Context(), "board")
	if err != nil || Failed(steps) != nil || len(steps) != 7 {
		t.Errorf("steps %+v, %v", steps, err)
	}
	d, err := l.Open(t.Context(), "board")
	if err != nil {
		t.Fatal(err)
	}
	if d.Info().Fingerprint["runtime"] == "" || d.Info().Transport != "ssh" {
		t.Errorf("%+v", d.Info())
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if done, err := l.Clean(t.Context(), "board"); err != nil || len(done) < 2 {
		t.Errorf("cleaned: %q, %v", done, err)
	}
	// sshd ends what it started a moment after the connection.
	for _, pid := range s.Left() {
		testenv.WaitGone(t, pid)
	}
}

// TestBoardThatRefuses: each way in which a login fails is a state and a step of its own.
func TestBoardThatRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(l *Lab, s *sshtest.Server)
		state State
		step  string
		typed string
	}{
		{"changed key", func(_ *Lab, s *sshtest.Server) { s.ChangeHostKey() }, Unauthorized, "host key", ""},
		{"no key of ours", func(l *Lab, s *sshtest.Server) {
			other := filepath.Join(s.Dir, "other")
			sshtest.NewKey(t, other)
			h := l.entries[0].place.(sshHost)
			h.identity = other
			l.entries[0].place = h
		}, Unauthorized, "login", "ssh-copy-id"},
		{"not there", func(_ *Lab, s *sshtest.Server) { s.Refuse(true) }, Offline, "connection", "ssh"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, s := sshd(t)
			c.spoil(l, s)
			row := l.probeEntry(t.Context(), l.entries[0], SourceFile, full)
			if row.State != c.state || row.Problem == "" || !strings.Contains(row.Type, c.typed) {
				t.Errorf("listed as %s, %q, type %q", row.State, row.Problem, row.Type)
			}
			steps, err := l.Check(t.Context(), "board")
			if f := Failed(steps); err != nil || f == nil || f.Name != c.step || !strings.Contains(f.Type, c.typed) {
				t.Errorf("steps %+v, %v", steps, err)
			}
		})
	}
}

// plain, prepares, layers and both are devices with all sets of what one may do besides.
type plain struct{ devices.Device }

func (plain) Info() devices.Info {
	return devices.Info{Name: "x", Fingerprint: map[string]string{"arch": "arm64", "runtime": "r"}}
}
func (plain) Close() error { return errors.New("closed") }

type prepares struct{ plain }

func (prepares) Prepare(context.Context, *model.Model) error { return errors.New("prepared") }

type layers struct{ plain }

func (layers) Profile(context.Context, *model.Model, devices.Plan) (*devices.Profile, error) {
	return nil, errors.New("layered")
}

type both struct {
	prepares
	layers layers
}

func (b both) Profile(ctx context.Context, m *model.Model, p devices.Plan) (*devices.Profile, error) {
	return b.layers.Profile(ctx, m, p)
}

// TestOwnHidesNothing: what a device can do besides timing is seen through its owner, what it
// cannot is not made up, and its machine and transport are given up once.
func TestOwnHidesNothing(t *testing.T) {
	for _, d := range []devices.Device{plain{}, prepares{}, layers{}, both{}} {
		closed := &countedClose{}
		o := own(d, devices.Info{Transport: "adb", Fingerprint: map[string]string{"arch": "arm", "soc": "s"}}, machine.Here("x"), closed)
		_, isP := d.(devices.Preparer)
		_, isL := d.(devices.Profiler)
		p, gotP := o.(devices.Preparer)
		l, gotL := o.(devices.Profiler)
		if isP != gotP || isL != gotL {
			t.Errorf("%T: preparer %v, layerer %v", d, gotP, gotL)
		}
		if gotP && p.Prepare(t.Context(), nil).Error() != "prepared" {
			t.Errorf("%T prepares another", d)
		}
		if gotL {
			if _, err := l.Profile(t.Context(), nil, devices.Plan{}); err == nil || err.Error() != "layered" {
				t.Errorf("%T: layers of another: %v", d, err)
			}
		}
		want := map[string]string{"arch": "arm64", "runtime": "r", "soc": "s"}
		if diff := cmp.Diff(want, o.Info().Fingerprint); diff != "" || o.Info().Transport != "adb" {
			t.Errorf("%T: %+v, %s", d, o.Info(), diff)
		}
		first, second := o.Close(), o.Close()
		if first == nil || second == nil || closed.n != 1 {
			t.Errorf("%T: closed %d times, %v, %v", d, closed.n, first, second)
		}
	}
}

// countedClose is a transport that counts how often it is given up.
type countedClose struct {
	transport.Transport
	n int
}

func (c *countedClose) Close() error { c.n++; return nil }
