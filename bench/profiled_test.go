package bench_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/devices"
	"latlab/sampler/model"
)

// profiler is a device that profiles, and fails on demand.
type profiler struct {
	*fakeDevice
	failing func(name string) error
	asked   []string
	before  int // blocks that had run when it was first asked
	stop    chan struct{}
}

func (p *profiler) Profile(_ context.Context, m *model.Model, plan devices.Plan) (*devices.Profile, error) {
	if len(p.asked) == 0 {
		p.before = p.total
	}
	p.asked = append(p.asked, m.Name)
	if p.stop != nil && len(p.asked) == 2 {
		close(p.stop)
	}
	if plan.MinRuns == 0 || plan.Timeout == 0 || p.prepared[m.Name] == 0 {
		return nil, fmt.Errorf("%s: plan %+v, prepared %d times", m.Name, plan, p.prepared[m.Name])
	}
	if p.failing != nil {
		if err := p.failing(m.Name); err != nil {
			return nil, err
		}
	}
	return &devices.Profile{Layers: []devices.Layer{{Name: "a", Seconds: 1}}, Runs: plan.MinRuns, Runtime: m.Name}, nil
}

// listed are options of a sweep of a list, whose networks have no positions.
func listed(d *fakeDevice, st bench.Store, n int) bench.Options {
	o := options(d, st, n)
	o.Sweep.Space, o.Sweep.SpaceFile, o.Sweep.ModelsHash = "", "", "list"
	return o
}

func profiledNames(t *testing.T, st bench.Reader, sweep string) (names []string) {
	t.Helper()
	for p, err := range st.Profiles(t.Context(), sweep) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprintf("%d %s", p.Network, p.Profile.Runtime))
	}
	return names
}

// TestProfilesAreSpreadAndResumed: networks are profiled after all blocks, evenly spread, and once.
func TestProfilesAreSpreadAndResumed(t *testing.T) {
	st := memory.New()
	d := &profiler{fakeDevice: newDevice(), stop: make(chan struct{})}
	o := listed(d.fakeDevice, st, 20)
	o.Device, o.Profile, o.Stop = d, 4, d.stop
	res, err := bench.Run(t.Context(), o)
	if err == nil || d.before != res.Blocks || res.Measured != 20 {
		t.Fatalf("stopped: %v; %d of %d blocks before the first profile", err, d.before, res.Blocks)
	}
	if diff := cmp.Diff([]string{"2 net-2", "7 net-7"}, profiledNames(t, st, res.Sweep.ID)); diff != "" {
		t.Errorf("before the stop (-want +got):\n%s", diff)
	}
	again := &profiler{fakeDevice: newDevice()}
	var seen []bench.ProfileProgress
	o.Device, o.Stop, o.Progress = again, nil, func(p bench.Progress) {
		if p.Profiles != nil {
			seen = append(seen, *p.Profiles)
		}
	}
	if res, err = bench.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"net-12", "net-17"}, again.asked); diff != "" {
		t.Errorf("profiled after resuming (-want +got):\n%s", diff)
	}
	if res.Profiled != 4 || len(res.Unprofiled) > 0 || res.Blocks != 0 {
		t.Errorf("result %+v", res)
	}
	if diff := cmp.Diff([]bench.ProfileProgress{{4, 2}, {4, 3}, {4, 4}}, seen); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	if _, err = bench.Run(t.Context(), o); err != nil || len(again.asked) != 2 {
		t.Errorf("profiled again: %v, %v", again.asked, err)
	}
}

// TestProfilesThatFail: a sweep is complete without them.
func TestProfilesThatFail(t *testing.T) {
	for _, tc := range []struct {
		name    string
		failing func(name string) error
		asked   int
		done    int
		why     string
	}{
		{"one network", func(name string) error {
			if name == "net-2" {
				return fault(devices.FaultModel, "crashed")
			}
			return nil
		}, 4, 3, "net-2: "},
		{"every network", func(string) error { return fault(devices.FaultDevice, "crashed") }, 3, 0, "crashed"},
		{"a device that went away", func(string) error { return fault(devices.FaultDevice, devices.ReasonOffline) }, 1, 0, "offline"},
		{"a build that cannot", func(string) error { return fault(devices.FaultUser, devices.ReasonUnsupported) }, 1, 0, "unsupported"},
		{"a lab without room", func(string) error { return fault(devices.FaultLab, "full") }, 3, 0, "full"},
		{"garbage", func(string) error { return devices.PossibleProfile(&devices.Profile{Runs: 1}) }, 3, 0, "0 rows"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := &profiler{fakeDevice: newDevice(), failing: tc.failing}
			o := listed(d.fakeDevice, memory.New(), 20)
			o.Device, o.Profile = d, 4
			res, err := bench.Run(t.Context(), o)
			if err != nil || res.Measured != 20 || res.Failed != 0 {
				t.Fatalf("%+v, %v", res, err)
			}
			if len(d.asked) != tc.asked || res.Profiled != tc.done || len(res.Unprofiled) != tc.asked-tc.done || !strings.Contains(res.Unprofiled[0], tc.why) {
				t.Errorf("asked for %v; %d profiled, not %q", d.asked, res.Profiled, res.Unprofiled)
			}
		})
	}
}

// TestDeviceWithoutProfiles: it is refused before anything is timed or stored.
func TestDeviceWithoutProfiles(t *testing.T) {
	d, st := newDevice(), memory.New()
	o := listed(d, st, 3)
	o.Profile = 1
	_, err := bench.Run(t.Context(), o)
	if devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), "device fake: it does not report the time of single ops") {
		t.Errorf("error %v", err)
	}
	if sweeps, _ := st.Sweeps(t.Context()); d.total > 0 || len(sweeps) > 0 {
		t.Errorf("%d blocks, %d sweeps", d.total, len(sweeps))
	}
}
