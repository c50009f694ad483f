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

// tell prints on the first line of stderr which CPUs this process may use, as the kernel
// says it (proc_pid_status(5)), and becomes the program, which inherits them. Only what the
// shell has of its own is used: no grep needs to be there. Nothing of a file or device is
// part of the script.
const tell = `while read -r k v; do
case $k in Cpus_allowed_list:) echo "` + mark + `$v" >&2; break;; esac
done </proc/self/status
exec "$@"`

const mark = "latlab affinity: "

const noTaskset = "affinity is set by `taskset`: install util-linux, busybox or toybox there, or leave cpus out"

// command is the program behind taskset and the shell that tells the affinity. The mask is
// hexadecimal, the one form that util-linux, busybox and toybox (Android) all take: only the
// first and the last know lists (-c).
//
// Rejected: sched_setaffinity by a program of ours, which the user's phone would have to
// hold; setting it after the start, when threads are made already.
func (r Run) command(m *machine.Machine) transport.Command {
	c := r.Command
	if len(r.CPUs) > 0 {
		inner := m.Wrapped(transport.Command{Path: c.Path, Args: c.Args})
		c.Path = "taskset"
		c.Args = slices.Concat([]string{Mask(r.CPUs), "sh", "-c", tell, "sh", inner.Path}, inner.Args)
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

// proof takes the affinity that was in force off the first line of stderr. It is proven
// where none was asked for.
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

// maxCPU is more than the kernel's largest configuration has (CONFIG_NR_CPUS).
const maxCPU = 1 << 13

// ParseCPUs reads the kernel's form of a list of CPUs, "0-3,7", sorted.
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

// affinityError is a program that did not start because its affinity could not be set.
func affinityError(r Run, out Output) *devices.Error {
	e := &devices.Error{Fault: devices.FaultUser, Op: r.Op, Reason: "affinity", Output: out.Text()}
	e.Err = fmt.Errorf("%s cannot be pinned to CPUs %v: %s", r.Program, r.CPUs, LastLine(out.Stderr))
	e.Advice = "does the device have these CPUs, and may this user use them? `grep Cpus_allowed_list /proc/self/status` there says"
	if out.Exit.Code == notFound || out.Exit.Code == notExecutable {
		e.Reason, e.Advice = devices.ReasonMissing, noTaskset
	}
	return e
}
