package graph

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"latlab/sampler"
)

// one is a space of two stages with a single network: a stem that brings 3 channels to
// in, then one layer of the choice.
func one(c sampler.Choice, in, out, stride int, residual bool, act sampler.Activation) *sampler.Space {
	stem := sampler.Stage{Name: "stem", Widths: []int{in}, Layers: []sampler.Layer{{
		Stride: 1, Choices: []sampler.Choice{{Name: "conv", Type: sampler.Conv, Kernel: 1}},
	}}}
	body := sampler.Stage{Name: "body", Widths: []int{out}, Layers: []sampler.Layer{{
		Stride: stride, Residual: residual, Choices: []sampler.Choice{c},
	}}}
	return &sampler.Space{
		Name: "one", Input: sampler.Input{Height: 7, Width: 5, Channels: 3}, Activation: act,
		Stages: []sampler.Stage{stem, body}, Head: sampler.Head{Type: sampler.NoHead},
	}
}

// line is an op in one line: what a golden of a block is made of.
func line(g *Graph, op Op) string {
	r := Row{Input: g.In(op), Output: g.Out(op)}
	fields := []string{op.Name, string(op.Kind)}
	if op.Kernel != [2]int{} {
		fields = append(fields, "k"+strconv.Itoa(op.Kernel[0])+"x"+strconv.Itoa(op.Kernel[1]), "s"+strconv.Itoa(op.Stride[0])+"x"+strconv.Itoa(op.Stride[1]))
	}
	fields = append(fields, dims(r.Input)+"->"+dims(r.Output))
	if op.Activation != Linear {
		fields = append(fields, string(op.Activation))
	}
	if op.HasWeights() && !op.BatchNorm {
		fields = append(fields, "bias")
	}
	for _, x := range op.Inputs {
		fields = append(fields, "<"+g.Tensors[x].Name)
	}
	return strings.Join(fields, " ")
}

func dims(s [4]int) string {
	return strconv.Itoa(s[1]) + "x" + strconv.Itoa(s[2]) + "x" + strconv.Itoa(s[3])
}

func TestBlocks(t *testing.T) {
	ibn := func(k, e int, se float64) sampler.Choice {
		return sampler.Choice{Name: "c", Type: sampler.IBN, Kernel: k, Expansion: e, SE: se}
	}
	for _, c := range []struct {
		name  string
		space *sampler.Space
		want  []string
	}{
		{"inverted bottleneck, stride 2 rounds up", one(ibn(5, 4, 0), 8, 16, 2, false, sampler.ReLU6), []string{
			"body/expand conv k1x1 s1x1 7x5x8->7x5x32 relu6 <stem/conv",
			"body/depthwise depthwise k5x5 s2x2 7x5x32->4x3x32 relu6 <body/expand",
			"body/project conv k1x1 s1x1 4x3x32->4x3x16 <body/depthwise",
		}},
		{"residual", one(ibn(3, 8, 0), 8, 8, 1, true, sampler.ReLU6), []string{
			"body/expand conv k1x1 s1x1 7x5x8->7x5x64 relu6 <stem/conv",
			"body/depthwise depthwise k3x3 s1x1 7x5x64->7x5x64 relu6 <body/expand",
			"body/project conv k1x1 s1x1 7x5x64->7x5x8 <body/depthwise",
			"body/residual add 7x5x8->7x5x8 <stem/conv <body/project",
		}},
		{"no expansion, squeeze-and-excite, h-swish", one(ibn(3, 1, 0.25), 80, 16, 1, false, sampler.HSwish), []string{
			"body/depthwise depthwise k3x3 s1x1 7x5x80->7x5x80 <stem/conv/h-swish",
			"body/depthwise/h-swish h-swish 7x5x80->7x5x80 <body/depthwise",
			"body/se/squeeze average_pool k7x5 s1x1 7x5x80->1x1x80 <body/depthwise/h-swish",
			"body/se/reduce conv k1x1 s1x1 1x1x80->1x1x24 bias <body/se/squeeze", // a quarter is 20: half rounds up
			"body/se/reduce/h-swish h-swish 1x1x24->1x1x24 <body/se/reduce",
			"body/se/expand conv k1x1 s1x1 1x1x24->1x1x80 bias <body/se/reduce/h-swish",
			"body/se/gate logistic 1x1x80->1x1x80 <body/se/expand",
			"body/se/excite mul 7x5x80->7x5x80 <body/depthwise/h-swish <body/se/gate",
			"body/project conv k1x1 s1x1 7x5x80->7x5x16 <body/se/excite",
		}},
		{"fused with squeeze-and-excite of the expanded channels", one(sampler.Choice{
			Name: "c", Type: sampler.Fused, Kernel: 3, Expansion: 4, SE: 0.25}, 16, 8, 2, false, sampler.ReLU6), []string{
			"body/fused conv k3x3 s2x2 7x5x16->4x3x64 relu6 <stem/conv",
			"body/se/squeeze average_pool k4x3 s1x1 4x3x64->1x1x64 <body/fused",
			"body/se/reduce conv k1x1 s1x1 1x1x64->1x1x16 relu6 bias <body/se/squeeze",
			"body/se/expand conv k1x1 s1x1 1x1x16->1x1x64 bias <body/se/reduce",
			"body/se/gate logistic 1x1x64->1x1x64 <body/se/expand",
			"body/se/excite mul 4x3x64->4x3x64 <body/fused <body/se/gate",
			"body/project conv k1x1 s1x1 4x3x64->4x3x8 <body/se/excite",
		}},
		{"tucker ranks: input's of the input, output's of the output", one(sampler.Choice{
			Name: "c", Type: sampler.Tucker, Kernel: 3, InRatio: 0.25, OutRatio: 0.75}, 16, 40, 1, false, sampler.ReLU6), []string{
			"body/compress conv k1x1 s1x1 7x5x16->7x5x8 relu6 <stem/conv",
			"body/core conv k3x3 s1x1 7x5x8->7x5x32 relu6 <body/compress", // 0.75 * 40 = 30
			"body/project conv k1x1 s1x1 7x5x32->7x5x40 <body/core",
		}},
		{"skip", one(sampler.Choice{Name: "skip", Type: sampler.Skip}, 8, 8, 1, true, sampler.ReLU6), nil},
		{"plain convolution", one(sampler.Choice{Name: "c", Type: sampler.Conv, Kernel: 3}, 8, 16, 2, false, sampler.HSwish), []string{
			"body/conv conv k3x3 s2x2 7x5x8->4x3x16 <stem/conv/h-swish",
			"body/conv/h-swish h-swish 4x3x16->4x3x16 <body/conv",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := mustLower(t, c.space, zeroArch(c.space))
			var got []string
			for _, op := range g.Ops {
				if op.Position == 1 {
					got = append(got, line(g, op))
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

func TestClassifier(t *testing.T) {
	s := one(sampler.Choice{Name: "c", Type: sampler.Conv, Kernel: 3}, 8, 16, 2, false, sampler.ReLU6)
	s.Head = sampler.Head{Type: sampler.Classifier, Classes: 10}
	g := mustLower(t, s, zeroArch(s))
	var got []string
	for _, op := range g.Ops[2:] {
		got = append(got, line(g, op))
	}
	want := []string{
		"head/pool average_pool k4x3 s1x1 4x3x16->1x1x16 <body/conv",
		"head/classes fully_connected 1x1x16->1x1x10 bias <head/pool",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	fc := g.Ops[3]
	if g.MACs(fc) != 160 || g.Params(fc) != 170 || g.WeightBytes(fc, 4) != 680 || g.WeightBytes(fc, 1) != 200 {
		t.Errorf("fully connected: %d MACs, %d params, %d and %d bytes, want 160, 170, 680, 200",
			g.MACs(fc), g.Params(fc), g.WeightBytes(fc, 4), g.WeightBytes(fc, 1))
	}
}

// A graph is well formed: names are unique, every input exists before it is read, every
// tensor but the outputs is read, and shapes are never empty.
func TestWellFormed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t)
		g := mustLower(t, s, drawArch(t, s))
		if err := wellFormed(g); err != "" {
			t.Fatal(err)
		}
		if n := len(s.Positions()); g.Ops[0].Position != 0 || n == 0 {
			t.Fatalf("first op is paid by %d", g.Ops[0].Position)
		}
	})
}

func wellFormed(g *Graph) string {
	names, ready, read := map[string]bool{}, map[int]bool{}, map[int]bool{}
	for _, x := range g.Inputs {
		ready[x] = true
	}
	for _, op := range g.Ops {
		if names[op.Name] {
			return op.Name + " twice"
		}
		names[op.Name] = true
		for _, x := range op.Inputs {
			if !ready[x] {
				return op.Name + " reads what is not there yet"
			}
			read[x] = true
		}
		if ready[op.Output] {
			return op.Name + " writes what is there already"
		}
		ready[op.Output] = true
	}
	for _, x := range g.Outputs {
		read[x] = true
	}
	for i, t := range g.Tensors {
		if t.Elements() < 1 || !ready[i] || !read[i] {
			return t.Name + " is empty, never written or never read"
		}
	}
	return ""
}

func TestLowerErrors(t *testing.T) {
	ibn := sampler.Choice{Name: "c", Type: sampler.IBN, Kernel: 3, Expansion: 4}
	plain := func() *sampler.Space { return one(ibn, 8, 16, 1, false, sampler.ReLU6) }
	choice := func(c sampler.Choice) *sampler.Space { return one(c, 8, 16, 1, false, sampler.ReLU6) }
	edit := func(f func(*sampler.Space)) *sampler.Space { s := plain(); f(s); return s }
	head := func(f func(*sampler.Head)) *sampler.Space {
		return edit(func(s *sampler.Space) {
			s.Head = sampler.Head{Type: sampler.SSDLite, Classes: 2, Taps: []string{"stem", "body"}, Extra: []int{8}, Anchors: []int{1, 1, 1}}
			f(&s.Head)
		})
	}
	for _, c := range []struct {
		name  string
		space *sampler.Space
		want  string
	}{
		{"no space", nil, "no space"},
		{"no input", edit(func(s *sampler.Space) { s.Input.Width = 0 }), "network input 7x0x3 is empty"},
		{"activation", edit(func(s *sampler.Space) { s.Activation = "gelu" }), `activation "gelu"`},
		{"no stages", edit(func(s *sampler.Space) { s.Stages = nil }), "has no stages"},
		{"no layers", edit(func(s *sampler.Space) { s.Stages[1].Layers = nil }), "stage body has no layers"},
		{"width", edit(func(s *sampler.Space) { s.Stages[1].Widths[0] = 0 }), "stage body has width 0"},
		{"stride", edit(func(s *sampler.Space) { s.Stages[1].Layers[0].Stride = 0 }), "stage body layer 1 has stride 0"},
		{"no choices", edit(func(s *sampler.Space) { s.Stages[1].Layers[0].Choices = nil }), "may be 0 to -1"},
		{"residual widths", one(ibn, 8, 16, 1, true, sampler.ReLU6), "body: choice c: skip and residual need stride 1 and equal widths, have stride 1 and widths 8 and 16"},
		{"residual stride", one(ibn, 8, 8, 2, true, sampler.ReLU6), "have stride 2"},
		{"skip widths", choice(sampler.Choice{Name: "c", Type: sampler.Skip}), "widths 8 and 16"},
		{"kernel", choice(sampler.Choice{Name: "c", Type: sampler.IBN, Expansion: 4}), "kernel 0"},
		{"expansion", choice(sampler.Choice{Name: "c", Type: sampler.IBN, Kernel: 3}), "expansion 0"},
		{"fused expansion", choice(sampler.Choice{Name: "c", Type: sampler.Fused, Kernel: 3, Expansion: 1}), "at least 2"},
		{"ratios", choice(sampler.Choice{Name: "c", Type: sampler.Tucker, Kernel: 3, InRatio: 0.5}), "ratios 0.5 and 0"},
		{"tucker gate", choice(sampler.Choice{Name: "c", Type: sampler.Tucker, Kernel: 3, InRatio: 0.5, OutRatio: 0.5, SE: 0.25}), "squeeze-and-excite ratio 0.25"},
		{"infinite ratio", choice(sampler.Choice{Name: "c", Type: sampler.Tucker, Kernel: 3, InRatio: math.Inf(1), OutRatio: 0.5}), "ratios +Inf and 0.5"},
		{"no number", choice(sampler.Choice{Name: "c", Type: sampler.IBN, Kernel: 3, Expansion: 4, SE: math.NaN()}), "squeeze-and-excite ratio NaN"},
		{"huge expansion", choice(sampler.Choice{Name: "c", Type: sampler.IBN, Kernel: 3, Expansion: 1 << 40}), "tensor body/expand has shape"},
		{"type", choice(sampler.Choice{Name: "c", Type: "shuffle", Kernel: 3}), `unknown layer type "shuffle"`},
		{"head type", edit(func(s *sampler.Space) { s.Head.Type = "yolo" }), `unknown head "yolo"`},
		{"classes", edit(func(s *sampler.Space) { s.Head = sampler.Head{Type: sampler.Classifier} }), "classifier head has 0 classes"},
		{"no taps", head(func(h *sampler.Head) { h.Taps = nil }), "no taps"},
		{"unknown tap", head(func(h *sampler.Head) { h.Taps[1] = "neck" }), `stage "neck", which does not exist`},
		{"tap order", head(func(h *sampler.Head) { h.Taps = []string{"body", "stem"} }), "not in the order"},
		{"last tap", head(func(h *sampler.Head) { h.Taps, h.Anchors = []string{"stem"}, []int{1, 1} }), "does not tap the last stage body"},
		{"anchors", head(func(h *sampler.Head) { h.Anchors = []int{1} }), "2 taps and 1 extra maps, but anchors for 1 maps"},
		{"no anchors", head(func(h *sampler.Head) { h.Anchors[0] = 0 }), "anchors [0 1 1]"},
		{"extra depth", head(func(h *sampler.Head) { h.Extra[0] = 1 }), "extra map of depth 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := sampler.Arch{Space: "one", Indices: []int{0, 0, 0, 0}}
			_, err := Lower(c.space, a)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want %s", err, c.want)
			}
		})
	}
}

func TestLowerRefusesArch(t *testing.T) {
	s := testSpace(sampler.ReLU6, 0, ssdliteHead())
	good := zeroArch(s)
	short := sampler.Arch{Space: s.Name, Indices: good.Indices[1:]}
	other := sampler.Arch{Space: "other", Indices: good.Indices}
	out := zeroArch(s)
	out.Indices[0] = 1
	for name, c := range map[string]struct {
		arch sampler.Arch
		want string
	}{
		"short":        {short, "space test has 31 decisions"},
		"other space":  {other, `belongs to space "other", not to test`},
		"out of range": {out, "decision stem may be 0 to 0 (conv-k3)"},
		"zero":         {sampler.Arch{}, `belongs to space "", not to test`},
	} {
		if _, err := Lower(s, c.arch); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want %s", name, err, c.want)
		}
	}
}

// A network in which every layer is skipped is an error.
func TestLowerNothingLeft(t *testing.T) {
	s := one(sampler.Choice{Name: "skip", Type: sampler.Skip}, 3, 3, 1, true, sampler.ReLU6)
	s.Stages = s.Stages[1:]
	_, err := Lower(s, zeroArch(s))
	if err == nil || !strings.Contains(err.Error(), "every layer is skipped") {
		t.Errorf("got error %v", err)
	}
}

func TestScaleWidth(t *testing.T) {
	for _, c := range []struct {
		filters int
		ratio   float64
		want    int
	}{
		{8, 0.25, 8}, {16, 0.25, 8}, {32, 0.25, 8}, {48, 0.25, 16}, {72, 0.25, 16}, {80, 0.25, 24}, {144, 0.25, 40}, {16, 0.75, 16}, {1, 1e-9, 8}, {20, 1, 24},
	} {
		if got := sampler.ScaleWidth(c.filters, c.ratio); got != c.want {
			t.Errorf("ScaleWidth(%d, %g) = %d, want %d", c.filters, c.ratio, got, c.want)
		}
	}
}

func BenchmarkLower(b *testing.B) {
	for name, s := range map[string]*sampler.Space{
		"relu6":          testSpace(sampler.ReLU6, 0, ssdliteHead()),
		"se-and-h-swish": testSpace(sampler.HSwish, 0.25, ssdliteHead()),
	} {
		b.Run(name, func(b *testing.B) {
			a := zeroArch(s)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Lower(s, a); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
