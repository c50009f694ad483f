package edgetpu

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/tool"
	"latlab/devices/transport"
)

// Options are the options of the compile step.
type Options struct {
	Compiler string // path of edgetpu_compiler on this host; empty = from PATH
	// MinRuntime is the oldest version of libedgetpu that has to run the models, 10 and later (-m); 0
	// = the compiler's newest.
	MinRuntime int
	Timeout    time.Duration // of compiling one model; 0 = DefaultTimeout
	Budget     int64         // bytes of compiled models kept on this host; 0 = machine.DefaultBudget
	Dir        string        // parent of the private folder; empty = the system's temporary folder
}

// DefaultTimeout is longer than the compiler's own, 180 seconds.
const DefaultTimeout = 4 * time.Minute

// program is the compiler's name.
const program = "edgetpu_compiler"

const advice = "edgetpu_compiler is of coral.ai/docs/edgetpu/compiler, for x86-64 Debian: compiler: PATH in the inventory names one"

func (o Options) complete() Options {
	o.Compiler = cmp.Or(o.Compiler, program)
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.Budget = cmp.Or(o.Budget, machine.DefaultBudget)
	return o
}

const probeTimeout = time.Minute

var versionLine = regexp.MustCompile(`(?m)^Edge TPU Compiler version ([0-9]+(?:\.[0-9]+){1,3})\s*$`)

// probe returns the compiler's part of the fingerprint.
func probe(ctx context.Context, op string, o Options) (map[string]string, error) {
	if o.MinRuntime != 0 && (o.MinRuntime < 10 || o.MinRuntime > 99) {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: "options",
			Err: fmt.Errorf("there is no Edge TPU runtime %d", o.MinRuntime), Advice: "10 to 14"}
	}
	path, err := tool.LookPath(o.Compiler)
	if err != nil {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonMissing, Err: err, Advice: advice}
	}
	out, err := tool.Do(ctx, machine.Here("this host"), tool.Run{Op: op, Program: program, Timeout: probeTimeout,
		Command: transport.Command{Path: o.Compiler, Args: []string{"--version"}}})
	var known *devices.Error
	if errors.As(err, &known) && known.Fault != devices.FaultUser {
		known.Fault = devices.FaultLab // no model and no device was involved
	}
	if err != nil {
		return nil, err
	}
	m := versionLine.FindStringSubmatch(out.Stdout)
	if m == nil {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonMissing, Advice: advice,
			Err: fmt.Errorf("%s is no edgetpu_compiler: it does not tell its version", o.Compiler), Output: out.Text()}
	}
	sum, err := tool.SHA256(path)
	if err != nil {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonMissing, Err: err, Advice: advice}
	}
	found := map[string]string{"edgetpu_compiler": m[1], "edgetpu_compiler_sha256": sum}
	if o.MinRuntime > 0 {
		found["edgetpu_min_runtime"] = strconv.Itoa(o.MinRuntime)
	}
	return found, nil
}
