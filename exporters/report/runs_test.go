package report_test

import (
	"strings"
	"testing"

	"latlab/exporters/report/describe"
	"latlab/exporters/report/reporttest/cases"
)

// TestRuns: of three runs the newest two are compared, and runs that cannot be compared say why.
func TestRuns(t *testing.T) {
	d := cases.TwoRuns(t)
	if len(d.Runs) != 2 {
		t.Fatalf("%d pairs of runs, want 2", len(d.Runs))
	}
	r := d.Runs[0]
	if before, after := d.Sweeps[r.Before].Manifest.Run, d.Sweeps[r.After].Manifest.Run; before != 1 || after != 2 {
		t.Errorf("runs %d and %d are compared, want 1 and 2", before, after)
	}
	if o := r.Comparison.Overall.Ratio; o < 1.07 || o > 1.09 {
		t.Errorf("the overall ratio is %.3f, want about 1.1/1.02", o)
	}
	// IMPRECISE ones are compared: only INVALID ones are left out.
	if facts := describe.RunsFacts(d, r); !strings.HasSuffix(facts[len(facts)-1].Value, " not measured in both runs, or INVALID") {
		t.Errorf("%q", facts[len(facts)-1])
	}
	if r := d.Runs[1]; r.Comparison != nil || !strings.Contains(r.Why, "is INVALID in one of them") {
		t.Errorf("%v, %q", r.Comparison, r.Why)
	}
}
