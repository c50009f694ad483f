package graph

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/sampler"
)

// small is a detector of every kind of layer: a stem, a block without expansion and with a
// residual, one with a gate, tapped inside, and a convolution.
func small() Detector {
	return Detector{
		Name: "small", Input: sampler.Input{Height: 9, Width: 8, Channels: 3},
		Layers: []DetectorLayer{
			{Type: sampler.Conv, Kernel: 3, Stride: 2, Width: 8, Activation: sampler.HSwish},
			{Type: sampler.IBN, Kernel: 3, Stride: 1, Expanded: 8, Width: 8, Activation: sampler.ReLU6},
			{Type: sampler.IBN, Kernel: 5, Stride: 2, Expanded: 24, Squeezed: 16, Width: 12, Activation: sampler.HSwish},
			{Type: sampler.Conv, Kernel: 1, Stride: 1, Width: 40, Activation: sampler.ReLU6},
		},
		Taps: []Tap{{Layer: 2, Expansion: true}, {Layer: 3}},
		Head: sampler.Head{Classes: 5, Extra: []int{16}, Anchors: []int{3, 6, 6}},
	}
}

func TestDetector(t *testing.T) {
	g, err := small().Lower()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, op := range g.Ops {
		got = append(got, line(g, op))
		if op.Position != Bias {
			t.Errorf("%s is paid by position %d", op.Name, op.Position)
		}
	}
	want := []string{
		"layer_1/conv conv k3x3 s2x2 9x8x3->5x4x8 <input",
		"layer_1/conv/h-swish h-swish 5x4x8->5x4x8 <layer_1/conv",
		"layer_2/depthwise depthwise k3x3 s1x1 5x4x8->5x4x8 relu6 <layer_1/conv/h-swish",
		"layer_2/project conv k1x1 s1x1 5x4x8->5x4x8 <layer_2/depthwise",
		"layer_2/residual add 5x4x8->5x4x8 <layer_1/conv/h-swish <layer_2/project",
		"layer_3/expand conv k1x1 s1x1 5x4x8->5x4x24 <layer_2/residual",
		"layer_3/expand/h-swish h-swish 5x4x24->5x4x24 <layer_3/expand",
		"layer_3/depthwise depthwise k5x5 s2x2 5x4x24->3x2x24 <layer_3/expand/h-swish",
		"layer_3/depthwise/h-swish h-swish 3x2x24->3x2x24 <layer_3/depthwise",
		"layer_3/se/squeeze average_pool k3x2 s1x1 3x2x24->1x1x24 <layer_3/depthwise/h-swish",
		"layer_3/se/reduce conv k1x1 s1x1 1x1x24->1x1x16 relu6 bias <layer_3/se/squeeze",
		"layer_3/se/expand conv k1x1 s1x1 1x1x16->1x1x24 relu6 bias <layer_3/se/reduce",
		"layer_3/se/excite mul 3x2x24->3x2x24 <layer_3/depthwise/h-swish <layer_3/se/expand",
		"layer_3/project conv k1x1 s1x1 3x2x24->3x2x12 <layer_3/se/excite",
		"layer_4/conv conv k1x1 s1x1 3x2x12->3x2x40 relu6 <layer_3/project",
		"head/extra1/reduce conv k1x1 s1x1 3x2x40->3x2x8 relu6 <layer_4/conv",
		"head/extra1/depthwise depthwise k3x3 s2x2 3x2x8->2x1x8 relu6 <head/extra1/reduce",
		"head/extra1/expand conv k1x1 s1x1 2x1x8->2x1x16 relu6 <head/extra1/depthwise",
		"head/layer_3/box/depthwise depthwise k3x3 s1x1 5x4x24->5x4x24 relu6 <layer_3/expand/h-swish",
		"head/layer_3/box/predict conv k1x1 s1x1 5x4x24->5x4x12 bias <head/layer_3/box/depthwise",
		"head/layer_3/class/depthwise depthwise k3x3 s1x1 5x4x24->5x4x24 relu6 <layer_3/expand/h-swish",
		"head/layer_3/class/predict conv k1x1 s1x1 5x4x24->5x4x15 bias <head/layer_3/class/depthwise",
		"head/layer_4/box/depthwise depthwise k3x3 s1x1 3x2x40->3x2x40 relu6 <layer_4/conv",
		"head/layer_4/box/predict conv k1x1 s1x1 3x2x40->3x2x24 bias <head/layer_4/box/depthwise",
		"head/layer_4/class/depthwise depthwise k3x3 s1x1 3x2x40->3x2x40 relu6 <layer_4/conv",
		"head/layer_4/class/predict conv k1x1 s1x1 3x2x40->3x2x30 bias <head/layer_4/class/depthwise",
		"head/extra1/box/depthwise depthwise k3x3 s1x1 2x1x16->2x1x16 relu6 <head/extra1/expand",
		"head/extra1/box/predict conv k1x1 s1x1 2x1x16->2x1x24 bias <head/extra1/box/depthwise",
		"head/extra1/class/depthwise depthwise k3x3 s1x1 2x1x16->2x1x16 relu6 <head/extra1/expand",
		"head/extra1/class/predict conv k1x1 s1x1 2x1x16->2x1x30 bias <head/extra1/class/depthwise",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	if g.Name != "small" || len(g.Outputs) != 6 || len(g.Inputs) != 1 {
		t.Errorf("graph %q has %d inputs and %d outputs", g.Name, len(g.Inputs), len(g.Outputs))
	}
}

func TestDetectorRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		spoil      func(*Detector)
	}{
		{"no input", "network input 0x8x3 is empty", func(d *Detector) { d.Input.Height = 0 }},
		{"type", `layer_2: layer type "tucker"`, func(d *Detector) { d.Layers[1].Type = sampler.Tucker }},
		{"kernel", "layer_1: kernel 0", func(d *Detector) { d.Layers[0].Kernel = 0 }},
		{"nothing to expand", "layer_2: kernel 3, stride 1, 8 channels, 0 inside", func(d *Detector) { d.Layers[1].Expanded = 0 }},
		{"expanded convolution", "layer_1: a convolution cannot have expanded", func(d *Detector) { d.Layers[0].Expanded = 8 }},
		{"activation", `layer_4: activation ""`, func(d *Detector) { d.Layers[3].Activation = "" }},
		{"no taps", "does not tap the last layer", func(d *Detector) { d.Taps = nil }},
		{"taps out of order", "taps layer 3 of 4 after layer 4", func(d *Detector) { d.Taps[0], d.Taps[1] = d.Taps[1], d.Taps[0] }},
		{"tap outside", "taps layer 5 of 4", func(d *Detector) { d.Taps[1].Layer = 4 }},
		{"last layer unread", "does not tap the last layer", func(d *Detector) { d.Taps[1].Layer = 2; d.Taps[0].Layer = 1 }},
		{"anchors", "2 taps and 1 extra maps, but anchors for 2 maps", func(d *Detector) { d.Head.Anchors = d.Head.Anchors[:2] }},
		{"classes", "has 0 classes", func(d *Detector) { d.Head.Classes = 0 }},
		{"huge", "want 1 to 268435456 elements", func(d *Detector) { d.Layers[3].Width = 1 << 40 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := small()
			c.spoil(&d)
			if _, err := d.Lower(); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "small: ") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
