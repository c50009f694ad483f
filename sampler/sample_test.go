package sampler

import (
	"testing"
)

func TestBuiltinTableSizes(t *testing.T) {
	for _, name := range BuiltinNames() {
		s, err := Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		sl, re := s.Slots()
		t.Log(name, len(s.Decisions()), s.Size(), sl, re)
	}
	s, _ := Builtin("mobiledet_edgetpu_tucker")
	a, err := Sample(s, 3, 1)
	t.Log(a, err)
	_, err = Builtin("mobiledet_cpu_inb")
	t.Log(err)
}

func BenchmarkSample100k(b *testing.B) {
	s, _ := Builtin("mobiledet_edgetpu_tucker")
	for b.Loop() {
		if _, err := Sample(s, 100_000, 1); err != nil {
			b.Fatal(err)
		}
	}
}
