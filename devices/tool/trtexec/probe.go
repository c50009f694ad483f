package trtexec

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/devices/transport"
	"latlab/internal/text"
)

const programName = "trtexec"

type program struct {
	version int             // from its header: 8401, 100300; 0 if there is none (7)
	flags   map[string]bool // flags in its help
}

// probeTimeout is the time limit of --help; trtexec's libraries are hundreds of megabytes on an SD
// card.
const probeTimeout = 2 * time.Minute

func probe(ctx context.Context, m *machine.Machine, o Options) (program, error) {
	op := "open device " + o.Name
	out, err := tool.Do(ctx, m, tool.Run{Op: op, Program: programName, Timeout: probeTimeout, Crash: devices.FaultDevice,
		Command: transport.Command{Path: o.Path, Args: []string{"--help"}}})
	if err != nil {
		return program{}, err
	}
	p, err := parseHelp(out.Stdout)
	if err != nil {
		return program{}, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonMissing, Err: err,
			Output: out.Text(), Advice: fmt.Sprintf("is %s trtexec? JetPack's is %s", o.Path, DefaultPath)}
	}
	return p, nil
}

var (
	header   = regexp.MustCompile(`(?m)^&&&& (RUNNING|PASSED|FAILED) TensorRT\.trtexec(?: \[TensorRT v([0-9]{4,6})\])?(?: \[b[0-9]+\])? #`)
	flagWord = regexp.MustCompile(`(?m)^\s+(--[A-Za-z0-9]+)`)
)

// parseHelp reads `trtexec --help`: a header, and lines that begin with a flag.
func parseHelp(text string) (program, error) {
	p := program{flags: map[string]bool{}}
	if m := header.FindStringSubmatch(text); m != nil {
		p.version, _ = strconv.Atoi(m[2])
	}
	for _, m := range flagWord.FindAllStringSubmatch(text, -1) {
		p.flags[m[1]] = true
	}
	for _, need := range []string{"--onnx", "--saveEngine", "--loadEngine", "--exportTimes", "--iterations", "--duration", "--warmUp", "--avgRuns"} {
		if !p.flags[need] {
			return p, fmt.Errorf("its help does not name %s", need)
		}
	}
	return p, nil
}

func (p program) has(flag string) bool { return p.flags[flag] }

// hasLayerTable: the engine inspector came with TensorRT 8.2.
func (p program) hasLayerTable() bool {
	return p.has("--exportLayerInfo") && p.has("--profilingVerbosity")
}

func (p program) runtime() string {
	switch v := p.version; {
	case v == 0:
		return "tensorrt of unknown version"
	case v >= 1e4: // since 10 a version is major x 10000 + minor x 100 + patch
		return fmt.Sprintf("tensorrt %d.%d.%d", v/1e4, v/100%100, v%100)
	default:
		return fmt.Sprintf("tensorrt %d.%d.%d", v/1000, v/100%10, v%100)
	}
}

// check refuses precisions that this TensorRT has no flag for: 11 dropped the flags and takes each
// tensor's type from the model.
func (p program) check(o Options) error {
	need := map[Precision]string{Float16: "--fp16", Int8: "--int8"}[o.Precision]
	if need == "" || p.has(need) {
		return nil
	}
	return &devices.Error{Fault: devices.FaultUser, Op: "open device " + o.Name, Reason: devices.ReasonUnsupported,
		Err:    fmt.Errorf("%s has no %s: it takes its types from the model", p.runtime(), need),
		Advice: "precision: float32, or TensorRT 10"}
}

// fingerprint lists the flags that affect the engine or its time.
func (p program) fingerprint(o Options) string {
	return strings.Join(slices.Concat(o.buildFlags(p), []string{"--exposeDMA", "--useSpinWait"}, o.given(timeOnly)), " ")
}

// identityScript prints what a time depends on besides TensorRT's version: the program itself, the
// libraries' packages, and the power mode, which limits clocks and cores. It leaves out what the
// machine does not report.
const identityScript = `echo "trtexec_sha256 $(sha256sum <"$1" 2>/dev/null)"
dpkg-query -W -f 'package ${Package} ${Version}\n' 'libnvinfer[0-9]*' 2>/dev/null
nvpmodel -q 2>/dev/null
cat /proc/device-tree/model 2>/dev/null | tr '\0' '\n' | sed 's/^/board /'
:
`

const maxIdentity = 64 << 10

var hexSum = regexp.MustCompile(`^[0-9a-f]{64}$`)

// identity is part of the fingerprint. It leaves out what cannot be determined.
func identity(ctx context.Context, m *machine.Machine, path string) map[string]string {
	f := map[string]string{}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	out, _ := transport.Shell(ctx, m.Transport(), maxIdentity, identityScript, path)
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		switch {
		case len(words) > 1 && words[0] == "trtexec_sha256" && hexSum.MatchString(words[1]):
			f["trtexec_sha256"] = words[1]
		case len(words) == 3 && words[0] == "package":
			f["package_"+text.Line(words[1], maxKept)] = text.Line(words[2], maxKept)
		case len(words) > 1 && words[0] == "board":
			f["board"] = text.Line(strings.Join(words[1:], " "), maxKept)
		case strings.HasPrefix(line, "NV Power Mode:"):
			_, mode, _ := strings.Cut(line, ":")
			f["nvpmodel"] = text.Line(strings.TrimSpace(mode), maxKept)
		}
	}
	return f
}

// maxKept is how many bytes of a program's output an error or a fact keeps.
const maxKept = 200
