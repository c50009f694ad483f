package state_test

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"latlab/devices/state"
	"latlab/devices/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shells are those that a device's shell may be.
var shells = [][]string{{"dash"}, {"busybox", "ash"}, {"mksh"}}

// shell runs every program of a device in one of the shells, on this machine.
type shell struct {
	t    *testing.T
	argv []string
	env  []string
}

func newShell(t *testing.T, argv ...string) shell {
	t.Helper()
	if _, err := exec.LookPath(argv[0]); err != nil {
		t.Skipf("%s is not installed", argv[0])
	}
	return shell{t: t, argv: argv}
}

func (s shell) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	if c.Path != "sh" {
		s.t.Errorf("%s was started, not a shell", c.Path)
	}
	return transport.Local{}.Start(ctx, transport.Command{Path: s.argv[0], Args: append(s.argv[1:len(s.argv):len(s.argv)], c.Args...), Env: s.env})
}

// Through every shell a tree reads as it does here.
func TestOverIsRead(t *testing.T) {
	for _, argv := range shells {
		s := newShell(t, argv...)
		for _, name := range []string{"laptop.txtar", "raspberry.txtar", "jetson.txtar", "amd.txtar", "virtual.txtar", "acpi.txtar", "garbage.txtar"} {
			t.Run(argv[0]+"/"+name, func(t *testing.T) {
				root := tree(t, name)
				got, err := state.Over(t.Context(), s, state.OverOptions{Root: root})
				if err != nil {
					t.Fatal(err)
				}
				want := state.Read(root)
				if got.Time.Before(want.Time.Add(-time.Minute)) {
					t.Errorf("Time is %v", got.Time)
				}
				got.Time, want.Time = time.Time{}, time.Time{}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("Read (-), Over (+):\n%s", diff)
				}
			})
		}
	}
}

func TestOverThisMachine(t *testing.T) {
	s, err := state.Over(t.Context(), transport.Local{}, state.OverOptions{})
	if err != nil || s.LoadAverage == nil {
		t.Errorf("%+v, %v", s, err)
	}
}
