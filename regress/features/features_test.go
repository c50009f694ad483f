package features

import (
	"math"
	"testing"
)

func TestFeatureNames(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range All() {
		if f.Doc == "" || seen[f.Name] {
			t.Errorf("feature %q appears twice or has no description", f.Name)
		}
		seen[f.Name] = true
	}
	if n := len(seen); n < 45 || n > 60 {
		t.Errorf("%d features, want some fifty", n)
	}
}

func TestOwnFeature(t *testing.T) {
	for name, x := range map[string]float64{"": 1, "op:macs": 1, "nan": math.NaN(), "inf": math.Inf(-1)} {
		if CheckOwn(name, x) == nil {
			t.Errorf("feature %q of %v is no error", name, x)
		}
	}
	if err := CheckOwn("macs", 3); err != nil {
		t.Error(err)
	}
}
