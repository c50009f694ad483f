package inventory

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// elsewhere is this machine as if it were another: its transport is not known to be local.
type elsewhere struct{ transport.Transport }

const tenPhones = `
devices:
  - {name: p0, adb: SERIAL0}
  - {name: p1, adb: SERIAL1}
  - {name: p2, adb: SERIAL2}
  - {name: p3, adb: SERIAL3}
  - {name: p4, adb: SERIAL4, cooldown: {below_celsius: 38, limit_seconds: 60}}
  - {name: p5, ssh: board5}
  - {name: p6, ssh: board6}
  - {name: p7, ssh: board7}
  - {name: p8, ssh: board8}
  - {name: p9, adb: SERIAL9, tool: benchmark_model, binary: /no/such/benchmark_model}
`

// TestStates: each way in which a device fails is a state of its own, with what to type, and
// one that never answers holds up none of the others.
func TestStates(t *testing.T) {
	file := write(t, "devices.yml", tenPhones)
	locks := t.TempDir()
	here, err := machine.Open(t.Context(), transport.Local{}, machine.Options{Name: "p3", LockDir: locks, LockKey: "adb:SERIAL3"})
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	l, err := New(Options{File: file, LockDir: locks})
	if err != nil {
		t.Fatal(err)
	}
	l.dial = func(ctx context.Context, e *entry) (transport.Transport, error) {
		fail := func(reason, advice string) (transport.Transport, error) {
			return nil, &devices.Error{Fault: devices.FaultDevice, Op: "open", Reason: reason, Err: errors.New("it is\n" + reason), Advice: advice}
		}
		switch e.Name {
		case "p1":
			return fail(devices.ReasonOffline, "see `adb devices`")
		case "p2":
			return fail(devices.ReasonUnauthorized, "accept the key on its screen")
		case "p3", "p9":
			t.Errorf("%s was touched", e.Name)
		case "p6":
			<-ctx.Done()
			return nil, ctx.Err()
		case "p7":
			return fail(devices.ReasonHostKey, "`ssh-keygen -R board7` forgets it")
		case "p8":
			return nil, errors.New("no route \x1b[31mto host")
		}
		return elsewhere{transport.Local{}}, nil
	}
	want := map[string][]string{
		"p0": {"ready", "", ""}, "p1": {"offline", "it is offline (see `adb devices`)", "adb devices"},
		"p2": {"unauthorized", "it is unauthorized (accept the key on its screen)", ""},
		"p3": {"busy", "latlab process ", ""}, "p5": {"ready", "", ""}, "p6": {"offline", "timeout", ""},
		"p7": {"unauthorized", "it is host-key", "ssh-keygen -R board7"}, "p8": {"not ready", "no route ?[31mto host", ""},
		"p9": {"not ready", file + ":12: binary: /no/such/benchmark_model: no such file or directory", ""},
	}
	for i := range l.entries {
		e := l.entries[i]
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if e.Name == "p6" {
			ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
		}
		s := l.probeEntry(ctx, e, SourceFile, full)
		cancel()
		w, checked := want[e.Name]
		if checked && (string(s.State) != w[0] || !strings.HasPrefix(s.Problem, w[1]) || s.Type != w[2] || w[1] == "" && s.Problem != "") {
			t.Errorf("%s is %s, %q, type %q; want %q", s.Name, s.State, s.Problem, s.Type, w)
		}
		if s.Name != e.Name || s.Source != SourceFile || s.Kind != devices.Measured {
			t.Errorf("%s is listed as %+v", e.Name, s)
		}
		if s.State == Ready && (s.Now == nil || s.OS == nil || !slices.Equal(s.Delegates[:1], []string{"xnnpack"})) {
			t.Errorf("%s: state %v, OS %v, delegates %v", e.Name, s.Now, s.OS, s.Delegates)
		}
	}
}

// TestListWaitsForNobody: ten devices that never answer take as long as one.
func TestListWaitsForNobody(t *testing.T) {
	file := write(t, "devices.yml", tenPhones)
	synctest.Test(t, func(t *testing.T) {
		l, err := New(Options{File: file, LockDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		l.dial = func(ctx context.Context, _ *entry) (transport.Transport, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		start := time.Now()
		rows := gather(t.Context(), l.entryProbes())
		if took := time.Since(start); took != probeTimeout {
			t.Errorf("took %v, want %v", took, probeTimeout)
		}
		if len(rows) != 10 || rows[0].State != Offline || rows[9].State != NotReady {
			t.Errorf("rows %+v", rows)
		}
	})
}

func TestHot(t *testing.T) {
	at := func(c float64) *float64 { return &c }
	for _, c := range []struct {
		name   string
		gate   float64
		temp   *float64
		status *int
		want   State
	}{
		{"no sensor", 38, nil, nil, Ready},
		{"no gate", 0, at(95), nil, Ready},
		{"below", 38, at(37.9), new(0), Ready},
		{"at the gate", 38, at(38), new(0), Hot},
		{"light", 0, at(30), new(1), Ready},
		{"moderate", 0, at(30), new(2), Hot},
		{"moderate, no sensor", 38, nil, new(2), Hot},
	} {
		s := Status{State: Ready, Now: &devices.State{TemperaturesC: map[string]*float64{"skin": c.temp}, ThermalStatus: c.status}}
		s.judge(&entry{coolDown: machine.CoolDown{BelowC: c.gate}})
		if s.State != c.want || (s.State == Hot) == (s.Problem == "") {
			t.Errorf("%s: %s, %q; want %s", c.name, s.State, s.Problem, c.want)
		}
		if diff := cmp.Diff(c.temp, s.HottestC); diff != "" {
			t.Errorf("%s: hottest %s", c.name, diff)
		}
	}
}

// TestAttachedNames: a name is read into an entry with the command line's threads, or refused
// before anything is started.
func TestAttachedNames(t *testing.T) {
	l := lab(t, Options{Threads: 2, CPUs: []int{4, 5}})
	info, err := l.Describe("adb:9A281FFAZ001VD")
	if err != nil || info.Transport != "adb" || info.Threads != 2 || !slices.Equal(info.CPUs, []int{4, 5}) || info.Name != "adb:9A281FFAZ001VD" {
		t.Errorf("%+v, %v", info, err)
	}
	if info, err := l.Describe("ssh:ubuntu@jetson:2222"); err != nil || info.Transport != "ssh" {
		t.Errorf("%+v, %v", info, err)
	}
	folder := t.TempDir()
	t.Chdir(folder)
	for _, name := range []string{"adb:", "adb:$(touch x)", "adb:-s", "ssh:", "ssh:-oProxyCommand=touch x", "ssh:a;touch x", "ssh:a\nb", "adb:a\x00b"} {
		var unknown *UnknownError
		if _, err := l.Describe(name); !errors.As(err, &unknown) || strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("Describe(%q) = %v", name, err)
		}
		if _, err := l.Open(t.Context(), name); !errors.As(err, &unknown) {
			t.Errorf("Open(%q) = %v", name, err)
		}
		if _, err := l.Check(t.Context(), name); !errors.As(err, &unknown) {
			t.Errorf("Check(%q) = %v", name, err)
		}
	}
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		t.Errorf("%v was made", left)
	}
}

// TestParts: what is on a machine is named, what its shell cannot say is left out.
func TestParts(t *testing.T) {
	if seen := accelerators(t.Context(), transport.Local{}); seen != nil && !slices.Contains(seen, "edgetpu") && !slices.Contains(seen, "gpu") && !slices.Contains(seen, "tensorrt") {
		t.Errorf("seen %v", seen)
	}
	out, err := transport.Shell(t.Context(), transport.Local{}, 1<<10, acceleratorsScript, "/no/such", "/proc/self/status", filepath.Join("/$(touch x)", "`y`"))
	if err != nil || !strings.HasPrefix(out, "/proc/self/status\n") {
		t.Errorf("%q, %v", out, err)
	}
}
