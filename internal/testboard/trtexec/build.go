package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"latlab/internal/testboard/trtfake"
	"latlab/sampler/onnx"
)

// plan is the content of an engine file.
type plan struct {
	Magic   string   `json:"magic"`
	Version int      `json:"version"`
	SHA256  string   `json:"sha256"`
	Seconds float64  `json:"seconds"`
	DLA     string   `json:"dla"`
	Inputs  []string `json:"inputs"`
	Open    []string `json:"open"` // inputs whose size is open
	Layers  []layer  `json:"layers"`
	Foreign string   `json:"foreign"` // the layer on the DLA
}

// layer is a layer of an engine, with the nodes of the ONNX file that it computes.
type layer struct {
	Name  string   `json:"name"`
	Type  string   `json:"type"`
	Nodes []string `json:"nodes"`
}

// layersOf fuses a convolution with the Clip behind it, and the two nodes of a HardSwish, and adds the copy of the
// input into the engine's format. Pointwise layers have names of the compiler's own since TensorRT 10.
func (p *program) layersOf(n *onnx.Network) []layer {
	all := []layer{{Name: "Reformatting CopyNode for Input Tensor 0 to " + n.Ops[0].Name, Type: "Reformat"}}
	for _, op := range n.Ops {
		last := &all[len(all)-1]
		switch {
		case op.Type == "Clip":
			last.Name += " + " + op.Name
			last.Nodes = append(last.Nodes, op.Name)
		case op.Type == "Mul" && last.Type == "HardSigmoid":
			last.Name, last.Type, last.Nodes = "PWN(PWN("+last.Name+"), "+op.Name+")", "PointWiseV2", append(last.Nodes, op.Name)
			if p.Version >= 1e5 {
				last.Name, last.Type = fmt.Sprintf("__myl_Mul_myl0_%d", len(all)), "kgen"
			}
		default:
			all = append(all, layer{op.Name, op.Type, []string{op.Name}})
		}
	}
	return all
}

const magic = "stand-in for a TensorRT engine"

func (p *program) build() int {
	data, err := os.ReadFile(p.opts["--onnx"])
	if err != nil {
		return p.fail("Failed to open file: " + p.opts["--onnx"])
	}
	checked, err := onnx.Check(data)
	if err != nil {
		return p.fail("Failed to parse onnx file: " + err.Error())
	}
	n, err := onnx.Read(data)
	if err != nil {
		return p.fail("Failed to parse onnx file: " + err.Error())
	}
	sum := sha256.Sum256(data)
	e := plan{Magic: magic, Version: p.Version, SHA256: hex.EncodeToString(sum[:]), DLA: p.opts["--useDLACore"]}
	for _, in := range checked.Inputs {
		e.Inputs = append(e.Inputs, in.Name)
		if slices.ContainsFunc(in.Dims, func(d onnx.Dim) bool { return d.Size == 0 }) {
			e.Open = append(e.Open, in.Name)
		}
	}
	if err := p.resize(e); err != nil {
		return p.fail(err.Error())
	}
	e.Seconds = p.Seconds[e.SHA256]
	if e.Seconds == 0 {
		e.Seconds = p.Default
	}
	if e.Seconds == 0 {
		return p.fail("Error[4]: the network of sha256 " + e.SHA256 + " has no time in the control file")
	}
	foreign, code, failed := p.assign(n)
	if failed {
		return code
	}
	e.Foreign = foreign
	if len(n.Ops) > 0 {
		e.Layers = p.layersOf(n)
	}
	if err := p.save(e); err != nil {
		return p.fail("Saving engine to file failed. " + err.Error())
	}
	if p.opts["--skipInference"] == "" && p.opts["--buildOnly"] == "" {
		return p.infer(e)
	}
	return p.pass()
}

// resize is what sampleOptions.cpp and sampleInference.cpp make of --shapes.
func (p *program) resize(e plan) error {
	given := map[string]bool{}
	for _, spec := range strings.FieldsFunc(p.opts["--shapes"], func(r rune) bool { return r == ',' }) {
		name, _, quoted := strings.Cut(strings.TrimPrefix(spec, "'"), "':")
		if !quoted {
			name, _, _ = strings.Cut(spec, ":")
		}
		if !slices.Contains(e.Open, name) {
			return complaint("Static model does not take explicit shapes since the shape of inference tensors will be determined by the model itself")
		}
		given[name] = !p.Deaf
	}
	for _, name := range e.Open {
		if !given[name] {
			log(os.Stderr, "W", "Dynamic dimensions required for input: "+name+", but no shapes were provided. Automatically overriding shape to: 1x3x1x1")
		}
	}
	return nil
}

// load is what sampleOptions.cpp and sampleInference.cpp make of --loadInputs: a pair that names no input is an error
// since TensorRT 8. The contents are recorded in hex, by the inputs' names.
func (p *program) load(e plan) error {
	got := map[string]string{}
	for _, pair := range strings.FieldsFunc(p.opts["--loadInputs"], func(r rune) bool { return r == ',' }) {
		colon := strings.LastIndex(pair, ":")
		name, file := pair[:max(colon, 0)], pair[colon+1:]
		switch content, err := os.ReadFile(file); {
		case err != nil:
			return complaint("Cannot open file " + file + "!")
		case slices.Contains(e.Inputs, name):
			got[name] = hex.EncodeToString(content)
			info("Using values loaded from %s for input %s", file, name)
		case p.Version >= 8000:
			return complaint("Invalid tensor names found in --loadInputs flag.")
		}
	}
	return trtfake.Record(p.dir, got)
}

// convs returns the nodes that become layers with weights.
func convs(n *onnx.Network) []onnx.Op {
	var ops []onnx.Op
	for _, op := range n.Ops {
		if op.Type == "Conv" {
			ops = append(ops, op)
		}
	}
	return ops
}

func (p *program) left(all int) int {
	if p.Left < 0 {
		return all
	}
	return min(p.Left, all)
}

// assign distributes the layers to GPU and DLA, as TensorRT 8's builder does.
func (p *program) assign(n *onnx.Network) (foreign string, code int, failed bool) {
	if p.opts["--useDLACore"] == "" {
		return "", 0, false
	}
	ops := convs(n)
	left := p.left(len(ops))
	if left > 0 && p.opts["--allowGPUFallback"] == "" {
		return "", p.fail(fmt.Sprintf("%s: DLA does not support it and GPU fallback is not enabled.", ops[0].Name)), true
	}
	info("[TRT] ---------- Layers Running on DLA ----------")
	if left < len(ops) {
		foreign = fmt.Sprintf("{ForeignNode[%s...%s]}", ops[left].Name, ops[len(ops)-1].Name)
		info("[TRT] [DlaLayer] %s", foreign)
	}
	info("[TRT] ---------- Layers Running on GPU ----------")
	for _, op := range ops[:left] {
		info("[TRT] [GpuLayer] CONVOLUTION: %s", op.Name)
	}
	return foreign, 0, false
}

func (p *program) save(e plan) error {
	if p.fault == trtfake.NoFile {
		return nil
	}
	if to := p.opts["--exportLayerInfo"]; to != "" {
		if err := os.WriteFile(to, p.torn(p.table(e.Layers)), 0o600); err != nil {
			return err
		}
	}
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	info("Engine built in 12.3456 sec.")
	return os.WriteFile(p.opts["--saveEngine"], data, 0o600)
}

func (p *program) torn(data []byte) []byte {
	if p.fault == trtfake.Torn {
		return data[:len(data)/2]
	}
	return data
}

// table is the engine inspector's output, with and without details.
func (p *program) table(layers []layer) []byte {
	word := "Float"
	switch {
	case p.opts["--int8"] != "":
		word = "Int8"
	case p.opts["--fp16"] != "":
		word = "Half"
	}
	type weights struct{ Type string }
	type inspected struct {
		Name, LayerType string
		Weights         *weights `json:",omitempty"`
		TacticName      string   `json:",omitempty"`
		Metadata        string   `json:",omitempty"`
	}
	convs := 0
	for _, l := range layers {
		if l.Type == "Conv" {
			convs++
		}
	}
	left := 0
	if p.opts["--useDLACore"] == "" {
		left = p.left(convs)
	}
	var rows []any
	for _, one := range layers {
		l := inspected{Name: one.Name, LayerType: one.Type}
		if one.Type == "Conv" {
			l.LayerType, l.Weights, l.TacticName = "CaskConvolution", &weights{word}, "sm72_xmma_fprop_implicit_gemm_"+strings.ToLower(word)
			if left > 0 {
				l.Weights.Type = "Float"
				left--
			}
		}
		if p.Version >= 8600 {
			for i, n := range one.Nodes {
				if i > 0 {
					l.Metadata += "\x1f"
				}
				l.Metadata += "[ONNX Layer: " + n + "]"
			}
		}
		if p.opts["--profilingVerbosity"] != "detailed" {
			rows = append(rows, l.Name)
			continue
		}
		rows = append(rows, l)
	}
	data, _ := json.Marshal(map[string]any{"Layers": rows, "Bindings": []string{"input", "output"}})
	return data
}
