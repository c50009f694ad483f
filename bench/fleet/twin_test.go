package fleet_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/bench/fleet"
	"latlab/bench/memory"
	"latlab/devices"
)

// phoneLab is a phone of a type, with its own serial number.
func phoneLab(name, serial, build string) *fakeLab {
	s := &fakeLab{device: newDevice()}
	s.device.info.Name = name
	s.device.info.Fingerprint = map[string]string{"model": "Pixel 6", "build": build, "serial": serial}
	return s
}

func twinned(a *fakeLab, st bench.Store, twins ...*fakeLab) fleet.Member {
	m := fleet.Member{Name: "a", Open: a.open, Sweep: options(st, 10), BackOff: fleet.DefaultBackOff()}
	for _, s := range twins {
		m.Twins = append(m.Twins, fleet.Twin{Name: s.device.info.Name, Open: s.open})
	}
	return m
}

// unitsOf counts the blocks that each unit ran.
func unitsOf(t *testing.T, st bench.Store, sweep string) map[string]int {
	t.Helper()
	n := map[string]int{}
	for b, err := range st.Blocks(t.Context(), sweep) {
		if err != nil {
			t.Fatal(err)
		}
		n[b.Block.Unit]++
	}
	return n
}

// TestTwinTakesOver: a phone breaks for good, a phone of another build is refused, and the next one, of the same build,
// finishes the sweep. The same command resumes on the twin while the phone is away, and on the phone when it is back.
func TestTwinTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		a, other, b := phoneLab("a", "1", "TQ3A"), phoneLab("other", "2", "UP1A"), phoneLab("b", "3", "TQ3A")
		awayFor(a.device, 8, 1<<30)
		var log eventLog
		out := fleet.Fleet{Members: []fleet.Member{twinned(a, st, other, b)}, Event: log.add}.Run(t.Context())[0]
		if out.Err != nil || out.Result.Measured != 10 || out.Result.Failed != 0 {
			t.Fatalf("%+v, %v", out.Result, out.Err)
		}
		id := out.Result.Sweep.ID
		// The first batch's networks ran on both, so nothing is known of the noise, and each gets 3 blocks more.
		if diff := cmp.Diff(map[string]int{"": 7, "b (serial 3)": 23 + 12}, unitsOf(t, st, id)); diff != "" {
			t.Errorf("blocks by unit (-want +got):\n%s", diff)
		}
		if other.device.total > 0 || out.Result.Sweep.Device.Fingerprint["serial"] != "1" {
			t.Errorf("%d blocks on another build; the sweep is of %v", other.device.total, out.Result.Sweep.Device.Fingerprint)
		}
		for i, s := range []*fakeLab{a, other, b} {
			if s.opens != s.closes || s.opens == 0 {
				t.Errorf("device %d: opened %d times, closed %d times", i, s.opens, s.closes)
			}
		}
		mixed := 0
		for e, err := range bench.Estimates(t.Context(), st, id) {
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range e.M.Warnings {
				if w.Code == "several_units" {
					mixed++
				}
			}
		}
		if mixed == 0 || mixed == 10 {
			t.Errorf("%d of 10 networks ran on several units", mixed)
		}

		// Resumed while the phone is not even there, then with both.
		a.failOpen = func(int) error { return offline() }
		m := twinned(a, st, b)
		m.Sweep.Networks = 12
		if out := (fleet.Fleet{Members: []fleet.Member{m}}).Run(t.Context())[0]; out.Err != nil || out.Result.Measured != 12 || out.Result.Sweep.ID != id {
			t.Errorf("on the twin: %+v, %v", out.Result, out.Err)
		}
		a.failOpen, a.device.fail = nil, nil
		m.Sweep.Networks = 14
		if out := (fleet.Fleet{Members: []fleet.Member{m}}).Run(t.Context())[0]; out.Err != nil || out.Result.Measured != 14 {
			t.Errorf("on both: %+v, %v", out.Result, out.Err)
		}
		if diff := cmp.Diff(map[string]int{"": 13, "b (serial 3)": 29 + 12}, unitsOf(t, st, id)); diff != "" {
			t.Errorf("blocks by unit at last (-want +got):\n%s", diff)
		}
	})
}

// TestNoTwin: what differs in more than the unit gets no work, and neither does a twin whose sweep was not begun.
func TestNoTwin(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*devices.Info)
		begun  bool
		want   string
	}{
		{"another build", func(i *devices.Info) { i.Fingerprint["build"] = "UP1A" }, true, `build was "TQ3A", is "UP1A"`},
		{"another model", func(i *devices.Info) { i.Fingerprint["model"] = "Pixel 7" }, true, `model was "Pixel 6", is "Pixel 7"`},
		{"another runtime", func(i *devices.Info) { i.Fingerprint["runtime"] = "2.22" }, true, `runtime was "", is "2.22"`},
		{"more threads", func(i *devices.Info) { i.Threads = 4 }, true, `threads was "1", is "4"`},
		{"another delegate", func(i *devices.Info) { i.Delegate = "gpu" }, true, `delegate was "", is "gpu"`},
		{"nothing to go on with", func(*devices.Info) {}, false, "the store has none that was begun"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, a, b := memory.New(), phoneLab("a", "1", "TQ3A"), phoneLab("b", "3", "TQ3A")
				b.device.info.Fingerprint = maps.Clone(b.device.info.Fingerprint)
				tt.change(&b.device.info)
				awayFor(a.device, 8, 1<<30)
				if !tt.begun {
					a.failOpen = func(int) error { return offline() }
				}
				out := fleet.Fleet{Members: []fleet.Member{twinned(a, st, b)}}.Run(t.Context())[0]
				if b.device.total > 0 || out.Err == nil || devices.FaultOf(out.Err) != devices.FaultDevice || strings.Contains(out.Err.Error(), "\n") {
					t.Fatalf("%d blocks on the other device: %v", b.device.total, out.Err)
				}
				for _, want := range []string{tt.want, "its twin b cannot go on with it", "it offline"} {
					if !strings.Contains(out.Err.Error(), want) {
						t.Errorf("it does not say %q: %v", want, out.Err)
					}
				}
				if tt.begun && out.Result.Blocks != 7 {
					t.Errorf("the outcome has %d blocks of 7", out.Result.Blocks)
				}
			})
		})
	}
}

// TestTwinsFailToo: the error names them all, and an interrupt is one.
func TestTwinsFailToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, a, b, c := memory.New(), phoneLab("a", "1", "TQ3A"), phoneLab("b", "2", "TQ3A"), phoneLab("c", "3", "TQ3A")
		awayFor(a.device, 8, 1<<30)
		awayFor(b.device, 4, 1<<30)
		c.failOpen = func(int) error { return offline() }
		out := fleet.Fleet{Members: []fleet.Member{twinned(a, st, b, c)}}.Run(t.Context())[0]
		var e *devices.Error
		if !errors.As(out.Err, &e) || e.Reason != bench.ReasonQuarantined {
			t.Fatal(out.Err)
		}
		for _, want := range []string{"twin b", "twin c"} {
			if !strings.Contains(e.Error(), want) {
				t.Errorf("it does not name %s: %v", want, e)
			}
		}
		units := slices.Sorted(maps.Keys(unitsOf(t, st, out.Result.Sweep.ID)))
		if fmt.Sprint(units) != "[ b (serial 2)]" || out.Result.Blocks != 10 {
			t.Errorf("%d blocks by %q", out.Result.Blocks, units)
		}
	})
}
