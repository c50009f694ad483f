package graph

import (
	"errors"
	"fmt"

	"latlab/sampler"
)

// Lower turns a point of a space into ops with shapes. Ops come in execution order: the backbone
// stage by stage, then the head's extra maps, then its branches map by map.
//
// One position pays for every op. Which ops a position pays for depends only on the space and the
// position's own entry (output width, input width, choice), so a table of entries can be exact.
// An Arch that fails the space's Check, or a space whose layers do not fit together, is an error.
func Lower(s *sampler.Space, a sampler.Arch) (*Graph, error) {
	if err := checkSpace(s); err != nil {
		return nil, err
	}
	if a.Space != s.Name {
		return nil, fmt.Errorf("arch %s belongs to space %q, not to %s", a, a.Space, s.Name)
	}
	if err := s.Check(a); err != nil {
		return nil, err
	}
	b := newBuilder(s, 300)
	b.g.Name, b.g.Space, b.g.Indices = s.Name+"-"+a.ID(), s.Name, a.String()
	ends, err := b.backbone(a)
	if err != nil {
		return nil, fmt.Errorf("space %s, indices %s: %w", s.Name, a, err)
	}
	b.head(ends)
	if err := b.g.checkSizes(); err != nil {
		return nil, fmt.Errorf("space %s, indices %s: %w", s.Name, a, err)
	}
	if len(b.g.Ops) == 0 {
		return nil, fmt.Errorf("space %s, indices %s: every layer is skipped, so no op is left", s.Name, a)
	}
	return b.g, nil
}

// backbone appends every stage and returns the output tensor of each.
func (b *builder) backbone(a sampler.Arch) ([]int, error) {
	in := b.space.Input
	x := b.tensor("input", [4]int{1, in.Height, in.Width, in.Channels})
	b.g.Inputs = []int{x}
	ends := make([]int, len(b.space.Stages))
	indices := b.space.Flat(a.Indices)
	next := 0
	b.pos = 0
	for si, st := range b.space.Stages {
		choices := indices[next : next+len(st.Layers)]
		width := st.Widths[indices[next+len(st.Layers)]]
		next += len(st.Layers) + 1
		for li, c := range choices {
			var err error
			if x, err = b.layer(x, si, li, c, width); err != nil {
				return nil, err
			}
			b.pos++
		}
		ends[si] = x
	}
	return ends, nil
}

// head appends the ops after the last stage and sets the graph's outputs.
func (b *builder) head(ends []int) {
	last := len(ends) - 1
	switch b.space.Head.Type {
	case sampler.SSDLite:
		b.ssdlite(ends)
	case sampler.Classifier:
		b.pos = firstPosition(b.space, last)
		b.g.Outputs = []int{b.classifier(ends[last])}
	default:
		b.g.Outputs = []int{ends[last]}
	}
}

// firstPosition is the position of the first layer of a stage, which pays for everything that
// depends on the stage's width. Every layer of the stage would do, but only the first one
// always exists.
func firstPosition(s *sampler.Space, stage int) int {
	p := 0
	for _, st := range s.Stages[:stage] {
		p += len(st.Layers)
	}
	return p
}

// checkSpace refuses values that would make a shape empty or an op meaningless. The sampler's
// loader has already checked its spaces; this protects hand-made ones from a panic.
func checkSpace(s *sampler.Space) error {
	if s == nil {
		return errors.New("no space")
	}
	in := s.Input
	if in.Height < 1 || in.Width < 1 || in.Channels < 1 {
		return fmt.Errorf("space %s: network input %dx%dx%d is empty", s.Name, in.Height, in.Width, in.Channels)
	}
	if !known(s.Activation) {
		return fmt.Errorf("space %s: activation %q, want %s, %s or %s", s.Name, s.Activation, sampler.ReLU6, sampler.ReLU, sampler.HSwish)
	}
	if len(s.Stages) == 0 {
		return fmt.Errorf("space %s has no stages", s.Name)
	}
	for _, st := range s.Stages {
		if err := checkStage(st); err != nil {
			return fmt.Errorf("space %s: stage %s %w", s.Name, st.Name, err)
		}
	}
	if err := checkHead(s); err != nil {
		return fmt.Errorf("space %s: %w", s.Name, err)
	}
	return nil
}

func known(a sampler.Activation) bool {
	return a == sampler.ReLU6 || a == sampler.ReLU || a == sampler.HSwish
}

func checkStage(st sampler.Stage) error {
	if len(st.Layers) == 0 {
		return errors.New("has no layers")
	}
	for _, w := range st.Widths {
		if w < 1 {
			return fmt.Errorf("has width %d, want at least 1", w)
		}
	}
	for i, l := range st.Layers {
		if l.Stride < 1 {
			return fmt.Errorf("layer %d has stride %d, want at least 1", i+1, l.Stride)
		}
	}
	return nil
}

// maxElements limits a tensor and each of its extents, far beyond what any file format or device
// supports.
const maxElements = 1 << 28

// checkSizes catches the results of extreme widths, expansions and ratios.
func (g *Graph) checkSizes() error {
	for _, t := range g.Tensors {
		elements := 1
		for _, n := range t.Shape {
			if n < 1 || n > maxElements || elements*n > maxElements {
				return fmt.Errorf("tensor %s has shape %v, want 1 to %d elements", t.Name, t.Shape, maxElements)
			}
			elements *= n
		}
	}
	return nil
}
