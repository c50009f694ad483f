package store

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"latlab/bench"
	"latlab/devices/sim"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// lowered makes networks when their turn comes, as `latlab sweep` does.
type lowered struct {
	space *sampler.Space
	archs []sampler.Arch
	form  model.Form
}

func (s lowered) Network(_ context.Context, i int) (bench.Network, *model.Model, error) {
	a := s.archs[i]
	n := bench.Network{Index: i, Name: a.ID(), Space: a.Space, Indices: a.String()}
	g, err := graph.Lower(s.space, a)
	if err != nil {
		return n, nil, err
	}
	m, err := model.New(g, s.form, nil)
	return n, m, err
}

// BenchmarkSweepSim is a sweep on a simulator from arch to store, as `latlab sweep` opens
// both; 1,000 networks a second are what is wanted. Models have no cache: were their bytes
// asked for, every block would fail.
func BenchmarkSweepSim(b *testing.B) {
	const networks = 3000
	space, err := sampler.Builtin("mobiledet_cpu_tucker")
	if err != nil {
		b.Fatal(err)
	}
	archs, err := sampler.Sample(space, networks, 1)
	if err != nil {
		b.Fatal(err)
	}
	p, err := bench.NamedProtocol("default")
	if err != nil {
		b.Fatal(err)
	}
	for _, profile := range []sim.Profile{sim.Quiet, sim.Phone} {
		b.Run(string(profile), func(b *testing.B) {
			form := model.Form{Format: model.TFLite, Precision: model.Float32}
			for b.Loop() {
				d, err := sim.Open(sim.Options{Name: "sim-pixel1-cpu:" + string(profile)})
				if err != nil {
					b.Fatal(err)
				}
				s, err := Open(context.Background(), filepath.Join(b.TempDir(), "store.db"), Options{Relaxed: true})
				if err != nil {
					b.Fatal(err)
				}
				res, err := bench.Run(context.Background(), bench.Options{
					Sweep:    bench.Sweep{Space: space.Name, Sampling: bench.Uniform, Seed: 1, Format: form.Format, Precision: form.Precision, Protocol: p},
					Networks: networks, Source: lowered{space, archs, form}, Device: d, Store: s, Flush: 100,
				})
				if err == nil && res.Measured != networks {
					err = fmt.Errorf("%d of %d networks measured", res.Measured, networks)
				}
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(networks*float64(b.N)/b.Elapsed().Seconds(), "networks/s")
		})
	}
}
