package sampler

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func everything([]int) bool { return true }

// SampleWhere returns exactly the accepted networks of Sample, in a space small enough to be drawn completely and in
// one too large to be numbered.
func TestSampleWhereFiltersSample(t *testing.T) {
	t.Parallel()
	for _, s := range []*Space{tiny(t), builtin(t, "mobiledet_edgetpu_tucker")} {
		rapid.Check(t, func(t *rapid.T) {
			seed, decision := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, len(s.Radices())-1).Draw(t, "decision")
			keep := func(indices []int) bool { return indices[decision] == 0 }
			all, err := Sample(s, 200, seed)
			if err != nil {
				t.Fatal(err)
			}
			var want []Arch
			for _, a := range all {
				if keep(a.Indices) {
					want = append(want, a)
				}
			}
			got, err := SampleWhere(context.Background(), s, len(want), seed, keep)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("networks (-want +got):\n%s", diff)
			}
		})
	}
}

// In spaces between the two sizes, draws may repeat, which must not be visible.
func TestSampleWhereIsUniqueAndAPrefix(t *testing.T) {
	t.Parallel()
	s := builtin(t, "mobiledet_dsp_ibn")
	keep := func(indices []int) bool { return indices[1]+indices[4] == 3 }
	long, err := SampleWhere(t.Context(), s, 500, 7, keep)
	if err != nil {
		t.Fatal(err)
	}
	short, err := SampleWhere(t.Context(), s, 40, 7, keep)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(long[:40], short); diff != "" {
		t.Errorf("first 40 of 500 (-want +got):\n%s", diff)
	}
	seen := map[string]bool{}
	for _, a := range long {
		if seen[a.ID()] || !keep(a.Indices) || s.Check(a) != nil {
			t.Errorf("%s comes again or is not wanted", a)
		}
		seen[a.ID()] = true
	}
}

func TestSampleWhereRepeats(t *testing.T) {
	t.Parallel()
	d := networkSet{}
	if !d.add([]int{1, 2}) || d.add([]int{1, 2}) || !d.add([]int{2, 1}) {
		t.Error("a network is new once")
	}
}

func TestSampleWhereTooRare(t *testing.T) {
	t.Parallel()
	s := tiny(t)
	found := 0
	_, err := SampleWhere(t.Context(), s, 10, 1, func(indices []int) bool {
		if found++; found%1000 == 0 {
			return true
		}
		return false
	})
	var rare *RareError
	if !errors.As(err, &rare) {
		t.Fatalf("error %v, want a *RareError", err)
	}
	if diff := cmp.Diff(RareError{Found: 6, Want: 10, Drawn: 6912, All: true}, *rare); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	if got, want := err.Error(), "6 of 10 networks found among 6912 drawn at random, which are all of the space"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

func TestSampleWhereStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := SampleWhere(ctx, builtin(t, "mobiledet_cpu_ibn"), 1, 1, func([]int) bool { cancel(); return false })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	if _, err := SampleWhere(t.Context(), tiny(t), 6913, 1, everything); err == nil {
		t.Error("more networks than the space has")
	}
}

func BenchmarkSampleWhere(b *testing.B) {
	s := builtin(b, "mobiledet_edgetpu_tucker")
	left := b.N
	if _, err := SampleWhere(b.Context(), s, 1, 1, func([]int) bool { left--; return left == 0 }); err != nil {
		b.Fatal(err)
	}
}
