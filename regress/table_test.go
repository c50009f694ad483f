package regress

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"latlab/regress/csvtable"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
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

func caseTable(t *testing.T, name, target string) *TableModel {
	t.Helper()
	f, err := os.Open(filepath.Join("csvtable", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := csvtable.Read(f, name, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := FitTable(context.Background(), table, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The networks of this table are random, so nothing but another device's latency predicts them.
func TestFitTableCircular(t *testing.T) {
	m := caseTable(t, "circular_prefix.csv", "latency_pixel4")
	if *m.Figures.R2 > 0.1 {
		t.Errorf("r2 %v on random networks", *m.Figures.R2)
	}
	if diff := cmp.Diff([]csvtable.LeftOut{{Column: "latency_s10", Reason: "decimal numbers, not categories"}}, m.LeftOut); diff != "" {
		t.Error(diff)
	}
}

func TestFitTableWarnings(t *testing.T) {
	for name, want := range map[string]string{
		"mixed_units.csv": "200 of 400 rows are some 1000 times smaller than the others would be",
		"minus_one.csv":   `1 of 400 rows have no latency above 0 and were skipped: 1 with "-1" (first on line 202)`,
		"failed_rows.csv": `1 of 400 rows have no latency above 0 and were skipped: 1 with "nan" (first on line 202)`,
		"bom.csv":         "",
		"semicolon.csv":   "",
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(caseTable(t, name, "latency_ms").Warnings, "; ")
			if want == "" && (strings.Contains(got, "skipped") || strings.Contains(got, "units: lines")) || !strings.Contains(got, want) {
				t.Errorf("warnings %q, want %q", got, want)
			}
		})
	}
}

// mixedUnits is a random table of which every so many-th row is in another unit, and the next in a third one.
type mixedUnits struct {
	factor float64 // 1 = all rows are in one unit
	every  int
	third  bool
	noise  float64
	seed   uint64
}

// check wants a warning that names the rows in the other units, and none about a table in one.
func (x mixedUnits) check(t rapid.TB) {
	t.Helper()
	r := rand.New(rand.NewPCG(x.seed, 1))
	file, want := "a,b,c,y\n", []int32(nil)
	for i := range 200 {
		a, b, c := r.IntN(4), r.IntN(5), r.IntN(3)
		y := (1 + float64(a) + 2*float64(b)*float64(c)) * math.Exp(x.noise*r.NormFloat64())
		if x.factor != 1 && i%x.every == 1 {
			y *= x.factor
			want = append(want, int32(i+2))
		}
		if x.third && i%x.every == 2 {
			y /= x.factor
			want = append(want, int32(i+2))
		}
		file += fmt.Sprintf("a%d,b%d,c%d,%v\n", a, b, c, y)
	}
	table, err := csvtable.Read(strings.NewReader(file), "t.csv", "y", nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := FitTable(context.Background(), table, Options{Penalties: []float64{1}})
	if err != nil {
		t.Fatal(err)
	}
	warnings := strings.Join(m.Warnings, "; ")
	if x.factor == 1 {
		if strings.Contains(warnings, "units: lines") {
			t.Fatalf("one unit, and a warning: %s", warnings)
		}
		return
	}
	if ranges := lineRanges(want, all(len(want))); !strings.HasSuffix(warnings, "lines "+ranges) {
		t.Fatalf("%+v: %q, want lines %s", x, warnings, ranges)
	}
}

// Rows in a second unit, or in a second and a third, are found and named if they are at least one in 30, or of factor 100 one
// in 20; a table in one unit has no such warning.
func TestMixedUnits(t *testing.T) {
	mixedUnits{factor: 1000, every: 4, third: true, noise: 0.2, seed: 0xcc5b10632d4bfb9}.check(t) // half of the rows
	mixedUnits{factor: 0.001, every: 3, noise: 0.2, seed: 0x13}.check(t)                          // three units explain a little more
	rapid.Check(t, func(t *rapid.T) {
		x := mixedUnits{factor: rapid.SampledFrom([]float64{1, 100, 1000, 0.01, 0.001, 1e6, 1e-6}).Draw(t, "factor")}
		most := 30
		if math.Abs(math.Log10(x.factor)) == 2 {
			most = 20 // a few rows 100 times off may be rows that the features do not explain
		}
		x.every = rapid.IntRange(3, most).Draw(t, "every")
		x.third = math.Abs(math.Log10(x.factor)) == 3 && x.every > 3 && rapid.Bool().Draw(t, "third")
		x.noise = rapid.Float64Range(0, 0.2).Draw(t, "noise")
		x.seed = rapid.Uint64().Draw(t, "seed")
		x.check(t)
	})
}
