package sampler

import (
	"testing"

	"pgregory.net/rapid"
)

// networksToCover is how many of the networks it takes until every reachable entry was
// used, or 0 where they do not suffice.
func networksToCover(s *Space, archs []Arch, times int) int {
	_, reachable := s.Slots()
	type entry struct{ position, entry int }
	used := map[entry]int{}
	done := 0
	for i, a := range archs {
		for p, e := range s.Entries(a) {
			used[entry{p, e}]++
			if used[entry{p, e}] == times {
				done++
			}
		}
		if done == reachable {
			return i + 1
		}
	}
	return 0
}

// No sample can cover a table faster than coverageBound. Coverage sampling reaches the
// bound in the built-in spaces, and twice and three times the bound the second and third
// time; 2 % are left for other seeds. Uniform sampling needs about seven times as many.
func TestCoverage(t *testing.T) {
	t.Parallel()
	for _, name := range BuiltinNames() {
		s := builtin(t, name)
		bound := coverageBound(s)
		seeds, levels := uint64(3), 3
		if bound > 1000 { // mobilenet_v3_like_search would take most of the package's time
			seeds, levels = 1, 1
		}
		for seed := range seeds {
			archs, err := SampleCoverage(s, (levels+1)*bound, seed)
			if err != nil {
				t.Fatal(err)
			}
			for times := 1; times <= levels; times++ {
				n := networksToCover(s, archs, times)
				if n < times*bound || n > times*bound*102/100 {
					t.Errorf("%s seed %d: %d networks use every entry %d times, the bound is %d", name, seed, n, times, times*bound)
				}
			}
		}
	}
}

func TestCoverageBeatsUniform(t *testing.T) {
	t.Parallel()
	s := builtin(t, "mobiledet_edgetpu_tucker")
	uniform, err := Sample(s, 20_000, 1)
	if err != nil {
		t.Fatal(err)
	}
	if n := networksToCover(s, uniform, 1); n < 5*coverageBound(s) {
		t.Errorf("uniform sampling took %d networks, less than the promise says", n)
	}
}

// Layers that need no coverage any more must stay random: in networks that cover stage 4,
// the stem's width must still take every value about equally often.
func TestCoverageStaysRandom(t *testing.T) {
	t.Parallel()
	s := builtin(t, "mobiledet_edgetpu_tucker")
	archs, err := SampleCoverage(s, 588, 5)
	if err != nil {
		t.Fatal(err)
	}
	checkSample(t, s, archs)
	for i, d := range s.Decisions() {
		count := make([]int, len(d.Names))
		for _, a := range archs {
			count[a.Indices[i]]++
		}
		want := len(archs) / len(count)
		for x, n := range count {
			if n < want/2 || n > want*2 {
				t.Errorf("%s is %s in %d networks, expected about %d", d.Name, d.Names[x], n, want)
			}
		}
	}
}

func TestCoverageOfAnySpace(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t)
		bound := coverageBound(s)
		n := 4*bound + 4
		if size := s.Size(); size.IsInt64() && size.Int64() < int64(n) {
			n = int(size.Int64())
		}
		archs, err := SampleCoverage(s, n, rapid.Uint64().Draw(t, "seed"))
		if err != nil {
			t.Fatal(err)
		}
		if got := networksToCover(s, archs, 1); got == 0 || got > 3*bound {
			t.Fatalf("%d networks cover the table, the bound is %d", got, bound)
		}
	})
}

// TestCoverageIsLinear: a network costs the same among many, counted in allocations, which a busy
// machine does not change. BenchmarkCoverage5000 has the time.
func TestCoverageIsLinear(t *testing.T) {
	s := builtin(t, "mobiledet_edgetpu_tucker")
	each := func(n int) float64 {
		return testing.AllocsPerRun(1, func() {
			if _, err := SampleCoverage(s, n, 1); err != nil {
				t.Fatal(err)
			}
		}) / float64(n)
	}
	if few, many := each(1000), each(5000); many > 2*few {
		t.Errorf("%.1f allocations a network of 1,000, %.1f of 5,000", few, many)
	} else {
		t.Log(few, many)
	}
}

func BenchmarkCoverage5000(b *testing.B) {
	s := builtin(b, "mobiledet_edgetpu_tucker")
	for b.Loop() {
		if _, err := SampleCoverage(s, 5000, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// coverageBound is the minimum number of networks that can use every reachable entry of the table:
// the largest number of reachable entries of any position.
func coverageBound(s *Space) int {
	bound := 0
	for _, p := range s.Positions() {
		n := p.Slots()
		if p.SameWidth {
			n /= len(p.In)
		}
		bound = max(bound, n)
	}
	return bound
}
