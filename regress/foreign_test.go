package regress

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// foreignCSV is an additive table of two devices, without noise.
func foreignCSV(rows int) string {
	var b strings.Builder
	b.WriteString("id,op,width,phone_ms,board_ms,note\n")
	r := rand.New(rand.NewPCG(1, 1))
	for i := range rows {
		op, width := r.IntN(4), r.IntN(5)
		fmt.Fprintf(&b, "net%d,op%d,%d,%v,%v,\"a, b\"\n", i, op, 8*width, 10+float64(op)+0.5*float64(width*width), 100+i)
	}
	return b.String()
}

func TestForeign(t *testing.T) {
	f, err := ReadForeign(strings.NewReader(foreignCSV(300)), "t.csv", "phone_ms", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"op", "width", "note"}, f.Columns); diff != "" {
		t.Errorf("features (-want +got):\n%s", diff)
	}
	want := []LeftOut{{"board_ms", "of the target's unit: another latency"}, {"id", "more than 256 values"}}
	if diff := cmp.Diff(want, f.LeftOut); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	m, err := FitForeign(context.Background(), f, Options{Penalties: []float64{1e-9}})
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

func TestForeignFeatures(t *testing.T) {
	f, err := ReadForeign(strings.NewReader(foreignCSV(50)), "t.csv", "phone_ms", []string{"op"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"op"}, f.Columns); diff != "" {
		t.Errorf("features (-want +got):\n%s", diff)
	}
	// Four different networks only, however many rows.
	var few *TooFewError
	if _, err := FitForeign(context.Background(), f, Options{}); !errors.As(err, &few) || few.Have != 4 {
		t.Errorf("error %v, want one of 4 networks", err)
	}
}

func TestForeignErrors(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		features   []string
		want       string
	}{
		{"empty", "", nil, "t.csv: is empty, want a header line"},
		{"no target", "a,b\n1,2\n", nil, `t.csv:1: no column "y"; columns are a, b`},
		{"twice", "a,a,y\n", nil, `t.csv:1: column "a" is there twice`},
		{"no features", "x_y,y\n", []string{"z"}, `t.csv:1: no column "z" to use as a feature; columns are x_y, y`},
		{"target as a feature", "a,y\n", []string{"y"}, `t.csv:1: no column "y" to use as a feature`},
		{"only the target", "y\n1\n", nil, "t.csv:1: no columns but latencies"},
		{"no number", "a,y\n1,2\n1,fast\n", nil, `t.csv:3: y is "fast", want a number above 0`},
		{"not above zero", "a,y\n1,0\n", nil, `t.csv:2: y is "0", want a number above 0`},
		{"not a number", "a,y\n1,NaN\n", nil, `t.csv:2: y is "NaN", want a number above 0`},
		{"missing", "a,y\n1,\n", nil, `t.csv:2: y is "", want a number above 0`},
		{"short line", "a,y\n\"x\ny\",1\n1\n", nil, "t.csv:4: wrong number of fields"},
		{"quote", "a,y\n\"1,2\n", nil, "t.csv:2: extraneous or missing \" in quoted-field"},
		{"ids alone", "a,y\n1,2\n2,3\n", nil, "t.csv: no column is a category"},
		{"an id as a feature", "a,y\n1,2\n2,3\n", []string{"a"}, `t.csv: column "a" is no category: another value in every row`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ReadForeign(strings.NewReader(tc.file), "t.csv", "y", tc.features)
			var table *TableError
			if !errors.As(err, &table) || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestForeignMethod(t *testing.T) {
	f, err := ReadForeign(strings.NewReader(foreignCSV(30)), "t.csv", "phone_ms", []string{"op", "width"})
	if err != nil {
		t.Fatal(err)
	}
	var option *OptionError
	if _, err := FitForeign(context.Background(), f, Options{Method: Ops}); !errors.As(err, &option) {
		t.Errorf("error %v, want one of the method", err)
	}
}

func FuzzReadForeign(f *testing.F) {
	f.Add("a,b,y\n1,2,3\n1,2,4\n")
	f.Add("a,y\n\"x\ny\",1\n1\n")
	f.Add(foreignCSV(25))
	f.Fuzz(func(t *testing.T, text string) {
		table, err := ReadForeign(strings.NewReader(text), "t.csv", "y", nil)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "t.csv") {
				t.Errorf("error does not name the file: %v", err)
			}
			return
		}
		for _, row := range table.rows {
			if len(row) != len(table.Columns) {
				t.Fatalf("row of %d values, %d columns", len(row), len(table.Columns))
			}
		}
	})
}
