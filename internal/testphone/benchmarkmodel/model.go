package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"latlab/devices"
	"latlab/devices/sim"
	"latlab/sampler/model"
	"latlab/sampler/tflite/reader"
)

// load reads the model as the interpreter would, and refuses what that refuses.
func (p *program) load() (*model.Model, error) {
	path := p.flags.text("graph")
	data, err := os.ReadFile(path)
	if err != nil {
		runtimeSays("ERROR", "Could not open '%s'.", path)
		p.error("Failed to load model %s", path)
		return nil, errFailed
	}
	key := p.flags.text("signature_to_run_for")
	n, err := reader.ReadAs(data, reader.Options{Signature: key})
	if _, unknown := errors.AsType[*reader.SignatureError](err); unknown {
		p.error("Signature not specified or incorrect for graph with multiple signatures.")
		return nil, errFailed
	}
	if err != nil {
		runtimeSays("ERROR", "The model is not a valid Flatbuffer buffer")
		p.error("Failed to load model %s", path)
		return nil, errFailed
	}
	p.info("Loaded model %s", path)
	if key != "" {
		p.info("Using signature: %s", key)
	}
	if err := p.inputs(n); err != nil {
		return nil, err
	}
	if !n.MACsComplete {
		runtimeSays("ERROR", "Didn't find op for builtin opcode '%s' version '1'.", n.UnknownOps[0].Name)
		runtimeSays("ERROR", "Registration failed.")
		p.error("Failed to initialize the interpreter")
		return nil, errFailed
	}
	sum := sha256.Sum256(data)
	m := &model.Model{Name: "net", Graph: n.Graph, Network: n, Form: model.Form{Format: model.TFLite, Precision: model.Float32}, Identity: hex.EncodeToString(sum[:])}
	if n.Precision == "int8" || n.Precision == "uint8" {
		m.Precision = model.Int8
	}
	runtimeSays("INFO", "Initialized TensorFlow Lite runtime.")
	return m, nil
}

// delegated is what runs the model.
type delegated struct {
	simulator        string
	nodes, taken     int
	partitions       int
	accelerator      bool
	provider, kernel string
}

// delegate acts as the delegate providers do. If a delegate cannot be created, it warns and the CPU
// runs the model.
func (p *program) delegate(m *model.Model) (delegated, error) {
	d := delegated{simulator: p.c.Host, nodes: operators(m)}
	f := p.flags
	switch {
	case f.is("use_gpu"):
		d.provider, d.kernel = "GPU", "TfLiteGpuDelegateV2"
		runtimeSays("INFO", "Created TensorFlow Lite delegate for GPU.")
	case f.is("use_nnapi"):
		d.provider, d.kernel = "NNAPI", "TfLiteNnapiDelegate"
		p.info("NNAPI accelerators available: [google-edgetpu,nnapi-reference]")
		runtimeSays("INFO", "Created TensorFlow Lite delegate for NNAPI.")
	case f.is("use_hexagon"):
		d.provider, d.kernel = "Hexagon", "TfLiteHexagonDelegate"
		if !p.hexagonLibraries() || p.fault == "fall-back" {
			p.warn("Could not create Hexagon delegate: platform may not support delegate or required libraries are missing")
			d.provider = ""
		} else {
			runtimeSays("INFO", "Created TensorFlow Lite delegate for Hexagon.")
		}
	case f.text("external_delegate_path") != "":
		d.provider, d.kernel = "EXTERNAL", "TfLiteQnnDelegate"
		if !loadable(f.text("external_delegate_path")) {
			d.provider = ""
		}
	case f.is("use_xnnpack"):
		d.provider, d.kernel = "XNNPACK", "TfLiteXNNPackDelegate"
		runtimeSays("INFO", "Created TensorFlow Lite XNNPACK delegate for CPU.")
	}
	if d.provider == "" {
		return d, p.noDelegate(d)
	}
	p.info("%s delegate created.", d.provider)
	return p.apply(m, d)
}

func operators(m *model.Model) (n int) {
	for _, o := range m.Network.Operators {
		n += o.Count
	}
	return n
}

// noDelegate runs the model on the CPU, by XNNPACK unless it is turned off.
func (p *program) noDelegate(delegated) error {
	if p.flags.is("require_full_delegation") {
		p.error("Disallowed CPU fallback detected.")
		return errFailed
	}
	if p.flags["use_xnnpack"] != "false" || !p.isSet("use_xnnpack") {
		runtimeSays("INFO", "Created TensorFlow Lite XNNPACK delegate for CPU.")
	}
	return nil
}

// isSet reports whether a flag was on the command line.
func (p *program) isSet(name string) bool {
	for _, a := range os.Args[1:] {
		if strings.HasPrefix(a, "--"+name+"=") {
			return true
		}
	}
	return false
}

// loadable plays dlopen: a library that contains the word "crash" crashes the process, as one
// without the delegate's functions does.
func loadable(path string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	if strings.Contains(string(text), "crash") {
		die(syscall.SIGSEGV)
	}
	return true
}

// hexagonLibraries: the loader finds the interface, the DSP's loader the skeleton.
func (p *program) hexagonLibraries() bool {
	find := func(list, sep, pattern string) bool {
		for dir := range strings.SplitSeq(list, sep) {
			if found, _ := filepath.Glob(filepath.Join(dir, pattern)); dir != "" && len(found) > 0 {
				return true
			}
		}
		return false
	}
	return find(os.Getenv("LD_LIBRARY_PATH"), ":", "libhexagon_interface.so") &&
		(find(os.Getenv("ADSP_LIBRARY_PATH"), ";", "libhexagon_nn_skel*.so") || find(p.flags.text("hexagon_lib_path"), ";", "libhexagon_nn_skel*.so"))
}

// apply modifies the graph. The simulator decides how much the delegate takes.
func (p *program) apply(m *model.Model, d delegated) (delegated, error) {
	if p.fault == "delegate-error" {
		runtimeSays("ERROR", "NN API returned error ANEURALNETWORKS_OP_FAILED at line 3779 while completing NNAPI compilation.")
		p.error("Failed to apply %s delegate.", d.provider)
		return d, errFailed
	}
	device, err := sim.Open(sim.Options{Name: p.c.Simulator})
	if err != nil {
		return d, p.broken(err)
	}
	info := device.Info()
	b, err := device.Run(context.Background(), m, devices.Plan{MinRuns: 1, Timeout: time.Hour})
	var refused *devices.Error
	switch {
	case asUser(err, &refused), p.fault == "fall-back": // the delegate does not take this precision
		d.taken = 0
	case err != nil:
		return d, p.broken(err)
	case !info.Accelerator:
		d.taken, d.partitions = d.nodes, 1
	default:
		p.share(&d, b.Delegation)
	}
	d.accelerator = info.Accelerator && d.taken > 0
	if d.taken > 0 {
		d.simulator = p.c.Simulator
	}
	return d, p.sayApplied(d)
}

// share divides the nodes of the file in the simulator's proportions.
func (p *program) share(d *delegated, s devices.Delegation) {
	d.taken, d.partitions = d.nodes, 1
	if s.Nodes > 0 && s.Delegated < s.Nodes {
		d.taken = min(d.nodes-1, d.nodes*s.Delegated/s.Nodes)
		d.partitions = max(1, s.Partitions)
	}
	if d.taken == 0 {
		d.partitions = 0
	}
}

func (p *program) sayApplied(d delegated) error {
	if d.taken > 0 && !p.c.Quiet {
		of := 2*d.partitions - 1
		if d.taken < d.nodes {
			of++
		}
		runtimeSays("VERBOSE", "Replacing %d out of %d node(s) with delegate (%s) node, yielding %d partitions for the whole graph.", d.taken, d.nodes, d.kernel, of)
	}
	if p.flags.is("require_full_delegation") && d.taken < d.nodes {
		p.error("Disallowed CPU fallback detected.")
		return errFailed
	}
	switch {
	case d.taken == d.nodes:
		p.info("Explicitly applied %s delegate, and the model graph will be completely executed by the delegate.", d.provider)
	case d.taken > 0:
		p.info("Explicitly applied %s delegate, and the model graph will be partially executed by the delegate w/ %d delegate kernels.", d.provider, d.partitions)
	default:
		p.info("Though %s delegate is explicitly applied, the model graph will not be executed by the delegate.", d.provider)
	}
	return nil
}

// broken reports a failure of the fake itself.
func (p *program) broken(err error) error {
	fmt.Fprintln(os.Stderr, "fake benchmark_model:", err)
	os.Exit(99)
	return err
}
