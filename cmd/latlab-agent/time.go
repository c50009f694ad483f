//go:build xnnpack_builtin

package main

// #include <time.h>
import "C"

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"latlab/devices"
	"latlab/devices/agent/wire"
)

// timeModel is one block: load, first inference, warm-up, timed invokes.
func timeModel(req wire.Request) (wire.Response, error) {
	resp := wire.Response{Type: "result", Result: new(wire.Result)}
	s, err := ready(req, proven)
	if err != nil {
		return resp, err
	}
	defer s.close()
	resp.Library, resp.Signature = s.library(), s.key
	if err := s.begin(req, resp.Result); err != nil {
		return resp, err
	}
	if err := s.sample(req, cpuClock(req.Threads), resp.Result); err != nil {
		return resp, err
	}
	return resp, s.end(resp.Result)
}

// ready loads a model on the thread and the CPUs that run it, and gives it inputs.
func ready(req wire.Request, w watch) (*session, error) {
	if req.Threads < 1 || req.Plan.MinRuns < 1 {
		return nil, fault(devices.FaultLab, "request", "a block needs at least one thread and one run")
	}
	// One thread executes the model, so that its CPU time is the model's.
	runtime.LockOSThread()
	if err := pin(req.CPUs); err != nil {
		return nil, err
	}
	s, err := open(req, w)
	if err != nil {
		return nil, err
	}
	if err := s.fill(req); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// begin is the first inference and the warm-up.
func (s *session) begin(req wire.Request, r *wire.Result) (err error) {
	r.Init = s.init
	clock := cpuClock(req.Threads)
	if r.First, _, err = s.invoke(clock); err != nil {
		return err
	}
	// Before anything is timed: what the delegate does not run must not be measured as its.
	if err := s.ranByDelegate(); err != nil {
		return err
	}
	return s.warmUp(req.Plan, clock, r)
}

// end adds what is known after the timed invokes.
func (s *session) end(r *wire.Result) (err error) {
	if err := s.ranByDelegate(); err != nil {
		return err
	}
	r.Delegation, r.Left = s.delegation()
	r.PeakMemory = peakMemory()
	// Asked for afterwards: a cpuset that somebody changed in the middle would show.
	r.CPUs, err = affinity()
	return err
}

// cpuClock is the thread's clock, or with several threads the process's: pthreadpool's
// workers do the work then.
func cpuClock(threads int) C.clockid_t {
	if threads > 1 {
		return C.CLOCK_PROCESS_CPUTIME_ID
	}
	return C.CLOCK_THREAD_CPUTIME_ID
}

func (s *session) warmUp(p devices.Plan, clock C.clockid_t, r *wire.Result) error {
	for total := r.First; len(r.WarmUp)+1 < p.WarmUpRuns || total < p.WarmUpSeconds; {
		wall, _, err := s.invoke(clock)
		if err != nil {
			return err
		}
		r.WarmUp = append(r.WarmUp, wall)
		total += wall
	}
	return nil
}

// clockReadings is how often the clock is read between the samples while they take the plan's longest
// time, or a second: at a millisecond each, a hundredth of it.
const clockReadings = 10

func (s *session) sample(req wire.Request, clock C.clockid_t, r *wire.Result) error {
	// The CPU time of several threads does not show that one of them waited: how much of a network
	// runs on several threads is its own affair. With one thread the CPU time says it all.
	var before map[string]schedule
	if req.Threads > 1 {
		before = schedules()
	}
	p := req.Plan
	if req.Threads > 1 || s.external {
		p.MinUndisturbed = 0
	}
	r.Clock = append(r.Clock, readClock(0))
	undisturbed, total, read := 0, 0.0, 0.0
	for p.More(len(r.Samples), total) || p.Again(undisturbed, total) {
		if total-read > max(p.MaxSeconds, 1)/clockReadings {
			r.Clock, read = append(r.Clock, readClock(len(r.Samples))), total
		}
		wall, cpu, err := s.invoke(clock)
		if err != nil {
			return err
		}
		r.Samples = append(r.Samples, wall)
		r.CPUSamples = append(r.CPUSamples, cpu)
		total += wall
		if devices.Undisturbed(r.Samples, r.CPUSamples, len(r.Samples)-1) {
			undisturbed++
		}
	}
	r.Clock = append(r.Clock, readClock(len(r.Samples)))
	if req.Threads > 1 {
		r.Waited = longestWait(before, schedules(), req.Threads)
	}
	return nil
}

// schedule is how long a thread has run, and how long it was ready to run without a core, in
// nanoseconds. The time for which a CPU quota stopped it is in the second.
//
// Source: Linux Documentation/scheduler/sched-stats.rst, /proc/<pid>/schedstat.
type schedule struct{ ran, waited uint64 }

// schedules returns the figures of this process's threads by the paths of their files; none on a
// kernel without them.
func schedules() map[string]schedule {
	files, _ := filepath.Glob("/proc/self/task/*/schedstat")
	all := map[string]schedule{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		var s schedule
		if _, err := fmt.Sscan(string(b), &s.ran, &s.waited); err == nil {
			all[f] = s
		}
	}
	return all
}

// longestWait is the longest time in seconds that one of the n threads that ran most has waited.
// The Go runtime's own threads compute nothing, and wait as long as they like.
func longestWait(before, after map[string]schedule, n int) *float64 {
	var all []schedule
	for f, s := range after {
		all = append(all, schedule{s.ran - before[f].ran, s.waited - before[f].waited})
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b schedule) int { return cmp.Compare(b.ran, a.ran) })
	longest := slices.MaxFunc(all[:min(n, len(all))], func(a, b schedule) int { return cmp.Compare(a.waited, b.waited) })
	return new(float64(longest.waited) / 1e9)
}
