package tunas

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"latlab/sampler"
)

// Spec is model_spec.json: the space as schema_io serialises a ConvTowerSpec, identical to the
// output of json.dumps(..., sort_keys=True, indent=2).
//
// A stage is a Block; its layers are flat OneOfs over specs (tag op_indices), or the trees of OneOfs of
// Layer.By, each wrapped in a ResidualSpec where the layer is residual, and come before its filters (tag
// filters_indices). So schema.map_oneofs meets the decisions in the order of Arch.Indices
// and coupled_tf_features makes the features in the order of the table.
// A skip is a ZeroSpec, which is the identity inside a ResidualSpec. If the layer is not
// residual, the skip gets its own ResidualSpec; otherwise TuNAS would build a network of zeros.
func Spec(s *sampler.Space) ([]byte, error) {
	var blocks []any
	for _, st := range s.Stages {
		var layers, widths []any
		for _, l := range st.Layers {
			x, err := layerSpec(s, l)
			if err != nil {
				return nil, fmt.Errorf("space %s, stage %s: %w", s.Name, st.Name, err)
			}
			layers = append(layers, x)
		}
		for _, w := range st.Widths {
			widths = append(widths, w)
		}
		blocks = append(blocks, namedtuple("basic_specs.Block",
			field("layers", list(layers)), field("filters", oneOf(widths, filtersTag))))
	}
	// json.MarshalIndent breaks lines where json.dumps does, and adds no line break at the end.
	return json.MarshalIndent(namedtuple("basic_specs.ConvTowerSpec",
		field("blocks", list(blocks)), field("filters_base", filtersBase)), "", "  ")
}

// The tags of OneOfs (basic_specs.py).
const (
	opTag      = "op_indices"
	filtersTag = "filters_indices"
)

// filtersBase divides every width and every expanded width.
const filtersBase = 8

func layerSpec(s *sampler.Space, l sampler.Layer) (any, error) {
	x, err := oneOfs(s, l)
	if err != nil || !l.Residual {
		return x, err
	}
	return residual(x), nil
}

// oneOfs is one OneOf of all choices, or the tree that Layer.By describes.
func oneOfs(s *sampler.Space, l sampler.Layer) (any, error) {
	if l.By != nil {
		return tree(s, l)
	}
	var choices []any
	for _, c := range l.Choices {
		x, err := choiceSpec(s, l, c, valuesOf(c))
		if err != nil {
			return nil, err
		}
		choices = append(choices, x)
	}
	return oneOf(choices, opTag), nil
}

// tree has a OneOf in place of each value that a decision of its own makes, and one around the block for
// ByOp.
func tree(s *sampler.Space, l sampler.Layer) (any, error) {
	v := valuesOf(l.Choices[0])
	var kernels, expansions, excites []any
	for _, c := range l.Values(sampler.ByKernel) {
		kernels = append(kernels, valuesOf(c).kernel)
	}
	for _, c := range l.Values(sampler.ByExpansion) {
		expansions = append(expansions, valuesOf(c).expansion)
	}
	for _, c := range l.Values(sampler.BySE) {
		excites = append(excites, valuesOf(c).se)
	}
	op := false
	for _, by := range l.By {
		switch by {
		case sampler.ByKernel:
			v.kernel = oneOf(kernels, opTag)
		case sampler.ByExpansion:
			v.expansion = oneOf(expansions, filtersTag)
		case sampler.BySE:
			v.se = oneOf(excites, opTag)
		case sampler.ByOp:
			op = true
		}
	}
	x, err := choiceSpec(s, l, l.Choices[0], v)
	if err != nil || !op {
		return x, err
	}
	choices := []any{x}
	for _, c := range l.Values(sampler.ByOp)[1:] {
		skip, err := choiceSpec(s, l, c, valuesOf(c))
		if err != nil {
			return nil, err
		}
		choices = append(choices, skip)
	}
	return oneOf(choices, opTag), nil
}

// values are what a choice has of its own, or OneOfs.
type values struct{ kernel, expansion, se any }

func valuesOf(c sampler.Choice) values {
	return values{c.Kernel, namedtuple("basic_specs.FilterMultiplier", field("scale", float(c.Expansion))), c.SE > 0}
}

func choiceSpec(s *sampler.Space, l sampler.Layer, c sampler.Choice, v values) (any, error) {
	act, err := activation(cmp.Or(c.Activation, s.Activation))
	if err != nil {
		return nil, err
	}
	kernel, strides := field("kernel_size", v.kernel), field("strides", l.Stride)
	expansion, se := field("expansion_filters", v.expansion), field("use_squeeze_and_excite", v.se)
	inner := act
	switch c.Type {
	case sampler.Conv:
		return v3("ConvSpec", kernel, strides, field("use_batch_norm", !c.Bias)), nil
	case sampler.Separable:
		return v3("SeparableConvSpec", kernel, strides, field("activation", act)), nil
	case sampler.IBN, sampler.Bottleneck:
		if c.Type == sampler.IBN && c.Expansion == 1 {
			return v3("NoExpansionSpec", kernel, se, strides, field("activation", act)), nil
		}
		if c.Type == sampler.Bottleneck {
			inner = activationSpec("relu")
		}
		return v3("DepthwiseBottleneckSpec", kernel, expansion, se, strides, field("activation", act),
			field("se_inner_activation", inner), field("se_gating_activation", activationSpec("sigmoid"))), nil
	case sampler.Fused:
		return v3("FusedConvSpec", kernel, expansion, se, strides, field("activation", act)), nil
	case sampler.Tucker:
		return v3("TuckerConvSpec", kernel, field("input_rank_ratio", float(c.InRatio)), field("output_rank_ratio", float(c.OutRatio)),
			strides, field("activation", act)), nil
	case sampler.ActivationMark:
		return act, nil
	case sampler.EndpointMark:
		return v3("DetectionEndpointSpec"), nil
	case sampler.Pool:
		return v3("GlobalAveragePoolSpec"), nil
	case sampler.Skip:
		if l.Residual {
			return namedtuple("basic_specs.ZeroSpec"), nil
		}
		return residual(namedtuple("basic_specs.ZeroSpec")), nil
	}
	return nil, fmt.Errorf("choice %s: layer type %q has no TuNAS spec", c.Name, c.Type)
}

func activation(a sampler.Activation) (any, error) {
	switch a {
	case sampler.ReLU:
		return activationSpec("relu"), nil
	case sampler.ReLU6:
		return activationSpec("relu6"), nil
	case sampler.HSwish:
		return activationSpec("swish6"), nil
	}
	return nil, fmt.Errorf("activation %q has no TuNAS name", a)
}

func activationSpec(name string) any { return v3("ActivationSpec", field("name", name)) }

// lost lists what model_spec.json omits of the space. Predictions are unaffected, since choices
// keep their positions.
func lost(s *sampler.Space) []string {
	var ratios []string
	seen := map[float64]bool{0: true, 0.25: true}
	for _, st := range s.Stages {
		for _, l := range st.Layers {
			for _, c := range l.Choices {
				if !seen[c.SE] {
					seen[c.SE] = true
					ratios = append(ratios, strconv.FormatFloat(c.SE, 'g', -1, 64))
				}
			}
		}
	}
	if ratios == nil {
		return nil
	}
	return []string{"TuNAS has one squeeze-and-excite ratio, 0.25; the space also has " + strings.Join(ratios, ", ")}
}

func residual(layer any) any { return v3("ResidualSpec", field("layer", layer)) }

// The JSON forms of schema_io.

func field(name string, value any) any { return []any{name, value} }

func namedtuple(name string, fields ...any) any {
	return append([]any{"namedtuple:" + name}, fields...)
}

func v3(name string, fields ...any) any {
	return namedtuple("mobile_search_space_v3."+name, fields...)
}

func list(items []any) any { return append([]any{"list"}, items...) }

func oneOf(choices []any, tag string) any {
	return []any{"oneof", field("choices", list(choices)), field("tag", tag)}
}

// float is written as Python writes it: 4.0, not 4.
type float float64

func (f float) MarshalJSON() ([]byte, error) {
	text := strconv.FormatFloat(float64(f), 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return []byte(text), nil
}
