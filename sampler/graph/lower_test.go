package graph

import (
	"testing"

	"latlab/sampler"
)

func TestLowerSmoke(t *testing.T) {
	s := testSpace(sampler.HSwish, 0.25, ssdliteHead())
	g, err := Lower(s, zeroArch(s))
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Outputs) != 12 {
		t.Errorf("%d outputs, want 12", len(g.Outputs))
	}
	for _, op := range g.Ops {
		t.Log(op.Name, op.Kind, g.In(op), g.Out(op), op.Activation, op.Position, g.MACs(op))
	}
}

func BenchmarkLower(b *testing.B) {
	s := testSpace(sampler.HSwish, 0.25, ssdliteHead())
	a := zeroArch(s)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Lower(s, a); err != nil {
			b.Fatal(err)
		}
	}
}
