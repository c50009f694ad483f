package exporters

import (
	"testing"

	"latlab/bench"
)

// TestRowOfNoSpace: a listed model has the MACs and the parameters that the sweep stored.
func TestRowOfNoSpace(t *testing.T) {
	r := rowOf(nil, bench.Estimate{Network: bench.Network{Name: "mine", MACs: new(int64(12)), Params: new(int64(3))}})
	if r.MACs == nil || *r.MACs != 12 || r.Params == nil || *r.Params != 3 {
		t.Errorf("MACs %v, parameters %v, want 12 and 3", r.MACs, r.Params)
	}
}
