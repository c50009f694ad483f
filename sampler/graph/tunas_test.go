package graph

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/sampler"
)

// archived is a network of google-research/tunas, mobile_model_archive.py: a width for each block, and an
// operation for each layer that has some: 3*multiplier+kernel of (3, 6) and (3, 5, 7), 6 = skip.
type archived struct {
	widths [9]int
	ops    [22]int
}

func (a archived) blocks() []sampler.Block {
	blocks := []sampler.Block{
		{Type: sampler.Conv, Kernel: 3, Stride: 2, Width: a.widths[0]},
		{Type: sampler.Separable, Kernel: 3 + 2*a.ops[0], Stride: 1, Width: a.widths[1]},
	}
	for i, op := range a.ops[1:] {
		if op == 6 {
			continue
		}
		stage, first := i/4, i%4 == 0
		b := sampler.Block{Type: sampler.Bottleneck, Kernel: 3 + 2*(op%3), Expansion: 3 * (1 + op/3), Stride: 1, Width: a.widths[2+stage], Residual: !first}
		if first && stage != 3 && stage != 5 {
			b.Stride = 2
		}
		blocks = append(blocks, b)
	}
	return append(blocks, sampler.Block{Type: sampler.Conv, Kernel: 1, Stride: 1, Width: a.widths[8]})
}

// The networks that TuNAS compares with are points of its spaces. Their sizes are those of other people's
// implementations with 1000 classes: Keras' MobileNetV2 (3,538,984 parameters with all of batch norm,
// 300,774,272 multiply-accumulates), torchvision's mnasnet1_0 (4,383,312 parameters that are trained, 0.314 G). The
// paper of ProxylessNAS gives 320 M, its code 4.08 M parameters.
func TestTuNASArchive(t *testing.T) {
	const class = 1280 // weights of one more class
	v2 := archived{[9]int{32, 16, 24, 32, 64, 96, 160, 320, 1280}, [22]int{0, 3, 3, 6, 6, 3, 3, 3, 6, 3, 3, 3, 3, 3, 3, 3, 6, 3, 3, 3, 6, 3}}
	mnas := archived{[9]int{32, 16, 24, 40, 80, 96, 192, 320, 1280}, [22]int{0, 0, 0, 0, 6, 1, 1, 1, 6, 4, 4, 4, 6, 3, 3, 6, 6, 4, 4, 4, 4, 3}}
	proxyless := archived{[9]int{32, 16, 32, 40, 80, 96, 192, 320, 1280}, [22]int{0, 1, 0, 6, 6, 2, 0, 1, 1, 5, 1, 1, 1, 4, 1, 1, 1, 5, 5, 2, 2, 5}}
	type size struct{ MACs, Params, Trained int64 }
	for _, c := range []struct {
		name, space string
		network     archived
		want        size
	}{
		{"MobileNetV2", "proxylessnas_enlarged_search", v2, size{300_774_272 + class, 3_538_984 + class + 1, 3_504_872 + class + 1}},
		{"MnasNet-B1", "proxylessnas_enlarged_search", mnas, size{314_417_152, 4_422_513, 4_383_312 + class + 1}},
		{"ProxylessNAS-Mobile", "proxylessnas_enlarged_search", proxyless, size{320_428_864, 4_116_289, 4_081_793}},
		{"ProxylessNAS-Mobile", "proxylessnas_search", proxyless, size{320_428_864, 4_116_289, 4_081_793}},
	} {
		s, err := sampler.Builtin(c.space)
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.ArchOfBlocks(c.network.blocks())
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		g := mustLower(t, s, a)
		got := size{g.TotalMACs(), g.TotalParams(), g.TotalParams()}
		for _, op := range g.Ops {
			if op.BatchNorm {
				got.Trained -= 2 * int64(g.Out(op)[3]) // the moving mean and variance
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s in %s, %s (-want +got):\n%s", c.name, c.space, a, diff)
		}
	}
}

// MobileNetV3-Large (219 M multiply-accumulates, 5.4 M parameters) is no point of its space: it has 112 channels,
// and expansions of 2.5 and 2.3. The nearest point has about its size, and all of its details: hidden layers of
// 24 channels for 72, ReLU in them, and a head that pools before its last convolution.
func TestNearMobileNetV3(t *testing.T) {
	s, err := sampler.Builtin("mobilenet_v3_like_search")
	if err != nil {
		t.Fatal(err)
	}
	const relu = sampler.ReLU
	b := func(kernel, stride, expansion int, se float64, act sampler.Activation, width int, residual bool) sampler.Block {
		return sampler.Block{Type: sampler.Bottleneck, Kernel: kernel, Stride: stride, Expansion: expansion, SE: se, Activation: act, Width: width, Residual: residual}
	}
	a, err := s.ArchOfBlocks([]sampler.Block{
		{Type: sampler.Conv, Kernel: 3, Stride: 2, Width: 16},
		{Type: sampler.Separable, Kernel: 3, Stride: 1, Width: 16, Activation: relu, Residual: true},
		b(3, 2, 4, 0, relu, 24, false), b(3, 1, 3, 0, relu, 24, true),
		b(5, 2, 3, 0.25, relu, 40, false), b(5, 1, 3, 0.25, relu, 40, true), b(5, 1, 3, 0.25, relu, 40, true),
		b(3, 2, 6, 0, "", 80, false), b(3, 1, 3, 0, "", 80, true), b(3, 1, 2, 0, "", 80, true), b(3, 1, 2, 0, "", 80, true),
		b(3, 1, 6, 0.25, "", 128, false), b(3, 1, 6, 0.25, "", 128, true),
		b(5, 2, 6, 0.25, "", 160, false), b(5, 1, 6, 0.25, "", 160, true), b(5, 1, 6, 0.25, "", 160, true),
		{Type: sampler.Conv, Kernel: 1, Stride: 1, Width: 1024},
		{Type: sampler.Conv, Kernel: 1, Stride: 1, Width: 1280, Bias: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	g := mustLower(t, s, a)
	if m, p := g.TotalMACs(), g.TotalParams(); m < 219_000_000 || m > 240_000_000 || p < 5_400_000 || p > 6_000_000 {
		t.Errorf("%s: %d multiply-accumulates, %d parameters", a, m, p)
	}
	var squeezed, last []Op
	for _, op := range g.Ops {
		if op.Name == "stage2/layer1/se/reduce" {
			squeezed = append(squeezed, op)
		}
		if op.Position >= len(s.Positions())-5 {
			last = append(last, op)
		}
	}
	if len(squeezed) != 1 || g.Out(squeezed[0])[3] != 24 || squeezed[0].Activation != ReLU6 {
		t.Errorf("squeeze-and-excite of 72 channels: %+v", squeezed)
	}
	var kinds []Kind
	for _, op := range last {
		kinds = append(kinds, op.Kind)
	}
	if diff := cmp.Diff([]Kind{Conv2D, HardSwish, AveragePool, Conv2D, HardSwish, FullyConnected}, kinds); diff != "" {
		t.Errorf("the head (-want +got):\n%s", diff)
	}
}
