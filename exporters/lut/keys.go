package lut

import (
	"fmt"
	"strconv"
	"strings"

	"latlab/sampler"
	"latlab/sampler/graph"
)

// baseKey holds what every network pays: no reader asks for it.
const baseKey = "Base"

// place is a table entry with its shapes.
type place struct {
	space    *sampler.Space
	position sampler.Position
	layer    sampler.Layer
	choice   sampler.Choice
	from, to [3]int // height, width, channels
	ranks    [2]int // tucker: channels behind the compression and behind the core
}

// walk calls f for every reachable entry of a space, with the height and width of its maps.
func walk(s *sampler.Space, f func(position, entry int, p place) error) error {
	h, w := s.Input.Height, s.Input.Width
	for i, pos := range s.Positions() {
		l := s.Stages[pos.Stage].Layers[pos.Layer]
		oh, ow := (h+l.Stride-1)/l.Stride, (w+l.Stride-1)/l.Stride
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
			if err := f(i, e, p); err != nil {
				return err
			}
		}
		h, w = oh, ow
	}
	return nil
}

// findRanks asks the ops of a Tucker layer: how ranks are rounded is the graph's to know.
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

// key is what a reader of the dialect makes of a layer. A plain convolution is `Conv` where
// the network begins and `Conv_1`, the readers' feature mix layer, anywhere else; neither
// says its kernel.
func (d Dialect) key(p place) string {
	shapes := "-input:" + dims(p.from[:]...) + "-output:" + dims(p.to[:]...)
	switch p.choice.Type {
	case sampler.Conv:
		if p.position.Stage == 0 && p.position.Layer == 0 {
			return "Conv" + shapes
		}
		return "Conv_1" + shapes
	case sampler.IBN:
		return "expanded_conv" + shapes + d.expand(p) + d.tail(p)
	case sampler.Fused:
		return "fused_conv" + shapes + d.expand(p) + d.tail(p)
	case sampler.Tucker:
		return "tucker_conv" + shapes + d.tucker(p) + d.tail(p)
	}
	return string(p.choice.Type) + shapes
}

// expand is the trap of the two dialects: the ratio in one, the channels in the other.
func (d Dialect) expand(p place) string {
	n := p.choice.Expansion
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
		text += fmt.Sprintf("-se:%d-hs:%d", bit(p.choice.SE > 0), bit(p.space.Activation == sampler.HSwish))
	}
	return text
}

// own tells an entry from others of the same key.
func (p place) own() string {
	return "-layer:" + p.position.Name + "-choice:" + p.choice.Name
}

// headKeys are the keys of a classifier over a last map, the pool's empty where the reader
// counts it to the classifier.
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

// number is a float as YAML 1.1 has it: PyYAML takes "2e-09" and "5e+21" for text, and 5 for
// an integer. Nothing is rounded.
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
