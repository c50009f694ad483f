package tunas

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"latlab/sampler"
)

// Spec is model_spec.json: the space as schema_io serialises a ConvTowerSpec, identical to the
// output of json.dumps(..., sort_keys=True, indent=2).
//
// A stage is a Block; its layers are flat OneOfs over specs (tag op_indices), each wrapped
// in a ResidualSpec where the layer is residual, and come before its filters (tag
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
			field("layers", list(layers)), field("filters", oneOf(widths, "filters_indices"))))
	}
	// json.MarshalIndent breaks lines where json.dumps does, and adds no line break at the end.
	return json.MarshalIndent(namedtuple("basic_specs.ConvTowerSpec",
		field("blocks", list(blocks)), field("filters_base", filtersBase)), "", "  ")
}

// filtersBase divides every width and every expanded width.
const filtersBase = 8

func layerSpec(s *sampler.Space, l sampler.Layer) (any, error) {
	var choices []any
	for _, c := range l.Choices {
		x, err := choiceSpec(s, l, c)
		if err != nil {
			return nil, err
		}
		choices = append(choices, x)
	}
	x := oneOf(choices, "op_indices")
	if l.Residual {
		return residual(x), nil
	}
	return x, nil
}

func choiceSpec(s *sampler.Space, l sampler.Layer, c sampler.Choice) (any, error) {
	act, err := activation(s.Activation)
	if err != nil {
		return nil, err
	}
	kernel, strides := field("kernel_size", c.Kernel), field("strides", l.Stride)
	expansion := field("expansion_filters", namedtuple("basic_specs.FilterMultiplier", field("scale", float(c.Expansion))))
	se := field("use_squeeze_and_excite", c.SE > 0)
	switch {
	case c.Type == sampler.Conv:
		return v3("ConvSpec", kernel, strides, field("use_batch_norm", true)), nil
	case c.Type == sampler.IBN && c.Expansion == 1:
		return v3("NoExpansionSpec", kernel, se, strides, field("activation", act)), nil
	case c.Type == sampler.IBN:
		return v3("DepthwiseBottleneckSpec", kernel, expansion, se, strides, field("activation", act),
			field("se_inner_activation", act), field("se_gating_activation", v3("ActivationSpec", field("name", "sigmoid")))), nil
	case c.Type == sampler.Fused:
		return v3("FusedConvSpec", kernel, expansion, se, strides, field("activation", act)), nil
	case c.Type == sampler.Tucker:
		return v3("TuckerConvSpec", kernel, field("input_rank_ratio", float(c.InRatio)), field("output_rank_ratio", float(c.OutRatio)),
			strides, field("activation", act)), nil
	case c.Type == sampler.Skip && l.Residual:
		return namedtuple("basic_specs.ZeroSpec"), nil
	case c.Type == sampler.Skip:
		return residual(namedtuple("basic_specs.ZeroSpec")), nil
	}
	return nil, fmt.Errorf("choice %s: layer type %q has no TuNAS spec", c.Name, c.Type)
}

func activation(a sampler.Activation) (any, error) {
	switch a {
	case sampler.ReLU6:
		return v3("ActivationSpec", field("name", "relu6")), nil
	case sampler.HSwish:
		return v3("ActivationSpec", field("name", "swish6")), nil
	}
	return nil, fmt.Errorf("activation %q has no TuNAS name", a)
}

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
