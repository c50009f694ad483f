// Package agent implements the Device that runs latlab-agent: the client, the bundle that is
// copied to machines where nothing is installed, and the classification of everything that can
// go wrong with a process that times models.
//
// A fresh agent is started for each block, answers one request and exits. Package wire defines
// the messages. The package refuses to link the runtime (cmd/latlab-agent does) and to decide
// how many blocks are run (bench does). devices/machine knows where the process runs.
package agent

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"latlab/devices"
	"latlab/devices/agent/wire"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/sampler/model"
	"latlab/sampler/tflite"
)

// Options configure a Device.
type Options struct {
	Name     string // "cpu"
	Path     string // path of latlab-agent on this host
	Threads  int    // threads of the runtime; default 1
	CPUs     []int  // CPU affinity; default none
	Root     string // where this machine's /proc and /sys are, for tests; default "/"
	Delegate Delegate
	// Bundles is the folder with the bundles for other machines, such as "agent-arm64", and with
	// this machine's agent for x86-64 ones. The default is the folder of Path.
	Bundles string
	// Arch is the architecture of another machine in Go's notation: "arm64". If it is empty, the
	// machine is asked. Set it where programs run in an emulator.
	Arch string
}

// Device times models with latlab-agent through a transport.
type Device struct {
	opts    Options
	launch  launch
	hello   wire.Hello
	library string // sha256 of the external delegate's library
	// mark is that of the runtime's library, which an agent need not hash again; nil if it is not known.
	mark atomic.Pointer[string]
	info devices.Info
}

// Open starts the agent once to learn its version and runtime and to check that its delegate
// can be created. On another machine it installs the agent first.
func Open(ctx context.Context, m *machine.Machine, o Options) (*Device, error) {
	o.Threads = cmp.Or(o.Threads, 1)
	o.Root = cmp.Or(o.Root, "/")
	o.Bundles = cmp.Or(o.Bundles, filepath.Dir(o.Path))
	slices.Sort(o.CPUs)
	op := "open device " + o.Name
	if err := checkCPUs(o, m.Local()); err != nil {
		return nil, err
	}
	if err := o.Delegate.check(op); err != nil {
		return nil, err
	}
	id, err := identify(ctx, m)
	if err != nil {
		return nil, err
	}
	command, err := install(ctx, m, o, cmp.Or(o.Arch, id.Arch))
	if err != nil {
		return nil, err
	}
	d := &Device{opts: o, launch: launch{m, command}, info: Describe(o)}
	if d.hello, _, err = ask(ctx, d.launch, op, helloTimeout, nil); err != nil {
		return nil, err
	}
	d.know(d.hello)
	if !m.Local() {
		if err := checkThreads(o, len(d.hello.CPUs)); err != nil {
			return nil, err
		}
	}
	if d.library, err = loadDelegate(ctx, d.launch, o); err != nil {
		return nil, err
	}
	d.info.Fingerprint = d.fingerprint(id)
	return d, nil
}

// Describe returns what is known of the device before its agent is started: everything except
// the fingerprint.
func Describe(o Options) devices.Info {
	return devices.Info{
		Name: o.Name, Kind: devices.Measured, Harness: devices.AgentHarness,
		Formats: []model.Format{model.TFLite}, Precisions: o.Delegate.precisions(),
		Calls:    []model.CallOption{model.GivenSignature, model.GivenShape, model.GivenValue, model.GivenFile},
		Delegate: o.Delegate.name(), Threads: max(o.Threads, 1), CPUs: o.CPUs,
		Accelerator: o.Delegate.external() && !o.Delegate.OnCPU,
	}
}

// checkCPUs refuses CPUs that this machine does not have. Only the agent knows another machine's.
func checkCPUs(o Options, local bool) error {
	here := local && o.Root == "/"
	for _, c := range o.CPUs {
		if c < 0 || here && c >= runtime.NumCPU() && !cpuExists(c) {
			return &devices.Error{Fault: devices.FaultUser, Op: "open device " + o.Name, Reason: "affinity",
				Err: fmt.Errorf("this machine has no CPU %d", c), Advice: "--cpus takes a list such as 0,1"}
		}
	}
	if o.Threads < 1 || o.Threads > 1024 {
		return &devices.Error{Fault: devices.FaultUser, Op: "open device " + o.Name, Reason: "threads",
			Err: fmt.Errorf("%d threads", o.Threads), Advice: "--threads is at least 1"}
	}
	if !here {
		return nil
	}
	return checkThreads(o, runtime.NumCPU())
}

// checkThreads refuses more threads than cores: threads that share a core wait for each other,
// and the CPU time of the process, which adds them up, hides it. The check is skipped where the
// number of cores is unknown.
func checkThreads(o Options, cores int) error {
	if len(o.CPUs) > 0 {
		cores = len(o.CPUs)
	}
	if cores == 0 || o.Threads <= cores {
		return nil
	}
	return &devices.Error{Fault: devices.FaultUser, Op: "open device " + o.Name, Reason: "threads",
		Err: fmt.Errorf("%d threads on %d CPUs: use at most one thread per CPU", o.Threads, cores), Advice: "fewer --threads or more --cpus"}
}

// cpuExists reads the kernel's list: NumCPU counts only the CPUs that this process may use.
func cpuExists(c int) bool {
	_, err := os.Stat("/sys/devices/system/cpu/cpu" + strconv.Itoa(c))
	return err == nil
}

// Info describes the device.
func (d *Device) Info() devices.Info { return d.info }

// Close closes the machine. Every block's process has already ended when Run returns.
func (d *Device) Close() error { return d.launch.m.Close() }

// Run times one block in a fresh agent.
func (d *Device) Run(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Block, error) {
	return d.block(ctx, "time "+m.Name, m, &wire.Request{Type: wire.Time, Plan: plan}, func(*devices.Block, *wire.Response) {})
}

// block asks a fresh agent for the times of a model. read takes from the answer what a Block does not have.
func (d *Device) block(ctx context.Context, op string, m *model.Model, req *wire.Request, read func(*devices.Block, *wire.Response)) (*devices.Block, error) {
	if err := tool.Accepts(d.info, m, op); err != nil {
		return nil, err
	}
	block, err := d.launch.m.Block(ctx, op, func(b *devices.Block) error {
		staged, err := d.launch.m.Stage(ctx, op, m)
		if err != nil {
			return err
		}
		defer staged.Close()
		inputs, err := d.call(ctx, op, m, req)
		if err != nil {
			return err
		}
		defer inputs.close()
		resp, err := d.ask(ctx, staged.Path, op, req)
		if err != nil {
			return err
		}
		b.ModelSHA256, b.Runtime = staged.SHA256, d.hello.Runtime
		d.fill(b, resp.Result)
		if m.Network != nil {
			b.Signature = m.Network.Signature
		}
		read(b, resp)
		return nil
	})
	if err == nil {
		err = devices.Garbage(op, d.info, req.Plan, block)
	}
	if err != nil {
		return nil, err
	}
	return block, nil
}

// Outputs runs the model once on the given input values and returns every output tensor and the
// proof of delegation. path is a file on the machine where the agent runs; inputs has one slice
// for each input tensor, and a quantized tensor gets its values quantized.
func (d *Device) Outputs(ctx context.Context, path string, inputs [][]float32) ([]wire.Output, devices.Delegation, error) {
	return d.outputs(ctx, path, &wire.Request{Inputs: inputs})
}

// RawOutputs is like Outputs, but takes integers as the tensors store them.
func (d *Device) RawOutputs(ctx context.Context, path string, inputs [][]int64) ([]wire.Output, devices.Delegation, error) {
	return d.outputs(ctx, path, &wire.Request{RawInputs: inputs})
}

func (d *Device) outputs(ctx context.Context, path string, req *wire.Request) ([]wire.Output, devices.Delegation, error) {
	req.Type, req.Plan.Timeout = wire.Outputs, time.Minute
	resp, err := d.ask(ctx, path, "outputs of "+filepath.Base(path), req)
	if err != nil {
		return nil, devices.Delegation{}, err
	}
	resp.Delegation.Why = explain(resp.Left, d.opts.Delegate.name())
	return resp.Outputs, *resp.Delegation, nil
}

func (d *Device) ask(ctx context.Context, path, op string, req *wire.Request) (*wire.Response, error) {
	req.Model, req.Threads, req.CPUs = path, d.opts.Threads, d.opts.CPUs
	d.opts.Delegate.ask(req)
	start, mark := d.launch, d.mark.Load()
	if mark != nil {
		start.command.Env = append(slices.Clone(start.command.Env), wire.KnownLibrary+"="+*mark)
	}
	hello, resp, err := ask(ctx, start, op, req.Plan.Timeout, req)
	if err != nil {
		return nil, err
	}
	known := mark != nil && hello.Library == "" && hello.LibraryMark == *mark
	if hello.Runtime != d.hello.Runtime || hello.Library != d.hello.Library && !known {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: ReasonVersion,
			Err:    fmt.Errorf("the runtime changed since the device was opened: from %s to %s", d.hello.Runtime, hello.Runtime),
			Advice: "start again: the measurements would not be of one device"}
	}
	d.know(hello)
	if resp.Library != d.library {
		return nil, &devices.Error{Fault: devices.FaultLab, Op: op, Reason: ReasonVersion,
			Err:    fmt.Errorf("the delegate's library %s changed since the device was opened", d.opts.Delegate.Library),
			Advice: "start again: the measurements would not be of one device"}
	}
	return resp, nil
}

// know keeps the mark of the library, if the agent gave its sha256 too and the mark proves something.
func (d *Device) know(h wire.Hello) {
	if h.Library != "" && h.LibraryMark != "" {
		d.mark.Store(&h.LibraryMark)
	}
}

func (d *Device) fill(b *devices.Block, r *wire.Result) {
	b.Samples, b.CPUSamples, b.WarmUp = r.Samples, r.CPUSamples, r.WarmUp
	b.WaitSeconds, b.Clock = r.Waited, r.Clock
	b.InitSeconds, b.FirstSeconds = r.Init, r.First
	b.PeakMemoryBytes, b.Delegation = r.PeakMemory, r.Delegation
	b.Delegation.Why = explain(r.Left, d.opts.Delegate.name())
	b.Doubts = d.opts.Delegate.doubts(r.Delegation)
	b.CPUs = r.CPUs
	if r.PeakMemory == 0 {
		b.Warnings = append(b.Warnings, "peak memory is unknown: the machine shows the agent no /proc")
	}
}

// floatOnly lists ops that XNNPACK in TFLite 2.21 takes in float but not in 8 bits: their Visit
// functions in xnnpack_delegate.cc check for a float type, and the runtime agrees
// (TestLeftNodes). It does take a MEAN of the same map (TestMeanIsTaken).
var floatOnly = map[string]bool{"HARD_SWISH": true, "AVERAGE_POOL_2D": true}

// whyLeft returns a text like "HARD_SWISH x8, version 1, INT8: XNNPACK takes it in float only".
func whyLeft(l wire.Left, delegate string) string {
	name := cmp.Or(l.Custom, tflite.OperatorName(l.Builtin))
	return fmt.Sprintf("%s x%d, version %d, %s: %s", name, l.Count, l.Version, l.Type, reasonLeft(l, name, delegate))
}

// reasonLeft returns why XNNPACK does not take a node, where that is known. XNNPACK does not report
// it: its messages are off while it checks a graph. Nothing is known of other delegates.
func reasonLeft(l wire.Left, name, delegate string) string {
	switch {
	case l.Custom != "":
		return "a custom op"
	case l.Dynamic:
		return "a shape is known only when the model runs"
	case delegate == wire.XNNPACK && floatOnly[name] && (l.Type == "INT8" || l.Type == "UINT8"):
		return "XNNPACK takes it in float only"
	}
	return "not taken, and the delegate does not say why"
}

func explain(list []wire.Left, delegate string) []string {
	var why []string
	for _, l := range list {
		why = append(why, whyLeft(l, delegate))
	}
	return why
}
