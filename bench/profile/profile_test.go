package profile_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"latlab/bench/profile"
	"latlab/devices"
	"latlab/devices/sim"
	"latlab/fixtures"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// tiny is a convolution, its h-swish, a pointwise convolution and the sum of both, in float32. A QUANTIZE that
// the graph does not have is the file's first operator.
func tiny() []profile.Op {
	op := func(node int, kind graph.Kind, window int, macs, in, out, weights int64, from ...int) profile.Op {
		return profile.Op{Node: node, From: from, Row: graph.Row{
			Kind: kind, Kernel: [2]int{window, window}, Position: "stem", MACs: macs,
			InputBytes: in, OutputBytes: out, WeightBytes: weights,
			Input: [4]int{1, 8, 8, int(in)}, Output: [4]int{1, 8, 8, int(out)},
		}}
	}
	ops := []profile.Op{
		op(1, graph.Conv2D, 3, 1000, 10, 40, 50),
		op(2, graph.HardSwish, 0, 0, 40, 40, 0, 1),
		op(3, graph.Conv2D, 1, 400, 40, 40, 20, 2),
		op(4, graph.Add, 0, 0, 80, 40, 0, 2, 3),
	}
	ops[3].Position = "bias"
	return ops
}

func TestJoin(t *testing.T) {
	type row struct {
		Type, Position     string
		In, Out, Weights   int64
		MACs               int64
		Rank               int
		Share, Upto        float64
		Rate, Intensity    float64
		InWidth, OutWidths int
	}
	layer := func(op string, seconds float64, nodes ...int) devices.Layer {
		return devices.Layer{Op: op, Seconds: seconds, Nodes: nodes}
	}
	for _, tc := range []struct {
		name   string
		layers []devices.Layer
		want   []row
	}{
		{"one to one", []devices.Layer{layer("C", 4, 1), layer("H", 1, 2), layer("C", 2, 3), layer("A", 3, 4)}, []row{
			{"conv 3x3", "stem", 10, 40, 50, 1000, 1, 0.4, 0.4, 250, 10, 10, 40},
			{"h-swish", "stem", 40, 40, 0, 0, 4, 0.1, 1, 0, 0, 40, 40},
			{"conv 1x1", "stem", 40, 40, 20, 400, 3, 0.2, 0.9, 200, 4, 40, 40},
			{"add", "bias", 80, 40, 0, 0, 2, 0.3, 0.7, 0, 0, 80, 40},
		}},
		// What stays inside a fused row is neither read nor written, and 2 is read by the addition as well.
		{"fused", []devices.Layer{layer("C", 1, 1, 2, 3), layer("A", 1, 4)}, []row{
			{"conv 1x1+conv 3x3+h-swish", "stem", 10, 80, 70, 1400, 1, 0.5, 0.5, 1400, 8.75, 10, 40},
			{"add", "bias", 80, 40, 0, 0, 2, 0.5, 1, 0, 0, 80, 40},
		}},
		{"the whole network", []devices.Layer{layer("DELEGATE", 2, 1, 2, 3, 4)}, []row{
			{"4 ops", "bias+stem", 10, 40, 70, 1400, 1, 1, 1, 700, 1400. / 120, 10, 40},
		}},
		{"nothing is guessed", []devices.Layer{layer("QUANTIZE", 1, 0), layer("CONV_2D", 1), layer("C", 1, 1, 77), layer("overhead", 1)}, []row{
			{"QUANTIZE", "", 0, 0, 0, 0, 1, 0.25, 0.25, 0, 0, 0, 0},
			{"CONV_2D", "", 0, 0, 0, 0, 2, 0.25, 0.5, 0, 0, 0, 0},
			{"C", "", 0, 0, 0, 0, 3, 0.25, 0.75, 0, 0, 0, 0},
			{"overhead", "", 0, 0, 0, 0, 4, 0.25, 1, 0, 0, 0, 0},
		}},
		{"below the resolution", []devices.Layer{layer("C", 0, 1)}, []row{
			{"conv 3x3", "stem", 10, 40, 50, 1000, 1, 0, 0, 0, 10, 10, 40},
		}},
		{"the device's own count", []devices.Layer{{Op: "C", Seconds: 1, Nodes: []int{1}, MACs: 1280}}, []row{
			{"conv 3x3", "stem", 10, 40, 50, 1280, 1, 1, 1, 1280, 12.8, 10, 40},
		}},
		{"no rows", nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			table := profile.Join(&devices.Profile{Layers: tc.layers}, tiny())
			var got []row
			for _, r := range table.Rows {
				g := row{r.Type, r.Position, r.InputBytes, r.OutputBytes, r.WeightBytes, r.MACs, r.Rank, r.Share, r.Upto, 0, 0, 0, 0}
				if r.Rate != nil {
					g.Rate = *r.Rate
				}
				if r.Intensity != nil {
					g.Intensity = *r.Intensity
				}
				if r.InputShape != nil {
					g.InWidth, g.OutWidths = r.InputShape[3], r.OutputShape[3]
				}
				got = append(got, g)
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGroups(t *testing.T) {
	p := &devices.Profile{Layers: []devices.Layer{
		{Op: "x", Kernel: "GEMM", Seconds: 1, Nodes: []int{3}}, {Op: "x", Kernel: "IGEMM", Seconds: 4, Nodes: []int{1}},
		{Op: "x", Kernel: "GEMM", Seconds: 1, Nodes: []int{3}}, {Op: "overhead", Seconds: 2}, {Op: "add", Seconds: 2, Nodes: []int{4}},
	}}
	table := profile.Join(p, tiny())
	wantTypes := []profile.Group{
		{Name: "conv 3x3", Kernel: "IGEMM", Rows: 1, Seconds: 4, Share: 0.4, Upto: 0.4, MACs: 1000, Bytes: 100, Rate: new(250.)},
		{Name: "conv 1x1", Kernel: "GEMM", Rows: 2, Seconds: 2, Share: 0.2, Upto: 0.6, MACs: 800, Bytes: 200, Rate: new(400.)},
		{Name: "overhead", Rows: 1, Seconds: 2, Share: 0.2, Upto: 0.8},
		{Name: "add", Rows: 1, Seconds: 2, Share: 0.2, Upto: 1, Bytes: 120},
	}
	if diff := cmp.Diff(wantTypes, table.ByType, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
		t.Errorf("by type (-want +got):\n%s", diff)
	}
	wantPositions := []profile.Group{
		{Name: "stem", Rows: 3, Seconds: 6, Share: 0.6, Upto: 0.6, MACs: 1800, Bytes: 300, Rate: new(300.)},
		{Rows: 1, Seconds: 2, Share: 0.2, Upto: 0.8},
		{Name: "bias", Rows: 1, Seconds: 2, Share: 0.2, Upto: 1, Bytes: 120},
	}
	if diff := cmp.Diff(wantPositions, table.ByPosition, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
		t.Errorf("by position (-want +got):\n%s", diff)
	}
	if other := profile.Join(&devices.Profile{Layers: []devices.Layer{{Op: "x", Seconds: 1}}}, nil); other.ByPosition != nil {
		t.Errorf("a profile without positions has %v", other.ByPosition)
	}
}

// TestSimulated: a simulator's rows are the graph's ops in every form of the model, and a uint8 input shifts
// the operators of the file by its QUANTIZE.
func TestSimulated(t *testing.T) {
	f, err := fixtures.Get("mobiledet_edgetpu")
	if err != nil {
		t.Fatal(err)
	}
	g, err := f.Graph()
	if err != nil {
		t.Fatal(err)
	}
	d, err := sim.Open(sim.Options{Name: "sim-pixel4-edgetpu"})
	if err != nil {
		t.Fatal(err)
	}
	for input, first := range map[model.Input]int{"": 0, model.UInt8: 1} {
		m, err := model.New(g, model.Form{Format: model.TFLite, Precision: model.Int8, Input: input}, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := d.Profile(t.Context(), m, devices.Plan{})
		if err != nil {
			t.Fatal(err)
		}
		table := profile.Join(p, profile.Ops(m, f.Space))
		if len(table.Rows) != len(g.Ops)+1 || len(p.Layers[0].Nodes) != 1 || p.Layers[0].Nodes[0] != first {
			t.Fatalf("%d rows of %d ops, the first is node %v", len(table.Rows), len(g.Ops), p.Layers[0].Nodes)
		}
		var sum float64
		for i, op := range g.Ops {
			r := table.Rows[i]
			sum += r.Share
			if r.Name != op.Name || r.MACs != g.MACs(op) || r.Position == "" || *r.OutputShape != g.Out(op) ||
				r.Bytes() != g.InputElements(op)+g.OutputElements(op)+g.WeightBytes(op, 1) {
				t.Fatalf("row %d of %s is %+v", i, op.Name, r)
			}
		}
		if last := table.Rows[len(g.Ops)]; last.Position != "" || last.Rate != nil || math.Abs(sum+last.Share-1) > 1e-9 {
			t.Errorf("the call is %+v; all rows have the share %v", last, sum+last.Share)
		}
	}
}

func TestOverhead(t *testing.T) {
	for _, tc := range []struct{ whole, plain, want *float64 }{
		{nil, nil, nil}, {new(2.), nil, nil}, {new(2.), new(0.), nil}, {new(2.1), new(2.), new(0.05)},
	} {
		got := profile.Overhead(&devices.Profile{WholeSeconds: tc.whole, PlainSeconds: tc.plain})
		if diff := cmp.Diff(tc.want, got, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
