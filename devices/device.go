// Package devices declares the Device interface (what times a model), the Block that it returns,
// and errors classified by whose fault they are. It holds interfaces and types only.
//
// Implementations: devices/agent (latlab-agent on a machine), devices/tool (vendors' programs,
// estimators among them) and devices/sim (simulators). All of them pass devices/devicetest;
// devices/inventory opens them by name. The package knows no protocols, statistics or stores; those
// belong to bench.
package devices

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"latlab/sampler/model"
)

// Kind is where a figure comes from. It is kept with the figure; fits and comparisons never mix
// kinds.
type Kind string

// The kinds: timed on the device, estimated by its vendor's tool, computed by latlab's simulators.
const (
	Measured  Kind = "measured"
	Estimated Kind = "estimated"
	Simulated Kind = "simulated"
)

// Info describes a Device before anything runs.
type Info struct {
	Name       string            `json:"name"`
	Kind       Kind              `json:"kind"`
	Harness    string            `json:"harness"` // program that times: "latlab-agent"
	Formats    []model.Format    `json:"formats"`
	Precisions []model.Precision `json:"precisions"` // the default first
	NeedsGraph bool              `json:"needs_graph"`
	// Calls are the parts of a model's Call that the device follows; it is given no others.
	Calls       []model.CallOption `json:"calls,omitempty"`
	Delegate    string             `json:"delegate"` // "xnnpack"
	Threads     int                `json:"threads"`
	CPUs        []int              `json:"cpus,omitempty"` // affinity; empty = none
	Accelerator bool               `json:"accelerator"`    // a model that is not fully delegated is INVALID
	// Compute is the numeric type that models of a precision are computed in, where it differs from
	// the precision: float32 is computed in "float16" on a Jetson.
	Compute map[model.Precision]string `json:"computed_in,omitempty"`
	// Deterministic means that every block of a model gives the same result, so one is enough.
	Deterministic bool `json:"deterministic,omitempty"`
	// NoSamples means that blocks have a Summary by the tool instead of samples and their CPU times.
	NoSamples bool `json:"no_samples,omitempty"`
	// Parallel is how many Runs may go on at the same time; 0 and 1 mean one. A further Run fails
	// at once with ReasonBusy and FaultLab: a Run that waited for another one would time a busy
	// machine.
	Parallel int `json:"parallel,omitempty"`
	// Fingerprint is what latencies depend on besides the model: CPU model, kernel, runtime
	// version, library hash. Sweeps with different fingerprints count as different devices.
	Fingerprint map[string]string `json:"fingerprint"`
	Transport   string            `json:"transport,omitempty"` // "adb", "ssh"; empty = this machine
}

// UnitKeys are the parts of a fingerprint in which units of the same model, build and runtime differ.
var UnitKeys = []string{"serial", "unit"}

// Unit names a device with what tells it from others of its kind, where that is known.
func (i Info) Unit() string {
	for _, k := range UnitKeys {
		if v := i.Fingerprint[k]; v != "" {
			return fmt.Sprintf("%s (%s %s)", i.Name, k, v)
		}
	}
	return i.Name
}

// OneThread reports whether one thread of a CPU does all the work, so that CPU time below wall time shows
// that something else used its core. With an accelerator the thread waits anyway, and of several threads
// how many are at work depends on the network.
func (i Info) OneThread() bool { return !i.Accelerator && i.Threads <= 1 }

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
	// Block is the number of the block of its model, from 1; 0 if the caller does not count. A
	// simulator seeds its noise with it, so that a resumed sweep continues with new noise instead
	// of repeating what the killed process drew.
	Block int `json:"block,omitempty"`
	// MinUndisturbed samples are wanted of a device with Info.OneThread: it goes on past the maxima until it
	// has them, or until the timed invokes took LimitSeconds.
	MinUndisturbed int     `json:"min_undisturbed,omitempty"`
	LimitSeconds   float64 `json:"limit_seconds,omitempty"`
}

// More reports whether the plan needs another timed invoke; at least one is needed.
func (p Plan) More(runs int, seconds float64) bool {
	switch {
	case runs < max(p.MinRuns, 1):
		return true
	case p.MaxRuns > 0 && runs >= p.MaxRuns, p.MaxSeconds > 0 && seconds >= p.MaxSeconds:
		return false
	}
	return seconds < p.MinSeconds
}

// Again reports whether a plan that needs no more invokes goes on because too few were undisturbed.
func (p Plan) Again(undisturbed int, seconds float64) bool {
	return undisturbed < p.MinUndisturbed && seconds < p.LimitSeconds
}

// Undisturbed reports whether the i-th invoke on one thread, and the one before it, had their core to themselves: the
// thread's CPU time is nearly its wall time. An invoke after a disturbed one finds its caches filled by others, and was 6
// to 12 % slower. docs/measuring.md has the study that chose the share.
func Undisturbed(wall, cpu []float64, i int) bool {
	alone := func(i int) bool { return cpu[i] > 0.98*wall[i] }
	return alone(i) && (i == 0 || alone(i-1))
}

// Delegation is the proof of what executed the graph.
type Delegation struct {
	Name       string `json:"name"`       // "xnnpack"; empty = no delegate was requested
	Nodes      int    `json:"nodes"`      // nodes of the graph before delegation
	Delegated  int    `json:"delegated"`  // of those, taken by the delegate
	Partitions int    `json:"partitions"` // delegate kernels in the plan afterwards
	// Why lists why nodes were not delegated, each kind once: "HARD_SWISH x8: not in int8".
	Why []string `json:"why,omitempty"`
}

// Layer is a row of a per-layer table.
type Layer struct {
	Name   string `json:"name"`             // of the model's op or its output tensor
	Op     string `json:"op"`               // the tool's word for the operation: "CONV_2D"
	Kernel string `json:"kernel,omitempty"` // the runtime's word for the kernel: "Convolution (NHWC, F32) DWConv"
	Where  string `json:"where,omitempty"`  // the unit that runs it: "NPU", "CPU"
	// Nodes are the operators of the model's execution order, from 0, that the row stands for: several
	// where the runtime fuses. They are empty where the tool does not say, and never guessed.
	Nodes   []int   `json:"nodes,omitempty"`
	Seconds float64 `json:"seconds"`
	Cycles  float64 `json:"cycles,omitempty"`
	MACs    int64   `json:"macs,omitempty"`
}

// Profile is the time of each op of a model inside inferences of the whole network, by the device's
// own report. It is never a latency measurement, because observing the ops takes time.
type Profile struct {
	// Layers are in execution order. Overhead that belongs to no op is a row of its own where the
	// tool reports it.
	Layers []Layer `json:"layers"`
	// Runs is how many inferences were observed; Layers have the median of each row over them, or the
	// mean where the tool prints only that. It is 1 of a device whose every inference is the same.
	Runs int `json:"runs"`
	// WholeSeconds is the median wall time of the observed inferences, or the mean where the rows are
	// means, and PlainSeconds the median of others, in between or before, that were not observed; nil
	// where unknown. Their ratio is what observing costs.
	WholeSeconds *float64 `json:"whole_seconds"`
	PlainSeconds *float64 `json:"plain_seconds"`
	// ResolutionSeconds is the smallest step of the rows' times, 0 if unknown.
	ResolutionSeconds float64    `json:"resolution_seconds,omitempty"`
	Delegation        Delegation `json:"delegation"`
	Runtime           string     `json:"runtime"`
	ModelSHA256       string     `json:"model_sha256"`
	Started           time.Time  `json:"started"`
	Before            State      `json:"before"`
	After             State      `json:"after"`
	Warnings          []string   `json:"warnings,omitempty"`
}

// ProfileOf makes a Profile of a block whose ops were observed and of its rows. The block's doubts become warnings.
func ProfileOf(b *Block, rows []Layer, runs int) *Profile {
	p := &Profile{
		Layers: rows, Runs: runs, Delegation: b.Delegation, Runtime: b.Runtime, ModelSHA256: b.ModelSHA256,
		Started: b.Started, Before: b.Before, After: b.After, Warnings: slices.Clone(b.Warnings),
	}
	for _, d := range b.Doubts {
		p.Warnings = append(p.Warnings, d.Text)
	}
	return p
}

// Total is the sum of the rows, in seconds.
func (p *Profile) Total() float64 {
	sum := 0.0
	for _, l := range p.Layers {
		sum += l.Seconds
	}
	return sum
}

// Bounds are a tool's own lower and upper estimate.
type Bounds struct {
	Low  float64 `json:"low_seconds"`
	High float64 `json:"high_seconds"`
}

// Doubt is a device's own reason why a block's latency must not be used.
type Doubt struct {
	Code string `json:"code"` // stable word: "ops_without_cost", "precision_not_reached"
	Text string `json:"text"`
}

// Summary is what a tool prints if it gives no samples. All figures are in seconds; missing ones
// are nil, never NaN.
type Summary struct {
	Count            int
	Mean             float64
	Min, Max, StdDev *float64
	Median           *float64 `json:",omitempty"` // if the tool gives one
	Line             string   // the tool's own line
}

// State is the device's condition at a moment. A field is nil if the device has no such figure; a
// sensor that exists and gives no usable figure is in its map as nil. Both are null in JSON, never
// zero.
type State struct {
	Time           time.Time           `json:"time"`
	LoadAverage    *float64            `json:"load_average_1m"`
	FrequenciesHz  map[string]*float64 `json:"frequencies_hz"`   // by CPU
	MaxFrequencyHz map[string]float64  `json:"max_frequency_hz"` // by CPU
	Governor       string              `json:"governor,omitempty"`
	Turbo          *bool               `json:"turbo"`
	TemperaturesC  map[string]*float64 `json:"temperatures_celsius"`
	// UnclearTemperatures says of sensors that are nil in TemperaturesC and have a figure why it is not
	// used: "4123 is in no known unit a temperature of a device at work".
	UnclearTemperatures map[string]string `json:"unclear_temperatures,omitempty"`
	Cooling             []Cooling         `json:"cooling,omitempty"`
	ThrottleCount       *int64            `json:"throttle_count"`
	StealSeconds        *float64          `json:"steal_seconds"` // hypervisor, summed over CPUs, since boot
	// QuotaStops and QuotaSeconds are how often and how long a CPU quota (a cgroup's, as containers
	// have) stopped processes: summed over the groups that latlab is in, since they were made.
	QuotaStops   *float64            `json:"quota_stops,omitempty"`
	QuotaSeconds *float64            `json:"quota_stopped_seconds,omitempty"`
	OnBattery    *bool               `json:"on_battery"`
	OnlineCPUs   []int               `json:"online_cpus,omitempty"`
	GPUHz        map[string]*float64 `json:"gpu_hz,omitempty"` // by the kernel's name of the GPU
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
	// Faked means that somebody set the figures by hand (dumpsys battery set): they are left out.
	Faked bool `json:"faked,omitempty"`
}

// HottestC is the highest temperature, nil if none could be read.
func (s State) HottestC() *float64 {
	var hottest *float64
	for _, t := range s.TemperaturesC {
		if t != nil && (hottest == nil || *t > *hottest) {
			hottest = t
		}
	}
	return hottest
}

// Unclear names the sensors whose figures are not used, with why, for people; "" if there are none.
func (s State) Unclear() string {
	const most = 3
	var list []string
	for _, name := range slices.Sorted(maps.Keys(s.UnclearTemperatures)) {
		if len(list) == most {
			list = append(list, fmt.Sprintf("%d more", len(s.UnclearTemperatures)-most))
			break
		}
		list = append(list, name+": "+s.UnclearTemperatures[name])
	}
	return strings.Join(list, "; ")
}

// Cooling is one of the kernel's cooling devices: a fan, or a processor that is throttled. State 0
// is no cooling, Max is full cooling; both are nil if they cannot be read.
type Cooling struct {
	Name    string `json:"name"` // "cooling_device0"
	Type    string `json:"type"` // "Processor", "pwm-fan", "cpufreq-cpu0", EdgeTPUClock
	Current *int64 `json:"current_state"`
	Max     *int64 `json:"max_state"`
}

// EdgeTPUClock is the type of the cooling device of an EdgeTPU's driver: each of its steps halves
// the clock.
const EdgeTPUClock = "apex-clock"

// Block is one fresh-process run of a model on a device.
type Block struct {
	Samples    []float64 `json:"samples_seconds"`     // wall time of every timed invoke
	CPUSamples []float64 `json:"cpu_samples_seconds"` // CPU time of the same invokes; empty if unknown
	// WaitSeconds is how long the thread that waited longest was ready to run during the timed
	// invokes and got no core; nil if unknown.
	WaitSeconds     *float64   `json:"wait_seconds,omitempty"`
	Clock           []Clock    `json:"clock,omitempty"`   // readings before, between and after the samples
	WarmUp          []float64  `json:"warmup_seconds"`    // wall time of every warm-up invoke after the first
	Summary         *Summary   `json:"summary,omitempty"` // if the tool gives no samples
	InitSeconds     float64    `json:"init_seconds"`      // load, delegate, allocate
	FirstSeconds    float64    `json:"first_seconds"`     // first inference
	PeakMemoryBytes int64      `json:"peak_memory_bytes"` // peak resident set of the process
	Delegation      Delegation `json:"delegation"`
	Runtime         string     `json:"runtime"`             // "tflite 2.21.0"
	Signature       string     `json:"signature,omitempty"` // key of the model's signature that ran; empty if it has none
	Unit            string     `json:"unit,omitempty"`      // the twin that ran it; empty = the sweep's own device
	CPUs            []int      `json:"cpus,omitempty"`      // affinity in force, requested or not
	Order           int        `json:"-"`                   // its place in the sweep's schedule, from 0; set by bench
	ModelSHA256     string     `json:"model_sha256"`        // of the bytes that were timed
	Started         time.Time  `json:"started"`
	Elapsed         float64    `json:"elapsed_seconds"`
	Before          State      `json:"before"`
	After           State      `json:"after"`
	Warnings        []string   `json:"warnings,omitempty"`

	Layers []Layer `json:"layers,omitempty"` // if the device gives a per-layer table
	Bounds *Bounds `json:"bounds,omitempty"` // of an estimator
	// Counters are the tool's other figures; their names end in the unit: "fill_bytes".
	Counters map[string]float64 `json:"counters,omitempty"`
	Doubts   []Doubt            `json:"doubts,omitempty"` // any of them makes the measurement INVALID
}

// Clock is what the clock of the core was on which a block runs, measured with a chain of instructions whose
// cycles are known. Sensors say what the core may run at, if there are any; this is what it did.
type Clock struct {
	Samples int     `json:"samples"` // taken before the reading
	Hz      float64 `json:"hz"`
	CPU     int     `json:"cpu"` // the core, -1 if unknown
}

// Ended is when the block ended, by the clock of Started: the lab's, or a simulator's virtual
// clock. It is zero if Started is.
func (b *Block) Ended() time.Time {
	if b.Started.IsZero() {
		return time.Time{}
	}
	return b.Started.Add(time.Duration(b.Elapsed * float64(time.Second)))
}

// Device times models. Run may be called again after an error whose fault is the model's or the
// device's. Implementations honour ctx: when it ends, the process is killed and cleaned up. They
// also honour Plan.Timeout, with an Error of ReasonHung; a simulator counts it in virtual time.
type Device interface {
	Info() Info
	Run(ctx context.Context, m *model.Model, plan Plan) (*Block, error)
	Close() error
}

// Preparer is a Device that compiles or pushes a model once before its blocks.
type Preparer interface {
	Prepare(ctx context.Context, m *model.Model) error
}

// Profiler is a Device that reports the time of each op of a model. A sweep profiles only the networks
// that it is asked to: three hundred rows a block would be most of a store. A device whose tool
// prints the table anyway also puts it into Block.Layers.
type Profiler interface {
	// Profile runs one block in which the device observes the ops. Of the plan it follows what it can.
	Profile(ctx context.Context, m *model.Model, plan Plan) (*Profile, error)
}

// Waiter is a Device with a virtual clock: a simulator, for which an hour passes at once. A caller
// that would sleep between Runs calls Wait instead.
type Waiter interface {
	Wait(ctx context.Context, d time.Duration) error
}
