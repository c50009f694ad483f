package agent_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/bench/verdict"
	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/agent/agenttest"
	"latlab/devices/devicetest"
	"latlab/devices/machine"
	"latlab/devices/transport"
	"latlab/internal/testenv"
	"latlab/internal/testphone"
	"latlab/sampler/model"
	"latlab/sampler/tflite/tflitetest"
)

// elsewhere stands for another machine: this one or, with root, a chroot of it. Programs and files
// are copied to it.
type elsewhere struct {
	local  transport.Local
	root   string // "" = the whole of this machine
	puts   atomic.Int64
	away   atomic.Bool // goes offline at the next timing program
	prefix string      // prefix of timing programs' names
}

func (e *elsewhere) Start(ctx context.Context, c transport.Command) (transport.Process, error) {
	if e.prefix != "" && strings.HasPrefix(c.Path, e.prefix) && e.away.Swap(false) {
		return nil, &devices.Error{Fault: devices.FaultDevice, Op: "start", Reason: devices.ReasonOffline, Err: errors.New("the cable is out")}
	}
	if e.root != "" {
		c.Args = append([]string{e.root, c.Path}, c.Args...)
		c.Path = "chroot"
		c.Env = append(c.Env, "PATH=/bin:/usr/sbin:/usr/bin")
	}
	return e.local.Start(ctx, c)
}

func (e *elsewhere) Put(ctx context.Context, f transport.File) error {
	e.puts.Add(1)
	f.Path = e.root + f.Path
	return e.local.Put(ctx, f)
}

func (e *elsewhere) Get(ctx context.Context, path string, w io.Writer, limit int64) error {
	return e.local.Get(ctx, e.root+path, w, limit)
}

func (e *elsewhere) Stat(ctx context.Context, path string) (transport.Info, error) {
	return e.local.Stat(ctx, e.root+path)
}

func (e *elsewhere) Close() error { return nil }

// board opens an agent's device on another machine.
func board(t testing.TB, tr transport.Transport, mo machine.Options, o agent.Options) *agent.Device {
	t.Helper()
	mo.Name, o.Name = "board", "board"
	m, err := machine.Open(t.Context(), tr, mo)
	if err != nil {
		t.Fatal(err)
	}
	if o.Path == "" {
		o.Path = testenv.Agent(t)
	}
	d, err := agent.Open(t.Context(), m, o)
	if err != nil {
		_ = m.Close()
		t.Fatal(err)
	}
	return d
}

// TestElsewhere: the agent is copied once, times there, and nothing is left after Clean.
func TestElsewhere(t *testing.T) {
	tr := &elsewhere{}
	mo := machine.Options{Dir: filepath.Join(t.TempDir(), "a folder's `name`", "latlab")}
	d := board(t, tr, mo, agent.Options{})
	b, err := d.Run(t.Context(), tinyModel(t), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	if p := b.Delegation; p.Name != "xnnpack" || p.Nodes == 0 || p.Delegated != p.Nodes || b.PeakMemoryBytes == 0 || len(b.CPUSamples) != len(b.Samples) {
		t.Errorf("block is %+v", b)
	}
	f := d.Info().Fingerprint
	if f["arch"] == "" || f["runtime"] == "" || len(f["library_sha256"]) != 64 || f["delegate"] != "xnnpack" {
		t.Errorf("fingerprint is %v", f)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	puts := tr.puts.Load()
	if err := board(t, tr, mo, agent.Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	if again := tr.puts.Load() - puts; again != 0 {
		t.Errorf("%d files were brought a second time", again)
	}
	private(t, mo.Dir)
	if _, err := machine.Clean(t.Context(), tr, machine.Options{Name: "board", Dir: mo.Dir}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mo.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Clean: %v", err)
	}
}

// private checks that no other user can read what was copied.
func private(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		files++
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil || files < 4 {
		t.Errorf("%d files, %v", files, err)
	}
}

func TestConformanceElsewhere(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	tr := &elsewhere{}
	dir := filepath.Join(t.TempDir(), "latlab")
	tr.prefix = dir
	misbehaving := func(t testing.TB, mode string) (devices.Device, *model.Model) {
		t.Setenv(fakeEnv, "well behaved")
		t.Setenv(onceEnv, "")
		d := board(t, &elsewhere{}, machine.Options{Dir: dir}, agent.Options{Path: bundleOf(t, self(t))})
		t.Setenv(fakeEnv, mode)
		t.Setenv(onceEnv, filepath.Join(t.TempDir(), "misbehaved"))
		return d, tinyModel(t)
	}
	devicetest.Run(t, devicetest.Suite{
		Open:  func(t testing.TB) devices.Device { return board(t, tr, machine.Options{Dir: dir}, agent.Options{}) },
		Good:  tinyModel,
		Bad:   rejectedModel,
		Crash: func(t testing.TB) (devices.Device, *model.Model) { return misbehaving(t, "segfault") },
		Hang:  func(t testing.TB) (devices.Device, *model.Model) { return misbehaving(t, "hang") },
		Partial: func(t testing.TB) (devices.Device, *model.Model) {
			return board(t, tr, machine.Options{Dir: dir}, agent.Options{}), partlyDelegated(t)
		},
		Offline: func(t testing.TB) (devices.Device, *model.Model) {
			d := board(t, tr, machine.Options{Dir: dir}, agent.Options{})
			tr.away.Store(true)
			return d, tinyModel(t)
		},
		Processes: func() int { return runningBelow(t, dir) },
		State: func() string {
			models, err := filepath.Glob(filepath.Join(dir, "models", "*"))
			if err != nil {
				t.Fatal(err)
			}
			return affinity(t) + leftovers(t) + strings.Join(models, "\n")
		},
	})
}

// bundleOf makes a bundle with a program in the agent's place, beside a runtime.
func bundleOf(t testing.TB, program string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "latlab-agent")
	if err := os.Link(program, path); err != nil {
		if err := os.Symlink(program, path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "libtensorflowlite_c.so"), []byte("none"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// runningBelow counts running programs of a folder.
func runningBelow(t testing.TB, dir string) int {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, link := range links {
		if exe, err := os.Readlink(link); err == nil && strings.HasPrefix(exe, dir+"/") {
			n++
		}
	}
	return n
}

// TestFoldersThatTheLoaderCannotRead: the loader ends a path at a colon.
func TestFoldersThatTheLoaderCannotRead(t *testing.T) {
	for _, name := range []string{"a:b", "a;b", "$ORIGIN"} {
		m, err := machine.Open(t.Context(), &elsewhere{}, machine.Options{Name: "board", Dir: filepath.Join(t.TempDir(), name)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = agent.Open(t.Context(), m, agent.Options{Name: "board", Path: testenv.Agent(t)})
		var e *devices.Error
		if !errors.As(err, &e) || e.Fault != devices.FaultUser || e.Reason != machine.ReasonFolder {
			t.Errorf("%s: %v", name, err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestWhatCannotBeStarted: the exit code of a shell in between shows that a program is missing or
// not executable.
func TestWhatCannotBeStarted(t *testing.T) {
	tr, mo, o := emulated(t)
	mo.Wrap = nil
	o.Bundles = t.TempDir()
	if err := os.Mkdir(filepath.Join(o.Bundles, "agent-arm64"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"latlab-agent", "libtensorflowlite_c.so", "ld-linux-aarch64.so.1"} {
		// Not executable, as on a file system that is mounted noexec.
		if err := os.WriteFile(filepath.Join(o.Bundles, "agent-arm64", name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m, err := machine.Open(t.Context(), tr, mo)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	o.Name, o.Path = "board", testenv.Agent(t)
	_, err = agent.Open(t.Context(), m, o)
	var e *devices.Error
	if !errors.As(err, &e) || e.Fault != devices.FaultDevice || e.Reason != agent.ReasonMissing || !strings.Contains(e.Output, "Permission denied") || !strings.Contains(e.Error(), "noexec") {
		t.Errorf("got %v", err)
	}
}

// TestThreadsElsewhere: more threads than cores are also refused on another machine.
func TestThreadsElsewhere(t *testing.T) {
	m, err := machine.Open(t.Context(), &elsewhere{}, machine.Options{Name: "board", Dir: filepath.Join(t.TempDir(), "latlab")})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	_, err = agent.Open(t.Context(), m, agent.Options{Name: "board", Path: testenv.Agent(t), Threads: 1000})
	var e *devices.Error
	if !errors.As(err, &e) || e.Fault != devices.FaultUser || e.Reason != "threads" {
		t.Errorf("got %v", err)
	}
}

// TestOtherProcessors: the error for a processor without an agent says what to do.
func TestOtherProcessors(t *testing.T) {
	for arch, want := range map[string]struct {
		fault devices.Fault
		text  string
	}{
		"arm":     {devices.FaultUser, "32-bit ARM"},
		"riscv64": {devices.FaultUser, "benchmark_model"},
		"386":     {devices.FaultUser, `"386"`},
		"arm64":   {devices.FaultLab, "make agent-arm64"}, // not built
	} {
		m, err := machine.Open(t.Context(), &elsewhere{}, machine.Options{Name: "board", Dir: filepath.Join(t.TempDir(), "latlab")})
		if err != nil {
			t.Fatal(err)
		}
		_, err = agent.Open(t.Context(), m, agent.Options{Name: "board", Path: testenv.Agent(t), Arch: arch, Bundles: t.TempDir()})
		if devices.FaultOf(err) != want.fault || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: %v", arch, err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestBundle(t *testing.T) {
	dir := filepath.Join(testenv.Bundles(t), "agent-arm64")
	p, err := agent.Bundle(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"latlab-agent", "libtensorflowlite_c.so", "ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "libgcc_s.so.1", "libstdc++.so.6",
	} {
		if p.Files[name] != filepath.Join(dir, name) {
			t.Errorf("%s is %q", name, p.Files[name])
		}
	}
	if len(p.Files) != 9 || p.Name != "agent" {
		t.Errorf("%s has %d files", p.Name, len(p.Files))
	}
	if _, err := agent.Bundle(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := agent.Bundle("/nonexistent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// emulated returns what every test of an emulated board needs.
func emulated(t testing.TB) (*elsewhere, machine.Options, agent.Options) {
	t.Helper()
	tr := &elsewhere{root: agenttest.Root(t)}
	return tr, machine.Options{Dir: "/data/latlab", Wrap: []string{agenttest.Emulator}},
		agent.Options{Bundles: testenv.Bundles(t), Arch: "arm64"}
}

// TestNothingInstalled times on a 64-bit ARM whose file system holds only a shell and what latlab
// copied: no C library, no loader, no /proc.
func TestNothingInstalled(t *testing.T) {
	tr, mo, o := emulated(t)
	o.CPUs = []int{0} // without /proc/self/task
	d := board(t, tr, mo, o)
	b, err := d.Run(t.Context(), tinyModel(t), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	if p := b.Delegation; p.Name != "xnnpack" || p.Nodes == 0 || p.Delegated != p.Nodes || p.Partitions != 1 {
		t.Errorf("proof is %+v", p)
	}
	if len(b.Samples) < 3 || len(b.CPUSamples) != len(b.Samples) || b.CPUSamples[0] <= 0 || !strings.HasPrefix(b.Runtime, "tflite 2.21") {
		t.Errorf("block is %+v", b)
	}
	if diff := cmp.Diff([]int{0}, b.CPUs); diff != "" {
		t.Errorf("affinity (-asked +got):\n%s", diff)
	}
	if c := b.Clock; len(c) < 2 || c[0].Hz <= 0 {
		t.Errorf("clocks %v", c)
	}
	if f := d.Info().Fingerprint; f["arch"] != "arm64" || len(f["library_sha256"]) != 64 {
		t.Errorf("fingerprint is %v", f)
	}
	if b.PeakMemoryBytes == 0 && len(b.Warnings) == 0 {
		t.Error("that peak memory is unknown is not said")
	}
	checkVerdict(t, devices.Info{Kind: devices.Measured, Delegate: "xnnpack", Accelerator: true}, b, verdict.Valid, "")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := machine.Clean(t.Context(), tr, machine.Options{Name: "board", Dir: mo.Dir}); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(tr.root, "data")); err != nil || len(left) != 0 {
		t.Errorf("after Clean: %v, %v", left, err)
	}
}

// TestWholeNetworkWhereNothingIsInstalled times a random network of a built-in space there,
// on a small input: a MobileDet at its full size takes twelve seconds an inference in the
// emulator.
func TestWholeNetworkWhereNothingIsInstalled(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds in the emulator")
	}
	tr, mo, o := emulated(t)
	cases, err := tflitetest.DeepCases()
	if err != nil {
		t.Fatal(err)
	}
	g := cases[0].Graph
	plan := devicetest.Plan()
	plan.WarmUpRuns, plan.MinRuns, plan.MaxRuns = 0, 1, 1
	d := board(t, tr, mo, o)
	defer d.Close()
	b, err := d.Run(t.Context(), modelOf(t, g), plan)
	if err != nil {
		t.Fatal(err)
	}
	if p := b.Delegation; p.Nodes != len(g.Ops) || p.Delegated != p.Nodes {
		t.Errorf("proof is %+v, the network has %d ops", p, len(g.Ops))
	}
}

// TestVendorsLibraryWhereNothingIsInstalled: a library of the board's own is loaded together with
// the loader and C library that were copied.
func TestVendorsLibraryWhereNothingIsInstalled(t *testing.T) {
	tr, mo, o := emulated(t)
	const compiler = "aarch64-linux-gnu-gcc"
	// A library that needs another one beside it, as vendors' do.
	needed := agenttest.PluginFor(t, compiler)
	source := filepath.Join(t.TempDir(), "npu.c")
	if err := os.WriteFile(source, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	library := agenttest.Compile(t, compiler, source, "libnpu.so", "-L"+filepath.Dir(needed), "-Wl,--no-as-needed", "-lconvolutions")
	if err := os.Mkdir(filepath.Join(tr.root, "data", "npu"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, l := range []string{needed, library} {
		data, err := os.ReadFile(l)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tr.root, "data", "npu", filepath.Base(l)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o.Delegate = agent.Delegate{Name: "npu", Library: "/data/npu/libnpu.so", Options: map[string]string{"kinds": "dw"}}
	d := board(t, tr, mo, o)
	defer d.Close()
	b, err := d.Run(t.Context(), modelOf(t, convolutions(t)), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	if p := b.Delegation; p.Name != "npu" || p.Nodes == 0 || p.Delegated != p.Nodes {
		t.Errorf("proof is %+v", p)
	}
	checkVerdict(t, d.Info(), b, verdict.Valid, "")
}

// TestPhoneWithAndroidsUserland times with the shell and tools of a phone, and a kernel's own /proc.
func TestPhoneWithAndroidsUserland(t *testing.T) {
	phone := testphone.New(t, testphone.Options{})
	agenttest.CopyProgram(t, "qemu-aarch64-static", phone.Path(testphone.Tmp+agenttest.Emulator))
	mo := machine.Options{Dir: testphone.Tmp + "/latlab", Wrap: []string{testphone.Tmp + agenttest.Emulator}}
	d := board(t, phone.Transport(), mo, agent.Options{Bundles: testenv.Bundles(t), Arch: "arm64"})
	b, err := d.Run(t.Context(), tinyModel(t), devicetest.Plan())
	if err != nil {
		t.Fatal(err)
	}
	if p := b.Delegation; p.Name != "xnnpack" || p.Nodes == 0 || p.Delegated != p.Nodes {
		t.Errorf("proof is %+v", p)
	}
	if b.PeakMemoryBytes < 1<<20 || b.Before.Battery == nil {
		t.Errorf("memory or state is missing: %+v", b)
	}
	want := map[string]string{"model": "Google Pixel 6", "arch": "arm64", "delegate": "xnnpack", "runtime": "tflite 2.21.0"}
	for k, v := range want {
		if got := d.Info().Fingerprint[k]; got != v {
			t.Errorf("%s is %q, want %q", k, got, v)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := machine.Clean(t.Context(), phone.Transport(), machine.Options{Name: "board", Dir: mo.Dir}); err != nil {
		t.Fatal(err)
	}
	if left := phone.Files(mo.Dir); left != "" {
		t.Errorf("after Clean there is %s", left)
	}
}
