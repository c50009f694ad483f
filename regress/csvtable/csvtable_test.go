package csvtable

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestColumns(t *testing.T) {
	var file strings.Builder
	file.WriteString("id,op,width,phone_ms,board_ms,note\n")
	for i := range 300 {
		fmt.Fprintf(&file, "net%d,op%d,%d,%d,%d,\"a, b\"\n", i, i%4, 8*(i%5), 10+i, 100+i)
	}
	table, err := Read(strings.NewReader(file.String()), "t.csv", "phone_ms", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"op", "width", "note"}, table.Columns); diff != "" {
		t.Errorf("features (-want +got):\n%s", diff)
	}
	want := []LeftOut{{"board_ms", "same unit as the target: a different latency"}, {"id", "more than 256 values"}}
	if diff := cmp.Diff(want, table.LeftOut); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	if u := table.Unit(); u != "ms" {
		t.Errorf("unit %q", u)
	}
}

func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		features   []string
		want       string
	}{
		{"empty", "", nil, "t.csv: the file is empty, want a header line"},
		{"no target", "a,b\n1,2\n", nil, `t.csv:1: no column "y"; columns are a, b`},
		{"twice", "a,a,y\n", nil, `t.csv:1: column "a" appears twice`},
		{"no features", "x_y,y\n", []string{"z"}, `t.csv:1: no column "z" to use as a feature; columns are x_y, y`},
		{"target as a feature", "a,y\n", []string{"y"}, `t.csv:1: no column "y" to use as a feature`},
		{"only the target", "y\n1\n", nil, "t.csv:1: all columns are latencies"},
		{"no number", "a,y\n1,2\n1,fast\n", nil, `t.csv:3: y is "fast", want a number above 0`},
		{"not above zero", "a,y\n1,0\n", nil, `t.csv:2: y is "0", want a number above 0`},
		{"not a number", "a,y\n1,NaN\n", nil, `t.csv:2: y is "NaN", want a number above 0`},
		{"missing", "a,y\n1,\n", nil, `t.csv:2: y is "", want a number above 0`},
		{"short line", "a,y\n\"x\ny\",1\n1\n", nil, "t.csv:4: wrong number of fields"},
		{"quote", "a,y\n\"1,2\n", nil, "t.csv:2: extraneous or missing \" in quoted-field"},
		{"ids alone", "a,y\n1,2\n2,3\n", nil, "t.csv: no column is a category"},
		{"an id as a feature", "a,y\n1,2\n2,3\n", []string{"a"}, `t.csv: column "a" is not a category: a different value in every row`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Read(strings.NewReader(tc.file), "t.csv", "y", tc.features)
			var table *Error
			if !errors.As(err, &table) || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add("a,b,y\n1,2,3\n1,2,4\n")
	f.Add("a,y\n\"x\ny\",1\n1\n")
	f.Add("id,op,width,phone_ms,board_ms,note\nnet0,op1,8,10.5,100,\"a, b\"\nnet1,op2,8,11,101,\n")
	f.Fuzz(func(t *testing.T, text string) {
		table, err := Read(strings.NewReader(text), "t.csv", "y", nil)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "t.csv") {
				t.Errorf("error does not name the file: %v", err)
			}
			return
		}
		for _, row := range table.Rows {
			if len(row) != len(table.Columns) {
				t.Fatalf("row of %d values, %d columns", len(row), len(table.Columns))
			}
		}
	})
}
