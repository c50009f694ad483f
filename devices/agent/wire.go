// Package agent is the Device made of latlab-agent: the wire types, the client and the
// classification of everything that can go wrong with a process that times models.
//
// The agent is started fresh for each block, answers one request and exits. It speaks
// JSON lines: a Hello when it starts, then one Response for each Request. The package
// refuses to link the runtime (cmd/latlab-agent does) and to decide how many blocks there
// are (bench does). Where the process runs is devices/transport's matter.
package agent

import (
	"latlab/devices"
)

// Wire is the revision of the messages below.
const Wire = 2

// Hello is the agent's first line.
type Hello struct {
	Type      string `json:"type"`    // "hello"
	Wire      int    `json:"wire"`    // revision of the messages
	Version   string `json:"version"` // of latlab
	Runtime   string `json:"runtime"` // "tflite 2.21.0"
	Library   string `json:"library"` // sha256 of the runtime's library, hex
	PID       int    `json:"pid"`
	Delegates string `json:"delegates"` // what -delegate may be: "xnnpack"
}

// Request asks for a block ("time") or for the outputs of one inference ("outputs").
type Request struct {
	Type     string       `json:"type"`
	Model    string       `json:"model"` // path of the .tflite
	Delegate string       `json:"delegate"`
	Threads  int          `json:"threads"`
	CPUs     []int        `json:"cpus,omitempty"`
	Plan     devices.Plan `json:"plan"`
	// Inputs are the values of each input tensor, which a quantized one gets quantized;
	// RawInputs are integers as they are stored. With neither the agent draws values from
	// Plan.Seed.
	Inputs    [][]float32 `json:"inputs,omitempty"`
	RawInputs [][]int64   `json:"raw_inputs,omitempty"`
}

// Result answers "time".
type Result struct {
	Samples    []float64          `json:"samples_seconds"`
	CPUSamples []float64          `json:"cpu_samples_seconds"`
	WarmUp     []float64          `json:"warmup_seconds"`
	Init       float64            `json:"init_seconds"`
	First      float64            `json:"first_seconds"`
	PeakMemory int64              `json:"peak_memory_bytes"`
	Delegation devices.Delegation `json:"delegation"` // without Why, which Left becomes
	Left       []Left             `json:"left,omitempty"`
	CPUs       []int              `json:"cpus"`
}

// Output is one output tensor of an "outputs" request.
type Output struct {
	Name   string    `json:"name"`
	Shape  []int     `json:"shape"`
	Type   string    `json:"type"`          // "float32", "int8"
	Values []float32 `json:"values"`        // real numbers, dequantized where it is quantized
	Raw    []int64   `json:"raw,omitempty"` // of integers, as they are stored
	Scale  float32   `json:"scale"`         // 0 where it is not quantized
	Zero   int       `json:"zero_point"`
}

// Response is the agent's answer: exactly one of Result, Outputs and Error.
type Response struct {
	Type       string              `json:"type"` // "result", "outputs" or "error"
	Result     *Result             `json:"result,omitempty"`
	Outputs    []Output            `json:"outputs,omitempty"`
	Delegation *devices.Delegation `json:"delegation,omitempty"` // with Outputs
	Left       []Left              `json:"left,omitempty"`       // with Outputs
	Error      *WireError          `json:"error,omitempty"`
}

// WireError is a failure that the agent could name itself.
type WireError struct {
	Fault   devices.Fault `json:"fault"`
	Reason  string        `json:"reason"` // "rejected", "affinity", "request", ...
	Message string        `json:"message"`
}
