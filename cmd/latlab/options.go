package main

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"latlab/bench/source"
	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/internal/text"
	"latlab/sampler"
	"latlab/sampler/model"
)

// Options that several verbs share, each with the flags that set it.

func (f *flagSet) json(to *bool) { f.bool(to, "json", "print JSON") }
func (f *flagSet) quiet(to *bool) {
	f.bool(to, "quiet", "no progress and no log on stderr, errors only")
}

func (f *flagSet) space(to *string) {
	f.string(to, "space", "search space: a built-in `NAME` or a .yaml file", "")
}

func (f *flagSet) coverage(to *bool) {
	f.bool(to, "coverage", "choose networks so that every table entry is covered as early as possible")
}

func (f *flagSet) db(to *string) { f.string(to, "db", "the store, an SQLite `FILE`", "") }

func (f *flagSet) cost(to *string) {
	f.string(to, "cost", "cost model, a JSON `FILE` that fit wrote", "")
}

func (f *flagSet) device(to *string) {
	f.string(to, "device", "device to time on, by `NAME`; see the verb devices", "")
}

func (f *flagSet) agent(to *string) {
	f.string(to, "agent", "path of latlab-agent, a `PROGRAM`; default: beside latlab", "")
}

// programOptions say where the inventory file and the programs that devices need are.
type programOptions struct {
	agent, python, velaConfig, inventory, agentBundle, adb string
}

func (o *programOptions) register(f *flagSet) {
	f.agent(&o.agent)
	f.string(&o.python, "python", "Python interpreter for the estimators, a `PROGRAM`; default: python3", "")
	f.string(&o.velaConfig, "vela-config", "system configurations and memory modes for Vela, a `FILE` .ini; default: Vela's own", "")
	f.string(&o.inventory, "inventory", "inventory of your devices, a `FILE` .yml; default: latlab/devices.yml in the user's configuration folder", "")
	f.string(&o.agentBundle, "agent-bundle", "`FOLDER` with the agent for arm64 phones and boards; default: agent-arm64 beside latlab", "")
	f.string(&o.adb, "adb", "path of adb, a `PROGRAM`; default: adb in PATH", "")
}

// options are the inventory's options, with one thread.
func (o programOptions) options() (inventory.Options, error) {
	path, err := agentPath(o.agent)
	return inventory.Options{
		Threads: 1, AgentPath: path, Python: o.python, VelaConfig: o.velaConfig,
		File: o.inventory, AgentBundle: o.agentBundle, ADB: o.adb,
	}, err
}

// labOptions choose how devices are used, beyond what their names say.
type labOptions struct {
	threads int
	cpus    string
	programOptions
}

func (o *labOptions) register(f *flagSet) {
	f.int(&o.threads, "threads", "`N` threads of the runtime, for cpu, adb:SERIAL and ssh:HOST; part of the device's identity", 1)
	f.string(&o.cpus, "cpus", "CPUs to run on, a `LIST` such as 0,1, for cpu, adb:SERIAL and ssh:HOST; part of the device's identity", "")
	o.programOptions.register(f)
}

func (o labOptions) options() (inventory.Options, error) {
	cpus, err := inventory.ParseCPUs(o.cpus)
	if err != nil {
		return inventory.Options{}, usagef("--cpus %q: %w", o.cpus, err)
	}
	if o.threads < 1 || o.threads > 1024 {
		return inventory.Options{}, usagef("--threads is %d; it must be 1 to 1024", o.threads)
	}
	to, err := o.programOptions.options()
	to.Threads, to.CPUs = o.threads, cpus
	return to, err
}

func (o programOptions) lab() (*inventory.Lab, error) { return newInventory(o.options()) }

func (o labOptions) lab() (*inventory.Lab, error) { return newInventory(o.options()) }

func newInventory(o inventory.Options, err error) (*inventory.Lab, error) {
	if err != nil {
		return nil, err
	}
	return inventory.New(o)
}

type cacheOptions struct{ dir, size string }

func (o *cacheOptions) registerDir(f *flagSet) {
	f.string(&o.dir, "cache-dir", "`FOLDER` of the model cache; default: the user's cache folder", "")
}

func (o *cacheOptions) register(f *flagSet) {
	o.registerDir(f)
	f.string(&o.size, "cache-size", "limit of the model cache, a `SIZE` such as 500M or 2G; the cache takes at most half of the disk's free space", "8G")
}

func (o cacheOptions) folder() string {
	if o.dir != "" {
		return o.dir
	}
	return model.DefaultCacheDir()
}

func (o cacheOptions) open() (*model.Cache, error) {
	size, err := inventory.ParseSize(o.size)
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	return model.NewCache(o.folder(), size), nil
}

type formOptions struct{ precision, input string }

func (o *formOptions) register(f *flagSet) {
	f.string(&o.precision, "precision", "numeric type: `PRECISION` float32 or int8; default: depends on the device", "")
	o.registerInput(f)
}

func (o *formOptions) registerInput(f *flagSet) {
	f.string(&o.input, "input", "input type of int8 networks: `TYPE` int8 or uint8; default: int8", "")
}

// measureOptions are the options of the verbs that time networks.
type measureOptions struct {
	device string
	labOptions
	cache cacheOptions
	formOptions
	allowPartial     bool
	requirePrecision bool
	protocol         string
	set              []string // fields of the protocol
	db               string
	wait             bool
	seed             uint64
	quiet, json      bool
}

// register adds all flags but --db, which the verb lists beside the flags that choose networks.
func (o *measureOptions) register(f *flagSet) {
	f.device(&o.device)
	o.labOptions.register(f)
	o.cache.register(f)
	o.formOptions.register(f)
	f.bool(&o.allowPartial, "allow-partial", "accept that an accelerator leaves nodes to the CPU; the share is recorded as a warning")
	f.bool(&o.requirePrecision, "require-precision", "exit code 4 for IMPRECISE measurements too")
	f.string(&o.protocol, "protocol", "timing protocol: `NAME` default, quick, precise, mlperf-mobile, or a .yaml file; see the verb protocols", "default")
	f.strings(&o.set, "set", "`FIELD=VALUE` of the protocol, such as min_blocks=5; may be repeated")
	f.bool(&o.wait, "wait", "wait while another process writes to the store")
	f.seed(&o.seed)
	f.quiet(&o.quiet)
	f.json(&o.json)
}

// verdicts is the exit code of measurements by their verdicts.
func (o *measureOptions) verdicts(invalid, imprecise int) error {
	switch {
	case invalid > 0:
		return exitSilently(exitInvalid)
	case o.requirePrecision && imprecise > 0:
		return withCode(exitInvalid, &silent{"measurements asked for are IMPRECISE, which --require-precision does not accept"})
	}
	return nil
}

func (o *measureOptions) open(ctx context.Context) (devices.Device, error) {
	if err := required("device", o.device); err != nil {
		return nil, err
	}
	return o.openNamed(ctx, o.device)
}

// describe describes the device of --device without starting anything.
func (o *measureOptions) describe() (devices.Info, error) {
	if err := required("device", o.device); err != nil {
		return devices.Info{}, err
	}
	return o.describeNamed(o.device)
}

// networkOptions name one network: a fixture, or a point of a space.
type networkOptions struct{ fixture, space, arch string }

func (o *networkOptions) register(f *flagSet) {
	f.string(&o.fixture, "fixture", "built-in network, by `NAME`", "")
	f.space(&o.space)
	f.string(&o.arch, "arch", "a point of the space: `INDICES` such as 0:3:1", "")
}

func (o networkOptions) network() (source.Network, error) {
	switch {
	case o.fixture != "" && (o.arch != "" || o.space != ""):
		return source.Network{}, usagef("--fixture names one network, --space with --arch a different one; choose one")
	case o.fixture != "":
		return source.Fixture(o.fixture)
	case o.arch == "":
		return source.Network{}, usagef("name a network: --fixture NAME, or --space NAME with --arch INDICES")
	}
	return pointOfSpace(o.space, o.arch)
}

func pointOfSpace(space, indices string) (source.Network, error) {
	sp, err := requiredSpace(space)
	if err != nil {
		return source.Network{}, err
	}
	a, err := sp.ParseArch(indices)
	if err != nil {
		return source.Network{}, withCode(exitUsage, err)
	}
	n, err := source.Point(sp, a)
	return n, withCode(exitUsage, err)
}

func requiredSpace(name string) (*sampler.Space, error) {
	if err := required("space", name); err != nil {
		return nil, err
	}
	return findSpace(name)
}

func findSpace(name string) (*sampler.Space, error) {
	s, err := sampler.Find(name)
	if err != nil {
		err = cmp.Or(notASpace(name), err)
	}
	return s, withCode(exitUsage, err)
}

// notASpace says what a file is whose name was given for a space's, nil if that is not seen.
func notASpace(name string) error {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // which does not wait for a pipe's writer
	if err != nil {
		return nil // the space's own error is as good
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return fmt.Errorf("--space %s is a folder; name a .yaml file", text.ShellWord(name))
	}
	if err := text.CheckKind(f, text.SpaceFile); err != nil || sampler.IsFileName(name) {
		return err
	}
	return fmt.Errorf("--space %s is a file whose name does not end in .yaml, as that of a space does", text.ShellWord(name))
}

func requiredCount(n int) error {
	if n < 1 {
		return usagef("-n must be at least 1")
	}
	return nil
}

// callOptions say how users' own files are executed.
type callOptions struct {
	signature             string
	shapes, values, files []string
}

func (o *callOptions) register(f *flagSet) {
	f.string(&o.signature, "signature", "signature of the .tflite, by `KEY`; default: its first", "")
	f.strings(&o.shapes, "input-shape", "`NAME=SHAPE` of an input whose size the model leaves open, such as image=1x3x320x320")
	f.strings(&o.values, "input-value", "`NAME=VALUE` of every element of an input: a number, true or false, or a text; default: chosen by the device")
	f.strings(&o.files, "input-file", "`NAME=FILE` with the values of an input: .npy, or raw little-endian bytes")
}

// call reads the flags, which apply to files of --model only.
func (o *callOptions) call(hasModel bool) (model.Call, error) {
	if !hasModel && (o.signature != "" || len(o.shapes)+len(o.values)+len(o.files) > 0) {
		return model.Call{}, usagef("--signature, --input-shape, --input-value and --input-file apply to the file of --model only")
	}
	c, err := model.ParseCall(o.signature, o.shapes, o.values, o.files)
	return c, withCode(exitUsage, err)
}
