// Package sampler holds search spaces as data and draws networks from them.
//
// A Space is a list of stages; a stage has candidate widths and layers; a layer has named choices.
// Every layer and every stage width is one decision, in TuNAS order: the layers of a stage, then
// its width, stage by stage, the stem first (google-research/tunas, schema.map_oneofs). An Arch has
// one index for each decision. In TuNAS's own spaces a layer is made by several decisions, or by none
// (decisions.go).
//
// The package knows nothing about shapes, MACs and file formats: sampler/graph lowers a point to
// ops, sampler/tflite writes it.
package sampler

import "strconv"

// LayerType is the kind of a layer choice.
type LayerType string

// The layer types that sampler/graph can lower. They are the blocks of MobileDets
// (CVPR 2021, section 3) plus the plain convolution of a stem.
const (
	Conv   LayerType = "conv"   // KxK regular convolution, batch norm, activation
	IBN    LayerType = "ibn"    // inverted bottleneck; Expansion 1 means without expansion
	Fused  LayerType = "fused"  // KxK regular convolution that expands, then 1x1 linear
	Tucker LayerType = "tucker" // 1x1 compress, KxK regular, 1x1 linear
	Skip   LayerType = "skip"   // identity: the layer is omitted
)

// The layer types of TuNAS's own spaces (google-research/tunas, mobile_search_space_v3.py and
// rematlib/mobile_model_v3.py). TuNAS's blocks differ from MobileDets' in details that change their cost,
// so they are types of their own.
const (
	Separable LayerType = "separable" // KxK depthwise, activation, 1x1 linear (SeparableConvSpec)
	// Bottleneck is DepthwiseBottleneckSpec: it expands at Expansion 1 too, the hidden layer of its
	// squeeze-and-excite has ReLU, and DivisibleWidth rounds it.
	Bottleneck LayerType = "bottleneck"
	Pool       LayerType = "pool" // mean of the whole map (GlobalAveragePoolSpec)
	// The marks have no ops. TuNAS gives each of them a place in its table, so they have a position here.
	ActivationMark LayerType = "activation" // the activation that the layer before has (ActivationSpec)
	EndpointMark   LayerType = "endpoint"   // where a detector would read the map (DetectionEndpointSpec)
)

// keepsWidth reports types of layers that cannot change the number of channels.
func (t LayerType) keepsWidth() bool {
	return t == Skip || t == Pool || t == ActivationMark || t == EndpointMark
}

// Activation is the non-linearity of the backbone's blocks.
type Activation string

// The activations.
const (
	ReLU6  Activation = "relu6"
	ReLU   Activation = "relu"    // sampler/graph lowers it as ReLU6: to a runtime both are one clamp
	HSwish Activation = "h-swish" // x * relu6(x+3) / 6
)

// Choice is one candidate of a layer.
type Choice struct {
	Name      string    `yaml:"name"`
	Type      LayerType `yaml:"type"`
	Kernel    int       `yaml:"kernel,omitempty"`    // spatial extent of the KxK convolution; 0 for skip
	Expansion int       `yaml:"expansion,omitempty"` // ibn and fused: expanded channels over input channels; 1 = no expansion (ibn only)
	InRatio   float64   `yaml:"in_ratio,omitempty"`  // tucker: input rank over input channels
	OutRatio  float64   `yaml:"out_ratio,omitempty"` // tucker: output rank over output channels
	SE        float64   `yaml:"se,omitempty"`        // squeeze-and-excite: hidden channels over squeezed channels; 0 = none
	// Activation is the choice's own; empty = the space's.
	Activation Activation `yaml:"activation,omitempty"`
	Bias       bool       `yaml:"bias,omitempty"` // conv: a bias instead of batch norm
}

// Layer is choices at a fixed stride.
type Layer struct {
	Stride   int
	Residual bool // input added to the output; needs stride 1 and equal widths
	Choices  []Choice
	// By are the decisions that together make the choice (decisions.go); nil = one decision makes it.
	By []By
}

// MapAfter is the height and width of the map behind the layer.
func (l Layer) MapAfter(height, width int) (h, w int) {
	if l.Pools() {
		return 1, 1
	}
	return shrink(height, l.Stride), shrink(width, l.Stride)
}

// Pools reports whether the layer averages the map.
func (l Layer) Pools() bool { return len(l.Choices) == 1 && l.Choices[0].Type == Pool }

// Stage is layers that share one output width.
type Stage struct {
	Name   string
	Widths []int // candidate output channels, ascending, no duplicates
	Layers []Layer
}

// LayerName is the name of the position and decision of a layer: "stem", "stage2/layer1".
func (st Stage) LayerName(layer int) string {
	if len(st.Layers) == 1 {
		return st.Name
	}
	return st.Name + "/layer" + strconv.Itoa(layer+1)
}

// HeadType is what follows the last stage.
type HeadType string

// The heads.
const (
	NoHead     HeadType = "none"
	SSDLite    HeadType = "ssdlite"
	Classifier HeadType = "classifier"
)

// Head describes the fixed part after the backbone. It always uses ReLU6.
type Head struct {
	Type    HeadType `yaml:"type"`
	Classes int      `yaml:"classes,omitempty"` // outputs per box (ssdlite, background included) or outputs (classifier)
	// Taps are the stages whose outputs the SSDLite head reads, e.g. stage5 and stage7.
	Taps []string `yaml:"taps,flow,omitempty"`
	// Extra are the depths of the maps after the last tap, each half the size of the previous one.
	Extra []int `yaml:"extra,flow,omitempty"`
	// Anchors are boxes per location, one number for each map: taps first, then extra maps.
	Anchors []int `yaml:"anchors,flow,omitempty"`
}

// Input is the shape of the network's one input: batch 1, NHWC.
type Input struct {
	Height   int `yaml:"height"`
	Width    int `yaml:"width"`
	Channels int `yaml:"channels"`
}

// Space is a search space. It is immutable once loaded.
type Space struct {
	Name       string
	Doc        string // one line of description
	Source     string // file that it was read from; empty for a built-in space
	Input      Input
	Activation Activation
	Stages     []Stage // the stem is the first
	Head       Head
}

// Decision is one OneOf: a layer's choice or a part of it, or a stage's width.
type Decision struct {
	Stage int
	Layer int      // index in the stage, or -1 for the stage's width
	Name  string   // "stage2/layer1", "stage2/layer1/kernel" or "stage2/width"
	Names []string // meaning of each index
}

// Position is one layer's place in the cost model's table. Every combination of (output width,
// input width, choice) has one entry, in TuNAS order: entry = (out*len(In) + in)*len(Choices) +
// choice (google-research/tunas, mobile_cost_model.coupled_tf_features).
type Position struct {
	Name    string // "stem", "stage2/layer1"
	Stage   int
	Layer   int
	In      []int // candidate input channels; one for the first position
	Out     []int // candidate output channels
	Choices []Choice
	// SameWidth is true for every layer of a stage except its first: input and output width are then
	// the same decision, so entries with in != out are unreachable.
	SameWidth bool
}

// Slots is the number of entries of the position, unreachable ones included.
func (p Position) Slots() int { return len(p.Out) * len(p.In) * len(p.Choices) }

// Entry is the index of (out, in, choice) indices.
func (p Position) Entry(out, in, choice int) int {
	return (out*len(p.In)+in)*len(p.Choices) + choice
}

// Split is the inverse of Entry.
func (p Position) Split(entry int) (out, in, choice int) {
	choice = entry % len(p.Choices)
	entry /= len(p.Choices)
	return entry / len(p.In), entry % len(p.In), choice
}

// Reachable reports whether any Arch can use the entry.
func (p Position) Reachable(entry int) bool {
	out, in, _ := p.Split(entry)
	return !p.SameWidth || out == in
}

// Decisions lists the space's decisions in the order of Arch.Indices.
func (s *Space) Decisions() []Decision {
	var ds []Decision
	for si, st := range s.Stages {
		for li, l := range st.Layers {
			for _, d := range l.decisions() {
				name := st.LayerName(li)
				if d.by != "" {
					name += "/" + string(d.by)
				}
				ds = append(ds, Decision{Stage: si, Layer: li, Name: name, Names: d.names})
			}
		}
		d := Decision{Stage: si, Layer: -1, Name: st.Name + "/width"}
		for _, w := range st.Widths {
			d.Names = append(d.Names, strconv.Itoa(w))
		}
		ds = append(ds, d)
	}
	return ds
}

// Positions lists the table positions in order, one for each layer.
func (s *Space) Positions() []Position {
	var ps []Position
	in := []int{s.Input.Channels}
	for si, st := range s.Stages {
		for li, l := range st.Layers {
			ps = append(ps, Position{
				Name: st.LayerName(li), Stage: si, Layer: li,
				In: in, Out: st.Widths, Choices: l.Choices, SameWidth: li > 0,
			})
			in = st.Widths
		}
	}
	return ps
}

// Slots returns the number of table entries and how many of them are reachable.
func (s *Space) Slots() (slots, reachable int) {
	for _, p := range s.Positions() {
		slots += p.Slots()
		if p.SameWidth {
			reachable += len(p.Out) * len(p.Choices)
		} else {
			reachable += p.Slots()
		}
	}
	return slots, reachable
}
