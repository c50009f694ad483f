package sim

import (
	"fmt"
	"testing"

	"latlab/sampler/graph"
)

// net builds a chain of ops.
type net struct {
	g *graph.Graph
	x int
}

func block(side, channels int) *net {
	return &net{g: &graph.Graph{
		Name: fmt.Sprintf("block-%d-%d", side, channels), Inputs: []int{0}, Outputs: []int{0},
		Tensors: []graph.Tensor{{Name: "input", Shape: [4]int{1, side, side, channels}}},
	}}
}

func (n *net) add(kind graph.Kind, kernel, channels int) *net {
	in := n.g.Tensors[n.x].Shape
	y := len(n.g.Tensors)
	name := fmt.Sprintf("op%d", y)
	n.g.Tensors = append(n.g.Tensors, graph.Tensor{Name: name, Shape: [4]int{1, in[1], in[2], channels}})
	n.g.Ops = append(n.g.Ops, graph.Op{
		Kind: kind, Name: name, Inputs: []int{n.x}, Output: y, Activation: graph.ReLU6,
		Kernel: [2]int{kernel, kernel}, Stride: [2]int{1, 1}, BatchNorm: true,
	})
	n.x, n.g.Outputs = y, []int{y}
	return n
}

func (n *net) conv(kernel, channels int) *net { return n.add(graph.Conv2D, kernel, channels) }
func (n *net) depthwise(kernel int) *net {
	return n.add(graph.DepthwiseConv, kernel, n.g.Tensors[n.x].Shape[3])
}
func (n *net) other(kind graph.Kind, channels int) *net { return n.add(kind, 0, channels) }

// The blocks of the paper's comparison, all with c input and c output channels.
func regular(side, c int) *net   { return block(side, c).conv(3, c) }
func separable(side, c int) *net { return block(side, c).depthwise(3).conv(1, c) }
func inverted(side, c, e int) *net {
	return block(side, c).conv(1, e*c).depthwise(3).conv(1, c)
}
func fused(side, c, e int) *net { return block(side, c).conv(3, e*c).conv(1, c) }

// opSeconds is the time of a network without the cost of the call.
func opSeconds(t testing.TB, device string, n *net) float64 {
	t.Helper()
	s, err := builtin(device)
	if err != nil {
		t.Fatal(err)
	}
	return s.evaluate(n.g, &s.Precisions[0]).seconds - s.Overhead.CallSeconds.Value
}

// TestRegularBeatsDepthwise: MobileDets (Xiong et al., CVPR 2021), introduction: on the
// EdgeTPU a regular convolution is up to 3 times as fast as its depthwise variant, with
// about 7 times the multiply-accumulates.
func TestRegularBeatsDepthwise(t *testing.T) {
	var most float64
	for _, side := range []int{160, 80, 40} {
		for _, c := range []int{24, 32, 40} {
			r, d := regular(side, c), separable(side, c)
			work := float64(r.g.TotalMACs()) / float64(d.g.TotalMACs())
			gain := opSeconds(t, "sim-pixel4-edgetpu", d) / opSeconds(t, "sim-pixel4-edgetpu", r)
			t.Logf("%3d x %3d x %2d: %.1f times the MACs, %.2f times as fast", side, side, c, work, gain)
			if work < 6 || work > 8 {
				t.Errorf("%d, %d channels: %.1f times the MACs is not about 7", side, c, work)
			}
			if gain <= 1 {
				t.Errorf("%d, %d channels: the regular convolution is %.2f times as fast", side, c, gain)
			}
			most = max(most, gain)
		}
	}
	if most < 2.7 || most > 3.3 {
		t.Errorf("at most %.2f times as fast, want about 3", most)
	}
	// The factor never gets much larger, and on the CPU the regular convolution is always slower.
	for _, side := range []int{160, 80, 40, 20, 10} {
		for _, c := range []int{16, 24, 32, 48, 64, 96, 128} {
			if gain := opSeconds(t, "sim-pixel4-edgetpu", separable(side, c)) / opSeconds(t, "sim-pixel4-edgetpu", regular(side, c)); gain > 3.3 {
				t.Errorf("EdgeTPU, %d, %d channels: %.2f times as fast", side, c, gain)
			}
			if gain := opSeconds(t, "sim-pixel1-cpu", separable(side, c)) / opSeconds(t, "sim-pixel1-cpu", regular(side, c)); gain >= 1 {
				t.Errorf("CPU, %d, %d channels: the regular convolution is %.2f times as fast", side, c, gain)
			}
		}
	}
}

// TestInvertedAgainstFused: an inverted bottleneck beats the fused block of the same width
// and expansion on the CPU everywhere, and loses on the EdgeTPU in the early stages; late,
// where maps are small and wide in channels, it wins there too.
func TestInvertedAgainstFused(t *testing.T) {
	for _, tc := range []struct {
		device string
		side   int
		widths []int
		wins   bool // the inverted bottleneck wins
	}{
		{"sim-pixel1-cpu", 160, []int{16, 32, 64}, true},
		{"sim-pixel1-cpu", 80, []int{16, 32, 64}, true},
		{"sim-pixel1-cpu", 40, []int{32, 64, 96}, true},
		{"sim-pixel1-cpu", 20, []int{64, 96, 128}, true},
		{"sim-pixel1-cpu", 10, []int{96, 160, 240}, true},
		{"sim-pixel4-edgetpu", 160, []int{8, 16, 24, 32}, false},
		{"sim-pixel4-edgetpu", 80, []int{16, 24, 32, 48, 64}, false},
		{"sim-pixel4-edgetpu", 40, []int{24, 32, 48, 64}, false},
		{"sim-pixel4-edgetpu", 20, []int{160, 192}, true},
		{"sim-pixel4-edgetpu", 10, []int{160, 192, 240}, true},
	} {
		for _, width := range tc.widths {
			for _, e := range []int{4, 8} {
				ratio := opSeconds(t, tc.device, inverted(tc.side, width, e)) / opSeconds(t, tc.device, fused(tc.side, width, e))
				t.Logf("%s %3d x %3d x %3d e%d: inverted takes %.2f of fused", tc.device, tc.side, tc.side, width, e, ratio)
				if (ratio < 1) != tc.wins {
					t.Errorf("%s, %d, width %d, expansion %d: inverted takes %.2f of fused", tc.device, tc.side, width, e, ratio)
				}
			}
		}
	}
}
