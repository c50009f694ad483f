// Package devices says what times a model: the Device interface, the Block that it
// returns, and errors sorted by whose fault they are. Interfaces and types only.
//
// Implementations live below: devices/agent (latlab-agent on a machine), devices/tool
// (programs of vendors, estimators among them) and devices/sim (simulators). Every one
// passes devices/devicetest; devices/inventory opens them by name. The package refuses to
// know protocols, statistics and stores: bench does that.
package devices

import (
	"context"
	"time"

	"latlab/sampler/model"
)

// Kind is where a number comes from. It travels with the number and is never mixed in a
// fit or comparison.
type Kind string

// The kinds: timed on the device itself, told by its vendor's tool, computed by us.
const (
	Measured  Kind = "measured"
	Estimated Kind = "estimated"
	Simulated Kind = "simulated"
)

// Info is what a Device says of itself before anything runs.
type Info struct {
	Name        string            `json:"name"`
	Kind        Kind              `json:"kind"`
	Harness     string            `json:"harness"` // program that times: "latlab-agent"
	Formats     []model.Format    `json:"formats"`
	Precisions  []model.Precision `json:"precisions"` // the default first
	NeedsGraph  bool              `json:"needs_graph"`
	Delegate    string            `json:"delegate"` // "xnnpack"
	Threads     int               `json:"threads"`
	CPUs        []int             `json:"cpus,omitempty"` // affinity; empty = none
	Accelerator bool              `json:"accelerator"`    // not wholly delegated = INVALID
	// Compute is the numeric type that models of a precision are computed in, where it is
	// not their own: float32 to "float16" on a Jetson. Precisions that it does not name are
	// computed in themselves.
	Compute map[model.Precision]string `json:"computed_in,omitempty"`
	// Deterministic says that a model's second block would be its first again: one is enough.
	Deterministic bool `json:"deterministic,omitempty"`
	// Parallel is how many Runs may go on at once; 0 and 1 mean one. One more is refused at
	// once, by an Error whose Reason is ReasonBusy and whose fault is the lab's: a Run that
	// waited for another would time a busy machine.
	Parallel int `json:"parallel,omitempty"`
	// Fingerprint is what a number depends on besides the model: CPU model, kernel,
	// runtime version, library hash. Two sweeps with different ones are not one device.
	Fingerprint map[string]string `json:"fingerprint"`
	Transport   string            `json:"transport,omitempty"` // "adb", "ssh"; empty = this machine
}

// Plan is one block: a fresh process, warm-up, then timed invokes.
type Plan struct {
	WarmUpRuns    int           `json:"warmup_runs"`    // invokes before timing, at least
	WarmUpSeconds float64       `json:"warmup_seconds"` // and at least this long
	MinRuns       int           `json:"min_runs"`       // timed invokes, at least
	MinSeconds    float64       `json:"min_seconds"`    // and at least this long
	MaxRuns       int           `json:"max_runs"`       // but never more than this
	MaxSeconds    float64       `json:"max_seconds"`    // or this long, once MinRuns are done
	Timeout       time.Duration `json:"timeout"`        // the whole block, process start included
	Seed          uint64        `json:"seed"`           // of the input values
	// Block is which block of its model this is, from 1 on; 0 where nobody counts. A device
	// that draws its noise draws it for that block, so that a resumed sweep goes on with
	// new noise instead of repeating what the killed process drew first.
	Block int `json:"block,omitempty"`
}

// Delegation is the proof of who executed the graph.
type Delegation struct {
	Name       string `json:"name"`       // "xnnpack"; empty = none asked for
	Nodes      int    `json:"nodes"`      // nodes of the graph before delegation
	Delegated  int    `json:"delegated"`  // of those, taken by the delegate
	Partitions int    `json:"partitions"` // delegate kernels in the plan afterwards
	// Why says for the nodes that were left, each kind once, why: "HARD_SWISH x8: not in int8".
	Why []string `json:"why,omitempty"`
}

// Layer is a row of the per-layer table of devices that give one.
type Layer struct {
	Name    string  `json:"name"`            // of the model's op or its output tensor
	Op      string  `json:"op"`              // the tool's word for the operation
	Where   string  `json:"where,omitempty"` // the unit that runs it: "NPU", "CPU"
	Seconds float64 `json:"seconds"`
	Cycles  float64 `json:"cycles,omitempty"`
	MACs    int64   `json:"macs,omitempty"`
}

// Bounds are a tool's own lower and upper estimate.
type Bounds struct {
	Low  float64 `json:"low_seconds"`
	High float64 `json:"high_seconds"`
}

// Doubt is a reason of the device's own why a block's time must not be used.
type Doubt struct {
	Code string `json:"code"` // stable word: "ops_without_cost", "precision_not_reached"
	Text string `json:"text"`
}

// Summary is what a tool prints where it gives no samples. Seconds; NaN-free: absent
// figures are nil.
type Summary struct {
	Count            int
	Mean             float64
	Min, Max, StdDev *float64
	Median           *float64 `json:",omitempty"` // where the tool gives one
	Line             string   // the tool's own line
}

// State is the device's condition at a moment. What the device does not have is nil; a
// sensor that is there and gives no usable figure is in its map as nil. Both are null in
// JSON, never zero.
type State struct {
	Time           time.Time           `json:"time"`
	LoadAverage    *float64            `json:"load_average_1m"`
	FrequenciesHz  map[string]*float64 `json:"frequencies_hz"`   // by CPU
	MaxFrequencyHz map[string]float64  `json:"max_frequency_hz"` // by CPU
	Governor       string              `json:"governor,omitempty"`
	Turbo          *bool               `json:"turbo"`
	TemperaturesC  map[string]*float64 `json:"temperatures_celsius"`
	Cooling        []Cooling           `json:"cooling,omitempty"`
	ThrottleCount  *int64              `json:"throttle_count"`
	StealSeconds   *float64            `json:"steal_seconds"` // hypervisor, summed over CPUs, since boot
	OnBattery      *bool               `json:"on_battery"`
	OnlineCPUs     []int               `json:"online_cpus,omitempty"`
	GPUHz          map[string]*float64 `json:"gpu_hz,omitempty"` // by the kernel's name of the GPU
	// RaspberryThrottled are the bits of the firmware's get_throttled: 0 under-voltage now,
	// 1 clock capped, 2 throttled, 3 soft temperature limit; 16 to 19 the same, once since boot.
	RaspberryThrottled *uint32 `json:"raspberry_throttled,omitempty"`

	// Of phones.
	ThermalStatus *int     `json:"thermal_status,omitempty"` // Android: 0 none, 1 light, 2 moderate, 3 severe, 4 critical, 5 emergency, 6 shutdown
	Battery       *Battery `json:"battery,omitempty"`
	ScreenOn      *bool    `json:"screen_on,omitempty"`
	AirplaneMode  *bool    `json:"airplane_mode,omitempty"`
}

// Battery is the condition of a device's own battery.
type Battery struct {
	Level        *float64 `json:"level_ratio"`         // 0 to 1
	TemperatureC *float64 `json:"temperature_celsius"` //
	Plugged      string   `json:"plugged,omitempty"`   // "ac", "usb", "wireless", "dock"; empty = not
	Status       string   `json:"status,omitempty"`    // "charging", "discharging", "full", "not charging"
	// Faked says that somebody set the figures by hand (dumpsys battery set): they are left out.
	Faked bool `json:"faked,omitempty"`
}

// HottestC is the highest temperature, nil where none could be read.
func (s State) HottestC() *float64 {
	var hottest *float64
	for _, t := range s.TemperaturesC {
		if t != nil && (hottest == nil || *t > *hottest) {
			hottest = t
		}
	}
	return hottest
}

// Cooling is a cooling device of the kernel's: a fan, or a processor that it slows down.
// State 0 is no cooling at all, Max all that it can do; nil where it cannot be read.
type Cooling struct {
	Name    string `json:"name"` // "cooling_device0"
	Type    string `json:"type"` // "Processor", "pwm-fan", "cpufreq-cpu0", EdgeTPUClock
	Current *int64 `json:"current_state"`
	Max     *int64 `json:"max_state"`
}

// EdgeTPUClock is the type of the cooling device that stands for an EdgeTPU's driver: at each
// of its steps it halves the clock.
const EdgeTPUClock = "apex-clock"

// Block is one fresh-process run of a model on a device.
type Block struct {
	Samples         []float64  `json:"samples_seconds"`     // wall time of every timed invoke
	CPUSamples      []float64  `json:"cpu_samples_seconds"` // CPU time of the same; empty where unknown
	WarmUp          []float64  `json:"warmup_seconds"`      // wall time of every warm-up invoke after the first
	Summary         *Summary   `json:"summary,omitempty"`   // where a tool gives no samples
	InitSeconds     float64    `json:"init_seconds"`        // load, delegate, allocate
	FirstSeconds    float64    `json:"first_seconds"`       // first inference
	PeakMemoryBytes int64      `json:"peak_memory_bytes"`   // peak resident set of the process
	Delegation      Delegation `json:"delegation"`
	Runtime         string     `json:"runtime"`        // "tflite 2.21.0"
	CPUs            []int      `json:"cpus,omitempty"` // affinity that was in force, whether asked for or not
	ModelSHA256     string     `json:"model_sha256"`   // of the bytes that were timed
	Started         time.Time  `json:"started"`
	Elapsed         float64    `json:"elapsed_seconds"`
	Before          State      `json:"before"`
	After           State      `json:"after"`
	Warnings        []string   `json:"warnings,omitempty"`

	Layers []Layer `json:"layers,omitempty"` // where the device gives a per-layer table
	Bounds *Bounds `json:"bounds,omitempty"` // of an estimator
	// Counters are a tool's further figures, each named with its unit: "fill_bytes".
	Counters map[string]float64 `json:"counters,omitempty"`
	Doubts   []Doubt            `json:"doubts,omitempty"` // any of them makes the measurement INVALID
}

// Ended is when the block was over, in the clock that Started is of: the lab's, of a simulator its
// virtual one, which hurries ahead. Zero where Started is.
func (b *Block) Ended() time.Time {
	if b.Started.IsZero() {
		return time.Time{}
	}
	return b.Started.Add(time.Duration(b.Elapsed * float64(time.Second)))
}

// Device times models. Run may be called again after any error whose fault is the
// model's or the device's. Implementations honour ctx: when it ends, the process is
// killed and nothing is left behind. They honour Plan.Timeout likewise, with an Error whose
// Reason is ReasonHung; in a simulator's virtual time that takes none.
type Device interface {
	Info() Info
	Run(ctx context.Context, m *model.Model, plan Plan) (*Block, error)
	Close() error
}

// Preparer is a Device that compiles or pushes a model once before its blocks.
type Preparer interface {
	Prepare(ctx context.Context, m *model.Model) error
}

// Layerer is a Device that tells what each op of a model takes. It is asked for by name
// (`latlab time --layers`), never in a sweep: three hundred rows a block would be most of a
// store. A device whose tool prints the table anyway puts it into Block.Layers as well.
type Layerer interface {
	// Layers is the table in execution order. What no op pays for, a call's own overhead,
	// is a row of its own, so that the rows' seconds sum to the whole network's.
	Layers(ctx context.Context, m *model.Model) ([]Layer, error)
}

// Waiter is a Device with a clock of its own: a simulator, for which an hour is over at
// once. Whoever would sleep between its Runs, for it to cool or to come back, calls Wait
// instead.
type Waiter interface {
	Wait(ctx context.Context, d time.Duration) error
}
