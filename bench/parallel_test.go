package bench_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/bench/stats"
	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/sampler/model"
)

// slowDevice takes a second per block, or as long as the test says, and records how many run
// at once. It uses the synctest bubble's time.
type slowDevice struct {
	info    devices.Info
	seconds func(name string) float64
	fail    func(name string) error

	mu       sync.Mutex
	inFlight map[string]int
	most     int // blocks at once
	twice    int // blocks of one network at once
	done     map[string]int
	prepared map[string]int
}

func newSlow(parallel int) *slowDevice {
	i := newDevice().info
	i.Parallel = parallel
	return &slowDevice{info: i, inFlight: map[string]int{}, done: map[string]int{}, prepared: map[string]int{}}
}

func (d *slowDevice) Info() devices.Info { return d.info }
func (d *slowDevice) Close() error       { return nil }

func (d *slowDevice) Prepare(_ context.Context, m *model.Model) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.prepared[m.Name]++
	return nil
}

func (d *slowDevice) Run(ctx context.Context, m *model.Model, _ devices.Plan) (*devices.Block, error) {
	d.enter(m.Name)
	defer d.leave(m.Name)
	s := 1.0
	if d.seconds != nil {
		s = d.seconds(m.Name)
	}
	select {
	case <-time.After(time.Duration(s * float64(time.Second))):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if d.fail != nil {
		if err := d.fail(m.Name); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done[m.Name]++
	var i int
	_, _ = fmt.Sscanf(m.Name, "net-%d", &i)
	b := &devices.Block{Samples: []float64{0.01 + float64((d.done[m.Name]+i)%3)*1e-5}, Runtime: "slow 1", Started: time.Unix(0, 0)}
	b.Layers = []devices.Layer{{Name: "a", Op: "CONV_2D", Seconds: 0.01}}
	return b, nil
}

func (d *slowDevice) enter(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inFlight[name]++
	n := 0
	for _, k := range d.inFlight {
		n += k
	}
	d.most, d.twice = max(d.most, n), max(d.twice, d.inFlight[name])
}

func (d *slowDevice) leave(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inFlight[name]--
}

func parallelOptions(d *slowDevice, st bench.Store, n int) bench.Options {
	o := options(nil, st, n)
	o.Device, o.Sweep.Protocol.Batch, o.Flush = d, 12, 5
	return o
}

func TestParallelBlocksUpToTheLimit(t *testing.T) {
	for _, tt := range []struct {
		parallel, networks, most int
		want                     time.Duration
	}{
		{0, 12, 1, 36 * time.Second},
		{1, 12, 1, 36 * time.Second},
		{4, 12, 4, 9 * time.Second},
		{4, 24, 4, 18 * time.Second},
		{9, 3, 3, 3 * time.Second}, // one network's blocks go one after the other
	} {
		synctest.Test(t, func(t *testing.T) {
			d := newSlow(tt.parallel)
			reports := 0
			o := parallelOptions(d, memory.New(), tt.networks)
			o.Progress = func(bench.Progress) { reports++ } // a race if called from two goroutines
			res, err := bench.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if d.most != tt.most || d.twice != 1 || res.Elapsed != tt.want {
				t.Errorf("%+v: %d at once, %d of one network, in %v", tt, d.most, d.twice, res.Elapsed)
			}
			if res.Measured != tt.networks || res.Blocks != 3*tt.networks || reports != res.Blocks+1 {
				t.Errorf("%+v: %+v, %d reports", tt, count(res), reports)
			}
			for name, n := range d.prepared {
				if n != 1 {
					t.Errorf("%s was prepared %d times", name, n)
				}
			}
		})
	}
}

func TestParallelSweepResumes(t *testing.T) {
	for _, after := range []time.Duration{time.Millisecond, 1500 * time.Millisecond, 4500 * time.Millisecond, 11 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			st, d := memory.New(), newSlow(5)
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			first, err := bench.Run(ctx, parallelOptions(d, st, 20))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			second, err := bench.Run(t.Context(), parallelOptions(d, st, 20))
			if err != nil {
				t.Fatal(err)
			}
			if first.Blocks+second.Blocks != 60 || second.Measured != 20 {
				t.Errorf("after %v: %d and %d blocks, %d networks", after, first.Blocks, second.Blocks, second.Measured)
			}
			for name, n := range d.done {
				if n != 3 {
					t.Errorf("after %v: %s was timed %d times", after, name, n)
				}
			}
		})
	}
}

// TestOneBadNetworkDoesNotHoldUpOthers: it hangs for a minute at every try, the others
// take a second.
func TestOneBadNetworkDoesNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newSlow(4)
		d.seconds = func(name string) float64 {
			if name == "net-3" {
				return 60
			}
			return 1
		}
		d.fail = func(name string) error {
			if name == "net-3" {
				return fault(devices.FaultDevice, devices.ReasonHung)
			}
			return nil
		}
		begun, took := time.Now(), time.Duration(0)
		o := parallelOptions(d, memory.New(), 12)
		o.Progress = func(p bench.Progress) {
			if p.Blocks == 33 && took == 0 {
				took = time.Since(begun)
			}
		}
		res, err := bench.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(counts{11, 1, 0, 33}, count(res)); diff != "" {
			t.Error(diff)
		}
		if took > 15*time.Second {
			t.Errorf("the others took %v", took)
		}
		if d.most > 4 {
			t.Errorf("%d blocks at once, with the one that asks whether the device works", d.most)
		}
	})
}

func TestStopFinishesBlocksInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, st := newSlow(4), memory.New()
		stop := make(chan struct{})
		time.AfterFunc(1500*time.Millisecond, func() { close(stop) })
		o := parallelOptions(d, st, 12)
		o.Stop = stop
		res, err := bench.Run(t.Context(), o)
		if !errors.Is(err, bench.ErrStopped) || res.Blocks != 8 || res.Elapsed != 2*time.Second {
			t.Errorf("%d blocks in %v, %v", res.Blocks, res.Elapsed, err)
		}
		if n := len(layersOf(t, st, res.Sweep.ID)); n != 8 {
			t.Errorf("%d blocks are stored", n)
		}
	})
}

func TestLabFaultCancelsBlocksInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, st := newSlow(4), memory.New()
		d.seconds = func(name string) float64 {
			var i int
			_, _ = fmt.Sscanf(name, "net-%d", &i)
			return float64(i + 1)
		}
		broken := fault(devices.FaultLab, "broken")
		d.fail = func(name string) error {
			if name == "net-2" {
				return broken
			}
			return nil
		}
		res, err := bench.Run(t.Context(), parallelOptions(d, st, 4))
		if !errors.Is(err, broken) || res.Elapsed != 3*time.Second {
			t.Errorf("%v after %v", err, res.Elapsed)
		}
		// net-0 was done at 1, 2 and 3 s, the last perhaps too late; net-1 at 2 s.
		if n := len(layersOf(t, st, res.Sweep.ID)); n != res.Blocks || n < 3 || n > 4 {
			t.Errorf("%d blocks are stored of %d", n, res.Blocks)
		}
		for _, err := range st.Failures(t.Context(), res.Sweep.ID) {
			t.Error(err, "a cancelled block has no fault")
		}
	})
}

// layersOf counts the rows of layers of every stored block.
func layersOf(t *testing.T, st bench.Reader, sweep string) (rows []int) {
	t.Helper()
	for b, err := range st.Blocks(t.Context(), sweep) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, len(b.Block.Layers))
	}
	return rows
}

func TestLayersAreKeptOnceANetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		res, err := bench.Run(t.Context(), parallelOptions(newSlow(2), st, 2))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{1, 0, 0, 1, 0, 0}, layersOf(t, st, res.Sweep.ID)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDeterministicDevicesGetOneBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, st := newSlow(3), memory.New()
		d.info.Kind, d.info.Deterministic = devices.Estimated, true
		var reports []bench.Progress
		o := parallelOptions(d, st, 20)
		o.Progress = func(p bench.Progress) { reports = append(reports, p) }
		res, err := bench.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(counts{20, 0, 0, 20}, count(res)); diff != "" {
			t.Error(diff)
		}
		for _, cv := range []*float64{res.NoiseCV(), reports[0].NoiseCV, reports[20].NoiseCV} {
			if cv == nil || *cv != 0 {
				t.Errorf("noise is %v, want 0: none is possible", cv)
			}
		}
		if res.Noise != (stats.Noise{}) || reports[0].BlocksLeft != 20 || reports[20].Done != 20 {
			t.Errorf("noise %+v, reports %+v", res.Noise, reports)
		}
		if res.Sweep.Protocol.MinBlocks != 3 {
			t.Error("the stored protocol is not the one asked for")
		}
		for e, err := range bench.Estimates(t.Context(), st, res.Sweep.ID) {
			if err != nil {
				t.Fatal(err)
			}
			if e.M.Verdict != verdict.Valid || e.M.Method != stats.Deterministic || e.M.Estimator != stats.ToolEstimate {
				t.Errorf("%+v", e.M)
			}
		}
	})
}
