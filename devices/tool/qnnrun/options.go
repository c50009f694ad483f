package qnnrun

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/devices/tool/qnn"
	"latlab/internal/strictyaml"
	"latlab/sampler/model"
)

// Options describe a Hexagon processor and Qualcomm's programs for it.
type Options struct {
	Name   string // of the device; default "qnn-net-run"
	SoC    string // "sm8650", one of qnn.Phones, or the compiler's number of the chip
	Python string // interpreter that has the compiler; empty = python.Default
	// SDK is the folder of Qualcomm's SDK on this host. Those of the next four options that are empty
	// are found in it, where the SDK has the files for Android.
	SDK string
	// NetRun is qnn-net-run: a file of this host that is copied to the machine.
	NetRun string
	// Libraries are the libraries that it needs, files of this host: libQnnHtp.so, libQnnSystem.so,
	// libQnnHtpV75Stub.so and, for the processor itself, libQnnHtpV75Skel.so.
	Libraries []string
	// There is the folder on the machine that has all of them already; NetRun and Libraries are not
	// used then.
	There string
	// Viewer is qnn-profile-viewer on this host; empty = from PATH.
	Viewer      string
	PerfProfile string // profile of the processor's clocks; default "burst"
	CPUs        []int  // affinity of the process that calls the processor; empty = none
	Budget      int64  // bytes of contexts kept on the machine; 0 = machine.DefaultBudget
}

// compileTimeout is the time limit of Prepare, many times what a detector takes.
const compileTimeout = 5 * time.Minute

// program and backend are names of required files.
const (
	program = "qnn-net-run"
	backend = "libQnnHtp.so"
	viewer  = "qnn-profile-viewer"
)

// PerfProfiles are the profiles that qnn-net-run documents.
func PerfProfiles() []string {
	return []string{"low_balanced", "balanced", "default", "high_performance", "sustained_high_performance", "burst",
		"low_power_saver", "power_saver", "high_power_saver", "extreme_power_saver", "system_settings"}
}

func (o Options) complete() (Options, error) {
	o.Name = cmp.Or(o.Name, program)
	o.PerfProfile = cmp.Or(o.PerfProfile, "burst")
	o.Budget = cmp.Or(o.Budget, machine.DefaultBudget)
	switch {
	case o.SoC == "":
		return o, o.userError(errors.New("the chip is missing"), "soc: one of "+strings.Join(qnn.Phones(), ", "))
	case !slices.Contains(PerfProfiles(), o.PerfProfile):
		return o, o.userError(fmt.Errorf("qnn-net-run has no performance profile %q", o.PerfProfile), "there is "+strings.Join(PerfProfiles(), ", "))
	case o.Budget < 0:
		return o, o.userError(errors.New("a limit is negative"), "")
	case o.There != "" && !path.IsAbs(o.There):
		return o, o.userError(fmt.Errorf("%q is no absolute folder of the device", o.There), "")
	}
	if o.SDK != "" {
		o.takeSDK()
	}
	o.Viewer = cmp.Or(o.Viewer, viewer)
	return o, nil
}

// takeSDK fills in the paths of files in the SDK: bin and lib by target, and the processor's own
// library by its version.
func (o *Options) takeSDK() {
	o.Viewer = cmp.Or(o.Viewer, filepath.Join(o.SDK, "bin", "x86_64-linux-clang", viewer))
	if o.There != "" {
		return
	}
	o.NetRun = cmp.Or(o.NetRun, filepath.Join(o.SDK, "bin", "aarch64-android", program))
	if arch := qnn.Arch(o.SoC); len(o.Libraries) == 0 && arch != "" {
		lib := filepath.Join(o.SDK, "lib", "aarch64-android")
		o.Libraries = []string{
			filepath.Join(lib, backend), filepath.Join(lib, "libQnnSystem.so"), filepath.Join(lib, "libQnnHtpV"+arch+"Stub.so"),
			filepath.Join(o.SDK, "lib", "hexagon-v"+arch, "unsigned", "libQnnHtpV"+arch+"Skel.so"),
		}
	}
}

func (o Options) userError(err error, advice string) error {
	return &devices.Error{Fault: devices.FaultUser, Op: "open device " + o.Name, Reason: "options", Err: err, Advice: advice}
}

const advice = "they are of Qualcomm's AI Runtime SDK (QAIRT): sdk: FOLDER gives all of them"

func (o Options) checkFiles(op string) error {
	missing := func(err error) error {
		return &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonMissing, Err: err, Advice: advice}
	}
	if _, err := tool.LookPath(o.Viewer); err != nil {
		return missing(fmt.Errorf("the profile of a run is read by %s: %w", viewer, err))
	}
	if o.There != "" {
		return nil
	}
	if o.NetRun == "" {
		return missing(fmt.Errorf("no %s was named", program))
	}
	names := map[string]bool{}
	for _, p := range append([]string{o.NetRun}, o.Libraries...) {
		if info, err := os.Stat(p); err != nil || !info.Mode().IsRegular() {
			return missing(fmt.Errorf("there is no file %s", p))
		}
		if names[filepath.Base(p)] {
			return missing(fmt.Errorf("two files are named %s", filepath.Base(p)))
		}
		names[filepath.Base(p)] = true
	}
	if !names[backend] {
		return missing(fmt.Errorf("%s is not among the libraries", backend))
	}
	return nil
}

// place is where qnn-net-run and its libraries are on the machine.
type place struct {
	netRun   string
	folders  []string // of libraries
	backend  string
	identity string // of the files, for the fingerprint
}

// install copies the programs to the machine, once. On this machine they stay where they are.
func install(ctx context.Context, m *machine.Machine, o Options) (place, error) {
	if o.There != "" {
		return place{netRun: path.Join(o.There, program), folders: []string{o.There}, backend: path.Join(o.There, backend), identity: "device:" + o.There}, nil
	}
	files := map[string]string{program: o.NetRun}
	for _, l := range o.Libraries {
		files[filepath.Base(l)] = l
	}
	if !m.Local() {
		dir, err := m.Install(ctx, machine.Program{Name: program, Files: files})
		if err != nil {
			return place{}, err
		}
		return place{netRun: path.Join(dir, program), folders: []string{dir}, backend: path.Join(dir, backend), identity: path.Base(dir)}, nil
	}
	p := place{netRun: o.NetRun, backend: files[backend]}
	for _, l := range o.Libraries {
		if dir := filepath.Dir(l); !slices.Contains(p.folders, dir) {
			p.folders = append(p.folders, dir)
		}
	}
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := os.Open(files[name])
		if err == nil {
			_, err = io.Copy(hash, f)
			_ = f.Close()
		}
		if err != nil {
			return place{}, &devices.Error{Fault: devices.FaultUser, Op: "open device " + o.Name, Reason: devices.ReasonMissing, Err: err, Advice: advice}
		}
	}
	p.identity = "sha256:" + hex.EncodeToString(hash.Sum(nil))
	return p, nil
}

// env sets the folders in which the loader and the processor's own loader look for libraries. The
// second separates them by semicolons; the folders after latlab's are where phones have Qualcomm's.
func (p place) env() []string {
	return []string{
		"LD_LIBRARY_PATH=" + strings.Join(p.folders, ":"),
		"ADSP_LIBRARY_PATH=" + strings.Join(append(slices.Clone(p.folders), "/vendor/dsp/cdsp", "/vendor/lib/rfsa/adsp", "/system/lib/rfsa/adsp", "/dsp"), ";"),
	}
}

// Tool is qnn-net-run for the inventory.
func Tool() tool.Tool {
	return tool.Tool{Name: program, Precisions: []model.Precision{model.Int8}, New: func() tool.Setup { return &setup{} }}
}

type setup struct {
	binary string
	o      Options
}

func (s *setup) Fields() []tool.Field {
	return []tool.Field{
		tool.Binary(&s.binary),
		tool.Libraries(&s.o.Libraries),
		{Name: "soc", Form: "word", Means: "the chip: sm8650, or the compiler's own number of it",
			Read: tool.Into(&s.o.SoC, func(v strictyaml.Value) string { return v.Matching(tool.WordForm, "a chip's name") })},
		tool.HostPath("sdk", "folder of Qualcomm's AI Runtime SDK on this host, which has binary, libraries and viewer in it", &s.o.SDK),
		tool.HostPath("viewer", "qnn-profile-viewer, a file of this host; default: the SDK's, or from PATH", &s.o.Viewer),
		{Name: "perf_profile", Form: "word", Means: "clocks of the Hexagon; default: burst",
			Read: tool.Into(&s.o.PerfProfile, func(v strictyaml.Value) string { return v.OneOf(PerfProfiles()...) })},
	}
}

func (s *setup) Check(o strictyaml.Object, d tool.Device) {
	switch {
	case s.binary == "" && s.o.SDK == "":
		o.Fail("sdk", "is missing: give Qualcomm's SDK, or where %s is as binary", program)
	case s.o.SoC == "":
		o.Fail("soc", "is missing: which chip is it? sm8650, for example")
	case d.Local():
		o.Fail("tool", "qnn-net-run times on phones and boards (adb, ssh), not on this machine")
	}
}

func (s *setup) options(d tool.Device) Options {
	o := s.o
	o.Name, o.Python, o.CPUs, o.Budget = d.Name, d.Host.Python, d.CPUs, d.Budget
	if there, ok := strings.CutPrefix(s.binary, tool.OnDevice); ok {
		o.There = path.Dir(there)
	} else {
		o.NetRun = s.binary
	}
	return o
}

func (s *setup) Describe(d tool.Device) (devices.Info, error) { return Describe(s.options(d)) }

func (s *setup) Open(ctx context.Context, m *machine.Machine, d tool.Device) (devices.Device, error) {
	return tool.Opened(Open(ctx, m, s.options(d)))
}
