// Package testsweep runs sweeps on an unreliable device, for tests of tools: in the end every
// network must be measured or have a recorded failure, and the cost model must equal that of the
// simulator behind the tool. It refuses to inject faults: the tools' tests do that, with the
// stand-ins internal/testphone and internal/testboard.
package testsweep

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/bench/protocol"
	"latlab/bench/stats"
	"latlab/devices"
	"latlab/internal/testenv"
	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// Networks is a reproducible source of networks.
type Networks struct {
	o     Options
	space *sampler.Space
	archs []sampler.Arch
	cache *model.Cache
}

// Options configure a sweep.
type Options struct {
	Networks       int
	Form           model.Form
	TimeoutSeconds float64 // timeout of a block; a hang takes all of it
}

// New draws networks of the tiny space.
func New(t testing.TB, o Options) *Networks {
	t.Helper()
	s, err := sampler.LoadFile(filepath.Join(testenv.Root(t), "sampler", "testdata", "tiny.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	archs, err := sampler.Sample(s, o.Networks, 7)
	if err != nil {
		t.Fatal(err)
	}
	return &Networks{o, s, archs, model.NewCache(t.TempDir(), 1<<30)}
}

// Network implements bench.Source.
func (n *Networks) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	g, err := graph.Lower(n.space, n.archs[i])
	if err != nil {
		return bench.Network{}, nil, err
	}
	m, err := model.New(g, n.o.Form, n.cache)
	if err != nil {
		return bench.Network{}, nil, err
	}
	return bench.Network{Name: m.Name, Space: n.space.Name, Indices: n.archs[i].String(), Model: m.Identity}, m, nil
}

// Sweep times all networks, with short delays between attempts.
func (n *Networks) Sweep(t testing.TB, d devices.Device, st bench.Store) bench.Result {
	t.Helper()
	p, err := protocol.Named("default")
	if err != nil {
		t.Fatal(err)
	}
	p.MaxBlocks, p.MinRuns, p.MaxRuns, p.MinSeconds, p.WarmUpRuns, p.WarmUpSeconds = 3, 10, 10, 0, 1, 0
	p.Retries, p.RetryDelaySeconds, p.TimeoutSeconds = 3, 0.001, n.o.TimeoutSeconds
	res, err := bench.Run(t.Context(), bench.Options{
		Sweep: bench.Sweep{
			Space: n.space.Name, SpaceFile: "name: tiny\n", Sampling: bench.Uniform, Seed: 7,
			Format: n.o.Form.Format, Precision: n.o.Form.Precision, Protocol: p,
		},
		Networks: len(n.archs), Source: n, Device: d, Store: st,
	})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// Accounted checks that every network has its blocks once or a final failure, and that figures
// accepts each block. It returns the failed attempts by reason.
func (n *Networks) Accounted(t testing.TB, st bench.Store, res bench.Result, figures func(*devices.Block) bool) map[string]int {
	t.Helper()
	seen, byNetwork := map[[2]int]bool{}, map[int]int{}
	for b, err := range st.Blocks(t.Context(), res.Sweep.ID) {
		if err != nil {
			t.Fatal(err)
		}
		slot := [2]int{b.Slot.Network, b.Slot.Round}
		if seen[slot] || !figures(&b.Block) {
			t.Errorf("network %d, round %d: twice, or no figures: %+v", slot[0], slot[1], b.Block)
		}
		seen[slot] = true
		byNetwork[b.Slot.Network]++
	}
	reasons, final := map[string]int{}, map[int]bool{}
	for f, err := range st.Failures(t.Context(), res.Sweep.ID) {
		if err != nil {
			t.Fatal(err)
		}
		reasons[f.Reason]++
		final[f.Network] = final[f.Network] || f.Final
	}
	for i := range n.archs {
		if byNetwork[i] < 3 && !final[i] {
			t.Errorf("network %d has %d blocks, and nothing says why", i, byNetwork[i])
		}
	}
	if res.Measured+res.Failed != len(n.archs) {
		t.Errorf("%d measured and %d failed of %d", res.Measured, res.Failed, len(n.archs))
	}
	return reasons
}

// Differences compares predictions of a sweep's cost model with those of a sweep of the simulator, on
// twice as many networks. It returns the median and the maximum of the relative differences.
func (n *Networks) Differences(t testing.TB, st bench.Store, sweep string, simulator devices.Device) (middle, most float64) {
	t.Helper()
	own := memory.New()
	got, want := n.fit(t, st, sweep), n.fit(t, own, n.Sweep(t, simulator, own).Sweep.ID)
	others, err := sampler.Sample(n.space, 2*len(n.archs), 99)
	if err != nil {
		t.Fatal(err)
	}
	var off []float64
	for _, a := range others {
		off = append(off, math.Abs(got.Predict(n.space, a)/want.Predict(n.space, a)-1))
	}
	return stats.Median(off), slices.Max(off)
}

// fit fits a cost model to a sweep.
func (n *Networks) fit(t testing.TB, st bench.Store, id string) *regress.CostModel {
	t.Helper()
	d := regress.Data{Space: n.space, Provenance: regress.Provenance{Device: "board", Kind: "measured", Precision: n.o.Form.Precision}}
	for e, err := range bench.Estimates(t.Context(), st, id) {
		if err != nil {
			t.Fatal(err)
		}
		if e.M != nil {
			d.Estimator = e.M.Estimator
			d.Observations = append(d.Observations, regress.Observation{Arch: n.archs[e.Network.Index], Seconds: e.M.Seconds})
		}
	}
	m, err := regress.Fit(t.Context(), d, regress.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return m
}
