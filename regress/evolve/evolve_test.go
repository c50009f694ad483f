package evolve

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// table is a problem whose latency and quality add up over the decisions and over pairs of neighbours, with all
// candidates that were looked at.
type table struct {
	choices []int
	single  [2][][]float64   // of latency and quality, by decision and value
	pairs   [2][][][]float64 // by decision, its value and that of the next decision
	looked  []Candidate
}

func newTable(choices []int, seed uint64) *table {
	r := rand.New(rand.NewPCG(seed, 1))
	t := &table{choices: choices}
	for what := range 2 {
		for d, n := range choices {
			single, pairs := make([]float64, n), make([][]float64, n)
			for x := range n {
				single[x] = 1 + r.Float64()
				for range choices[(d+1)%len(choices)] {
					pairs[x] = append(pairs[x], r.Float64()/2)
				}
			}
			t.single[what], t.pairs[what] = append(t.single[what], single), append(t.pairs[what], pairs)
		}
	}
	return t
}

func (t *table) value(what int, indices []int) float64 {
	sum := 0.0
	for d, x := range indices {
		sum += t.single[what][d][x]
		if d+1 < len(indices) {
			sum += t.pairs[what][d][x][indices[d+1]]
		}
	}
	return sum
}

func (t *table) problem(below float64) Problem {
	return Problem{
		Choices: t.choices, Below: below,
		Seconds: func(indices []int) float64 { return t.value(0, indices) },
		Qualities: func(_ context.Context, networks [][]int, to []float64) error {
			for i, indices := range networks {
				to[i] = t.value(1, indices)
				t.looked = append(t.looked, Candidate{slices.Clone(indices), t.value(0, indices), to[i]})
			}
			return nil
		},
	}
}

// all are the candidates of every point, in order of latency.
func (t *table) all() []Candidate {
	all := []Candidate{{}}
	for _, n := range t.choices {
		var longer []Candidate
		for _, c := range all {
			for x := range n {
				longer = append(longer, Candidate{Indices: append(slices.Clone(c.Indices), x)})
			}
		}
		all = longer
	}
	for i, c := range all {
		all[i].Seconds, all[i].Quality = t.value(0, c.Indices), t.value(1, c.Indices)
	}
	slices.SortFunc(all, func(a, b Candidate) int {
		if a.Seconds < b.Seconds {
			return -1
		}
		return 1
	})
	return all
}

func run(t interface {
	Helper()
	Fatal(...any)
}, s *Search, candidates int) {
	t.Helper()
	for s.Looked() < candidates {
		if err := s.Step(context.Background(), candidates-s.Looked()); err != nil {
			t.Fatal(err)
		}
	}
}

func dominates(a, b Candidate) bool {
	return a.Seconds <= b.Seconds && a.Quality >= b.Quality && (a.Seconds < b.Seconds || a.Quality > b.Quality)
}

// The best of all networks below the limit, at several limits and scales of the quality.
func TestFindsTheOptimumOfASmallSpace(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		tab := newTable([]int{1, 4, 3, 5, 2, 4, 6}, seed)
		all := tab.all()
		for _, share := range []float64{0.01, 0.2, 0.5, 1} {
			below := math.Nextafter(all[int(share*float64(len(all)-1))].Seconds, math.Inf(1))
			best := math.Inf(-1)
			for _, c := range all {
				if c.Seconds < below {
					best = max(best, c.Quality)
				}
			}
			p := tab.problem(below)
			p.First = [][]int{all[0].Indices}
			s := New(p, seed)
			run(t, s, 30_000)
			if got := s.Front().Best(1)[0]; got.Quality != best || got.Seconds >= below {
				t.Errorf("seed %d, below %v: quality %v at %v, want %v", seed, below, got.Quality, got.Seconds, best)
			}
		}
	}
}

// What is returned was looked at, is below the limit, and dominated by nothing that was looked at. The same seed gives
// the same, also where the search was stopped in between.
func TestSearchProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		choices := rapid.SliceOfN(rapid.IntRange(1, 5), 1, 8).Draw(t, "choices")
		tab := newTable(choices, rapid.Uint64Range(0, 9).Draw(t, "table"))
		below := rapid.Float64Range(1, 2.5).Draw(t, "limit of a decision") * float64(len(choices))
		seed, candidates := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 600).Draw(t, "candidates")
		s := New(tab.problem(below), seed)
		run(t, s, candidates)
		if s.Looked() != candidates || len(tab.looked) != candidates {
			t.Fatalf("looked at %d, asked for the quality of %d, want %d", s.Looked(), len(tab.looked), candidates)
		}
		found, looked := s.Front().Best(candidates), tab.looked
		for i, f := range found {
			switch {
			case f.Seconds >= below:
				t.Fatalf("%v is not below %v", f, below)
			case i > 0 && found[i-1].Quality <= f.Quality:
				t.Fatalf("%v is before %v", found[i-1], f)
			}
			seen := false
			for _, c := range looked {
				seen = seen || cmp.Equal(c, f)
				if c.Seconds < below && dominates(c, f) {
					t.Fatalf("%v was looked at and dominates %v", c, f)
				}
			}
			if !seen {
				t.Fatalf("%v was not looked at", f)
			}
		}
		again := New(tab.problem(below), seed)
		for stop := rapid.IntRange(0, candidates).Draw(t, "stopped after"); again.Looked() < stop; {
			if err := again.Step(context.Background(), candidates-again.Looked()); err != nil {
				t.Fatal(err)
			}
		}
		again = restored(t, tab.problem(below), again)
		run(t, again, candidates)
		if diff := cmp.Diff(found, again.Front().Best(candidates)); diff != "" {
			t.Fatalf("the second time, stopped in between (-first +second):\n%s", diff)
		}
	})
}

// restored is a search from the file of another.
func restored(t *rapid.T, p Problem, s *Search) *Search {
	st, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	var read State
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	again, err := Restore(p, read)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// Front is what comparing all with all gives, ties too.
func TestFront(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []Candidate
		var f Front
		small := rapid.IntRange(0, 6)
		for i := range rapid.IntRange(0, 30).Draw(t, "candidates") {
			c := Candidate{[]int{i}, float64(small.Draw(t, "seconds")), float64(small.Draw(t, "quality"))}
			all = append(all, c)
			f.Add(c)
		}
		var want []Candidate
		for i, c := range all {
			if !slices.ContainsFunc(all, func(o Candidate) bool { return dominates(o, c) }) &&
				!slices.ContainsFunc(all[:i], func(o Candidate) bool { return o.Seconds == c.Seconds && o.Quality == c.Quality }) {
				want = append(want, c)
			}
		}
		slices.SortFunc(want, func(a, b Candidate) int { return int(b.Quality - a.Quality) })
		if diff := cmp.Diff(want, f.Best(len(all)), cmp.Transformer("nil", func(c []Candidate) []Candidate { return append([]Candidate{}, c...) })); diff != "" {
			t.Fatalf("front (-want +got):\n%s", diff)
		}
	})
}

// The scale and the zero of the quality change nothing; a quality that says nothing is no reason to fail.
func TestUnitOfTheQuality(t *testing.T) {
	t.Parallel()
	tab := newTable([]int{4, 4, 4, 4, 4, 4}, 1)
	best := func(change func(float64) float64) []int {
		p := tab.problem(9.5)
		qualities := p.Qualities
		p.Qualities = func(ctx context.Context, networks [][]int, to []float64) error {
			err := qualities(ctx, networks, to)
			for i := range to {
				to[i] = change(to[i])
			}
			return err
		}
		s := New(p, 1)
		run(t, s, 5000)
		return s.Front().Best(1)[0].Indices
	}
	want := best(func(q float64) float64 { return q })
	for name, change := range map[string]func(float64) float64{
		"MACs":     func(q float64) float64 { return 1e9 * q },
		"a loss":   func(q float64) float64 { return q - 1000 },
		"per mill": func(q float64) float64 { return q / 1024 },
	} {
		if diff := cmp.Diff(want, best(change)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := best(func(float64) float64 { return 0.5 }); len(got) != 6 {
		t.Errorf("a constant quality: %v", got)
	}
}

func TestOneNetwork(t *testing.T) {
	t.Parallel()
	tab := newTable([]int{1, 1}, 1)
	s := New(tab.problem(100), 1)
	run(t, s, 300)
	if got := s.Front().Best(5); len(got) != 1 {
		t.Errorf("found %v", got)
	}
}

func TestQualityFails(t *testing.T) {
	t.Parallel()
	p := newTable([]int{3, 3}, 1).problem(5)
	broken := errors.New("broken")
	p.Qualities = func(context.Context, [][]int, []float64) error { return broken }
	if err := New(p, 1).Step(t.Context(), 1); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	p := newTable([]int{3, 3}, 1).problem(5)
	s := New(p, 1)
	run(t, s, 200)
	for name, spoil := range map[string]func(*State){
		"no members":      func(s *State) { s.Members = nil },
		"another space":   func(s *State) { s.Members[3].Indices = []int{0, 3} },
		"a short network": func(s *State) { s.Front[0].Indices = []int{0} },
		"random numbers":  func(s *State) { s.Random = s.Random[:4] },
	} {
		st, err := s.State()
		if err != nil {
			t.Fatal(err)
		}
		spoil(&st)
		if _, err := Restore(p, st); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
