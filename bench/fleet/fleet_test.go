package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/bench/fleet"
	"latlab/bench/memory"
	"latlab/bench/protocol"
	"latlab/devices"
	"latlab/sampler/model"
)

// fakeDevice times every network alike and fails on demand.
type fakeDevice struct {
	info  devices.Info
	fail  func(string, int) error // by the name of the model and the number of calls
	total int                     // calls
}

func newDevice() *fakeDevice {
	return &fakeDevice{info: devices.Info{
		Kind: devices.Simulated, Harness: "fake", Threads: 1,
		Formats: []model.Format{model.TFLite}, Precisions: []model.Precision{model.Float32},
	}}
}

func (d *fakeDevice) Info() devices.Info { return d.info }

func (d *fakeDevice) Run(ctx context.Context, m *model.Model, p devices.Plan) (*devices.Block, error) {
	d.total++
	if d.fail != nil {
		if err := d.fail(m.Name, d.total); err != nil {
			return nil, err
		}
	}
	return &devices.Block{Runtime: "fake 1.0", ModelSHA256: m.Identity, Elapsed: 1, Samples: slices.Repeat([]float64{0.01}, p.MinRuns)}, ctx.Err()
}

type networks struct{}

func (networks) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	name := fmt.Sprint("net-", i)
	return bench.Network{Name: name}, &model.Model{Name: name, Form: model.Form{Format: model.TFLite, Precision: model.Float32}, Identity: name}, nil
}

func options(st bench.Store, n int) bench.Options {
	p, err := protocol.Named("default")
	if err != nil {
		panic(err)
	}
	p.Batch = 4
	return bench.Options{
		Sweep:    bench.Sweep{Sampling: bench.Listed, Format: model.TFLite, Precision: model.Float32, Protocol: p},
		Networks: n, Source: networks{}, Store: st,
	}
}

func fault(f devices.Fault, reason string) error {
	return &devices.Error{Fault: f, Op: "time", Reason: reason, Err: errors.New("it " + reason)}
}

// fakeLab opens one fake device for a fleet and counts opens and closes.
type fakeLab struct {
	device        *fakeDevice
	opens, closes int
	failOpen      func(n int) error // n counts opens, from 1 on
	closeErr      error
}

func (s *fakeLab) open(context.Context) (devices.Device, error) {
	s.opens++
	if s.failOpen != nil {
		if err := s.failOpen(s.opens); err != nil {
			return nil, err
		}
	}
	return fakeLabDevice{s.device, s}, nil
}

type fakeLabDevice struct {
	*fakeDevice
	s *fakeLab
}

func (d fakeLabDevice) Close() error { d.s.closes++; return d.s.closeErr }

func offline() error { return fault(devices.FaultDevice, devices.ReasonOffline) }

// awayFor makes Runs number first to last fail, counted over all models.
func awayFor(d *fakeDevice, first, last int) {
	d.fail = func(string, int) error {
		if d.total >= first && d.total <= last {
			return offline()
		}
		return nil
	}
}

// eventLog keeps each member's states in order.
type eventLog struct {
	mu     sync.Mutex
	states map[string][]string
}

func (l *eventLog) add(e fleet.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.states == nil {
		l.states = map[string][]string{}
	}
	text := string(e.State)
	if e.State == bench.BackingOff {
		text += fmt.Sprintf(" %v", e.Wait)
	}
	l.states[e.Name] = append(l.states[e.Name], text)
}

func member(name string, s *fakeLab, st bench.Store, n int) fleet.Member {
	s.device.info.Name = name
	return fleet.Member{Name: name, Open: s.open, Sweep: options(st, n), BackOff: fleet.DefaultBackOff()}
}

// blocksOf are the finished blocks of each network of a device's sweep.
func blocksOf(t *testing.T, st bench.Store, sweep string) map[int]int {
	t.Helper()
	n := map[int]int{}
	for b, err := range st.Blocks(t.Context(), sweep) {
		if err != nil {
			t.Fatal(err)
		}
		n[b.Slot.Network]++
	}
	return n
}

// TestFleet: one device works, one goes away and comes back, one never comes back, one is
// missing from the start, and one fails because of the lab's host. They do not affect each other.
func TestFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		good, flapping, lost, absent, broken := &fakeLab{device: newDevice()}, &fakeLab{device: newDevice()},
			&fakeLab{device: newDevice()}, &fakeLab{device: newDevice()}, &fakeLab{device: newDevice()}
		awayFor(flapping.device, 8, 14)
		awayFor(lost.device, 8, 1<<30)
		absent.failOpen = func(int) error { return offline() }
		broken.device.fail = func(string, int) error {
			if broken.device.total == 5 {
				return fault(devices.FaultLab, "disk")
			}
			return nil
		}
		var log eventLog
		out := fleet.Fleet{Members: []fleet.Member{
			member("good", good, st, 10), member("flapping", flapping, st, 10), member("lost", lost, st, 10),
			member("absent", absent, st, 10), member("broken", broken, st, 10),
		}, Event: log.add}.Run(t.Context())

		if diff := cmp.Diff(map[string][]string{
			"good":     {"running", "ended"},
			"flapping": {"running", "backing off 5s", "running", "backing off 30s", "running", "ended"},
			"lost":     {"running", "backing off 5s", "running", "backing off 30s", "running", "backing off 2m0s", "running", "backing off 10m0s", "running", "quarantined"},
			"absent":   {"ended"},
			"broken":   {"running", "ended"},
		}, log.states); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		for i, want := range []struct {
			reason   string
			measured int
		}{{"", 10}, {"", 10}, {bench.ReasonQuarantined, 0}, {devices.ReasonOffline, 0}, {"disk", 0}} {
			var e *devices.Error
			switch {
			case want.reason == "" && out[i].Err != nil:
				t.Errorf("%s: %v", out[i].Name, out[i].Err)
			case want.reason != "" && (!errors.As(out[i].Err, &e) || e.Reason != want.reason):
				t.Errorf("%s: error is %v, want reason %s", out[i].Name, out[i].Err, want.reason)
			}
			if want.reason == "" && out[i].Result.Measured != want.measured {
				t.Errorf("%s: %d networks measured", out[i].Name, out[i].Result.Measured)
			}
		}
		for network, n := range blocksOf(t, st, out[1].Result.Sweep.ID) {
			if n != 3 {
				t.Errorf("flapping: network %d has %d blocks", network, n)
			}
		}
		for i, s := range []*fakeLab{good, flapping, lost, absent, broken} {
			if opened := s.opens; i != 3 && s.closes != opened {
				t.Errorf("%s: opened %d times, closed %d times", out[i].Name, opened, s.closes)
			}
		}
		// The lost one comes back: the same call goes on where it ended.
		lost.device.fail = nil
		again := fleet.Fleet{Members: []fleet.Member{member("lost", lost, st, 10)}}.Run(t.Context())
		if again[0].Err != nil || again[0].Result.Measured != 10 || again[0].Result.Failed != 0 {
			t.Errorf("after its return: %+v, %v", again[0].Result, again[0].Err)
		}
	})
}

// TestFleetNotes: each device's states are stored for monitoring.
func TestFleetNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		good, flapping, lost, broken := &fakeLab{device: newDevice()}, &fakeLab{device: newDevice()}, &fakeLab{device: newDevice()}, &fakeLab{device: newDevice()}
		awayFor(flapping.device, 8, 10)
		awayFor(lost.device, 8, 1<<30)
		broken.device.fail = func(string, int) error { return fault(devices.FaultLab, "disk") }
		out := fleet.Fleet{Members: []fleet.Member{
			member("good", good, st, 10), member("flapping", flapping, st, 10), member("lost", lost, st, 10), member("broken", broken, st, 10),
		}}.Run(t.Context())
		got := map[string][]string{}
		for _, o := range out {
			for c, err := range st.Conditions(t.Context(), o.Result.Sweep.ID) {
				if err != nil {
					t.Fatal(err)
				}
				if c.Time.IsZero() {
					t.Errorf("%s: %v has no time", o.Name, c)
				}
				got[o.Name] = append(got[o.Name], fmt.Sprintf("%s %s", c.State, c.Reason))
			}
		}
		again := []string{"running ", "ended failed"}
		away := func(n int) (all []string) {
			for range n {
				all = append(append(all, again...), "backing off ")
			}
			return all
		}
		if diff := cmp.Diff(map[string][]string{
			"good":     {"running ", "ended done"},
			"flapping": append(away(1), "running ", "ended done"),
			"lost":     append(append(away(4), again...), "quarantined "),
			"broken":   again,
		}, got); diff != "" {
			t.Errorf("conditions (-want +got):\n%s", diff)
		}
	})
}

// TestFleetResetsBackOffAfterSuccess: a cable that falls out once an hour is no reason to give up,
// as long as blocks are measured in between.
func TestFleetResetsBackOffAfterSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, s := memory.New(), &fakeLab{device: newDevice()}
		s.device.fail = func(string, int) error {
			if s.device.total%10 < 4 && s.device.total > 10 {
				return offline()
			}
			return nil
		}
		out := fleet.Fleet{Members: []fleet.Member{member("loose", s, st, 40)}}.Run(t.Context())
		if out[0].Err != nil || out[0].Result.Measured != 40 || out[0].Result.Failed != 0 {
			t.Errorf("%+v, %v", out[0].Result, out[0].Err)
		}
		if s.opens < 6 {
			t.Errorf("opened %d times; the device was to go away more often", s.opens)
		}
	})
}

// TestFleetBudget: a device that goes away and comes back does not get a new budget.
func TestFleetBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, s := memory.New(), &fakeLab{device: newDevice()}
		s.device.fail = func(string, int) error {
			if s.device.total%10 < 4 {
				return offline()
			}
			return nil
		}
		m := member("loose", s, st, 40)
		m.Sweep.Until.Budget = 20 * time.Second // of blocks of 1 s
		out := fleet.Fleet{Members: []fleet.Member{m}}.Run(t.Context())
		if r := out[0].Result; out[0].Err != nil || r.Blocks != 20 || r.Spent != 20*time.Second || s.opens < 3 {
			t.Errorf("%d blocks in %v after %d openings, %v", r.Blocks, r.Spent, s.opens, out[0].Err)
		}
	})
}

func TestFleetStopsWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, s, stop := memory.New(), &fakeLab{device: newDevice()}, make(chan struct{})
		awayFor(s.device, 3, 1<<30)
		start := time.Now()
		out := fleet.Fleet{
			Members: []fleet.Member{member("lost", s, st, 10)}, Stop: stop,
			Event: func(e fleet.Event) {
				if e.Wait == 10*time.Minute {
					close(stop)
				}
			},
		}.Run(t.Context())
		if !errors.Is(out[0].Err, bench.ErrStopped) || time.Since(start) > 5*time.Minute {
			t.Errorf("%v after %v", out[0].Err, time.Since(start))
		}
	})
}

// TestFleetReportsCloseError: an error of Close does not fail the sweep.
func TestFleetReportsCloseError(t *testing.T) {
	st, s := memory.New(), &fakeLab{device: newDevice(), closeErr: errors.New("governor stays performance")}
	out := fleet.Fleet{Members: []fleet.Member{member("phone", s, st, 2)}}.Run(t.Context())
	if out[0].Err != nil || !errors.Is(out[0].CloseErr, s.closeErr) {
		t.Errorf("%v, %v", out[0].Err, out[0].CloseErr)
	}
}
