package devices

import (
	"errors"
	"fmt"
	"strings"

	"latlab/sampler/model"
)

// Fault says who has to act on an error.
type Fault string

// The faults, and how each is handled.
const (
	FaultModel  Fault = "model"  // skip the network and record why
	FaultDevice Fault = "device" // try again, then quarantine the device
	FaultLab    Fault = "lab"    // stop: our host, disk or installation
	FaultUser   Fault = "user"   // usage
)

// Reasons that mean the same on every device; devicetest checks them. Devices may have others of
// their own. The comment names the fault in parentheses.
const (
	ReasonRejected    = "rejected"    // the tool refuses the model (the model's)
	ReasonCrashed     = "crashed"     // the tool crashed with a signal
	ReasonKilled      = "killed"      // SIGKILL or SIGTERM: out of memory, or somebody killed it
	ReasonExited      = "exited"      // the tool exited before it answered
	ReasonHung        = "hung"        // no answer within Plan.Timeout
	ReasonGarbage     = "garbage"     // the answer cannot be understood
	ReasonOffline     = "offline"     // the device cannot be reached (the device's)
	ReasonUnsupported = "unsupported" // a format or precision that Info does not name (the user's)
	// Of devices that are reached over a cable or a network.
	ReasonUnauthorized = "unauthorized" // the device does not trust this host (the device's)
	ReasonHostKey      = "host-key"     // this host does not trust the device: unknown or changed key (the user's)
	ReasonFull         = "disk-full"    // not enough disk space (the device's)
	ReasonMissing      = "tool-missing" // the user's program or library is not where it should be (the user's)
	ReasonDelegate     = "delegate"     // the delegate cannot be loaded (the user's), created (the device's) or cannot prepare this model (the model's)
	ReasonFallBack     = "fall-back"    // the delegate was requested and the CPU ran the model (the device's)
	// ReasonBusy is one Run more than Info.Parallel. The lab's: callers of Run know Parallel.
	ReasonBusy = "busy"
)

// ErrNoHost is wrapped by the error of a device whose host has a name that cannot be resolved. Its reason is
// ReasonOffline all the same: the name server may be away for a while.
var ErrNoHost = errors.New("the host's name cannot be resolved")

// Error is a failure with its fault, advice and the tool's output.
type Error struct {
	Fault  Fault
	Op     string // what was being done: "time mobiledet_cpu-float32"
	Reason string // stable word for stores and metrics: one of the Reasons, or a device's own
	Err    error
	Advice string // what to do next; may be empty
	Output string // what the tool printed, kept whole
}

// Error returns one line, without the output.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.Op, e.Err)
	if e.Advice != "" {
		fmt.Fprintf(&b, " (%s)", e.Advice)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func (e *Error) Unwrap() error { return e.Err }

// FaultOf returns the fault of an error, FaultLab if the error has none.
func FaultOf(err error) Fault {
	var e *Error
	if errors.As(err, &e) {
		return e.Fault
	}
	return FaultLab
}

// ModelBytes is the error of a model whose bytes cannot be read: the model's fault if a user's file
// changed or was removed since it was first read (the other networks of a list go on), the lab's if
// a generated model cannot be written or read.
func ModelBytes(op string, err error) error {
	var own *model.FileError
	if errors.As(err, &own) {
		return &Error{Fault: FaultModel, Op: op, Reason: "file-changed", Err: err}
	}
	return &Error{Fault: FaultLab, Op: op, Reason: "model-bytes", Err: err}
}
