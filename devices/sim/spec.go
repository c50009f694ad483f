package sim

import (
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// Constant is a positive figure with its source: a published figure, or what it was fitted to. A
// file without sources is refused.
type Constant struct {
	Value  float64 `yaml:"value"`
	Source string  `yaml:"source"`
}

// Series is several figures of one source.
type Series struct {
	Values []float64 `yaml:"values"`
	Source string    `yaml:"source"`
}

// Spec is a simulator's file: everything besides the network that its times depend on.
// docs/simulators.md describes the format.
type Spec struct {
	Name        string         `yaml:"name"` // gives the device name "sim-NAME"
	Doc         string         `yaml:"doc"`  // one line for people
	Delegate    string         `yaml:"delegate,omitempty"`
	Accelerator bool           `yaml:"accelerator,omitempty"`
	Formats     []model.Format `yaml:"formats"`
	Precisions  []Precision    `yaml:"precisions"` // the first is the default
	Tile        Tile           `yaml:"tile"`
	Efficiency  Efficiency     `yaml:"efficiency"`
	Elementwise Elementwise    `yaml:"elementwise"`
	Memory      Memory         `yaml:"memory"`
	Overhead    Overhead       `yaml:"overhead"`
	// Fused ops cost only the traffic of their second and later inputs: the compiler computes them
	// together with the op that makes the first input.
	Fused []graph.Kind `yaml:"fused,omitempty"`
	// Unsupported ops go to the host. Without a host the model is rejected.
	Unsupported []Unsupported `yaml:"unsupported,omitempty"`
	Host        *Host         `yaml:"host,omitempty"`
	Thermal     Thermal       `yaml:"thermal"`
}

// Precision is a model's data type and the device's constants for it.
type Precision struct {
	Precision model.Precision `yaml:"precision"`
	// Compute is the type of the arithmetic if it differs from the model's.
	Compute       string   `yaml:"compute,omitempty"`
	ElementBytes  Constant `yaml:"element_bytes"`   // of activations and weights on the device
	MACsPerSecond Constant `yaml:"macs_per_second"` // the roof: every multiplier busy
}

// Tile is the unit of work of convolutions. Channels and positions are padded to whole
// tiles, and tiles go to the units in whole waves: seven tiles on four units take as long
// as eight.
type Tile struct {
	Units       Constant `yaml:"units"`        // number of units that compute tiles in parallel
	Positions   Constant `yaml:"positions"`    // output positions of a tile
	OutChannels Constant `yaml:"out_channels"` // output channels of a tile
	InChannels  Constant `yaml:"in_channels"`  // input channels are padded to multiples
	// DepthwiseChannels: channels of depthwise convolutions are padded to multiples of it.
	DepthwiseChannels Constant `yaml:"depthwise_channels"`
}

// Efficiency is the share of the roof that padded work reaches, by op.
type Efficiency struct {
	Conv           Constant `yaml:"conv"`      // kernels above 1x1
	Pointwise      Constant `yaml:"pointwise"` // 1x1
	Depthwise      Constant `yaml:"depthwise"`
	FullyConnected Constant `yaml:"fully_connected"`
}

// Elementwise is the speed of ops without multiply-accumulates in elements a second: of all inputs
// or of the output, whichever are more.
type Elementwise struct {
	Add         Constant `yaml:"add"`
	Mul         Constant `yaml:"mul"`
	HSwish      Constant `yaml:"h_swish"`
	Logistic    Constant `yaml:"logistic"`
	AveragePool Constant `yaml:"average_pool"`
	Other       Constant `yaml:"other"` // every op without a field of its own
}

// Memory has two levels. What an op reads and writes beyond OnChip spills to DRAM.
type Memory struct {
	OnChipBytes          Constant `yaml:"on_chip_bytes"`
	OnChipBytesPerSecond Constant `yaml:"on_chip_bytes_per_second"`
	DRAMBytesPerSecond   Constant `yaml:"dram_bytes_per_second"`
	// WeightCacheBytes is the size of the cache that keeps the network's first weights on the chip
	// between calls; the rest is streamed from DRAM in every call. If it is left out, all are streamed.
	WeightCacheBytes *Constant `yaml:"weight_cache_bytes,omitempty"`
}

// Overhead is the time and memory that do not depend on shapes.
type Overhead struct {
	CallSeconds  Constant `yaml:"call_seconds"`  // for each inference
	OpSeconds    Constant `yaml:"op_seconds"`    // for each op that is not fused
	InitSeconds  Constant `yaml:"init_seconds"`  // from process start to the first inference
	ProcessBytes Constant `yaml:"process_bytes"` // resident memory without the network
}

// Unsupported is an op that the accelerator leaves to the host.
type Unsupported struct {
	Kind graph.Kind `yaml:"kind"`
	Why  string     `yaml:"why"`
	// Rest means that every op behind the first unsupported one is left as well, as by a compiler that
	// makes only one subgraph.
	Rest bool `yaml:"rest,omitempty"`
}

// Host runs what the accelerator leaves.
type Host struct {
	MACsPerSecond     Constant `yaml:"macs_per_second"`
	ElementsPerSecond Constant `yaml:"elements_per_second"`
	BytesPerSecond    Constant `yaml:"bytes_per_second"` // between host and accelerator
	HandoverSeconds   Constant `yaml:"handover_seconds"` // each way
}

// Thermal describes the clock and how the device heats up. Profiles exact and quiet stay at the
// highest clock and at ambient temperature.
type Thermal struct {
	FrequenciesHz       Series   `yaml:"frequencies_hz"` // descending
	Governor            string   `yaml:"governor"`
	AmbientCelsius      Constant `yaml:"ambient_celsius"`
	RiseCelsius         Constant `yaml:"rise_celsius"` // final rise above ambient when busy at the highest clock
	TimeConstantSeconds Constant `yaml:"time_constant_seconds"`
	ThrottleCelsius     Constant `yaml:"throttle_celsius"`
}
