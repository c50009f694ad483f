// Package wire is what latlab and latlab-agent say to each other: JSON lines, a Hello when
// the agent starts, then one Response for each Request.
//
// It holds types and no code, since the agent runs on boards and phones and shall know
// nothing of the lab. Its neighbours are devices/agent, the client, and cmd/latlab-agent.
package wire

import (
	"latlab/devices"
)

// Revision is that of the messages below.
const Revision = 2

// Hello is the agent's first line.
type Hello struct {
	Type      string `json:"type"`    // "hello"
	Wire      int    `json:"wire"`    // revision of the messages
	Version   string `json:"version"` // of latlab
	Runtime   string `json:"runtime"` // "tflite 2.21.0"
	Library   string `json:"library"` // sha256 of the runtime's library, hex; empty where it cannot be read
	PID       int    `json:"pid"`
	Arch      string `json:"arch"`      // that the agent was built for, in Go's words: "arm64"
	CPUs      []int  `json:"cpus"`      // that it may run on
	Delegates string `json:"delegates"` // kinds that it knows, between commas
}

// Kinds of delegates, of those that may execute the graph.
const (
	None     = "none"     // the runtime's own kernels
	XNNPACK  = "xnnpack"  // of the runtime's library
	External = "external" // a library with TFLite's plug-in functions
)

// Plugin is an external delegate.
type Plugin struct {
	Name    string            `json:"name"`    // for people and proofs: "edgetpu"
	Library string            `json:"library"` // path where the agent runs
	Options map[string]string `json:"options,omitempty"`
}

// Types of requests.
const (
	Time    = "time"     // a block
	Outputs = "outputs"  // the outputs of one inference
	Load    = "delegate" // makes the delegate and says whether it could, without a model
)

// Request asks for one thing.
type Request struct {
	Type     string       `json:"type"`
	Model    string       `json:"model,omitempty"` // path of the .tflite
	Delegate string       `json:"delegate"`
	Plugin   *Plugin      `json:"plugin,omitempty"` // where Delegate is External
	Threads  int          `json:"threads"`
	CPUs     []int        `json:"cpus,omitempty"`
	Plan     devices.Plan `json:"plan"`
	// Inputs are the values of each input tensor, which a quantized one gets quantized;
	// RawInputs are integers as they are stored. With neither the agent draws values from
	// Plan.Seed.
	Inputs    [][]float32 `json:"inputs,omitempty"`
	RawInputs [][]int64   `json:"raw_inputs,omitempty"`
}

// Result answers Time.
type Result struct {
	Samples    []float64          `json:"samples_seconds"`
	CPUSamples []float64          `json:"cpu_samples_seconds"`
	WarmUp     []float64          `json:"warmup_seconds"`
	Init       float64            `json:"init_seconds"`
	First      float64            `json:"first_seconds"`
	PeakMemory int64              `json:"peak_memory_bytes"` // 0 where it cannot be read: a root without /proc
	Delegation devices.Delegation `json:"delegation"`        // without Why, which Left becomes
	Left       []Left             `json:"left,omitempty"`
	CPUs       []int              `json:"cpus"`
}

// Left is a kind of node that the delegate did not take.
type Left struct {
	Builtin int    `json:"builtin"` // operator code of the schema
	Custom  string `json:"custom,omitempty"`
	Version int    `json:"version"`
	Type    string `json:"type"`    // of the first input, in the runtime's words: "INT8"
	Dynamic bool   `json:"dynamic"` // a shape is known only when the model runs
	Count   int    `json:"count"`
}

// Output is one output tensor of an Outputs request.
type Output struct {
	Name   string    `json:"name"`
	Shape  []int     `json:"shape"`
	Type   string    `json:"type"`          // "float32", "int8"
	Values []float32 `json:"values"`        // real numbers, dequantized where it is quantized
	Raw    []int64   `json:"raw,omitempty"` // of integers, as they are stored
	Scale  float32   `json:"scale"`         // 0 where it is not quantized
	Zero   int       `json:"zero_point"`
}

// Response is the agent's answer: exactly one of Result, Outputs and Error, or none of them
// to a Load that succeeded.
type Response struct {
	Type       string              `json:"type"` // "result", "outputs", "delegate" or "error"
	Result     *Result             `json:"result,omitempty"`
	Outputs    []Output            `json:"outputs,omitempty"`
	Delegation *devices.Delegation `json:"delegation,omitempty"` // with Outputs
	Left       []Left              `json:"left,omitempty"`       // with Outputs
	Error      *Error              `json:"error,omitempty"`
	// Library is the sha256 of an external delegate's library as it was loaded, hex.
	Library string `json:"library,omitempty"`
}

// Error is a failure that the agent could name itself.
type Error struct {
	Fault   devices.Fault `json:"fault"`
	Reason  string        `json:"reason"` // "rejected", "affinity", "request", ...
	Message string        `json:"message"`
}
