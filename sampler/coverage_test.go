package sampler

import "testing"

func networksUntilCovered(t *testing.T, s *Space, archs []Arch) int {
	_, reachable := s.Slots()
	type at struct{ position, entry int }
	seen := map[at]bool{}
	for i, a := range archs {
		for p, e := range s.Entries(a) {
			seen[at{p, e}] = true
		}
		if len(seen) == reachable {
			return i + 1
		}
	}
	return -1
}
func TestX(t *testing.T) {
	for _, name := range BuiltinNames() {
		s, _ := Builtin(name)
		for seed := range uint64(5) {
			a, err := SampleCoverage(s, 1000, seed)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(name, networksUntilCovered(t, s, a), CoverageBound(s))
		}
	}
	s, _ := Builtin("mobiledet_edgetpu_tucker")
	a, _ := Sample(s, 20000, 1)
	t.Log("uniform", networksUntilCovered(t, s, a))
	a, _ = SampleCoverage(s, 6000, 1)
	h := map[int]int{}
	x := map[[2]int]int{}
	for _, a := range a {
		for p, e := range s.Entries(a) {
			x[[2]int{p, e}]++
		}
	}
	for _, n := range x {
		h[n]++
	}
	t.Log(h)
}
func BenchmarkCoverage5000(b *testing.B) {
	s, _ := Builtin("mobiledet_edgetpu_tucker")
	for b.Loop() {
		if _, err := SampleCoverage(s, 5000, 1); err != nil {
			b.Fatal(err)
		}
	}
}
