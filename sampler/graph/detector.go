package graph

import (
	"errors"
	"fmt"
	"strconv"

	"latlab/sampler"
)

// Detector is a detector described layer by layer with explicit widths. It is for known networks
// that are not in any search space: their widths follow no multipliers, their activations change
// between layers, or their head reads the inside of a layer.
type Detector struct {
	Name   string
	Input  sampler.Input
	Layers []DetectorLayer
	Taps   []Tap // in execution order; the last layer must be tapped
	// Head gives classes, the extra maps' depths and the anchors; its Taps field is ignored.
	Head sampler.Head
}

// DetectorLayer is one layer of a Detector. An inverted bottleneck with stride 1 and equally many
// channels in and out has a residual, by the rule of expanded_conv in slim's conv_blocks.py
// (tensorflow/models).
type DetectorLayer struct {
	Type     sampler.LayerType // Conv or IBN
	Kernel   int
	Stride   int
	Expanded int // IBN: channels between its 1x1 convolutions; the input's = no expansion
	// Squeezed is the number of hidden channels of a squeeze-and-excite with hard-sigmoid gate, 0
	// for none. See hardGate.
	Squeezed   int
	Width      int
	Activation sampler.Activation
}

// Tap is an input of the head: the output of a layer or of its expansion.
type Tap struct {
	Layer     int // index into Layers
	Expansion bool
}

// Lower turns the detector into ops with shapes. Ops are named after the layers, layer_1 first,
// as in slim. The bias pays for all ops, because there are no decisions.
func (d Detector) Lower() (*Graph, error) {
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name, err)
	}
	head := d.Head
	head.Taps = nil
	for _, t := range d.Taps {
		head.Taps = append(head.Taps, detectorLayerName(t.Layer))
	}
	b := newBuilder(&sampler.Space{Head: head}, 300)
	b.g.Name, b.pos = d.Name, Bias
	maps := d.backbone(b)
	payers := make([]int, len(maps))
	for i := range payers {
		payers[i] = Bias
	}
	b.detectionHead(maps, payers)
	if err := b.g.checkSizes(); err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name, err)
	}
	return b.g, nil
}

func detectorLayerName(i int) string { return "layer_" + strconv.Itoa(i+1) }

// backbone appends the layers and returns the tapped tensors.
func (d Detector) backbone(b *builder) []int {
	x := b.tensor("input", [4]int{1, d.Input.Height, d.Input.Width, d.Input.Channels})
	b.g.Inputs = []int{x}
	var maps []int
	for i, l := range d.Layers {
		expansion, y := b.detectorLayer(x, detectorLayerName(i), l)
		for _, t := range d.Taps {
			switch {
			case t.Layer == i && t.Expansion:
				maps = append(maps, expansion)
			case t.Layer == i:
				maps = append(maps, y)
			}
		}
		x = y
	}
	return maps
}

// detectorLayer also returns the output tensor of the layer's expansion.
func (b *builder) detectorLayer(x int, name string, l DetectorLayer) (expansion, out int) {
	if l.Type == sampler.Conv {
		y := b.conv(x, conv{name: name + "/conv", kernel: l.Kernel, stride: l.Stride, filters: l.Width, act: l.Activation})
		return y, y
	}
	expansion = x
	if l.Expanded != b.channels(x) {
		expansion = b.conv(x, conv{name: name + "/expand", kernel: 1, stride: 1, filters: l.Expanded, act: l.Activation})
	}
	y := b.conv(expansion, conv{name: name + "/depthwise", kernel: l.Kernel, stride: l.Stride, act: l.Activation})
	y = b.hardGate(y, name, l.Squeezed)
	y = b.conv(y, conv{name: name + "/project", kernel: 1, stride: 1, filters: l.Width})
	if l.Stride == 1 && l.Width == b.channels(x) {
		y = b.add(Op{Kind: Add, Name: name + "/residual", Inputs: []int{x, y}}, b.shape(y))
	}
	return expansion, y
}

// hardGate appends MobileNetV3's squeeze-and-excite, whose gate is relu6(x+3)/6. It needs no
// extra op: the 3 is part of the preceding convolution's bias, relu6 is that convolution's fused
// activation, and the factor 1/6 goes into the weights of the following projection, which is
// linear in the gated values. The source's hidden activation ReLU is written as ReLU6 (each is a
// single clamp).
func (b *builder) hardGate(x int, name string, squeezed int) int {
	if squeezed == 0 {
		return x
	}
	n := b.channels(x)
	h := b.pool(x, name+"/se/squeeze")
	h = b.conv(h, conv{name: name + "/se/reduce", kernel: 1, stride: 1, filters: squeezed, act: sampler.ReLU6, bias: true})
	h = b.conv(h, conv{name: name + "/se/expand", kernel: 1, stride: 1, filters: n, act: sampler.ReLU6, bias: true})
	return b.add(Op{Kind: Mul, Name: name + "/se/excite", Inputs: []int{x, h}}, b.shape(x))
}

// check refuses parameters that would make a shape empty or an op meaningless.
func (d Detector) check() error {
	if in := d.Input; in.Height < 1 || in.Width < 1 || in.Channels < 1 {
		return fmt.Errorf("network input %dx%dx%d is empty", in.Height, in.Width, in.Channels)
	}
	for i, l := range d.Layers {
		if err := l.check(); err != nil {
			return fmt.Errorf("%s: %w", detectorLayerName(i), err)
		}
	}
	return d.checkTaps()
}

func (l DetectorLayer) check() error {
	if l.Type != sampler.Conv && l.Type != sampler.IBN {
		return fmt.Errorf("layer type %q, want %s or %s", l.Type, sampler.Conv, sampler.IBN)
	}
	if l.Kernel < 1 || l.Stride < 1 || l.Width < 1 || l.Squeezed < 0 || l.Type == sampler.IBN && l.Expanded < 1 {
		return fmt.Errorf("kernel %d, stride %d, %d channels, %d inside and %d squeezed", l.Kernel, l.Stride, l.Width, l.Expanded, l.Squeezed)
	}
	if l.Type == sampler.Conv && (l.Expanded != 0 || l.Squeezed != 0) {
		return errors.New("a convolution cannot have expanded or squeezed channels")
	}
	if l.Activation != sampler.ReLU6 && l.Activation != sampler.HSwish {
		return fmt.Errorf("activation %q, want %s or %s", l.Activation, sampler.ReLU6, sampler.HSwish)
	}
	return nil
}

func (d Detector) checkTaps() error {
	last := -1
	for _, t := range d.Taps {
		if t.Layer <= last || t.Layer >= len(d.Layers) {
			return fmt.Errorf("the head taps layer %d of %d after layer %d", t.Layer+1, len(d.Layers), last+1)
		}
		last = t.Layer
	}
	if last < 0 || last != len(d.Layers)-1 {
		return errors.New("the head does not tap the last layer")
	}
	return checkMaps(d.Head, len(d.Taps))
}
