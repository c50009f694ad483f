package lut

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"latlab/sampler"
	"latlab/sampler/graph"
)

// baseKey is the key of the intercept; no reader looks it up.
const baseKey = "Base"

// place is a table entry with its shapes.
type place struct {
	space    *sampler.Space
	position sampler.Position
	layer    sampler.Layer
	choice   sampler.Choice
	from, to [3]int // height, width, channels
	ranks    [2]int // tucker: output channels of the first 1x1 and of the KxK convolution
}

// walk calls f for every reachable entry of a space, with the height and width of its maps.
func walk(s *sampler.Space, f func(position, entry int, p place)) error {
	h, w := s.Input.Height, s.Input.Width
	for i, pos := range s.Positions() {
		l := s.Stages[pos.Stage].Layers[pos.Layer]
		oh, ow := l.MapAfter(h, w)
		for e := range pos.Slots() {
			if !pos.Reachable(e) {
				continue
			}
			out, in, choice := pos.Split(e)
			p := place{
				space: s, position: pos, layer: l, choice: pos.Choices[choice],
				from: [3]int{h, w, pos.In[in]}, to: [3]int{oh, ow, pos.Out[out]},
			}
			if err := p.findRanks(i, e); err != nil {
				return err
			}
			f(i, e, p)
		}
		h, w = oh, ow
	}
	return nil
}

// findRanks takes the ranks of a Tucker layer from its ops, because the graph rounds them.
func (p *place) findRanks(position, entry int) error {
	if p.choice.Type != sampler.Tucker {
		return nil
	}
	ops, err := graph.EntryOps(p.space, position, entry)
	if err != nil {
		return err
	}
	for _, o := range ops {
		switch {
		case strings.HasSuffix(o.Name, "/compress"):
			p.ranks[0] = o.Out[3]
		case strings.HasSuffix(o.Name, "/core"):
			p.ranks[1] = o.Out[3]
		}
	}
	return nil
}

// key is the key that a reader of the dialect builds for a layer. A plain convolution is
// `Conv` at the start of the network and `Conv_1`, the readers' feature mix layer, anywhere
// else; neither key contains the kernel.
func (d Dialect) key(p place) string {
	shapes := "-input:" + dims(p.from[:]...) + "-output:" + dims(p.to[:]...)
	switch p.choice.Type {
	case sampler.Conv:
		if p.position.Stage == 0 && p.position.Layer == 0 {
			return "Conv" + shapes
		}
		return "Conv_1" + shapes
	case sampler.IBN, sampler.Separable, sampler.Bottleneck:
		return "expanded_conv" + shapes + d.expand(p) + d.tail(p)
	case sampler.Fused:
		return "fused_conv" + shapes + d.expand(p) + d.tail(p)
	case sampler.Tucker:
		return "tucker_conv" + shapes + d.tucker(p) + d.tail(p)
	}
	return string(p.choice.Type) + shapes
}

// expand differs between the dialects: it is the ratio in one, the channels in the other.
func (d Dialect) expand(p place) string {
	n := max(1, p.choice.Expansion)
	if d == OFA {
		n *= p.from[2]
	}
	return fmt.Sprintf("-expand:%d", n)
}

func (d Dialect) tucker(p place) string {
	if d == OFA {
		return fmt.Sprintf("-rank:%dx%d", p.ranks[0], p.ranks[1])
	}
	return fmt.Sprintf("-ratio:%sx%s", decimal(p.choice.InRatio), decimal(p.choice.OutRatio))
}

func (d Dialect) tail(p place) string {
	text := fmt.Sprintf("-kernel:%d-stride:%d-idskip:%d", p.choice.Kernel, p.layer.Stride, bit(p.layer.Residual))
	if d == OFA {
		text += fmt.Sprintf("-se:%d-hs:%d", bit(p.choice.SE > 0), bit(cmp.Or(p.choice.Activation, p.space.Activation) == sampler.HSwish))
	}
	return text
}

// own distinguishes an entry from others with the same key.
func (p place) own() string {
	return "-layer:" + p.position.Name + "-choice:" + p.choice.Name
}

// headKeys are the keys of a classifier over the last map; the pool's key is empty if the
// reader includes the pool in the classifier.
func (d Dialect) headKeys(last [3]int, classes int) (pool, classifier string) {
	if d == ProxylessNAS {
		return "", fmt.Sprintf("Logits-input:%s-output:%d", dims(last[:]...), classes)
	}
	one := dims(1, 1, last[2])
	return "AvgPool2D-input:" + dims(last[:]...) + "-output:" + one, fmt.Sprintf("Logits-input:%s-output:%d", one, classes)
}

func dims(n ...int) string {
	var texts []string
	for _, x := range n {
		texts = append(texts, strconv.Itoa(x))
	}
	return strings.Join(texts, "x")
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// number writes a float for YAML 1.1, without rounding: PyYAML reads "2e-09" and "5e+21" as
// text, and 5 as an integer.
func number(x float64) string {
	text := strconv.FormatFloat(x, 'g', -1, 64)
	if strings.Contains(text, ".") {
		return text
	}
	mantissa, exponent, found := strings.Cut(text, "e")
	if found {
		return mantissa + ".0e" + exponent
	}
	return text + ".0"
}
