package regress

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"latlab/regress/csvtable"

	"github.com/google/go-cmp/cmp"
)

// tableCSV is an additive table of two devices, without noise.
func tableCSV(rows int) string {
	var b strings.Builder
	b.WriteString("id,op,width,phone_ms,board_ms,note\n")
	r := rand.New(rand.NewPCG(1, 1))
	for i := range rows {
		op, width := r.IntN(4), r.IntN(5)
		fmt.Fprintf(&b, "net%d,op%d,%d,%v,%v,\"a, b\"\n", i, op, 8*width, 10+float64(op)+0.5*float64(width*width), 100+i)
	}
	return b.String()
}

func TestFitTable(t *testing.T) {
	f, err := csvtable.Read(strings.NewReader(tableCSV(300)), "t.csv", "phone_ms", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"op", "width", "note"}, f.Columns); diff != "" {
		t.Errorf("features (-want +got):\n%s", diff)
	}
	want := []csvtable.LeftOut{{Column: "board_ms", Reason: "same unit as the target: a different latency"}, {Column: "id", Reason: "more than 256 values"}}
	if diff := cmp.Diff(want, f.LeftOut); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	m, err := FitTable(context.Background(), f, Options{Penalties: []float64{1e-9}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Predict([]string{"op3", "32", "a, b"})
	if err != nil || !near(got, 10+3+0.5*16, 1e-5) {
		t.Errorf("predicts %v (%v), want 21", got, err)
	}
	if *m.Figures.R2 < 0.9999 || !near(*m.RMSE, 1e3**m.Figures.RMSESeconds, 1e-12) {
		t.Errorf("figures %+v", m.Figures)
	}
	if _, err := m.Predict([]string{"op9", "32", "a, b"}); err == nil {
		t.Error("predicted a value that no row had")
	}
}

func TestFitTableFeatures(t *testing.T) {
	f, err := csvtable.Read(strings.NewReader(tableCSV(50)), "t.csv", "phone_ms", []string{"op"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"op"}, f.Columns); diff != "" {
		t.Errorf("features (-want +got):\n%s", diff)
	}
	// Four different networks only, however many rows.
	var few *TooFewError
	if _, err := FitTable(context.Background(), f, Options{}); !errors.As(err, &few) || few.Have != 4 {
		t.Errorf("error %v, want one of 4 networks", err)
	}
}

func TestFitTableMethod(t *testing.T) {
	f, err := csvtable.Read(strings.NewReader(tableCSV(30)), "t.csv", "phone_ms", []string{"op", "width"})
	if err != nil {
		t.Fatal(err)
	}
	var option *OptionError
	if _, err := FitTable(context.Background(), f, Options{Method: Ops}); !errors.As(err, &option) {
		t.Errorf("error %v, want one of the method", err)
	}
}
