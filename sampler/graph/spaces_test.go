package graph

import (
	"fmt"

	"latlab/sampler"
)

// testSpace is a MobileDet-like space built by hand, so that these tests stand without
// the sampler's own files: every layer type, squeeze-and-excite, residual and skip.
func testSpace(act sampler.Activation, se float64, head sampler.Head) *sampler.Space {
	noexp := func(k int) sampler.Choice {
		return sampler.Choice{Name: fmt.Sprintf("noexp-k%d", k), Type: sampler.IBN, Kernel: k, Expansion: 1, SE: se}
	}
	tucker := []sampler.Choice{
		{Name: "tucker-.25-.25", Type: sampler.Tucker, Kernel: 3, InRatio: 0.25, OutRatio: 0.25},
		{Name: "tucker-.75-.75", Type: sampler.Tucker, Kernel: 3, InRatio: 0.75, OutRatio: 0.75},
	}
	var full []sampler.Choice
	for _, t := range []sampler.LayerType{sampler.IBN, sampler.Fused} {
		for _, k := range []int{3, 5} {
			for _, e := range []int{4, 8} {
				full = append(full, sampler.Choice{Name: fmt.Sprintf("%s-k%d-e%d", t, k, e), Type: t, Kernel: k, Expansion: e, SE: se})
			}
		}
	}
	full = append(full, tucker...)
	skip := append(append([]sampler.Choice{}, full...), sampler.Choice{Name: "skip", Type: sampler.Skip})
	stage := func(name string, layers, stride int, widths ...int) sampler.Stage {
		st := sampler.Stage{Name: name, Widths: widths}
		st.Layers = append(st.Layers, sampler.Layer{Stride: stride, Choices: full})
		for range layers - 1 {
			st.Layers = append(st.Layers, sampler.Layer{Stride: 1, Residual: true, Choices: skip})
		}
		return st
	}
	stem := sampler.Stage{Name: "stem", Widths: []int{16, 24, 32}, Layers: []sampler.Layer{{
		Stride: 2, Choices: []sampler.Choice{{Name: "conv-k3", Type: sampler.Conv, Kernel: 3}},
	}}}
	stage1 := sampler.Stage{Name: "stage1", Widths: []int{8, 16, 24}, Layers: []sampler.Layer{{
		Stride: 1, Choices: append([]sampler.Choice{noexp(3), noexp(5)}, tucker...),
	}}}
	return &sampler.Space{
		Name: "test", Input: sampler.Input{Height: 320, Width: 320, Channels: 3}, Activation: act,
		Stages: []sampler.Stage{
			stem, stage1,
			stage("stage2", 4, 2, 16, 24, 32), stage("stage3", 4, 2, 32, 40, 48), stage("stage4", 4, 2, 72, 96),
			stage("stage5", 4, 1, 72, 96, 120, 144), stage("stage6", 4, 2, 104, 160, 200), stage("stage7", 1, 1, 144, 384),
		},
		Head: head,
	}
}

func ssdliteHead() sampler.Head {
	return sampler.Head{
		Type: sampler.SSDLite, Classes: 91, Taps: []string{"stage5", "stage7"},
		Extra: []int{512, 256, 256, 128}, Anchors: []int{3, 6, 6, 6, 6, 6},
	}
}

func zeroArch(s *sampler.Space) sampler.Arch {
	return sampler.Arch{Space: s.Name, Indices: make([]int, len(s.Decisions()))}
}
