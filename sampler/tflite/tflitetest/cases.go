package tflitetest

import (
	"fmt"
	"math/rand/v2"

	"latlab/sampler"
	"latlab/sampler/graph"
)

// Case is a small network.
type Case struct {
	Name  string
	Graph *graph.Graph
}

// Cases are networks that together have every block type, kernel, stride and activation, with and without
// squeeze-and-excite and residual, and every head.
func Cases() ([]Case, error) {
	var cases []Case
	for _, s := range append(blockSpaces(), headSpaces()...) {
		g, err := graph.Lower(s, sampler.Arch{Space: s.Name, Indices: make([]int, len(s.Decisions()))})
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", s.Name, err)
		}
		cases = append(cases, Case{Name: s.Name, Graph: g})
	}
	return cases, nil
}

// DeepCases are whole networks of built-in spaces, on a small input: some seventy layers. The plain evaluator
// takes a second for each.
func DeepCases() ([]Case, error) {
	var cases []Case
	for _, name := range []string{"mobiledet_cpu_ibn", "mobiledet_cpu_tucker", "mobiledet_edgetpu_tucker", "mobiledet_gpu_fused"} {
		s, err := sampler.Builtin(name)
		if err != nil {
			return nil, err
		}
		archs, err := sampler.Sample(s, 1, 1)
		if err != nil {
			return nil, err
		}
		s.Input.Height, s.Input.Width = 64, 64
		g, err := graph.Lower(s, archs[0])
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", name, err)
		}
		cases = append(cases, Case{Name: "deep-" + name, Graph: g})
	}
	return cases, nil
}

// Input is a network input between -1 and 1, the same for the same seed.
func Input(g *graph.Graph, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, g.Tensors[g.Inputs[0]].Elements())
	for i := range x {
		x[i] = 2*r.Float32() - 1
	}
	return x
}

func blockSpaces() []*sampler.Space {
	var spaces []*sampler.Space
	for _, c := range []sampler.Choice{
		{Name: "conv", Type: sampler.Conv},
		{Name: "ibn-e1", Type: sampler.IBN, Expansion: 1},
		{Name: "ibn-e1-se", Type: sampler.IBN, Expansion: 1, SE: 0.25},
		{Name: "ibn-e4", Type: sampler.IBN, Expansion: 4},
		{Name: "ibn-e4-se", Type: sampler.IBN, Expansion: 4, SE: 0.25},
		{Name: "fused-e4", Type: sampler.Fused, Expansion: 4},
		{Name: "fused-e4-se", Type: sampler.Fused, Expansion: 4, SE: 0.25},
		{Name: "tucker", Type: sampler.Tucker, InRatio: 0.75, OutRatio: 0.25},
	} {
		for _, act := range []sampler.Activation{sampler.ReLU6, sampler.HSwish} {
			for _, kernel := range []int{3, 5} {
				for _, stride := range []int{1, 2} {
					c.Kernel = kernel
					spaces = append(spaces, blockSpace(c, act, stride))
				}
			}
		}
	}
	return spaces
}

// blockSpace is a stem, the block at the stride, and the block again as a residual layer. Height and width differ
// and are odd, so that padding differs at both ends and axes.
func blockSpace(c sampler.Choice, act sampler.Activation, stride int) *sampler.Space {
	s := space(fmt.Sprintf("%s-k%d-s%d-%s", c.Name, c.Kernel, stride, act), act)
	s.Input = sampler.Input{Height: 15, Width: 22, Channels: 3}
	choices := []sampler.Choice{c}
	s.Stages = append(s.Stages, sampler.Stage{Name: "stage1", Widths: []int{16}, Layers: []sampler.Layer{
		{Stride: stride, Choices: choices},
		{Stride: 1, Residual: true, Choices: choices},
	}})
	s.Head = sampler.Head{Type: sampler.NoHead}
	return s
}

func headSpaces() []*sampler.Space {
	heads := []sampler.Head{
		{Type: sampler.NoHead},
		{Type: sampler.Classifier, Classes: 17},
		{
			Type: sampler.SSDLite, Classes: 5, Taps: []string{"stage1", "stage2"},
			Extra: []int{24, 16}, Anchors: []int{3, 6, 6, 6},
		},
	}
	var spaces []*sampler.Space
	for _, act := range []sampler.Activation{sampler.ReLU6, sampler.HSwish} {
		for _, h := range heads {
			s := space(fmt.Sprintf("head-%s-%s", h.Type, act), act)
			s.Input = sampler.Input{Height: 33, Width: 33, Channels: 3}
			ibn := []sampler.Choice{{Name: "ibn", Type: sampler.IBN, Kernel: 3, Expansion: 4}}
			for _, name := range []string{"stage1", "stage2"} {
				s.Stages = append(s.Stages, sampler.Stage{Name: name, Widths: []int{16}, Layers: []sampler.Layer{{Stride: 2, Choices: ibn}}})
			}
			s.Head = h
			spaces = append(spaces, s)
		}
	}
	return spaces
}

func space(name string, act sampler.Activation) *sampler.Space {
	return &sampler.Space{Name: name, Activation: act, Stages: []sampler.Stage{{
		Name: "stem", Widths: []int{8}, Layers: []sampler.Layer{{
			Stride: 2, Choices: []sampler.Choice{{Name: "conv", Type: sampler.Conv, Kernel: 3}},
		}},
	}}}
}
