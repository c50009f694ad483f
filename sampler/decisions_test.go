package sampler

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A block of mobilenet_v3_like_search, in TuNAS's order: kernel, expansion and squeeze-and-excite of a layer, then the
// OneOf around them, then the block's width. A mark has no index.
func TestDecisionsOfATree(t *testing.T) {
	t.Parallel()
	s := builtin(t, "mobilenet_v3_like_search")
	want := []Decision{
		{0, 0, "stem/layer1/kernel", []string{"k3", "k5"}},
		{0, 2, "stem/layer3/kernel", []string{"k3", "k5", "k7"}},
		{0, 2, "stem/layer3/op", []string{"separable", "skip"}},
		{0, -1, "stem/width", []string{"8", "16", "24", "32"}},
		{1, 0, "stage1/layer1/kernel", []string{"k3", "k5", "k7"}},
		{1, 0, "stage1/layer1/expansion", []string{"e1", "e2", "e3", "e4", "e5", "e6"}},
		{1, 0, "stage1/layer1/se", []string{"no-se", "se"}},
		{1, 1, "stage1/layer2/kernel", []string{"k3", "k5", "k7"}},
		{1, 1, "stage1/layer2/expansion", []string{"e1", "e2", "e3", "e4", "e5", "e6"}},
		{1, 1, "stage1/layer2/se", []string{"no-se", "se"}},
		{1, 1, "stage1/layer2/op", []string{"bottleneck", "skip"}},
	}
	if diff := cmp.Diff(want, s.Decisions()[:len(want)]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Flat indices name the choice that the decisions name, a skip in spite of what is within it, and lead back.
func TestFlat(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t)
		var indices []int
		for _, r := range s.Radices() {
			indices = append(indices, rapid.IntRange(0, r-1).Draw(t, "index"))
		}
		flat, names := s.Flat(indices), namesOf(s, indices)
		at := 0
		for si, st := range s.Stages {
			for li, l := range st.Layers {
				if c := l.Choices[flat[at]]; l.By != nil && l.By[0] != ByNone && c.Type != Skip {
					got := []string{ByKernel.name(c), ByExpansion.name(c), string(c.Type)}
					if diff := cmp.Diff(names[place{stage: si, layer: li}], got); diff != "" {
						t.Fatalf("%s (-chosen +flat)\n%s", c.Name, diff)
					}
				} else if l.By != nil && c.Type == Skip && names[place{stage: si, layer: li}][2] != "skip" {
					t.Fatalf("%v is a skip", names[place{stage: si, layer: li}])
				}
				at++
			}
			at++
		}
		back := s.Flattener().unflat(flat, func(n int) int { return n - 1 })
		if diff := cmp.Diff(flat, s.Flat(back)); diff != "" {
			t.Fatalf("(-flat +there and back)\n%s", diff)
		}
	})
}

// namesOf are the names of a layer's decisions.
func namesOf(s *Space, indices []int) map[place][]string {
	names := map[place][]string{}
	for i, d := range s.Decisions() {
		if d.Layer >= 0 {
			p := place{stage: d.Stage, layer: d.Layer}
			names[p] = append(names[p], d.Names[indices[i]])
		}
	}
	return names
}

func TestDivisibleWidth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ width, scaled, divisible int }{
		{16, 8, 8}, {40, 8, 16}, {64, 16, 16}, {72, 16, 24}, {96, 24, 24}, {104, 24, 24}, {120, 32, 32}, {960, 240, 240},
	} {
		if s, d := ScaleWidth(c.width, 0.25), DivisibleWidth(c.width, 0.25); s != c.scaled || d != c.divisible {
			t.Errorf("a quarter of %d: %d and %d, want %d and %d", c.width, s, d, c.scaled, c.divisible)
		}
	}
}

func BenchmarkEntriesOfATree(b *testing.B) {
	s := builtin(b, "mobilenet_v3_like_search")
	archs, err := Sample(s, 1, 1)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.Entries(archs[0])
	}
}
