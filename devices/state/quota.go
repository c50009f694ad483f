package state

import (
	"path"
	"strconv"
	"strings"

	"latlab/devices"
)

// cgroupRoots are where the cgroups that limit CPU time are mounted: of version 1 (Android's is
// the last), and of version 2 alone and beside version 1. snapshot.sh has the same list.
var (
	cgroupRootsV1 = []string{"sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct", "dev/cpuctl"}
	cgroupRootsV2 = []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"}
)

// quota sums how often and how long a CPU quota stopped processes in this process's cgroup and in
// all above it, any of which may have a quota of its own. A container often sees its own group as
// the root, whatever /proc/self/cgroup says, so the root counts too.
//
// Source: Linux Documentation/scheduler/sched-bwc.rst (throttled_time, in ns) and
// admin-guide/cgroup-v2.rst (throttled_usec).
func (t tree) quota(s *devices.State) {
	text, err := t.text("proc/self/cgroup")
	if err != nil {
		return
	}
	for line := range strings.Lines(text) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		roots := cgroupRootsV2
		if controllers != "" {
			if !strings.Contains(","+controllers+",", ",cpu,") {
				continue
			}
			roots = cgroupRootsV1
		}
		for _, root := range roots {
			if t.quotas(root, group, s) {
				break // the others are the same groups under another name
			}
		}
	}
}

// quotas adds the figures of a group and of those above it, and reports whether there were any.
func (t tree) quotas(root, group string, s *devices.State) (found bool) {
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		if text, err := t.text(path.Join(root, group, "cpu.stat")); err == nil {
			found = addQuota(text, s) || found
		}
		if group == "/" {
			return found
		}
	}
}

func addQuota(text string, s *devices.State) bool {
	var times, seconds *float64
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil {
			continue
		}
		switch name {
		case "nr_throttled":
			times = new(float64(n))
		case "throttled_time":
			seconds = new(float64(n) / 1e9)
		case "throttled_usec":
			seconds = new(float64(n) / 1e6)
		}
	}
	if times == nil || seconds == nil {
		return false // the root of version 2 has no quota
	}
	if s.QuotaStops == nil {
		s.QuotaStops, s.QuotaSeconds = new(0.0), new(0.0)
	}
	*s.QuotaStops += *times
	*s.QuotaSeconds += *seconds
	return true
}
