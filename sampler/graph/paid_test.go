package graph

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/sampler"
)

// testSpaces cover both activations, squeeze-and-excite or none, and all three heads.
func testSpaces() []*sampler.Space {
	return []*sampler.Space{
		testSpace(sampler.HSwish, 0.25, ssdliteHead()),
		testSpace(sampler.ReLU6, 0, ssdliteHead()),
		testSpace(sampler.ReLU6, 0.25, sampler.Head{Type: sampler.Classifier, Classes: 1001}),
		testSpace(sampler.HSwish, 0, sampler.Head{Type: sampler.NoHead}),
	}
}

func drawSpace(t *rapid.T) *sampler.Space {
	return rapid.SampledFrom(testSpaces()).Draw(t, "space")
}

func drawArch(t *rapid.T, s *sampler.Space) sampler.Arch {
	a := zeroArch(s)
	for i, d := range s.Decisions() {
		a.Indices[i] = rapid.IntRange(0, len(d.Names)-1).Draw(t, d.Name)
	}
	return a
}

func mustLower(t interface {
	Helper()
	Fatal(...any)
}, s *sampler.Space, a sampler.Arch) *Graph {
	t.Helper()
	g, err := Lower(s, a)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// archOf is an Arch that uses the entry at the position; all other decisions are 0.
func archOf(s *sampler.Space, position, entry int) sampler.Arch {
	p := s.Positions()[position]
	out, in, choice := p.Split(entry)
	a := sampler.Arch{Space: s.Name, Indices: make([]int, len(s.Decisions()))}
	for i, d := range s.Decisions() {
		switch {
		case d.Stage == p.Stage && d.Layer == p.Layer:
			a.Indices[i] = choice
		case d.Stage == p.Stage && d.Layer < 0:
			a.Indices[i] = out
		case d.Stage == p.Stage-1 && d.Layer < 0 && p.Layer == 0:
			a.Indices[i] = in
		}
	}
	return a
}

// What a position pays depends on its entry alone: another network with the same entry
// pays the same, and EntryOps builds it without a network.
func TestPaidDependsOnEntryAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t)
		a := drawArch(t, s)
		g := mustLower(t, s, a)
		for p, entry := range s.Entries(a) {
			got := g.Paid(p)
			if diff := cmp.Diff(mustLower(t, s, archOf(s, p, entry)).Paid(p), got); diff != "" {
				t.Fatalf("position %d, entry %d: another network with it (-) and this one (+):\n%s", p, entry, diff)
			}
			want, err := EntryOps(s, p, entry)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("position %d, entry %d: EntryOps (-) and the network (+):\n%s", p, entry, diff)
			}
		}
		want, err := BiasOps(s)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, g.Paid(Bias)); diff != "" {
			t.Fatalf("BiasOps (-) and the network (+):\n%s", diff)
		}
	})
}

// Every op is paid exactly once.
func TestPositionsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t)
		g := mustLower(t, s, drawArch(t, s))
		var ops int
		var macs, params int64
		for p := Bias; p < len(s.Positions()); p++ {
			for _, op := range g.Paid(p) {
				ops++
				macs += op.MACs
				params += op.Params
			}
		}
		if ops != len(g.Ops) || macs != g.TotalMACs() || params != g.TotalParams() {
			t.Fatalf("positions and bias pay %d ops, %d MACs, %d params; the graph has %d, %d, %d",
				ops, macs, params, len(g.Ops), g.TotalMACs(), g.TotalParams())
		}
	})
}

func TestEntryOpsEveryEntry(t *testing.T) {
	for _, s := range testSpaces() {
		for p, pos := range s.Positions() {
			for e := range pos.Slots() {
				if _, err := EntryOps(s, p, e); (err == nil) != pos.Reachable(e) {
					t.Fatalf("%s entry %d: reachable %v, error %v", pos.Name, e, pos.Reachable(e), err)
				}
			}
		}
	}
}

func TestEntryOpsErrors(t *testing.T) {
	s := testSpace(sampler.ReLU6, 0, ssdliteHead())
	for _, c := range []struct {
		name            string
		position, entry int
		want            string
	}{
		{"position", 23, 0, "space test has positions 0 to 22, not 23"},
		{"negative position", -1, 0, "space test has positions 0 to 22, not -1"},
		{"entry", 0, 3, "space test: stem has entries 0 to 2, not 3"},
		{"unreachable", 3, 11, "space test: no network can use entry 11 of stage2/layer2: its input and output width are one decision"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := EntryOps(s, c.position, c.entry)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// A position pays where the cost model says it does.
func TestPayers(t *testing.T) {
	s := testSpace(sampler.ReLU6, 0, ssdliteHead())
	g := mustLower(t, s, zeroArch(s))
	got := map[string]string{}
	for _, row := range g.Rows(s, 4) {
		got[row.Name] = row.Position
	}
	for name, want := range map[string]string{
		"stem/conv":                   "stem",
		"stage1/depthwise":            "stage1",
		"stage2/layer3/residual":      "stage2/layer3",
		"head/stage5/box/depthwise":   "stage5/layer1",
		"head/stage5/class/predict":   "stage5/layer1",
		"head/stage7/class/predict":   "stage7",
		"head/extra1/reduce":          "stage7",
		"head/extra4/expand":          "stage7",
		"head/extra1/box/depthwise":   "bias",
		"head/extra4/class/depthwise": "bias",
	} {
		if got[name] != want {
			t.Errorf("%s is paid by %q, want %q", name, got[name], want)
		}
	}
}

// All entries of a space at once, as a fit asks for them.
func BenchmarkEntryOpsAll(b *testing.B) {
	s, err := sampler.Builtin("mobiledet_edgetpu_tucker")
	if err != nil {
		b.Fatal(err)
	}
	_, reachable := s.Slots()
	b.ReportAllocs()
	for b.Loop() {
		for p, pos := range s.Positions() {
			for e := range pos.Slots() {
				if pos.Reachable(e) {
					if _, err := EntryOps(s, p, e); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
	}
	b.ReportMetric(float64(reachable), "entries")
}
