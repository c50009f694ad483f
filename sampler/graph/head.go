package graph

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"latlab/sampler"
)

// extraStride is the factor between the sizes of successive extra maps.
const extraStride = 2

// ssdlite appends the extra maps and every map's branches. The graph's outputs are the raw head
// convolutions, map by map, box before class, without concatenation or sigmoid.
func (b *builder) ssdlite(ends []int) {
	head := b.space.Head
	var maps, payers []int
	for _, tap := range head.Taps {
		si := stageIndex(b.space, tap)
		maps, payers = append(maps, ends[si]), append(payers, firstPosition(b.space, si))
	}
	b.detectionHead(maps, payers)
}

// detectionHead appends the head after the tapped maps. payers are the positions that pay for
// each map's branches.
func (b *builder) detectionHead(maps, payers []int) {
	// Only the first convolution of the extra maps depends on the last tap's width. The rest of the
	// chain is fixed, but the same position pays for it, so that its cost is in one place.
	b.pos = payers[len(payers)-1]
	for _, m := range b.extraMaps(maps[len(maps)-1]) {
		maps, payers = append(maps, m), append(payers, Bias)
	}
	for i, m := range maps {
		b.pos = payers[i]
		b.g.Outputs = append(b.g.Outputs, b.branches(m, i)...)
	}
}

// extraMaps appends the chain of maps after the last tap, each half the size of the previous one:
// multi_resolution_feature_maps with insert_1x1_conv and use_depthwise.
func (b *builder) extraMaps(x int) []int {
	var maps []int
	for i, depth := range b.space.Head.Extra {
		name := "head/" + b.extraName(i)
		x = b.conv(x, conv{name: name + "/reduce", kernel: 1, stride: 1, filters: depth / 2, act: sampler.ReLU6})
		x = b.conv(x, conv{name: name + "/depthwise", kernel: 3, stride: extraStride, act: sampler.ReLU6})
		x = b.conv(x, conv{name: name + "/expand", kernel: 1, stride: 1, filters: depth, act: sampler.ReLU6})
		maps = append(maps, x)
	}
	return maps
}

func (b *builder) extraName(i int) string { return "extra" + strconv.Itoa(i+1) }

// branches appends the box and the class branch of the head's map i.
func (b *builder) branches(x, i int) []int {
	head := b.space.Head
	name := b.mapName(i)
	return []int{
		b.branch(x, "head/"+name+"/box", head.Anchors[i]*4),
		b.branch(x, "head/"+name+"/class", head.Anchors[i]*head.Classes),
	}
}

func (b *builder) branch(x int, name string, filters int) int {
	x = b.conv(x, conv{name: name + "/depthwise", kernel: 3, stride: 1, act: sampler.ReLU6})
	return b.conv(x, conv{name: name + "/predict", kernel: 1, stride: 1, filters: filters, bias: true})
}

// mapName is the tap's stage, or extra1, extra2 and so on.
func (b *builder) mapName(i int) string {
	if taps := b.space.Head.Taps; i < len(taps) {
		return taps[i]
	}
	return b.extraName(i - len(b.space.Head.Taps))
}

// classifier appends a global average pool, unless the space's last layers have one, and a fully connected
// layer with bias.
func (b *builder) classifier(x int) int {
	if !pooled(b.space) {
		x = b.pool(x, "head/pool")
	}
	op := Op{Kind: FullyConnected, Name: "head/classes", Inputs: []int{x}}
	return b.add(op, [4]int{1, 1, 1, b.space.Head.Classes})
}

// pooled reports whether a layer of the space averages the map.
func pooled(s *sampler.Space) bool {
	for _, st := range s.Stages {
		for _, l := range st.Layers {
			if l.Pools() {
				return true
			}
		}
	}
	return false
}

func stageIndex(s *sampler.Space, name string) int {
	return slices.IndexFunc(s.Stages, func(st sampler.Stage) bool { return st.Name == name })
}

func checkHead(s *sampler.Space) error {
	switch h := s.Head; h.Type {
	case sampler.NoHead, "":
		return nil
	case sampler.Classifier:
		if h.Classes < 1 {
			return fmt.Errorf("classifier head has %d classes, want at least 1", h.Classes)
		}
		return nil
	case sampler.SSDLite:
		return checkSSDLite(s)
	default:
		return fmt.Errorf("unknown head %q", h.Type)
	}
}

func checkSSDLite(s *sampler.Space) error {
	h := s.Head
	if len(h.Taps) == 0 {
		return errors.New("ssdlite head has no taps")
	}
	if err := checkMaps(h, len(h.Taps)); err != nil {
		return err
	}
	return checkTaps(s)
}

// checkMaps checks the properties of the head's maps, tapped and extra.
func checkMaps(h sampler.Head, taps int) error {
	if len(h.Anchors) != taps+len(h.Extra) {
		return fmt.Errorf("ssdlite head has %d taps and %d extra maps, but anchors for %d maps",
			taps, len(h.Extra), len(h.Anchors))
	}
	if h.Classes < 1 || slices.ContainsFunc(h.Anchors, func(n int) bool { return n < 1 }) {
		return fmt.Errorf("ssdlite head has %d classes and anchors %v, want all at least 1", h.Classes, h.Anchors)
	}
	for _, depth := range h.Extra {
		if depth < 2 {
			return fmt.Errorf("ssdlite head has an extra map of depth %d, want at least 2", depth)
		}
	}
	return nil
}

// checkTaps requires taps in the order of the stages and a tap of the last stage: stages whose
// output is unused must not be timed.
func checkTaps(s *sampler.Space) error {
	last := -1
	for _, tap := range s.Head.Taps {
		si := stageIndex(s, tap)
		if si < 0 {
			return fmt.Errorf("ssdlite head taps stage %q, which does not exist", tap)
		}
		if si <= last {
			return fmt.Errorf("ssdlite head taps %v are not in the order of the stages", s.Head.Taps)
		}
		last = si
	}
	if last != len(s.Stages)-1 {
		return fmt.Errorf("ssdlite head does not tap the last stage %s", s.Stages[len(s.Stages)-1].Name)
	}
	return nil
}
