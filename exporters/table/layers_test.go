package table

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/bench/profile"
	"latlab/devices"
	"latlab/sampler/graph"
)

// profiledSweep has a profile of two rows, of which only the first is joined.
func profiledSweep(t *testing.T) (*memory.Store, bench.Sweep, map[int]bench.Network) {
	t.Helper()
	st := memory.New()
	m := bench.Sweep{ID: "abc", Precision: "int8", Device: devices.Info{Name: "de\xffvice", Kind: devices.Measured}}
	n := bench.Network{Index: 7, Name: "net", Space: "s", Indices: "0:1"}
	p := bench.Profiled{
		Network: 7,
		Profile: devices.Profile{Runs: 20, WholeSeconds: new(3.), PlainSeconds: new(2.), Layers: []devices.Layer{
			{Name: "a", Op: "CONV_2D", Kernel: "Convolution (NHWC, F32) IGEMM", Where: "CPU", Nodes: []int{0, 1}, Seconds: 0.75},
			{Name: "call", Op: "overhead", Seconds: 0.25},
		}},
		Ops: []profile.Op{
			{Node: 0, Row: graph.Row{Kind: graph.Conv2D, Kernel: [2]int{3, 3}, Position: "stem", MACs: 300, Input: [4]int{1, 4, 4, 3}, InputBytes: 48, OutputBytes: 32, WeightBytes: 10}},
			{Node: 1, From: []int{0}, Row: graph.Row{Kind: graph.HardSwish, Position: "stem", Output: [4]int{1, 4, 4, 2}, InputBytes: 32, OutputBytes: 32}},
		},
	}
	err := errors.Join(st.CreateSweep(t.Context(), m), st.Plan(t.Context(), m.ID, []bench.Network{n}, nil), st.AddProfile(t.Context(), m.ID, p))
	if err != nil {
		t.Fatal(err)
	}
	return st, m, map[int]bench.Network{7: n}
}

func TestLayers(t *testing.T) {
	st, m, networks := profiledSweep(t)
	var text bytes.Buffer
	if err := LayersCSV(&text, Layers(m, networks, st.Profiles(t.Context(), m.ID))); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&text).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		LayerColumns(),
		{
			"abc", "net", "s", "0:1", "de\uFFFDvice", "measured", "int8", "20", "0.5", "0", "a", "CONV_2D", "conv 3x3+h-swish",
			"Convolution (NHWC, F32) IGEMM", "CPU", "0:1", "stem", "1x4x4x3", "1x4x4x2", "0.75", "0.75", "1", "0.75",
			"300", "400", "3.3333333333333335", "48", "32", "10",
		},
		{
			"abc", "net", "s", "0:1", "de\uFFFDvice", "measured", "int8", "20", "0.5", "1", "call", "overhead", "overhead",
			"", "", "", "", "", "", "0.25", "0.25", "2", "1", "", "", "", "", "", "",
		},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("csv (-want +got):\n%s", diff)
	}

	var lines, file bytes.Buffer
	if err := LayersJSONL(&lines, Layers(m, networks, st.Profiles(t.Context(), m.ID))); err != nil {
		t.Fatal(err)
	}
	if err := LayersParquet(&file, m, Layers(m, networks, st.Profiles(t.Context(), m.ID))); err != nil {
		t.Fatal(err)
	}
	var fromLines []Layer
	for line := range strings.Lines(lines.String()) {
		var l struct {
			SchemaVersion int `json:"schema_version"`
			Layer
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.SchemaVersion != LayersSchema {
			t.Fatalf("%s: version %d, %v", line, l.SchemaVersion, err)
		}
		fromLines = append(fromLines, l.Layer)
	}
	fromParquet, err := parquet.Read[Layer](bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromLines, fromParquet); diff != "" || len(fromLines) != 2 {
		t.Errorf("%d lines; parquet (-lines +parquet):\n%s", len(fromLines), diff)
	}
}

// TestLayersStopAtAnError: the error of the store is that of the export.
func TestLayersStopAtAnError(t *testing.T) {
	bad := errors.New("damaged")
	rows := Layers(bench.Sweep{}, nil, func(yield func(bench.Profiled, error) bool) { yield(bench.Profiled{}, bad) })
	var b bytes.Buffer
	for _, err := range []error{LayersCSV(&b, rows), LayersJSONL(&b, rows), LayersParquet(&b, bench.Sweep{}, rows)} {
		if !errors.Is(err, bad) {
			t.Errorf("error %v", err)
		}
	}
}
