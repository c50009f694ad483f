package csvtable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
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
	if u := table.Seconds(); u != 1e-3 {
		t.Errorf("unit of %v s", u)
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
		{"no number", "a,y\n1,2\n1,fast\n", nil, `t.csv:3: y is "fast", want a number`},
		{"only zero", "a,y\n1,0\n", nil, `t.csv:2: no row has a number above 0 in column "y": it is "0" here`},
		{"only NaN", "a,y\n1,NaN\n", nil, `t.csv:2: no row has a number above 0 in column "y": it is "NaN" here`},
		{"only blank", "a,y\n1,\n", nil, `t.csv:2: no row has a number above 0 in column "y": it is "" here`},
		{"thousands", "a,y\n1,\"1,234.5\"\n", nil, `t.csv:2: y is "1,234.5", the column has points and commas`},
		{"thousands alone", "a,y\n1,\"1,234\"\n", nil, `t.csv:2: y is "1,234", want a number`},
		{"thousands in semicolons", "a;y\n1;4,5\n1;1.234\n", nil, `t.csv:3: y is "1.234", the column has points and commas`},
		{"unit in the value", "a,y\n1,12ms\n", nil, `t.csv:2: y is "12ms", want a number`},
		{"invisible character", "a,la\u200btency,y\n", nil, `t.csv:1: the name of column 2, "la\u200btency", has an invisible character (U+200B)`},
		{"UTF-16 without a mark", "a\x00,\x00y\x00\n\x001\x00,\x002\x00\n", nil, "t.csv:1: it has NUL bytes"},
		{"Latin-1", "gr\xf6\xdfe,y\n1,2\n", nil, `t.csv:1: "gr\xf6\xdfe" is not UTF-8`},
		{"Latin-1 in a value", "a,y\ngr\xfcn,2\n", nil, `t.csv:2: "gr\xfcn" is not UTF-8`},
		{"same name with blanks", "a, a ,y\n", nil, `t.csv:1: column "a" appears twice`},
		{"long line", "a,y\n1,2\n" + strings.Repeat("x", 1<<20+1) + ",2\n", nil, "t.csv:3: the line is longer than 1048576 bytes"},
		{"long header", strings.Repeat("a,", 4096) + "y\n", nil, "t.csv:1: 4097 columns, at most 4096"},
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

// A cell of a compressed table costs its writer a fraction of a bit; reading must not cost memory
// without bound.
func TestLimits(t *testing.T) {
	max := limits{bytes: 1 << 20, line: 1 << 10, columns: 100, rows: 1000, cells: 1000}
	for _, tc := range []struct{ name, header, row, want string }{
		{"cells", "c" + strings.Join(numbered(10), ",c") + ",y\n", "1,1,1,1,1,1,1,1,1,1,1\n", "t.csv:102: too many rows"},
		{"rows", "a,y\n", "1,2\n", "t.csv:1002: too many rows"},
		{"bytes", "a,y\n", strings.Repeat("x", 1000) + ",-1\n", "t.csv: larger than 1 MiB"},
		{"line", "a,y\n", strings.Repeat("x", 2000), "t.csv:2: the line is longer than 1024 bytes"},
		{"line within quotes", "a,y\n\"", strings.Repeat("x", 2000), "t.csv:2: the line is longer than 1024 bytes"},
		{"quotes without end", "a,y\n\"", "x\n", "t.csv: larger than 1 MiB"},
		{"no line at all", "", "x", "t.csv:1: the line is longer than 1024 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := max.read(io.MultiReader(strings.NewReader(tc.header), &endless{row: tc.row}), "t.csv", "y", nil)
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func numbered(n int) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = fmt.Sprint(i)
	}
	return s
}

// endless repeats a row.
type endless struct {
	row string
	at  int
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.row[e.at]
		e.at = (e.at + 1) % len(e.row)
	}
	return len(p), nil
}

// The same table as programs and spreadsheets write it.
func TestEncodings(t *testing.T) {
	const plain = "op,width,latency_ms\nconv,8,4.5\npool,16,5.25\n"
	utf16 := func(s string, order binary.ByteOrder) string {
		var b []byte
		for _, u := range utf16.Encode([]rune("\ufeff" + s)) {
			b = append(b, 0, 0)
			order.PutUint16(b[len(b)-2:], u)
		}
		return string(b)
	}
	want, err := Read(strings.NewReader(plain+"conv,8,5\n"), "t.csv", "latency_ms", nil)
	if err != nil {
		t.Fatal(err)
	}
	semicolons := strings.NewReplacer(",", ";", ".", ",").Replace(plain) + "conv;8;5\n"
	for name, file := range map[string]string{
		"byte order mark":      "\ufeff" + plain + "conv,8,5\n",
		"UTF-16 little-endian": utf16(plain+"conv,8,5\n", binary.LittleEndian),
		"UTF-16 big-endian":    utf16(plain+"conv,8,5\n", binary.BigEndian),
		"semicolons":           semicolons,
		"semicolons and sep":   "sep=;\r\n" + semicolons,
		"tabs":                 strings.ReplaceAll(plain, ",", "\t") + "conv\t8\t5\n",
		"UTF-16 tabs":          utf16(strings.ReplaceAll(plain, ",", "\t")+"conv\t8\t5\n", binary.LittleEndian),
		"blanks":               " op , width,\u00a0latency_ms \n conv , 8, 4.5\npool,16 ,5.25 \nconv,8,5\n",
		"carriage returns":     strings.ReplaceAll(plain+"conv,8,5\n", "\n", "\r"),
		"both line ends":       strings.ReplaceAll(plain+"conv,8,5\n", "\n", "\r\n"),
		"quotes":               "\"op\",\"width\",\"latency_ms\"\n\"conv\",\"8\",\"4.5\"\npool,16,5.25\nconv,8,5\n",
		"marked and quoted":    "\ufeff\"op\",width,latency_ms\nconv,8,4.5\npool,16,5.25\nconv,8,5\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(strings.NewReader(file), "t.csv", " latency_ms", nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Table{}, "Hash", "Lines")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Latencies of other devices must not become features, however their columns are called.
func TestOtherLatencies(t *testing.T) {
	for _, tc := range []struct {
		column, target string
		value          func(i int) string
		out            bool
	}{
		{"latency_pixel4", "latency_s10", func(i int) string { return fmt.Sprintf("%.1f", 2+float64(i%7)/10) }, true},
		{"pixel4 (ms)", "s10 (ms)", func(i int) string { return fmt.Sprint(10 + i%7) }, true},
		{"ms_pixel4", "s10_ms", func(i int) string { return fmt.Sprint(10 + i%7) }, true},
		{"Latency[us]", "y", func(i int) string { return fmt.Sprint(10 + i%7) }, true},
		{"pixel4", "y", func(i int) string { return fmt.Sprintf("%.2f", 2+float64(i%7)/100) }, true},
		{"pixel4", "y", func(i int) string { return []string{"", "nan", "2.5", "2.25"}[i%4] }, true},
		{"energy_mj", "y", func(i int) string { return fmt.Sprintf("%.1e", 0.1+float64(i%7)) }, true},
		{"pixel4", "y", func(i int) string { return fmt.Sprintf("%.1f ms", 2+float64(i%7)/10) }, true},
		{"load", "y", func(i int) string { return fmt.Sprintf("%.1f%%", 20+float64(i%7)/10) }, true},
		{"pruned", "y", func(i int) string { return fmt.Sprintf("%d%%", 10*(i%7)) }, false},
		{"FPS", "y", func(i int) string { return fmt.Sprint(10 + i%7) }, true},
		{"energy (mJ)", "y", func(i int) string { return fmt.Sprint(10 + i%7) }, true},
		{"width", "y", func(i int) string { return fmt.Sprint(8 * (i % 7)) }, false},
		{"kernel_s", "y", func(i int) string { return []string{"3x3", "5x5"}[i%2] }, false},
		{"time", "y", func(i int) string { return []string{"a", "b"}[i%2] }, false},
		{"op", "y", func(i int) string { return []string{"none", "1.5x"}[i%2] }, false},
	} {
		t.Run(tc.column+" beside "+tc.target, func(t *testing.T) {
			file := "op0," + tc.column + "," + tc.target + "\n"
			for i := range 40 {
				file += fmt.Sprintf("o%d,%s,%d\n", i%3, tc.value(i), 5+i)
			}
			table, err := Read(strings.NewReader(file), "t.csv", tc.target, nil)
			if err != nil {
				t.Fatal(err)
			}
			if out := len(table.LeftOut) == 1; out != tc.out {
				t.Errorf("categories %v, left out %v", table.Columns, table.LeftOut)
			}
			named, err := Read(strings.NewReader(file), "t.csv", tc.target, []string{tc.column})
			if err != nil || len(named.Columns) != 1 {
				t.Errorf("named as a feature: %v", err)
			}
		})
	}
}

// Skipped rows are counted by what they say, most frequent first.
func TestSkippedValues(t *testing.T) {
	file := "op,y\na,1\n"
	for _, v := range []string{"0", "-1", "", "NaN", "-1", "failed", "inf", "-1", "N/A", "1e999", "0"} {
		file += "b," + v + "\n"
	}
	table, err := Read(strings.NewReader(file+"a,2\nb,3\n"), "t.csv", "y", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []Skipped{{"-1", 3, 4}, {"0", 2, 3}, {"", 1, 5}, {"NaN", 1, 6}, {"failed", 1, 8}, {"inf", 1, 9}, {"N/A", 1, 11}, {"1e999", 1, 12}}
	if diff := cmp.Diff(want, table.Skipped); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int32{2, 14, 15}, table.Lines); diff != "" {
		t.Error(diff)
	}
}

func TestSkippedRows(t *testing.T) {
	for name, want := range map[string][]Skipped{
		"minus_one.csv":   {{"-1", 1, 202}},
		"failed_rows.csv": {{"nan", 1, 202}},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			table, err := Read(f, name, "latency_ms", nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, table.Skipped); diff != "" {
				t.Error(diff)
			}
			skipped := 0
			for _, s := range table.Skipped {
				skipped += s.Rows
			}
			if got := len(table.Y) + skipped; got != 400 {
				t.Errorf("%d rows accounted for, want 400", got)
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
