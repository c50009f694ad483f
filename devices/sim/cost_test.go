package sim

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"latlab/fixtures/fixturetest"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// builtin returns the constants of a built-in simulator by its device name.
func builtin(device string) (*Spec, error) {
	n, err := ParseName(device)
	if err != nil {
		return nil, err
	}
	s, _, err := n.load()
	return s, err
}

func spec(t testing.TB, device string) *Spec {
	t.Helper()
	s, err := builtin(device)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// firstOp returns the cost of a network's first op.
func firstOp(s *Spec, n *net) opCost { return s.evaluate(n.g, &s.Precisions[0]).ops[0] }

// TestTilesAndWaves: work is padded to whole tiles, and tiles to whole waves.
func TestTilesAndWaves(t *testing.T) {
	tpu, gpu := spec(t, "sim-pixel4-edgetpu"), spec(t, "sim-jetson-xavier")
	compute := func(s *Spec, side, in, out int) float64 { return firstOp(s, block(side, in).conv(3, out)).compute }
	for _, tc := range []struct {
		name string
		a, b float64
		want float64 // ratio of b to a
	}{
		{"33 channels are two tiles as 64 are", compute(tpu, 40, 64, 33), compute(tpu, 40, 64, 64), 1},
		{"65 channels are three tiles", compute(tpu, 40, 64, 64), compute(tpu, 40, 64, 65), 1.5},
		// 16 x 16 positions of 64 channels are 4 of 8 units' first wave; 24 x 24 are 9.
		{"four tiles take as long as eight", compute(gpu, 16, 64, 64), compute(gpu, 16, 64, 128), 1},
		{"nine tiles are two waves", compute(gpu, 16, 64, 64), compute(gpu, 24, 64, 64), 2},
		{"an image's three channels pad 27 to 32, not three to 16", compute(tpu, 80, 3, 32), compute(tpu, 80, 16, 32), 144.0 / 32},
	} {
		if got := tc.b / tc.a; math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("%s: %v times as long, want %v", tc.name, got, tc.want)
		}
	}
}

// TestMemory: what does not fit spills, and weights beyond the cache are streamed.
func TestMemory(t *testing.T) {
	s := spec(t, "sim-pixel4-edgetpu")
	m := &s.Memory
	near, far := m.OnChipBytesPerSecond.Value, m.DRAMBytesPerSecond.Value
	pool := func(side int) float64 { return firstOp(s, block(side, 16).other("max_pool", 16)).memory }
	// 80 x 80 x 16, twice, are 204,800 bytes: all on the chip. 400 x 400 x 16 are 5,120,000.
	if got, want := pool(80), 204800/near; math.Abs(got/want-1) > 1e-9 {
		t.Errorf("on the chip: %v s, want %v", got, want)
	}
	if got, want := pool(400), 2e6/near+(5120000-2e6)/far; math.Abs(got/want-1) > 1e-9 {
		t.Errorf("spilled: %v s, want %v", got, want)
	}
	// Three 1x1 convolutions of 2048 x 2048 are 4 MiB each: the cache holds one and part of another.
	n := block(1, 2048).conv(1, 2048).conv(1, 2048).conv(1, 2048)
	c := s.evaluate(n.g, &s.Precisions[0])
	w := 2048.0 * 2048
	for i, streamed := range []float64{0, 2*w - 6e6, w} {
		want := (w-streamed+2*2048)/near + streamed/far
		if got := c.ops[i].memory; math.Abs(got/want-1) > 1e-9 {
			t.Errorf("weights of op %d: %v s, want %v with %v bytes streamed", i, got, want, streamed)
		}
	}
}

// TestFused: a fused addition costs its second input's traffic and no dispatch.
func TestFused(t *testing.T) {
	s := spec(t, "sim-pixel4-edgetpu")
	n := block(40, 16).conv(1, 16)
	n.g.Tensors = append(n.g.Tensors, n.g.Tensors[1])
	n.g.Ops = append(n.g.Ops, graph.Op{Kind: graph.Add, Name: "residual", Inputs: []int{0, 1}, Output: 2})
	n.g.Outputs = []int{2}
	c := s.evaluate(n.g, &s.Precisions[0])
	if got, want := c.ops[1].seconds, 40*40*16/s.Memory.OnChipBytesPerSecond.Value; math.Abs(got/want-1) > 1e-9 {
		t.Errorf("a fused addition takes %v s, want %v", got, want)
	}
}

// TestPeak: tensors live from the op that writes them to the last op that reads them.
func TestPeak(t *testing.T) {
	n := block(10, 8).conv(1, 64).conv(1, 8)
	n.g.Tensors = append(n.g.Tensors, graph.Tensor{Name: "sum", Shape: [4]int{1, 10, 10, 8}})
	n.g.Ops = append(n.g.Ops, graph.Op{Kind: graph.Add, Name: "sum", Inputs: []int{0, 2}, Output: 3})
	n.g.Outputs = []int{3}
	// While the second convolution runs, the input waits for the addition: 8 + 64 + 8.
	if got, want := peakElements(n.g), int64(100*(8+64+8)); got != want {
		t.Errorf("%d elements at most, want %d", got, want)
	}
}

// TestMonotone: a wider block, a larger map or an additional op never takes less time.
func TestMonotone(t *testing.T) {
	for _, name := range Names() {
		s := spec(t, name)
		seconds := func(n *net) float64 { return s.evaluate(n.g, &s.Precisions[0]).seconds }
		rapid.Check(t, func(t *rapid.T) {
			side, c, e := rapid.IntRange(1, 160).Draw(t, "side"), rapid.IntRange(1, 200).Draw(t, "channels"), rapid.IntRange(1, 8).Draw(t, "expansion")
			build := map[string]func(side, c, e int) *net{"inverted": inverted, "fused": fused}[rapid.SampledFrom([]string{"inverted", "fused"}).Draw(t, "type")]
			base := seconds(build(side, c, e))
			for what, other := range map[string]*net{
				"side": build(side+1, c, e), "channels": build(side, c+1, e), "expansion": build(side, c, e+1), "op": build(side, c, e).conv(3, 8),
			} {
				if x := seconds(other); !(x >= base*(1-1e-12)) {
					t.Errorf("%s, %d, %d, %d: one more %s takes %v s instead of %v", name, side, c, e, what, x, base)
				}
			}
		})
	}
}

// TestLayersSum: the rows of a graph sum to a call in every precision.
func TestLayersSum(t *testing.T) {
	s := spec(t, "sim-jetson-xavier")
	g := fixturetest.Graph(t, "mobiledet_gpu")
	for _, p := range s.Precisions {
		rows := s.layers(&model.Model{Graph: g}, &p)
		var sum float64
		for _, r := range rows {
			sum += r.Seconds
		}
		if want := s.evaluate(g, &p).seconds; len(rows) != len(g.Ops)+1 || math.Abs(sum/want-1) > 1e-12 {
			t.Errorf("%s: %d rows sum to %v s, a call takes %v", p.Precision, len(rows), sum, want)
		}
	}
	if s.precision("float7") != nil {
		t.Error("float7 was taken")
	}
	if err := s.check(&graph.Graph{Name: "nothing"}); err == nil {
		t.Error("a network of nothing was taken")
	}
}

func BenchmarkEvaluate(b *testing.B) {
	for _, name := range []string{"sim-pixel1-cpu", "sim-pixel4-edgetpu"} {
		s, g := spec(b, name), fixturetest.Graph(b, "mobiledet_cpu")
		b.Run(fmt.Sprintf("%s-%d-ops", name, len(g.Ops)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.evaluate(g, &s.Precisions[0])
			}
		})
	}
}
