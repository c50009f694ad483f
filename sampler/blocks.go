package sampler

import "fmt"

// Block is a layer of a known network, as in the tables of published networks.
type Block struct {
	Type      LayerType // not Skip
	Kernel    int
	Stride    int
	Expansion int     // ibn and fused; 1 = no expansion
	InRatio   float64 // tucker
	OutRatio  float64 // tucker
	SE        float64 // ibn and fused; 0 = none
	Width     int     // output channels
	Residual  bool
	// Activation is empty, the space's own, unless the block's choice has one.
	Activation Activation
	Bias       bool // conv: instead of batch norm
}

// String formats a block for errors: "ibn k3 s2 e8 width 32".
func (b Block) String() string {
	s := fmt.Sprintf("%s k%d s%d", b.Type, b.Kernel, b.Stride)
	if b.Expansion > 0 {
		s += fmt.Sprintf(" e%d", b.Expansion)
	}
	if b.InRatio > 0 {
		s += fmt.Sprintf(" ratios %v %v", b.InRatio, b.OutRatio)
	}
	if b.SE > 0 {
		s += fmt.Sprintf(" se %v", b.SE)
	}
	s += fmt.Sprintf(" width %d", b.Width)
	if b.Residual {
		s += " residual"
	}
	return s
}

// ArchOfBlocks finds the point of the space that equals the network of the blocks, the stem first.
// Every block needs a layer with its stride and residual, one of its choices and its stage's
// width; a layer without a block is skipped, or has a type without weights, which blocks leave out. Nothing else marks the end of a stage: two stages of
// one width are distinguished by the second one's first layer, which has a stride or no residual.
// If several points are the same network, the one whose blocks come first in their stages is
// returned, skips last. If no point fits, the error names the first block that fits nowhere.
func (s *Space) ArchOfBlocks(blocks []Block) (Arch, error) {
	m := &matcher{space: s, blocks: blocks, failed: map[place]bool{}}
	if m.stage(0, 0) {
		return Arch{Space: s.Name, Indices: s.Flattener().unflat(m.indices, func(int) int { return 0 })}, nil
	}
	if m.furthest == len(blocks) {
		return Arch{}, fmt.Errorf("not in space %s: %d blocks leave layers that cannot be skipped", s.Name, len(blocks))
	}
	return Arch{}, fmt.Errorf("not in space %s: block %d (%s) fits no layer after the preceding blocks",
		s.Name, m.furthest, blocks[m.furthest])
}

// matcher searches depth first. Indices grow along a branch; failed branches are remembered, so
// that the work is limited by layers x blocks x widths.
type matcher struct {
	space    *Space
	blocks   []Block
	indices  []int // flat
	furthest int   // block that no branch could place
	failed   map[place]bool
}

type place struct{ stage, layer, block, width int }

func (m *matcher) stage(stage, block int) bool {
	if stage == len(m.space.Stages) {
		return block == len(m.blocks)
	}
	for w := range m.space.Stages[stage].Widths {
		if m.layer(place{stage, 0, block, w}) {
			return true
		}
	}
	return false
}

func (m *matcher) layer(p place) bool {
	m.furthest = max(m.furthest, p.block)
	if m.failed[p] {
		return false
	}
	st := m.space.Stages[p.stage]
	if p.layer == len(st.Layers) {
		return m.try(p.width, func() bool { return m.stage(p.stage+1, p.block) })
	}
	next := place{p.stage, p.layer + 1, p.block, p.width}
	l := st.Layers[p.layer]
	if p.block < len(m.blocks) {
		if b := m.blocks[p.block]; b.Width == st.Widths[p.width] {
			taken := next
			taken.block++
			if c := l.choiceOf(b); c >= 0 && m.try(c, func() bool { return m.layer(taken) }) {
				return true
			}
		}
	}
	for i, c := range l.Choices {
		if c.Type.keepsWidth() && m.try(i, func() bool { return m.layer(next) }) {
			return true
		}
	}
	m.failed[p] = true
	return false
}

// try continues with an index and removes it if that fails.
func (m *matcher) try(index int, rest func() bool) bool {
	m.indices = append(m.indices, index)
	if rest() {
		return true
	}
	m.indices = m.indices[:len(m.indices)-1]
	return false
}

// choiceOf is the index of the choice that equals the block, or -1.
func (l Layer) choiceOf(b Block) int {
	if b.Stride != l.Stride || b.Residual != l.Residual {
		return -1
	}
	for i, c := range l.Choices {
		is := Choice{Name: c.Name, Type: b.Type, Kernel: b.Kernel, Expansion: b.Expansion,
			InRatio: b.InRatio, OutRatio: b.OutRatio, SE: b.SE, Activation: b.Activation, Bias: b.Bias}
		if c == is && !c.Type.keepsWidth() {
			return i
		}
	}
	return -1
}
