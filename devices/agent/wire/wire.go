// Package wire defines the messages between latlab and latlab-agent: JSON lines, a Hello when the
// agent starts, then one Response for each Request.
//
// It holds types and no code, since the agent runs on boards and phones and must not depend on the
// lab. Its neighbours are devices/agent, the client, and cmd/latlab-agent.
package wire

import (
	"latlab/devices"
)

// Revision is the revision of the messages below.
const Revision = 5

// Hello is the agent's first line.
type Hello struct {
	Type    string `json:"type"`    // "hello"
	Wire    int    `json:"wire"`    // revision of the messages
	Version string `json:"version"` // of latlab
	Runtime string `json:"runtime"` // "tflite 2.21.0"
	Library string `json:"library"` // sha256 of the runtime's library, hex; empty if it cannot be read, or is known
	// LibraryMark is the library's mark (internal/filemark); empty if the file may be changed without another one.
	LibraryMark string `json:"library_mark,omitempty"`
	PID         int    `json:"pid"`
	Arch        string `json:"arch"`      // architecture of the agent's build in Go's notation: "arm64"
	CPUs        []int  `json:"cpus"`      // CPUs that it may run on
	Delegates   string `json:"delegates"` // supported kinds, separated by commas
}

// KnownLibrary is the environment variable with the mark of the library whose sha256 latlab knows. An agent
// that loaded the library of this mark leaves the sha256 out: computing it costs twice the CPU time of all
// else that an agent does before it loads a model.
const KnownLibrary = "LATLAB_KNOWN_LIBRARY"

// Kinds of delegates.
const (
	None     = "none"     // the runtime's own kernels
	XNNPACK  = "xnnpack"  // part of the runtime's library
	External = "external" // a library with TFLite's plug-in functions
)

// Plugin is an external delegate.
type Plugin struct {
	Name    string            `json:"name"`    // for people and proofs: "edgetpu"
	Library string            `json:"library"` // path on the agent's machine
	Options map[string]string `json:"options,omitempty"`
}

// Types of requests.
const (
	Time    = "time"     // a block
	Profile = "profile"  // a block in which the runtime reports the time of each operator
	Outputs = "outputs"  // the outputs of one inference
	Load    = "delegate" // creates the delegate without a model and reports whether that worked
)

// Request asks for one thing.
type Request struct {
	Type     string       `json:"type"`
	Model    string       `json:"model,omitempty"` // path of the .tflite
	Delegate string       `json:"delegate"`
	Plugin   *Plugin      `json:"plugin,omitempty"` // if Delegate is External
	Threads  int          `json:"threads"`
	CPUs     []int        `json:"cpus,omitempty"`
	Plan     devices.Plan `json:"plan"`
	// Inputs are the values of each input tensor, which are quantized for a quantized one; RawInputs
	// are integers as they are stored. If both are empty the agent draws values from Plan.Seed, except
	// for the inputs that Given has.
	Inputs    [][]float32 `json:"inputs,omitempty"`
	RawInputs [][]int64   `json:"raw_inputs,omitempty"`
	Given     []Given     `json:"given,omitempty"`
	// Signature is the position in the file of the signature to run; nil runs the first subgraph.
	Signature *int `json:"signature,omitempty"`
	// Shapes are those that inputs are resized to, by position as in Given; null keeps the file's.
	Shapes [][]int `json:"shapes,omitempty"`
}

// Given is the value of one input: one element that is repeated, or a file.
type Given struct {
	Input   int    `json:"input"` // position, in the runtime's order of the signature's or the subgraph's inputs
	Element []byte `json:"element,omitempty"`
	File    string `json:"file,omitempty"` // path of the tensor's bytes on the agent's machine
}

// Result answers Time, and for Profile it has the observed invokes.
type Result struct {
	Samples    []float64 `json:"samples_seconds"`
	CPUSamples []float64 `json:"cpu_samples_seconds"`
	WarmUp     []float64 `json:"warmup_seconds"`
	// Waited is how long the thread that waited longest was ready to run and got no core during the
	// timed invokes, in seconds. It is nil with one thread, and without schedstat in /proc.
	Waited     *float64           `json:"wait_seconds,omitempty"`
	Clock      []devices.Clock    `json:"clock,omitempty"`
	Init       float64            `json:"init_seconds"`
	First      float64            `json:"first_seconds"`
	PeakMemory int64              `json:"peak_memory_bytes"` // 0 if it cannot be read, as in a root without /proc
	Delegation devices.Delegation `json:"delegation"`        // without Why, which the client makes from Left
	Left       []Left             `json:"left,omitempty"`
	CPUs       []int              `json:"cpus"`
}

// Left is a kind of node that the delegate did not take.
type Left struct {
	Builtin int    `json:"builtin"` // operator code of the schema
	Custom  string `json:"custom,omitempty"`
	Version int    `json:"version"`
	Type    string `json:"type"`    // type of the first input as the runtime prints it: "INT8"
	Dynamic bool   `json:"dynamic"` // a shape is known only when the model runs
	Count   int    `json:"count"`
}

// MaxObserved limits the observed invokes of a Profile: a median over more gains nothing at a resolution of
// 1 us.
const MaxObserved = 1000

// Observed is what a Profile adds to its Result.
type Observed struct {
	// Plain is the wall time of invokes in between, of a second copy of the model that is not observed.
	Plain        []float64 `json:"plain_seconds,omitempty"`
	WithoutPlain string    `json:"without_plain,omitempty"` // why there are none
	Rows         []Row     `json:"rows"`
	Outside      float64   `json:"outside_seconds"` // median of what belongs to no row
	Varies       bool      `json:"varies"`          // inferences had different operators, or in different order
	// Subgraphs are the nodes before delegation of those subgraphs that a delegate could take nodes of, in the
	// order of the file, in execution order.
	Subgraphs [][]Node `json:"subgraphs"`
	Main      int      `json:"main"` // the position of the subgraph that was asked for; -1 if unknown
	Kernels   []Kernel `json:"kernels,omitempty"`
}

// Kinds of rows.
const (
	Operator  = "operator" // of the runtime; Index is the node's
	KernelRow = "kernel"   // of a delegate; Index is the node's after delegation
	Inside    = "inside"   // an operator inside a delegate's kernel, by its own report; Index is the delegate's
)

// Row is an operator that ran. One that runs several times in an inference, in a loop, has one row.
type Row struct {
	Kind     string `json:"kind"`
	Name     string `json:"name"`   // the runtime's: "CONV_2D", "Convolution (NHWC, F32) DWConv"
	Within   int    `json:"within"` // the row that called it: a WHILE, a kernel; -1 for none
	Index    int    `json:"index"`
	Subgraph int    `json:"subgraph"`
	// Times is how often it ran in an inference, on average. Seconds is the median over the inferences of its
	// time without that of the rows within it, and All with it.
	Times   float64 `json:"times"`
	Seconds float64 `json:"seconds"`
	All     float64 `json:"all_seconds"`
}

// Node is a node of a subgraph.
type Node struct {
	Index   int    `json:"index"`
	Builtin int    `json:"builtin"` // operator code of the schema
	Custom  string `json:"custom,omitempty"`
	Output  string `json:"output"` // name of its first output
}

// Kernel is a delegate's kernel, with the nodes that it replaced.
type Kernel struct {
	Subgraph int   `json:"subgraph"`
	Index    int   `json:"index"`
	Nodes    []int `json:"nodes"`
}

// Output is one output tensor of an Outputs request.
type Output struct {
	Name   string    `json:"name"`
	Shape  []int     `json:"shape"`
	Type   string    `json:"type"`          // "float32", "int8"
	Values []float32 `json:"values"`        // real numbers; dequantized if the tensor is quantized
	Raw    []int64   `json:"raw,omitempty"` // integers as they are stored
	Scale  float32   `json:"scale"`         // 0 if it is not quantized
	Zero   int       `json:"zero_point"`
}

// Response is the agent's answer: exactly one of Result, Outputs and Error, or none of them
// for a Load that succeeded. Profile comes with a Result.
type Response struct {
	Type       string              `json:"type"` // "result", "profile", "outputs", "delegate" or "error"
	Result     *Result             `json:"result,omitempty"`
	Profile    *Observed           `json:"profile,omitempty"`
	Outputs    []Output            `json:"outputs,omitempty"`
	Delegation *devices.Delegation `json:"delegation,omitempty"` // with Outputs
	Left       []Left              `json:"left,omitempty"`       // with Outputs
	Error      *Error              `json:"error,omitempty"`
	// Signature is the key of the signature that ran, if the request names one.
	Signature string `json:"signature,omitempty"`
	// Library is the sha256 of the external delegate's library as it was loaded, hex.
	Library string `json:"library,omitempty"`
}

// Error is a failure that the agent classified itself.
type Error struct {
	Fault   devices.Fault `json:"fault"`
	Reason  string        `json:"reason"` // "rejected", "affinity", "request", ...
	Message string        `json:"message"`
}
