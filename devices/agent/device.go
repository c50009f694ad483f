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
	"time"

	"github.com/prometheus/procfs"

	"latlab/devices"
	"latlab/devices/machine"
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
	m     *machine.Machine
	hello Hello
	info  devices.Info
}

var _ devices.Device = (*Device)(nil)

// Open starts the agent once to learn its version and runtime.
func Open(ctx context.Context, m *machine.Machine, o Options) (*Device, error) {
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
	hello, _, err := ask(ctx, m, o.Path, "open device "+o.Name, helloTimeout, nil)
	if err != nil {
		return nil, err
	}
	d := &Device{opts: o, m: m, hello: hello, info: Describe(o)}
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

// Close gives the machine up. Every block's process is gone when Run returns.
func (d *Device) Close() error { return d.m.Close() }

// Run times one block in a fresh agent.
func (d *Device) Run(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Block, error) {
	op := "time " + m.Name
	if err := d.accepts(m, op); err != nil {
		return nil, err
	}
	return d.m.Block(ctx, op, func(b *devices.Block) error {
		staged, err := d.m.Stage(ctx, op, m)
		if err != nil {
			return err
		}
		defer staged.Close()
		resp, err := d.ask(ctx, staged.Path, op, &Request{Type: "time", Plan: plan})
		if err != nil {
			return err
		}
		b.ModelSHA256, b.Runtime = staged.SHA256, d.hello.Runtime
		d.fill(b, resp.Result)
		return nil
	})
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
	req.Model, req.Delegate, req.Threads, req.CPUs = path, "xnnpack", d.opts.Threads, d.opts.CPUs
	hello, resp, err := ask(ctx, d.m, d.opts.Path, op, req.Plan.Timeout, req)
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
