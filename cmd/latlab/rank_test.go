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
	rapid.Check(t, func(t *rapid.T) {
		var all ranking
		top := ranking{top: rapid.IntRange(1, 12).Draw(t, "top")}
		var want []ranked
		for _, x := range rapid.SliceOf(rapid.IntRange(0, 8)).Draw(t, "milliseconds") {
			r := ranked{float64(x), strconv.Itoa(rapid.IntRange(0, 3).Draw(t, "indices"))}
			want = append(want, r)
			all.add(r)
			top.add(r)
		}
		slices.SortFunc(want, ranked.compare)
		exact := cmp.AllowUnexported(ranked{})
		if diff := cmp.Diff(want, all.sorted(), exact); diff != "" {
			t.Fatalf("all (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want[:min(top.top, len(want))], top.sorted(), exact); diff != "" {
			t.Fatalf("first %d (-want +got):\n%s", top.top, diff)
		}
	})
}

func TestRankedTies(t *testing.T) {
	t.Parallel()
	got := []ranked{{2, "0"}, {1, "1:0"}, {1, "0:9"}}
	slices.SortFunc(got, ranked.compare)
	if diff := cmp.Diff([]ranked{{1, "0:9"}, {1, "1:0"}, {2, "0"}}, got, cmp.AllowUnexported(ranked{})); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}
