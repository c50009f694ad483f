package main

import (
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The first few are those of a full sort, ties and repeats too.
func TestRanking(t *testing.T) {
	t.Parallel()
	for name, compare := range map[string]func(r, o ranked) int{rankByLatency: compareLatency, rankByMACs: compareMACs} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { checkRanking(t, compare) })
		})
	}
}

func checkRanking(t *rapid.T, compare func(r, o ranked) int) {
	all := ranking{compare: compare}
	top := ranking{compare: compare, top: rapid.IntRange(1, 12).Draw(t, "top")}
	var want []ranked
	few := rapid.IntRange(0, 3)
	for _, x := range rapid.SliceOf(rapid.IntRange(0, 8)).Draw(t, "milliseconds") {
		i := few.Draw(t, "indices") // which say how many MACs there are
		r := ranked{float64(x), int64(i / 2), strconv.Itoa(i)}
		want = append(want, r)
		all.add(r)
		top.add(r)
	}
	slices.SortFunc(want, compare)
	exact := cmp.AllowUnexported(ranked{})
	if diff := cmp.Diff(want, all.sorted(), exact); diff != "" {
		t.Fatalf("all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[:min(top.top, len(want))], top.sorted(), exact); diff != "" {
		t.Fatalf("first %d (-want +got):\n%s", top.top, diff)
	}
}

func TestRankedTies(t *testing.T) {
	t.Parallel()
	given := []ranked{{2, 7, "0"}, {1, 3, "1:0"}, {1, 5, "0:9"}, {1, 7, "2:0"}, {1, 7, "1:9"}}
	for _, tc := range []struct {
		by      string
		compare func(r, o ranked) int
		want    []ranked
	}{
		{rankByLatency, compareLatency, []ranked{{1, 5, "0:9"}, {1, 3, "1:0"}, {1, 7, "1:9"}, {1, 7, "2:0"}, {2, 7, "0"}}},
		{rankByMACs, compareMACs, []ranked{{1, 7, "1:9"}, {1, 7, "2:0"}, {2, 7, "0"}, {1, 5, "0:9"}, {1, 3, "1:0"}}},
	} {
		got := slices.Clone(given)
		slices.SortFunc(got, tc.compare)
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(ranked{})); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", tc.by, diff)
		}
	}
}
