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
	if code, failed := p.assign(n); failed {
		return code
	}
	if err := p.save(e, n); err != nil {
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
func (p *program) assign(n *onnx.Network) (code int, failed bool) {
	if p.opts["--useDLACore"] == "" {
		return 0, false
	}
	ops := convs(n)
	left := p.left(len(ops))
	if left > 0 && p.opts["--allowGPUFallback"] == "" {
		return p.fail(fmt.Sprintf("%s: DLA does not support it and GPU fallback is not enabled.", ops[0].Name)), true
	}
	info("[TRT] ---------- Layers Running on DLA ----------")
	if left < len(ops) {
		info("[TRT] [DlaLayer] {ForeignNode[%s...%s]}", ops[left].Name, ops[len(ops)-1].Name)
	}
	info("[TRT] ---------- Layers Running on GPU ----------")
	for _, op := range ops[:left] {
		info("[TRT] [GpuLayer] CONVOLUTION: %s", op.Name)
	}
	return 0, false
}

func (p *program) save(e plan, n *onnx.Network) error {
	if p.fault == trtfake.NoFile {
		return nil
	}
	if to := p.opts["--exportLayerInfo"]; to != "" {
		if err := os.WriteFile(to, p.torn(p.table(n)), 0o600); err != nil {
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
func (p *program) table(n *onnx.Network) []byte {
	word := "Float"
	switch {
	case p.opts["--int8"] != "":
		word = "Int8"
	case p.opts["--fp16"] != "":
		word = "Half"
	}
	type weights struct{ Type string }
	type layer struct {
		Name, LayerType string
		Weights         *weights `json:",omitempty"`
	}
	left := 0
	if p.opts["--useDLACore"] == "" {
		left = p.left(len(convs(n)))
	}
	var rows []any
	for _, op := range n.Ops {
		l := layer{Name: op.Name, LayerType: strings.ToUpper(op.Type)}
		if op.Type == "Conv" {
			l.LayerType, l.Weights = "CaskConvolution", &weights{word}
			if left > 0 {
				l.Weights.Type = "Float"
				left--
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
