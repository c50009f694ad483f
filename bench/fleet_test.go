package bench_test

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
	"latlab/bench/memory"
	"latlab/devices"
)

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

func (l *eventLog) add(e bench.Event) {
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

func member(name string, s *fakeLab, st bench.Store, n int) bench.Member {
	s.device.info.Name = name
	return bench.Member{Name: name, Open: s.open, Sweep: options(nil, st, n), BackOff: bench.DefaultBackOff()}
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
		out := bench.Fleet{Members: []bench.Member{
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
		again := bench.Fleet{Members: []bench.Member{member("lost", lost, st, 10)}}.Run(t.Context())
		if again[0].Err != nil || again[0].Result.Measured != 10 || again[0].Result.Failed != 0 {
			t.Errorf("after its return: %+v, %v", count(again[0].Result), again[0].Err)
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
		out := bench.Fleet{Members: []bench.Member{
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
		out := bench.Fleet{Members: []bench.Member{member("loose", s, st, 40)}}.Run(t.Context())
		if out[0].Err != nil || out[0].Result.Measured != 40 || out[0].Result.Failed != 0 {
			t.Errorf("%+v, %v", count(out[0].Result), out[0].Err)
		}
		if s.opens < 6 {
			t.Errorf("opened %d times; the device was to go away more often", s.opens)
		}
	})
}

func TestFleetStopsWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, s, stop := memory.New(), &fakeLab{device: newDevice()}, make(chan struct{})
		awayFor(s.device, 3, 1<<30)
		start := time.Now()
		out := bench.Fleet{
			Members: []bench.Member{member("lost", s, st, 10)}, Stop: stop,
			Event: func(e bench.Event) {
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
	out := bench.Fleet{Members: []bench.Member{member("phone", s, st, 2)}}.Run(t.Context())
	if out[0].Err != nil || !errors.Is(out[0].CloseErr, s.closeErr) {
		t.Errorf("%v, %v", out[0].Err, out[0].CloseErr)
	}
}

// TestAbsentDeviceBlamesNoNetwork: networks that ran while the device was away are not blamed
// later.
func TestAbsentDeviceBlamesNoNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, d := memory.New(), newDevice()
		awayFor(d, 2, 1<<30)
		for range 5 {
			if _, err := bench.Run(t.Context(), options(d, st, 4)); err == nil {
				t.Fatal("the device is away, but there is no error")
			}
		}
		d.fail = nil
		res, err := bench.Run(t.Context(), options(d, st, 4))
		if err != nil || res.Failed != 0 || res.Measured != 4 {
			t.Errorf("%+v, %v", count(res), err)
		}
		var reasons []string
		for f, err := range st.Failures(t.Context(), res.Sweep.ID) {
			if err != nil {
				t.Fatal(err)
			}
			reasons = append(reasons, f.Reason)
		}
		if len(reasons) != 15 || slices.ContainsFunc(reasons, func(r string) bool { return r != devices.ReasonOffline }) {
			t.Errorf("failures are %q; every attempt is on record", reasons)
		}
	})
}
