package tool

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"latlab/devices"
	"latlab/devices/machine"
	"latlab/devices/transport"
)

// printAffinity prints the CPUs that this process may use on the first line of stderr, in the kernel's
// own form (proc_pid_status(5)), and then executes the program, which inherits them. It uses only the
// shell's builtins, so grep need not exist. No file or device name is part of the script.
const printAffinity = `while read -r k v; do
case $k in Cpus_allowed_list:) echo "` + mark + `$v" >&2; break;; esac
done </proc/self/status
exec "$@"`

const mark = "latlab affinity: "

const noTaskset = "affinity is set by `taskset`: install util-linux, busybox or toybox there, or leave cpus out"

// command is the program behind taskset and the shell that prints the affinity. The mask is
// hexadecimal, the only form that util-linux, busybox and toybox (Android) all accept. Busybox does
// not know lists (-c).
//
// Rejected: calling sched_setaffinity in a helper program, which would have to be installed on the
// user's phone; setting it after the start, when threads exist already.
func (r Run) command(m *machine.Machine) transport.Command {
	c := r.Command
	if len(r.CPUs) > 0 {
		inner := m.Wrapped(transport.Command{Path: c.Path, Args: c.Args})
		c.Path = "taskset"
		c.Args = slices.Concat([]string{Mask(r.CPUs), "sh", "-c", printAffinity, "sh", inner.Path}, inner.Args)
	} else {
		c = m.Wrapped(c)
	}
	c.Tether = true
	return c
}

// Mask is the bit mask of CPUs in hexadecimal, without 0x: CPUs 4 to 7 are f0.
func Mask(cpus []int) string {
	m := new(big.Int)
	for _, c := range cpus {
		m.SetBit(m, c, 1)
	}
	return m.Text(16)
}

// proof splits the affinity that was in force from the first line of stderr. A run that asked for no
// affinity counts as proven.
func (r Run) proof(stderr string) (cpus []int, rest string, proven bool) {
	if len(r.CPUs) == 0 {
		return nil, stderr, true
	}
	line, rest, _ := strings.Cut(stderr, "\n")
	list, found := strings.CutPrefix(line, mark)
	if !found {
		return nil, stderr, false
	}
	cpus, err := ParseCPUs(strings.TrimSpace(list))
	return cpus, rest, err == nil
}

// maxCPU is above the kernel's largest configuration (CONFIG_NR_CPUS).
const maxCPU = 1 << 13

// ParseCPUs reads a list of CPUs in the kernel's form, "0-3,7". The result is sorted.
func ParseCPUs(list string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, errA := strconv.ParseUint(first, 10, 31)
		b, errB := strconv.ParseUint(last, 10, 31)
		if err := errors.Join(errA, errB); err != nil || a > b || b >= maxCPU {
			return nil, fmt.Errorf("%q is no list of CPUs", list)
		}
		for c := a; c <= b; c++ {
			cpus = append(cpus, int(c))
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), nil
}

// affinityError is the error of a program that did not start because its affinity could not be set.
func affinityError(r Run, out Output) *devices.Error {
	e := &devices.Error{Fault: devices.FaultUser, Op: r.Op, Reason: "affinity", Output: out.Text()}
	e.Err = fmt.Errorf("%s cannot be pinned to CPUs %v: %s", r.Program, r.CPUs, LastLine(out.Stderr))
	e.Advice = "does the device have these CPUs, and may this user use them? `grep Cpus_allowed_list /proc/self/status` there says"
	if out.Exit.Code == notFound || out.Exit.Code == notExecutable {
		e.Reason, e.Advice = devices.ReasonMissing, noTaskset
	}
	return e
}
