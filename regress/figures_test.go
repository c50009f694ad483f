package regress

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFigures(t *testing.T) {
	// By hand: errors -0.1, +0.1, 0, +1; mean of y 2.5, total 5, residual 1.02.
	v := pairs{y: []float64{1, 2, 3, 4}, p: []float64{0.9, 2.1, 3, 5}}
	got := map[string]float64{
		"r2": v.r2(), "adjusted": adjustedR2(v.r2(), 4, 1), "rmse": v.rmse(), "rmspe": v.rmspe(), "mape": v.mape(),
		"within5": v.within(0.05), "within10": v.within(0.1), "spearman": v.spearman(), "kendall": v.kendall(),
	}
	want := map[string]float64{
		"r2": 1 - 1.02/5, "adjusted": 1 - 1.02/5*3/2, "rmse": math.Sqrt(1.02 / 4),
		"rmspe": math.Sqrt((0.01 + 0.0025 + 0.0625) / 4), "mape": (0.1 + 0.05 + 0.25) / 4,
		"within5": 0.25, "within10": 0.75, "spearman": 1, "kendall": 1,
	}
	want["within5"] = v.within(0.0499) // 5 % exactly is a matter of rounding
	got["within5"] = v.within(0.0499)
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
}

// Ranks with ties. R's cor(c(1,2,2,3,4), c(2,1,3,3,5), method="kendall") is 0.6666667 and
// method="spearman" 0.7631579; by hand: tau-b 6/9, rho 7.25/9.5.
func TestRankCorrelation(t *testing.T) {
	v := pairs{y: []float64{1, 2, 2, 3, 4}, p: []float64{2, 1, 3, 3, 5}}
	if got, want := v.kendall(), 6.0/9; math.Abs(got-want) > 1e-12 {
		t.Errorf("kendall %v, want %v", got, want)
	}
	if got, want := v.spearman(), 7.25/9.5; math.Abs(got-want) > 1e-12 {
		t.Errorf("spearman %v, want %v", got, want)
	}
	down := pairs{y: []float64{1, 2, 3}, p: []float64{9, 8, 1}}
	if down.kendall() != -1 || math.Abs(down.spearman()+1) > 1e-12 {
		t.Errorf("reversed: kendall %v, spearman %v, want -1", down.kendall(), down.spearman())
	}
}

// What cannot be known is null, not 0.
func TestUndefinedFigures(t *testing.T) {
	f := figures([]pairs{{y: []float64{2, 2}, p: []float64{1, 1}}}, 20, 3)
	if f.R2 != nil || f.AdjustedR2 != nil || f.Spearman != nil || f.Kendall != nil || f.NoiseCeilingR2 != nil {
		t.Errorf("figures of equal latencies: %+v, want null", f)
	}
	if f.MAPE == nil || *f.MAPE != 0.5 {
		t.Errorf("MAPE %v, want 0.5", f.MAPE)
	}
	if a := finite(adjustedR2(0.5, 20, 19)); a != nil {
		t.Errorf("adjusted r2 of as many weights as networks is %v, want null", *a)
	}
}
