package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// simulated are sweeps of log-normal blocks; noisy of the networks have ten times the noise.
type simulated struct {
	networks, noisy, blocks int
	sd                      float64
	rng                     *rand.Rand
}

// sweep returns the networks' values, the noisy ones first, and their pool.
func (s simulated) sweep() (all [][]float64, p Pool) {
	var noises []Noise
	for i := range s.networks {
		xs := normals(s.rng, s.blocks)
		for k := range xs {
			sd := s.sd
			if i < s.noisy {
				sd *= 10
			}
			xs[k] = math.Exp(sd * xs[k])
		}
		all, noises = append(all, xs), append(noises, NoiseOf(xs))
	}
	return all, NewPool(noises)
}

// covered counts the networks from first to last whose interval holds the truth, over sweeps of at least
// 1,000 such networks. A network unlike the others gets more blocks, as the planner gives it.
func (s simulated) covered(first, last int) (share, sigma float64) {
	hit, n := 0, 0
	for n < 1000 {
		all, p := s.sweep()
		for i, xs := range all[first:last] {
			sd := s.sd
			if first+i < s.noisy {
				sd *= 10
			}
			noise, alone := p.NoiseFor(NoiseOf(xs))
			for alone && len(xs) < OrderBlocks {
				xs = append(xs, math.Exp(sd*s.rng.NormFloat64()))
			}
			iv := NewInterval(xs, noise, 0.95)
			if n++; *iv.Low <= 1 && 1 <= *iv.High {
				hit++
			}
		}
	}
	return float64(hit) / float64(n), math.Sqrt(0.95 * 0.05 / float64(n))
}

// TestIntervalsOfHomogeneousNoiseCover: leaving networks out of the pool costs no coverage where all have
// the same noise.
func TestIntervalsOfHomogeneousNoiseCover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := simulated{
			networks: rapid.IntRange(2, 60).Draw(t, "networks"), blocks: rapid.IntRange(3, 8).Draw(t, "blocks"),
			sd: rapid.Float64Range(1e-4, 0.03).Draw(t, "sd"), rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)),
		}
		hit, n := 0, 0
		for n < 2000 {
			all, p := s.sweep()
			for _, xs := range all {
				noise, _ := p.NoiseFor(NoiseOf(xs))
				iv := NewInterval(xs, noise, 0.95)
				if n++; *iv.Low <= 1 && 1 <= *iv.High {
					hit++
				}
			}
		}
		// Networks of a sweep share a pool, so the error is above the binomial one where they are few.
		if got, sigma := float64(hit)/float64(n), math.Sqrt(0.95*0.05/float64(n)); got < 0.95-5*sigma {
			t.Errorf("%+v: %.4f of the intervals hold the truth", s, got)
		}
	})
}

// TestOneNoisyNetwork: a network of ten times the noise gets an interval that is right, and leaves those
// of the others as narrow as they are without it.
func TestOneNoisyNetwork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := simulated{
			networks: rapid.IntRange(8, 24).Draw(t, "networks"), noisy: 1, blocks: rapid.IntRange(3, 5).Draw(t, "blocks"),
			sd: rapid.Float64Range(1e-4, 0.003).Draw(t, "sd"), rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)),
		}
		if got, sigma := s.covered(1, s.networks); got < 0.95-5*sigma {
			t.Errorf("%+v: %.4f of the others' intervals hold the truth", s, got)
		}
		// With three blocks, one noisy network in ten looks quiet, and is not found out.
		want := map[int]float64{3: 0.87, 4: 0.92, 5: 0.94}[s.blocks]
		if got, sigma := s.covered(0, 1); got < want-5*sigma {
			t.Errorf("%+v: %.4f of the noisy network's intervals hold the truth, want %g", s, got, want)
		}
		wide, found := 0, 0
		for range 200 {
			all, p := s.sweep()
			if p.LeftOut(NoiseOf(all[0])) {
				found++
				if p.Core.SD() > 1.6*s.sd {
					wide++
				}
			}
		}
		if found < 150 || wide > 4 {
			t.Errorf("%+v: the noisy network was left out of %d of 200 pools, %d of these were wide", s, found, wide)
		}
	})
}

// TestNoisyNetworksDoNotHideEachOther: each of two noisy networks is in the pool that the other is
// compared with.
func TestNoisyNetworksDoNotHideEachOther(t *testing.T) {
	quiet, noisy := Noise{2e-4, 2}, Noise{2e-2, 2}
	p := NewPool([]Noise{quiet, noisy, quiet, quiet, quiet, quiet, noisy, quiet, {}})
	if !p.LeftOut(noisy) || p.LeftOut(quiet) || p.LeftOut(Noise{}) || p.Core.DF != 12 || p.All.DF != 16 || !close(p.Core.SD(), 0.01, 1e-9) {
		t.Errorf("%+v", p)
	}
	if loud := (Noise{1e-3, 2}); !p.Suspect(loud) || p.Suspect(quiet) || NewPool([]Noise{quiet, quiet, quiet, quiet, quiet}).Suspect(loud) {
		t.Error("a network is a suspect where others are outlying, and nowhere else")
	}
	if p := NewPool([]Noise{quiet, noisy}); p.LeftOut(noisy) {
		t.Error("six blocks of two networks prove nothing")
	}
	if p := NewPool([]Noise{{0, 2}, {0, 2}, {0, 2}, quiet, quiet, noisy, noisy, noisy}); p.LeftOut(noisy) {
		t.Error("a tool that rounds its times hides the noise of networks")
	}
}
