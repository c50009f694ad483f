package sim

import (
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// Constant is a positive figure with where it comes from: a published figure with its
// source, or what it was fitted to. A file that cannot say is refused.
type Constant struct {
	Value  float64 `yaml:"value"`
	Source string  `yaml:"source"`
}

// Series is several figures of one source.
type Series struct {
	Values []float64 `yaml:"values"`
	Source string    `yaml:"source"`
}

// Spec is a simulator's file: everything that its times depend on besides the network.
// docs/simulators.md describes the form.
type Spec struct {
	Name        string         `yaml:"name"` // of the device "sim-NAME"
	Doc         string         `yaml:"doc"`  // one line for people
	Delegate    string         `yaml:"delegate,omitempty"`
	Accelerator bool           `yaml:"accelerator,omitempty"`
	Formats     []model.Format `yaml:"formats"`
	Precisions  []Precision    `yaml:"precisions"` // the default first
	Tile        Tile           `yaml:"tile"`
	Efficiency  Efficiency     `yaml:"efficiency"`
	Elementwise Elementwise    `yaml:"elementwise"`
	Memory      Memory         `yaml:"memory"`
	Overhead    Overhead       `yaml:"overhead"`
	// Fused ops cost nothing but the traffic of their second and later inputs: the compiler
	// computes them where the first input is made.
	Fused []graph.Kind `yaml:"fused,omitempty"`
	// Unsupported ops go to the host. Without a host the model is rejected.
	Unsupported []Unsupported `yaml:"unsupported,omitempty"`
	Host        *Host         `yaml:"host,omitempty"`
	Thermal     Thermal       `yaml:"thermal"`
}

// Precision is a model's data type and what the device makes of it.
type Precision struct {
	Precision model.Precision `yaml:"precision"`
	// Compute is the type computed in, where it is not the model's own.
	Compute       string   `yaml:"compute,omitempty"`
	ElementBytes  Constant `yaml:"element_bytes"`   // of activations and weights on the device
	MACsPerSecond Constant `yaml:"macs_per_second"` // the roof: every multiplier busy
}

// Tile is the unit of work of convolutions. Channels and positions are padded to whole
// tiles, and tiles go to the units in whole waves: seven tiles on four units take as long
// as eight.
type Tile struct {
	Units       Constant `yaml:"units"`        // that compute tiles side by side
	Positions   Constant `yaml:"positions"`    // output positions of a tile
	OutChannels Constant `yaml:"out_channels"` // output channels of a tile
	InChannels  Constant `yaml:"in_channels"`  // input channels are padded to multiples
	// DepthwiseChannels is what channels of depthwise convolutions are padded to.
	DepthwiseChannels Constant `yaml:"depthwise_channels"`
}

// Efficiency is the share of the roof that padded work reaches, by op.
type Efficiency struct {
	Conv           Constant `yaml:"conv"`      // kernels above 1x1
	Pointwise      Constant `yaml:"pointwise"` // 1x1
	Depthwise      Constant `yaml:"depthwise"`
	FullyConnected Constant `yaml:"fully_connected"`
}

// Elementwise is elements a second of ops without multiply-accumulates: of all inputs or of
// the output, whichever are more.
type Elementwise struct {
	Add         Constant `yaml:"add"`
	Mul         Constant `yaml:"mul"`
	HSwish      Constant `yaml:"h_swish"`
	Logistic    Constant `yaml:"logistic"`
	AveragePool Constant `yaml:"average_pool"`
	Other       Constant `yaml:"other"` // every op that has no line of its own
}

// Memory has two levels. What an op reads and writes beyond OnChip spills to DRAM.
type Memory struct {
	OnChipBytes          Constant `yaml:"on_chip_bytes"`
	OnChipBytesPerSecond Constant `yaml:"on_chip_bytes_per_second"`
	DRAMBytesPerSecond   Constant `yaml:"dram_bytes_per_second"`
	// WeightCacheBytes keeps the network's first weights on the chip between calls; the rest
	// is streamed from DRAM in every call. Left out: all are streamed.
	WeightCacheBytes *Constant `yaml:"weight_cache_bytes,omitempty"`
}

// Overhead is what does not depend on shapes.
type Overhead struct {
	CallSeconds  Constant `yaml:"call_seconds"`  // an inference
	OpSeconds    Constant `yaml:"op_seconds"`    // an op that is not fused
	InitSeconds  Constant `yaml:"init_seconds"`  // a process until its first inference
	ProcessBytes Constant `yaml:"process_bytes"` // resident memory without the network
}

// Unsupported is an op that the accelerator leaves to the host.
type Unsupported struct {
	Kind graph.Kind `yaml:"kind"`
	Why  string     `yaml:"why"`
	// Rest says that every op behind the first unsupported one is left as well: a compiler
	// that makes one subgraph only.
	Rest bool `yaml:"rest,omitempty"`
}

// Host runs what the accelerator leaves.
type Host struct {
	MACsPerSecond     Constant `yaml:"macs_per_second"`
	ElementsPerSecond Constant `yaml:"elements_per_second"`
	BytesPerSecond    Constant `yaml:"bytes_per_second"` // between host and accelerator
	HandoverSeconds   Constant `yaml:"handover_seconds"` // each way
}

// Thermal is the clock and how the device heats up. Profiles exact and quiet stay at the
// highest clock and at ambient temperature.
type Thermal struct {
	FrequenciesHz       Series   `yaml:"frequencies_hz"` // descending, the highest first
	Governor            string   `yaml:"governor"`
	AmbientCelsius      Constant `yaml:"ambient_celsius"`
	RiseCelsius         Constant `yaml:"rise_celsius"` // above ambient, in the end, busy at the highest clock
	TimeConstantSeconds Constant `yaml:"time_constant_seconds"`
	ThrottleCelsius     Constant `yaml:"throttle_celsius"`
}
