package bench_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/bench/verdict"
)

// measured is a network with a latency and bounds of so many percent; 0 = without bounds.
func measured(index int, name string, seconds, percent float64, v verdict.Verdict, macs *int64) bench.Estimate {
	e := bench.Estimate{
		Network: bench.Network{Index: index, Name: name, Status: bench.Measured, MACs: macs},
		M:       &verdict.Measurement{Seconds: seconds, Verdict: v},
	}
	if percent > 0 {
		e.M.Low, e.M.High = new(seconds*(1-percent/100)), new(seconds*(1+percent/100))
	}
	return e
}

// row is what a test compares of a ranked network.
type row struct {
	Name  string
	Rank  int
	Times float64
	Tied  bool
}

func rows(ranked []bench.Ranked) []row {
	var all []row
	for _, r := range ranked {
		all = append(all, row{r.Network.Name, r.Rank, r.Times, r.Tied})
	}
	return all
}

func TestRank(t *testing.T) {
	failed := measured(3, "failed", 0.001, 1, verdict.Valid, nil)
	failed.Network.Status = bench.Failed
	for _, c := range []struct {
		name string
		of   []bench.Estimate
		want []row
	}{
		{"none", nil, nil},
		{"without a latency", []bench.Estimate{{Network: bench.Network{Name: "planned"}}, failed}, nil},
		{"one", []bench.Estimate{measured(0, "a", 2, 1, verdict.Valid, nil)}, []row{{"a", 1, 1, false}}},
		{
			"apart and overlapping",
			[]bench.Estimate{
				measured(0, "slow", 4, 5, verdict.Valid, nil), measured(1, "fast", 2, 5, verdict.Valid, nil),
				failed, measured(2, "near", 4.2, 5, verdict.Valid, nil),
			},
			[]row{{"fast", 1, 1, false}, {"slow", 2, 2, false}, {"near", 3, 2.1, true}},
		},
		{
			// The next slower one is compared with its neighbour, not with the fastest.
			"a chain",
			[]bench.Estimate{measured(0, "a", 100, 3, verdict.Valid, nil), measured(1, "b", 105, 3, verdict.Valid, nil), measured(2, "c", 110, 3, verdict.Valid, nil)},
			[]row{{"a", 1, 1, false}, {"b", 2, 1.05, true}, {"c", 3, 1.1, true}},
		},
		{
			"without bounds nothing is known of the error",
			[]bench.Estimate{measured(0, "a", 1, 1, verdict.Valid, nil), measured(1, "b", 3, 0, verdict.Invalid, nil), measured(2, "c", 9, 1, verdict.Valid, nil)},
			[]row{{"a", 1, 1, false}, {"b", 2, 3, true}, {"c", 3, 9, true}},
		},
		{
			"equal latencies are in the order of their indices",
			[]bench.Estimate{measured(7, "b", 1, 1, verdict.Valid, nil), measured(2, "a", 1, 1, verdict.Valid, nil)},
			[]row{{"a", 1, 1, false}, {"b", 2, 1, true}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, rows(bench.Rank(c.of))); d != "" {
				t.Error(d)
			}
		})
	}
}

// Deterministic networks are tied only if they are equal.
func TestRankDeterministic(t *testing.T) {
	exact := func(index int, name string, s float64) bench.Estimate {
		e := measured(index, name, s, 1, verdict.Valid, nil)
		e.M.Low, e.M.High = new(s), new(s)
		return e
	}
	want := []row{{"a", 1, 1, false}, {"b", 2, 1, true}, {"c", 3, 1.5, false}}
	if d := cmp.Diff(want, rows(bench.Rank([]bench.Estimate{exact(0, "a", 2), exact(1, "b", 2), exact(2, "c", 3)}))); d != "" {
		t.Error(d)
	}
}

func TestRankOrders(t *testing.T) {
	few, many := int64(10), int64(20)
	all := []bench.Estimate{
		measured(0, "c", 3, 1, verdict.Valid, nil), measured(1, "a", 2, 1, verdict.Invalid, &many),
		measured(2, "d", 1, 1, verdict.Valid, &many), measured(3, "b", 4, 1, verdict.Invalid, &few),
	}
	for by, want := range map[bench.RankOrder][]string{
		bench.ByLatency: {"d", "a", "c", "b"}, bench.ByName: {"a", "b", "c", "d"}, bench.ByIndex: {"c", "a", "d", "b"},
		bench.ByMACs: {"b", "d", "a", "c"}, bench.ByVerdict: {"d", "c", "a", "b"},
	} {
		ranked := bench.Rank(all)
		by.Sort(ranked)
		var names []string
		for _, r := range ranked {
			names = append(names, r.Network.Name)
		}
		if d := cmp.Diff(want, names); d != "" {
			t.Errorf("by %s: %s", by, d)
		}
	}
	if len(bench.RankOrders()) != 5 {
		t.Errorf("an order is not tested: %v", bench.RankOrders())
	}
}
