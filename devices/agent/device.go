package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/procfs"

	"latlab/devices"
	"latlab/devices/state"
	"latlab/devices/transport"
	"latlab/sampler/model"
)

// Options describe the device that an agent makes of a machine.
type Options struct {
	Name    string // "cpu"
	Path    string // of latlab-agent, as the transport sees it
	Threads int    // of the runtime; 1 unless told
	CPUs    []int  // affinity; none unless told
	Root    string // of /proc and /sys; "/" unless told
}

// Device times models with latlab-agent through a transport.
type Device struct {
	opts  Options
	t     transport.Transport
	hello Hello
	info  devices.Info
	busy  atomic.Bool // a Run is going on
}

var _ devices.Device = (*Device)(nil)

// Open starts the agent once to learn its version and runtime.
func Open(ctx context.Context, t transport.Transport, o Options) (*Device, error) {
	if o.Threads == 0 {
		o.Threads = 1
	}
	if o.Root == "" {
		o.Root = "/"
	}
	slices.Sort(o.CPUs)
	if err := checkCPUs(o); err != nil {
		return nil, err
	}
	hello, _, err := ask(ctx, t, o.Path, "open device "+o.Name, helloTimeout, nil)
	if err != nil {
		return nil, err
	}
	d := &Device{opts: o, t: t, hello: hello, info: Describe(o)}
	d.info.Fingerprint = fingerprint(o, hello)
	return d, nil
}

// Describe is what is known of the device before its agent is started: all but the
// fingerprint.
func Describe(o Options) devices.Info {
	return devices.Info{
		Name: o.Name, Kind: devices.Measured, Harness: "latlab-agent",
		Formats: []model.Format{model.TFLite}, Precisions: precisions(),
		Delegate: "xnnpack", Threads: max(o.Threads, 1), CPUs: o.CPUs,
	}
}

// precisions are all that the runtime runs: latlab writes the first two, a user's own file
// may have int16 activations. Files of uint8, and float32 ones with float16 weights, are
// of the first two as well (sampler/model).
func precisions() []model.Precision {
	return []model.Precision{model.Float32, model.Int8, "int16"}
}

func checkCPUs(o Options) error {
	for _, c := range o.CPUs {
		if c < 0 || c >= runtime.NumCPU() && o.Root == "/" && !cpuExists(c) {
			return &devices.Error{Fault: devices.FaultUser, Op: "open device " + o.Name, Reason: "affinity",
				Err: fmt.Errorf("this machine has no CPU %d", c), Advice: "--cpus takes a list such as 0,1"}
		}
	}
	cores := len(o.CPUs)
	if cores == 0 {
		cores = runtime.NumCPU()
	}
	if o.Root == "/" && o.Threads > cores {
		// Threads that share a core wait for each other, and a process's CPU time, which adds
		// them up, hides it.
		return &devices.Error{Fault: devices.FaultUser, Op: "open device " + o.Name, Reason: "threads",
			Err: fmt.Errorf("%d threads on %d CPUs would wait for each other", o.Threads, cores), Advice: "fewer --threads or more --cpus"}
	}
	if o.Threads < 1 || o.Threads > 1024 {
		return &devices.Error{Fault: devices.FaultUser, Op: "open device " + o.Name, Reason: "threads",
			Err: fmt.Errorf("%d threads", o.Threads), Advice: "--threads is at least 1"}
	}
	return nil
}

// cpuExists asks the kernel: NumCPU counts only those that this process may use.
func cpuExists(c int) bool {
	_, err := os.Stat("/sys/devices/system/cpu/cpu" + strconv.Itoa(c))
	return err == nil
}

// fingerprint is what a latency depends on besides the model. The kernel's version is
// not in it: an update in the middle of a long sweep would forbid to go on, and its
// effect on user-space arithmetic is far below the noise.
func fingerprint(o Options, h Hello) map[string]string {
	f := map[string]string{
		"runtime": h.Runtime, "library_sha256": h.Library, "delegate": "xnnpack", "arch": runtime.GOARCH,
	}
	fs, err := procfs.NewFS(filepath.Join(o.Root, "proc"))
	if err != nil {
		return f
	}
	if cpus, err := fs.CPUInfo(); err == nil && len(cpus) > 0 {
		c := cpus[0]
		f["cpu"] = strings.TrimSpace(fmt.Sprintf("%s family %s model %s stepping %s", c.ModelName, c.CPUFamily, c.Model, c.Stepping))
		f["cpus"] = strconv.Itoa(len(cpus))
	}
	return f
}

// Info describes the device.
func (d *Device) Info() devices.Info { return d.info }

// Close has nothing to release: every block's process is gone when Run returns.
func (d *Device) Close() error { return nil }

// Run times one block in a fresh agent.
func (d *Device) Run(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Block, error) {
	op := "time " + m.Name
	if err := d.accepts(m, op); err != nil {
		return nil, err
	}
	if !d.busy.CompareAndSwap(false, true) {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: devices.ReasonBusy,
			Err: fmt.Errorf("device %s times another model: two at once would both be slow", d.opts.Name)}
	}
	defer d.busy.Store(false)
	f, err := m.Open(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, devices.ModelBytes(op, err)
	}
	defer f.Close()
	b := &devices.Block{ModelSHA256: f.SHA256, Started: time.Now(), Before: state.Read(d.opts.Root)}
	resp, err := d.ask(ctx, f.Path, op, &Request{Type: "time", Plan: plan})
	if err != nil {
		return nil, err
	}
	b.After = state.Read(d.opts.Root)
	b.Elapsed = time.Since(b.Started).Seconds()
	b.Runtime = d.hello.Runtime
	d.fill(b, resp.Result)
	return b, nil
}

// Outputs runs the model once on the given input values (one slice an input tensor; a
// quantized one gets them quantized) and returns every output tensor and the proof of
// delegation.
func (d *Device) Outputs(ctx context.Context, path string, inputs [][]float32) ([]Output, devices.Delegation, error) {
	return d.outputs(ctx, path, &Request{Inputs: inputs})
}

// RawOutputs is Outputs of inputs that are integers as the tensors store them.
func (d *Device) RawOutputs(ctx context.Context, path string, inputs [][]int64) ([]Output, devices.Delegation, error) {
	return d.outputs(ctx, path, &Request{RawInputs: inputs})
}

func (d *Device) outputs(ctx context.Context, path string, req *Request) ([]Output, devices.Delegation, error) {
	req.Type, req.Plan.Timeout = "outputs", time.Minute
	resp, err := d.ask(ctx, path, "outputs of "+filepath.Base(path), req)
	if err != nil {
		return nil, devices.Delegation{}, err
	}
	resp.Delegation.Why = explain(resp.Left)
	return resp.Outputs, *resp.Delegation, nil
}

func (d *Device) ask(ctx context.Context, path, op string, req *Request) (*Response, error) {
	there, err := d.t.Push(ctx, path)
	if err != nil {
		return nil, transportError(ctx, err, &devices.Error{Fault: devices.FaultDevice, Op: op, Reason: "push"})
	}
	req.Model, req.Delegate, req.Threads, req.CPUs = there, "xnnpack", d.opts.Threads, d.opts.CPUs
	hello, resp, err := ask(ctx, d.t, d.opts.Path, op, req.Plan.Timeout, req)
	if err != nil {
		return nil, err
	}
	if hello.Runtime != d.hello.Runtime || hello.Library != d.hello.Library {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: ReasonVersion,
			Err:    fmt.Errorf("the runtime changed under the device: %s is %s now", d.hello.Runtime, hello.Runtime),
			Advice: "start again: the measurements would not be of one device"}
	}
	return resp, nil
}

func (d *Device) fill(b *devices.Block, r *Result) {
	b.Samples, b.CPUSamples, b.WarmUp = r.Samples, r.CPUSamples, r.WarmUp
	b.InitSeconds, b.FirstSeconds = r.Init, r.First
	b.PeakMemoryBytes, b.Delegation = r.PeakMemory, r.Delegation
	b.Delegation.Why = explain(r.Left)
	b.CPUs = r.CPUs
}

func (d *Device) accepts(m *model.Model, op string) error {
	if slices.Contains(d.info.Formats, m.Format) && slices.Contains(d.info.Precisions, m.Precision) {
		return nil
	}
	return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported,
		Err: fmt.Errorf("device %s does not take %s models in %s", d.opts.Name, m.Format, m.Precision)}
}
