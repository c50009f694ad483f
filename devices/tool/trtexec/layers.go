package trtexec

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/internal/text"
)

// layers is what is known about the unit and the type that each layer of an engine runs in.
type layers struct {
	onDLA, onGPU []string // by the builder's names
	count        int      // rows of the table; 0 if there is no table
	// weighted are the layers of the table that have weights, by the type of the weights: the layer
	// computes in that type.
	weighted map[string]int
	named    map[string]details // of each layer of the table, by its name
}

// layer is a row of the engine inspector's table (TensorRT's NvInferRuntime.h, IEngineInspector). The
// table has no "precision": weights have a type, and tensors a text such as "Channel major FP16 format
// where channel % 8 == 0".
type layer struct {
	Name    string
	Weights *struct{ Type string }
	// Of any type, because a block does not depend on them.
	LayerType, TacticName, Metadata any
}

// details are what a profile says of a layer. An empty one is not in the table.
type details struct {
	op     string   // LayerType: "CaskConvolution"
	kernel string   // TacticName: "sm72_xmma_fprop_implicit_gemm_f16f16..."
	nodes  []string // names of the ONNX file's nodes, by Metadata, which tables have since 8.6
}

// node is an entry of Metadata; control characters are between entries.
var node = regexp.MustCompile(`\[ONNX Layer: ([^\]]+)\]`)

func (l layer) details() details {
	word := func(v any) string {
		s, _ := v.(string)
		return text.Line(s, maxKept)
	}
	d := details{op: word(l.LayerType), kernel: word(l.TacticName)}
	metadata, _ := l.Metadata.(string)
	for _, m := range node.FindAllStringSubmatch(metadata, -1) {
		d.nodes = append(d.nodes, m[1])
	}
	return d
}

// parse reads the table. Rows are bare names if the engine was built without details.
func (l *layers) parse(data []byte) error {
	var doc struct{ Layers []json.RawMessage }
	if err := json.Unmarshal(data, &doc); err != nil {
		return err
	}
	if len(doc.Layers) == 0 {
		return fmt.Errorf("it has no layers")
	}
	l.count, l.weighted, l.named = len(doc.Layers), map[string]int{}, map[string]details{}
	for i, raw := range doc.Layers {
		if bytes.HasPrefix(bytes.TrimSpace(raw), []byte(`"`)) {
			continue
		}
		var one layer
		if err := json.Unmarshal(raw, &one); err != nil {
			return fmt.Errorf("layer %d: %w", i+1, err)
		}
		l.named[one.Name] = one.details()
		if one.Weights != nil {
			l.weighted[string(cmp.Or(types[strings.ToLower(one.Weights.Type)], "other"))]++
		}
	}
	return nil
}

var types = map[string]Precision{"float": Float32, "fp32": Float32, "half": Float16, "fp16": Float16, "int8": Int8}

// delegation counts TensorRT's layers, each of which may hold several of the model's nodes. An engine
// for the GPU runs wholly on the GPU or is not built: TensorRT computes nothing on the CPU.
func (l layers) delegation(o Options) devices.Delegation {
	d := devices.Delegation{Name: o.delegate()}
	if o.DLACore == nil {
		d.Nodes = max(l.count, len(l.onGPU), 1)
		d.Delegated, d.Partitions = d.Nodes, 1
		return d
	}
	d.Delegated, d.Partitions = len(l.onDLA), len(l.onDLA)
	d.Nodes = len(l.onDLA) + len(l.onGPU)
	if len(l.onGPU) > 0 {
		d.Why = l.left()
	}
	return d
}

// maxWhy limits the number of a block's reasons.
const maxWhy = 20

// left lists the kinds of layers that run on the GPU: "CONVOLUTION x3: on the GPU".
func (l layers) left() []string {
	kinds := map[string]int{}
	for _, name := range l.onGPU {
		kind, _, found := strings.Cut(name, ":")
		if !found {
			kind = "a layer"
		}
		kinds[text.Line(kind, maxKept)]++
	}
	var why []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		if len(why) == maxWhy {
			return append(why, fmt.Sprintf("and %d more kinds", len(kinds)-maxWhy))
		}
		why = append(why, fmt.Sprintf("%s x%d: on the GPU, the DLA does not take it", kind, kinds[kind]))
	}
	return why
}

func (l layers) judge(o Options, b *devices.Block) {
	if l.count > 0 {
		b.Counters["layers"] = float64(l.count)
	}
	var all, as int
	for t, n := range l.weighted {
		all += n
		b.Counters["weighted_layers_"+t] = float64(n)
		if t == string(o.Precision) {
			as += n
		}
	}
	switch {
	case all == 0:
		b.Warnings = append(b.Warnings, fmt.Sprintf("that layers are computed in %s is asked for and not proven: this TensorRT exports no types of layers", o.Precision))
	case as == all:
	case o.Mixed:
		b.Warnings = append(b.Warnings, l.mixed(o, as, all))
	default:
		b.Doubts = append(b.Doubts, devices.Doubt{Code: "precision_not_reached", Text: l.mixed(o, as, all)})
	}
}

func (l layers) mixed(o Options, as, all int) string {
	var parts []string
	for _, t := range slices.Sorted(maps.Keys(l.weighted)) {
		if t != string(o.Precision) {
			parts = append(parts, fmt.Sprintf("%d in %s", l.weighted[t], t))
		}
	}
	return fmt.Sprintf("%d of %d layers with weights are computed in %s: %s", as, all, o.Precision, strings.Join(parts, ", "))
}
