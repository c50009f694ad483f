package table_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/bench"
	"latlab/bench/stats"
	"latlab/bench/store"
	"latlab/devices"
	"latlab/exporters"
	"latlab/exporters/exporttest"
	"latlab/exporters/table"
	"latlab/internal/atomicfile"
	"latlab/internal/testenv"
	"latlab/sampler"
)

type cells = map[string]any

// readBack is what read.py printed.
type readBack struct {
	CSV     []cells `json:"csv"`
	JSONL   []cells `json:"jsonl"`
	Parquet struct {
		Metadata map[string]string `json:"metadata"`
		Columns  map[string]string `json:"columns"`
		Rows     []cells           `json:"rows"`
	} `json:"parquet"`
	NPZ map[string]array `json:"npz"`
}

type array struct {
	DType  string `json:"dtype"`
	Shape  []int  `json:"shape"`
	Values any    `json:"values"`
}

// TestReadersReadWhatTheStoreHolds has pandas, pyarrow and NumPy read sweeps of a real store,
// of hostile names and of a space, and compares every cell with the store's to the last bit.
func TestReadersReadWhatTheStoreHolds(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "lab.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for name, m := range map[string]bench.Sweep{
		"hostile names": exporttest.Listed(t, st, exporttest.Hostile()),
		"any names":     exporttest.Listed(t, st, anyNames(150)),
		"points":        exporttest.Points(t, st, tiny(t), 40),
	} {
		t.Run(name, func(t *testing.T) {
			got, want := read(t, st, m), stored(t, st, m)
			compare(t, "CSV", inCSV(want), got.CSV)
			compare(t, "JSONL", inJSONL(want), got.JSONL)
			compare(t, "Parquet", inParquet(want), got.Parquet.Rows)
			checkManifest(t, m, got)
			checkNPZ(t, want, got.NPZ)
		})
	}
}

// anyNames are texts that rapid makes, half of them no valid UTF-8.
func anyNames(n int) []string {
	var names []string
	for i := range n {
		name := rapid.StringN(1, -1, 40).Example(i)
		if i%2 == 1 {
			name = string(rapid.SliceOfN(rapid.Byte(), 1, 40).Example(i))
		}
		names = append(names, name)
	}
	return names
}

func tiny(t testing.TB) *sampler.Space {
	t.Helper()
	s, err := sampler.Find(filepath.Join(testenv.Root(t), "sampler", "testdata", "tiny.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type writer func(io.Writer, bench.Sweep, iter.Seq2[exporters.Row, error]) error

func read(t *testing.T, st bench.Reader, m bench.Sweep) readBack {
	t.Helper()
	dir := t.TempDir()
	for name, write := range map[string]writer{
		"csv": table.Measurements, "jsonl": table.JSONL, "parquet": table.Parquet, "npz": table.MeasurementsNPZ,
	} {
		err := atomicfile.Write(filepath.Join(dir, "m."+name), func(w io.Writer) error {
			return write(w, m, exporters.Rows(t.Context(), st, m))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var back readBack
	python(t, &back, "read.py", dir)
	return back
}

func python(t *testing.T, into any, script string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testenv.Python(t), append([]string{filepath.Join("testdata", script)}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(out))
	d.UseNumber() // floats come as their bits, so every number is a whole one
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// network is what the store holds of one: the row's cells, and its blocks.
type network struct {
	row    exporters.Row
	record cells
}

// stored reads the sweep without the formats' help. Texts with wrong bytes are as documented.
func stored(t *testing.T, st bench.Reader, m bench.Sweep) []network {
	t.Helper()
	var all []network
	for r, err := range exporters.Rows(t.Context(), st, m) {
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.ValueOf(table.RecordOf(m, r))
		c := cells{}
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			c[name] = plain(v.Field(i).Interface())
		}
		all = append(all, network{r, c})
	}
	return all
}

// plain is a value as read.py prints it.
func plain(v any) any {
	switch x := v.(type) {
	case string:
		if x == "" {
			return nil
		}
		return x
	case float64:
		return fmt.Sprintf("f%016x", math.Float64bits(x))
	case *float64:
		if x == nil {
			return nil
		}
		return plain(*x)
	case int64:
		return json.Number(strconv.FormatInt(x, 10))
	case *int64:
		if x == nil {
			return nil
		}
		return plain(*x)
	case bool:
		return x
	case []string:
		list := []any{}
		for _, s := range x {
			list = append(list, s)
		}
		return list
	}
	panic(fmt.Sprintf("%T", v))
}

func inCSV(want []network) []cells {
	return each(want, func(n network, c cells) {
		for _, list := range []string{"reasons", "warnings"} {
			var texts []string
			for _, s := range c[list].([]any) {
				texts = append(texts, s.(string))
			}
			c[list] = plain(strings.Join(texts, "; "))
		}
	})
}

func inJSONL(want []network) []cells {
	return each(want, func(n network, c cells) {
		c["schema_version"] = json.Number("1")
		seconds, details := []any{}, []any{}
		for _, b := range n.row.Blocks {
			s, hz, disturbed := blockCells(n, &b)
			d := cells{
				"clock_hz": hz, "disturbed": disturbed, "slow": false, "off": false, "level_ratio": nil,
				"started": b.Started.Format(time.RFC3339Nano), "elapsed_seconds": plain(b.Elapsed), "seconds": s,
				"samples_seconds": floats(b.Samples), "first_seconds": plain(known(b.FirstSeconds)), "init_seconds": plain(known(b.InitSeconds)),
				"temperature_before_celsius": plain(b.Before.HottestC()), "temperature_after_celsius": plain(b.After.HottestC()),
				"delegation": cells{
					"name": b.Delegation.Name, "nodes": plain(int64(b.Delegation.Nodes)),
					"delegated": plain(int64(b.Delegation.Delegated)), "partitions": plain(int64(b.Delegation.Partitions)),
				},
			}
			if s := b.Summary; s != nil {
				d["summary"] = cells{
					"count": plain(int64(s.Count)), "mean_seconds": plain(s.Mean), "min_seconds": plain(s.Min),
					"max_seconds": plain(s.Max), "std_seconds": plain(s.StdDev), "median_seconds": plain(s.Median),
				}
			}
			seconds, details = append(seconds, s), append(details, d)
		}
		c["block_seconds"], c["block_details"] = seconds, details
		for name, v := range c {
			if v == nil && omitted(name) {
				delete(c, name)
			}
		}
	})
}

// omitted are the texts that JSONL leaves out where they say nothing.
func omitted(name string) bool {
	f, _ := reflect.TypeFor[table.Record]().FieldByNameFunc(func(field string) bool {
		f, _ := reflect.TypeFor[table.Record]().FieldByName(field)
		return strings.HasPrefix(f.Tag.Get("json"), name+",")
	})
	return strings.HasSuffix(f.Tag.Get("json"), ",omitempty")
}

// blockCells are a block's value, clock, and whether it is disturbed: on one
// thread, the first block of a network with a clock.
func blockCells(n network, b *devices.Block) (seconds, hz any, disturbed bool) {
	s, _, _ := stats.BlockSeconds(b)
	if len(b.Clock) == 0 {
		return plain(s), nil, false
	}
	if disturbed = n.record["disturbed_blocks"] != nil && b.Started.Equal(n.row.Blocks[0].Started); disturbed {
		return nil, plain(b.Clock[0].Hz), true
	}
	return plain(s), plain(b.Clock[0].Hz), false
}

func inParquet(want []network) []cells {
	return each(want, func(n network, c cells) {
		lists := map[string][]any{
			"block_seconds": {}, "block_started": {}, "block_temperature_celsius": {}, "block_nodes": {},
			"block_delegated_nodes": {}, "block_unit": {}, "block_samples": {}, "samples_seconds": {},
			"block_disturbed": {}, "block_clock_hz": {}, "block_slow": {}, "block_off": {},
		}
		add := func(name string, v ...any) { lists[name] = append(lists[name], v...) }
		for _, b := range n.row.Blocks {
			s, hz, disturbed := blockCells(n, &b)
			add("block_seconds", s)
			add("block_disturbed", disturbed)
			add("block_clock_hz", hz)
			add("block_slow", false)
			add("block_off", false)
			add("block_started", b.Started.Format("2006-01-02T15:04:05.000000000")+"+00:00")
			add("block_temperature_celsius", plain(b.After.HottestC())) // in these sweeps the later one is the hotter
			add("block_nodes", plain(int64(b.Delegation.Nodes)))
			add("block_delegated_nodes", plain(int64(b.Delegation.Delegated)))
			add("block_unit", b.Unit)
			add("block_samples", plain(int64(len(b.Samples))))
			add("samples_seconds", floats(b.Samples)...)
		}
		for name, list := range lists {
			c[name] = list
		}
	})
}

func each(want []network, change func(network, cells)) []cells {
	var out []cells
	for _, n := range want {
		c := maps.Clone(n.record)
		change(n, c)
		out = append(out, c)
	}
	return out
}

func floats(xs []float64) []any {
	list := []any{}
	for _, x := range xs {
		list = append(list, plain(x))
	}
	return list
}

func known(x float64) *float64 {
	if x == 0 {
		return nil
	}
	return &x
}

func compare(t *testing.T, format string, want, got []cells) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows, want %d", format, len(got), len(want))
	}
	for i := range want {
		if diff := cmp.Diff(want[i], got[i]); diff != "" {
			t.Errorf("%s, row %d (-store +read):\n%s", format, i, diff)
		}
	}
}

func checkManifest(t *testing.T, m bench.Sweep, got readBack) {
	t.Helper()
	var back bench.Sweep
	if err := json.Unmarshal([]byte(got.Parquet.Metadata[table.SweepKey]), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(clean(m), clean(back)); diff != "" {
		t.Errorf("manifest in the Parquet file (-store +read):\n%s", diff)
	}
	for column, typ := range map[string]string{
		"samples_seconds": "list<element: double not null>", "block_seconds": "list<element: double>",
		"block_started": "list<element: timestamp[ns, tz=UTC] not null>", "latency_seconds": "double", "macs": "int64",
	} {
		if got.Parquet.Columns[column] != typ {
			t.Errorf("column %s is %s, want %s", column, got.Parquet.Columns[column], typ)
		}
	}
}

// clean is a manifest after JSON, which has no wrong bytes.
func clean(m bench.Sweep) map[string]any {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		panic(err)
	}
	return v
}

func checkNPZ(t *testing.T, want []network, got map[string]array) {
	t.Helper()
	n := len(want)
	column := func(name, dtype string, values []any) {
		t.Helper()
		a := got[name]
		if !strings.HasPrefix(a.DType, dtype) || len(a.Shape) != 1 || a.Shape[0] != n {
			t.Errorf("%s: dtype %s, shape %v", name, a.DType, a.Shape)
		}
		if diff := cmp.Diff(any(values), a.Values); diff != "" {
			t.Errorf("npz %s (-store +read):\n%s", name, diff)
		}
	}
	for array, cell := range map[string]string{"y": "latency_seconds", "low": "low_seconds", "high": "high_seconds", "relative_standard_error": "relative_standard_error", "undisturbed_share": "undisturbed_share"} {
		column(array, "float64", pick(want, func(n network) any { return n.record[cell] }))
	}
	column("valid", "bool", pick(want, func(n network) any { return n.record["verdict"] == "VALID" }))
	column("imprecise", "bool", pick(want, func(n network) any { return n.record["verdict"] == "IMPRECISE" }))
	column("disturbed_blocks", "int64", pick(want, func(n network) any {
		if n.record["disturbed_blocks"] == nil {
			return plain(int64(0))
		}
		return n.record["disturbed_blocks"]
	}))
	column("network", "int64", pick(want, func(n network) any { return plain(int64(n.row.Network.Index)) }))
	column("id", "<U", pick(want, func(n network) any { return n.row.ID }))
	column("model", "<U", pick(want, func(n network) any {
		if n.record["model"] == nil {
			return ""
		}
		return n.record["model"]
	}))
	names, x := got["feature_names"].Values.([]any), got["X"].Values.([]any)
	for i, w := range want {
		used := 0
		for j, v := range x[i].([]any) {
			if w.row.ID != "" { // a point: ones at the entries that it uses
				if v == json.Number("1") {
					used++
				}
				continue
			}
			f, ok := w.row.Network.Features[unclean(w.row.Network.Features, names[j].(string))]
			if ok != (v != nil) || ok && v != plain(f) {
				t.Errorf("network %d: feature %q is %v, want %v", i, names[j], v, f)
			}
		}
		if w.row.ID != "" && used != strings.Count(w.row.Network.Indices, ":")+1-stages(t) {
			t.Errorf("network %d: %d ones in X", i, used)
		}
	}
}

// unclean finds the feature that a cleaned name is of.
func unclean(features map[string]float64, name string) string {
	for f := range features {
		if strings.ReplaceAll(strings.ToValidUTF8(f, "\uFFFD"), "\x00", "\uFFFD") == name {
			return f
		}
	}
	return ""
}

// stages is how many of the decisions are widths.
func stages(t *testing.T) int { return len(tiny(t).Stages) }

func pick(want []network, f func(network) any) []any {
	var list []any
	for _, n := range want {
		list = append(list, f(n))
	}
	return list
}
