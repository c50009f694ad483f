package bench_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/devices"
)

// TestUntil: blocks of a fake device take a second of its own time, so a budget of 100 s is 100 blocks.
func TestUntil(t *testing.T) {
	fits := func(mapes ...float64) func(context.Context, bench.Reader, string) (float64, float64, error) {
		i := -1
		return func(context.Context, bench.Reader, string) (float64, float64, error) {
			i = min(i+1, len(mapes)-1)
			return mapes[i], mapes[i] * 0.9, nil
		}
	}
	for name, c := range map[string]struct {
		until   bench.Until
		ended   string
		blocks  [2]int // from, to
		refused string
	}{
		"a half-width":              {bench.Until{HalfWidth: 0.01, Budget: time.Hour}, bench.EndedByTarget, [2]int{60, 140}, ""},
		"that three blocks have":    {bench.Until{HalfWidth: 0.03}, bench.EndedByTarget, [2]int{24, 24}, ""},
		"the protocol's":            {bench.Until{Budget: time.Hour}, bench.EndedByTarget, [2]int{24, 24}, ""},
		"a budget":                  {bench.Until{HalfWidth: 0.007, Budget: 160 * time.Second}, bench.EndedByBudget, [2]int{160, 160}, ""},
		"a budget for some of them": {bench.Until{HalfWidth: 0.01, Budget: 9 * time.Second}, bench.EndedByBudget, [2]int{9, 9}, ""},
		"out of the budget's reach": {bench.Until{HalfWidth: 0.002, Budget: 144 * time.Second}, "", [2]int{24, 24}, "--budget leaves 2m, which suffices"},
		"out of all reach":          {bench.Until{HalfWidth: 0.00001, Budget: time.Hour}, "", [2]int{24, 24}, "needs more than 100000 blocks a network"},
		"out of max_blocks' reach":  {bench.Until{HalfWidth: 0.002}, "", [2]int{24, 24}, "max_blocks is 10, which suffices for about"},
		"a fit's error":             {bench.Until{MAPE: 0.03, Budget: time.Hour, Fit: fits(0.05, 0.04, 0.02)}, bench.EndedByTarget, [2]int{32, 32}, ""},
		"which no block lowers":     {bench.Until{MAPE: 0.01, Budget: time.Hour, Fit: fits(0.05)}, "", [2]int{24, 24}, "without any noise it would be about 2.2 %, above mape=1 %"},
		"within max_blocks":         {bench.Until{MAPE: 0.03, Fit: fits(0.05)}, bench.EndedByBlocks, [2]int{80, 80}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(newDevice(), memory.New(), 8)
			o.Until = c.until
			res, err := bench.Run(t.Context(), o)
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) || devices.FaultOf(err) != devices.FaultUser || strings.Contains(err.Error(), "\n") {
					t.Errorf("%v, want %q", err, c.refused)
				}
			} else if err != nil || res.Reached.EndedBy != c.ended {
				t.Errorf("%v, ended by %q, want %q: %+v", err, res.Reached.EndedBy, c.ended, res.Reached)
			}
			if res.Blocks < c.blocks[0] || res.Blocks > c.blocks[1] {
				t.Errorf("%d blocks, want %v", res.Blocks, c.blocks)
			}
			if c.ended == bench.EndedByTarget && c.until.HalfWidth > 0 && !(res.Reached.Widest <= c.until.HalfWidth) {
				t.Errorf("the widest interval is %v", res.Reached.Widest)
			}
		})
	}
}

// TestUntilOnABusyDevice: where every block so far is disturbed, others are run in their place, up to max_blocks.
func TestUntilOnABusyDevice(t *testing.T) {
	for busy, want := range map[int]string{3: bench.EndedByTarget, 100: bench.EndedByBlocks} {
		d := newDevice()
		d.alter = func(b *devices.Block, _ string, run int) {
			for _, s := range b.Samples {
				if run <= busy {
					s /= 2
				}
				b.CPUSamples = append(b.CPUSamples, s)
			}
		}
		o := options(d, memory.New(), 8)
		o.Until.Budget = time.Hour
		res, err := bench.Run(t.Context(), o)
		if blocks := 8 * min(busy+3, o.Sweep.Protocol.MaxBlocks); err != nil || res.Reached.EndedBy != want || res.Blocks != blocks {
			t.Errorf("busy for %d blocks: %v, ended by %q after %d, want %q after %d", busy, err, res.Reached.EndedBy, res.Blocks, want, blocks)
		}
	}
}

// TestUntilBuysTheMost: with equal noise the blocks of a round go to the networks whose blocks are short.
func TestUntilBuysTheMost(t *testing.T) {
	o := options(newDevice(), memory.New(), 8)
	o.Until.Budget = 28 * time.Second // alone, towards the protocol's target
	o.Sweep.Protocol.HalfWidth = 0.009
	if _, err := bench.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	extra := map[int]bool{}
	for s, err := range o.Store.Schedule(t.Context(), oneSweep(t, o.Store)) {
		if err != nil {
			t.Fatal(err)
		}
		if s.Round >= 3 {
			extra[s.Network] = true
		}
	}
	if diff := cmp.Diff(map[int]bool{0: true, 1: true, 2: true, 3: true}, extra); diff != "" {
		t.Error(diff)
	}
}

// TestUntilResumes: an interrupted run plans what an uninterrupted one does.
func TestUntilResumes(t *testing.T) {
	run := func(stopAt int) []bench.Scheduled {
		d := newDevice()
		o := options(d, memory.New(), 8)
		o.Until = bench.Until{HalfWidth: 0.01, Budget: time.Hour}
		stop := make(chan struct{})
		d.during = func(_ context.Context, n int) {
			if n == stopAt {
				close(stop)
			}
		}
		o.Stop = stop
		_, err := bench.Run(t.Context(), o)
		if stopAt > 0 && errors.Is(err, bench.ErrStopped) {
			o.Stop = nil
			_, err = bench.Run(t.Context(), o)
		}
		if err != nil {
			t.Fatal(err)
		}
		var all []bench.Scheduled
		for s, err := range o.Store.Schedule(t.Context(), oneSweep(t, o.Store)) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		return all
	}
	if diff := cmp.Diff(run(0), run(37)); diff != "" {
		t.Error(diff)
	}
}

func oneSweep(t *testing.T, st bench.Reader) string {
	t.Helper()
	all, err := st.Sweeps(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%d sweeps, %v", len(all), err)
	}
	return all[0].ID
}

// TestOutlook: what the store has seen decides before anything runs.
func TestOutlook(t *testing.T) {
	o := options(newDevice(), memory.New(), 8)
	res, err := bench.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	noise, latency, err := bench.Seen(t.Context(), o.Store, res.Sweep)
	if err != nil || noise.DF != 16 || math.Abs(latency-0.045) > 0.002 {
		t.Errorf("%+v, %v s, %v", noise, latency, err)
	}
	other := res.Sweep
	other.Device.Name = "another"
	if noise, _, _ := bench.Seen(t.Context(), o.Store, other); noise.DF != 0 {
		t.Errorf("%+v of another device", noise)
	}
	for _, c := range []struct {
		until     bench.Until
		plausible bool
	}{
		{bench.Until{HalfWidth: 0.02}, true}, {bench.Until{HalfWidth: 0.001}, false},
		{bench.Until{HalfWidth: 0.01, Budget: time.Minute}, false}, {bench.Until{HalfWidth: 0.01, Budget: time.Hour}, true},
	} {
		if l := bench.OutlookOf(res.Sweep.Protocol, c.until, noise, 8, latency); l.Plausible() != c.plausible || (l.Err() == nil) != c.plausible {
			t.Errorf("%+v: %v", c.until, l.Err())
		}
	}
}
