package graph

import (
	"cmp"
	"fmt"

	"latlab/sampler"
)

// builder appends ops to a graph. The current pos pays for each new op.
type builder struct {
	space *sampler.Space
	g     *Graph
	pos   int
}

// newBuilder reserves memory for about this many ops: 300 for a whole MobileDet with
// squeeze-and-excite and h-swish, 20 for one table entry.
func newBuilder(s *sampler.Space, ops int) *builder {
	return &builder{space: s, g: &Graph{
		Tensors: make([]Tensor, 0, ops),
		Ops:     make([]Op, 0, ops),
	}}
}

func (b *builder) tensor(name string, shape [4]int) int {
	b.g.Tensors = append(b.g.Tensors, Tensor{Name: name, Shape: shape})
	return len(b.g.Tensors) - 1
}

// add appends an op with a new output tensor of the same name.
func (b *builder) add(op Op, shape [4]int) int {
	op.Position = b.pos
	op.Output = b.tensor(op.Name, shape)
	if op.Activation == "" {
		op.Activation = Linear
	}
	b.g.Ops = append(b.g.Ops, op)
	return op.Output
}

func (b *builder) shape(x int) [4]int { return b.g.Tensors[x].Shape }
func (b *builder) channels(x int) int { return b.g.Tensors[x].Shape[3] }

// conv is a convolution as the lowering writes it: SAME padding, the same kernel and stride for
// both axes.
type conv struct {
	name    string
	kernel  int
	stride  int
	filters int // 0: depthwise
	act     sampler.Activation
	bias    bool // a bias instead of batch norm
}

// conv appends a convolution and, if the activation cannot be fused, an op for it.
func (b *builder) conv(x int, c conv) int {
	in := b.shape(x)
	op := Op{
		Kind: Conv2D, Name: c.name, Inputs: []int{x},
		Kernel: [2]int{c.kernel, c.kernel}, Stride: [2]int{c.stride, c.stride},
		BatchNorm: !c.bias,
	}
	if c.filters == 0 {
		op.Kind, c.filters = DepthwiseConv, in[3]
	}
	if c.act == sampler.ReLU6 || c.act == sampler.ReLU {
		op.Activation = ReLU6
	}
	y := b.add(op, [4]int{in[0], same(in[1], c.stride), same(in[2], c.stride), c.filters})
	if c.act == sampler.HSwish {
		return b.add(Op{Kind: HardSwish, Name: c.name + "/h-swish", Inputs: []int{y}}, b.shape(y))
	}
	return y
}

// same is the output extent with SAME padding: at least 1 for any input of at least 1.
func same(n, stride int) int { return (n + stride - 1) / stride }

// layer appends one choice of a layer and its residual addition.
func (b *builder) layer(x, stage, layer, choice, width int) (int, error) {
	st := b.space.Stages[stage]
	l, c := st.Layers[layer], st.Layers[layer].Choices[choice]
	name := st.LayerName(layer)
	if err := checkChoice(l, c, b.channels(x), width); err != nil {
		return 0, fmt.Errorf("%s: choice %s: %w", name, c.Name, err)
	}
	switch c.Type {
	case sampler.Skip, sampler.ActivationMark, sampler.EndpointMark:
		return x, nil
	case sampler.Pool:
		return b.pool(x, name+"/pool"), nil
	}
	y := b.block(x, name, l.Stride, c, width)
	if l.Residual {
		y = b.add(Op{Kind: Add, Name: name + "/residual", Inputs: []int{x, y}}, b.shape(y))
	}
	return y, nil
}

func checkChoice(l sampler.Layer, c sampler.Choice, in, out int) error {
	opless := false
	switch c.Type {
	case sampler.Skip, sampler.ActivationMark, sampler.EndpointMark, sampler.Pool:
		opless = true
	}
	if opless || l.Residual {
		if l.Stride != 1 || in != out {
			return fmt.Errorf("skip and residual need stride 1 and equal widths, have stride %d and widths %d and %d", l.Stride, in, out)
		}
	}
	if opless {
		return nil
	}
	if c.Activation != "" && !known(c.Activation) {
		return fmt.Errorf("activation %q", c.Activation)
	}
	if c.Kernel < 1 {
		return fmt.Errorf("kernel %d, want at least 1", c.Kernel)
	}
	if !(c.SE >= 0 && c.SE <= maxRatio) || c.SE > 0 && c.Type != sampler.IBN && c.Type != sampler.Fused && c.Type != sampler.Bottleneck {
		return fmt.Errorf("squeeze-and-excite ratio %g on a layer of type %s", c.SE, c.Type)
	}
	switch c.Type {
	case sampler.Conv, sampler.Separable:
	case sampler.IBN, sampler.Bottleneck:
		if c.Expansion < 1 {
			return fmt.Errorf("expansion %d, want at least 1", c.Expansion)
		}
	case sampler.Fused:
		if c.Expansion < 2 {
			return fmt.Errorf("expansion %d, want at least 2 for a fused convolution", c.Expansion)
		}
	case sampler.Tucker:
		if !(c.InRatio > 0 && c.InRatio <= maxRatio && c.OutRatio > 0 && c.OutRatio <= maxRatio) {
			return fmt.Errorf("ratios %g and %g, want both above 0 and at most %d", c.InRatio, c.OutRatio, maxRatio)
		}
	default:
		return fmt.Errorf("unknown layer type %q", c.Type)
	}
	return nil
}

// block appends the ops of a choice without the residual. The blocks are those of
// ssd_mobiledet_feature_extractor.py (tensorflow/models): projections have batch norm and
// no activation.
func (b *builder) block(x int, name string, stride int, c sampler.Choice, width int) int {
	act := cmp.Or(c.Activation, b.space.Activation)
	gate := excitation{hidden: sampler.ScaleWidth, act: act}
	switch c.Type {
	case sampler.Conv:
		return b.conv(x, conv{name: name + "/conv", kernel: c.Kernel, stride: stride, filters: width, act: act, bias: c.Bias})
	case sampler.Separable:
		x = b.conv(x, conv{name: name + "/depthwise", kernel: c.Kernel, stride: stride, act: act})
	case sampler.IBN, sampler.Bottleneck:
		if c.Type == sampler.Bottleneck {
			gate = excitation{hidden: sampler.DivisibleWidth, act: sampler.ReLU}
		}
		if c.Expansion > 1 || c.Type == sampler.Bottleneck {
			x = b.conv(x, conv{name: name + "/expand", kernel: 1, stride: 1, filters: b.channels(x) * c.Expansion, act: act})
		}
		x = b.conv(x, conv{name: name + "/depthwise", kernel: c.Kernel, stride: stride, act: act})
		x = b.squeezeExcite(x, name, c.SE, gate)
	case sampler.Fused:
		x = b.conv(x, conv{name: name + "/fused", kernel: c.Kernel, stride: stride, filters: b.channels(x) * c.Expansion, act: act})
		x = b.squeezeExcite(x, name, c.SE, gate)
	case sampler.Tucker:
		x = b.conv(x, conv{name: name + "/compress", kernel: 1, stride: 1, filters: sampler.ScaleWidth(b.channels(x), c.InRatio), act: act})
		x = b.conv(x, conv{name: name + "/core", kernel: c.Kernel, stride: stride, filters: sampler.ScaleWidth(width, c.OutRatio), act: act})
	}
	return b.conv(x, conv{name: name + "/project", kernel: 1, stride: 1, filters: width})
}

// excitation is the hidden layer of a squeeze-and-excite: how its width is rounded, and its activation.
type excitation struct {
	hidden func(width int, ratio float64) int
	act    sampler.Activation
}

// squeezeExcite appends the gate. Both its convolutions have a bias and no batch norm. A ratio of 0
// appends nothing.
func (b *builder) squeezeExcite(x int, name string, ratio float64, e excitation) int {
	if ratio == 0 {
		return x
	}
	n := b.channels(x)
	h := b.pool(x, name+"/se/squeeze")
	h = b.conv(h, conv{name: name + "/se/reduce", kernel: 1, stride: 1, filters: e.hidden(n, ratio), act: e.act, bias: true})
	h = b.conv(h, conv{name: name + "/se/expand", kernel: 1, stride: 1, filters: n, bias: true})
	h = b.add(Op{Kind: Logistic, Name: name + "/se/gate", Inputs: []int{h}}, b.shape(h))
	return b.add(Op{Kind: Mul, Name: name + "/se/excite", Inputs: []int{x, h}}, b.shape(x))
}

// pool averages the whole map in one step.
func (b *builder) pool(x int, name string) int {
	in := b.shape(x)
	size, step := [2]int{in[1], in[2]}, [2]int{1, 1}
	return b.add(Op{Kind: AveragePool, Name: name, Inputs: []int{x}, Kernel: size, Stride: step}, [4]int{in[0], 1, 1, in[3]})
}

// maxRatio keeps the product with a ratio within an int. The blocks' own ratios are below 1.
const maxRatio = 64
