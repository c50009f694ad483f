package graph

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/sampler"
)

func builtins(t testing.TB) []*sampler.Space {
	t.Helper()
	var spaces []*sampler.Space
	for _, name := range sampler.BuiltinNames() {
		s, err := sampler.Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		spaces = append(spaces, s)
	}
	return spaces
}

// The built-in spaces lower everywhere: any network is well formed, and is the sum of
// its entries and the bias.
func TestBuiltinSpaces(t *testing.T) {
	spaces := builtins(t)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(spaces).Draw(t, "space")
		a := drawArch(t, s)
		g := mustLower(t, s, a)
		if err := wellFormed(g); err != "" {
			t.Fatal(err)
		}
		n := 0
		for p, entry := range s.Entries(a) {
			ops, err := EntryOps(s, p, entry)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(ops, g.Paid(p)); diff != "" {
				t.Fatalf("position %d: EntryOps (-), network (+):\n%s", p, diff)
			}
			n += len(ops)
		}
		bias, err := BiasOps(s)
		if err != nil {
			t.Fatal(err)
		}
		if n += len(bias); n != len(g.Ops) {
			t.Fatalf("entries and bias have %d ops, the network %d", n, len(g.Ops))
		}
	})
}

// Every reachable entry of every built-in space has ops, unless it is a skip or a mark.
func TestBuiltinEntries(t *testing.T) {
	for _, s := range builtins(t) {
		reachable := 0
		for p, pos := range s.Positions() {
			for e := range pos.Slots() {
				if !pos.Reachable(e) {
					continue
				}
				reachable++
				ops, err := EntryOps(s, p, e)
				if err != nil {
					t.Fatalf("%s: %s entry %d: %v", s.Name, pos.Name, e, err)
				}
				_, _, choice := pos.Split(e)
				none := false
				switch pos.Choices[choice].Type {
				case sampler.Skip, sampler.ActivationMark, sampler.EndpointMark:
					none = true
				}
				if none != (len(ops) == 0) {
					t.Fatalf("%s: %s entry %d, %s, has %d ops", s.Name, pos.Name, e, pos.Choices[choice].Name, len(ops))
				}
			}
		}
		if _, want := s.Slots(); reachable != want {
			t.Errorf("%s: %d reachable entries, Slots says %d", s.Name, reachable, want)
		}
	}
}
