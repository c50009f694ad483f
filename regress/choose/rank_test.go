package choose

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
	for name, compare := range map[string]func(r, o Prediction) int{"latency": ByLatency, "MACs": ByMACs} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { checkRanking(t, compare) })
		})
	}
}

func checkRanking(t *rapid.T, compare func(r, o Prediction) int) {
	all := Ranking{Compare: compare}
	top := Ranking{Compare: compare, Top: rapid.IntRange(1, 12).Draw(t, "top")}
	var want []Prediction
	few := rapid.IntRange(0, 3)
	for _, x := range rapid.SliceOf(rapid.IntRange(0, 8)).Draw(t, "milliseconds") {
		i := few.Draw(t, "indices") // which say how many MACs there are
		r := Prediction{float64(x), int64(i / 2), strconv.Itoa(i)}
		want = append(want, r)
		all.Add(r)
		top.Add(r)
	}
	slices.SortFunc(want, compare)
	if diff := cmp.Diff(want, all.Sorted()); diff != "" {
		t.Fatalf("all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[:min(top.Top, len(want))], top.Sorted()); diff != "" {
		t.Fatalf("first %d (-want +got):\n%s", top.Top, diff)
	}
}

func TestRankedTies(t *testing.T) {
	t.Parallel()
	given := []Prediction{{2, 7, "0"}, {1, 3, "1:0"}, {1, 5, "0:9"}, {1, 7, "2:0"}, {1, 7, "1:9"}}
	for _, tc := range []struct {
		by      string
		compare func(r, o Prediction) int
		want    []Prediction
	}{
		{"latency", ByLatency, []Prediction{{1, 5, "0:9"}, {1, 3, "1:0"}, {1, 7, "1:9"}, {1, 7, "2:0"}, {2, 7, "0"}}},
		{"MACs", ByMACs, []Prediction{{1, 7, "1:9"}, {1, 7, "2:0"}, {2, 7, "0"}, {1, 5, "0:9"}, {1, 3, "1:0"}}},
	} {
		got := slices.Clone(given)
		slices.SortFunc(got, tc.compare)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", tc.by, diff)
		}
	}
}
