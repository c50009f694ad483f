//go:build xnnpack_builtin

package main

// #include <time.h>
import "C"

import (
	"runtime"

	"latlab/devices"
	"latlab/devices/agent"
)

// timeModel is one block: load, first inference, warm-up, timed invokes.
func timeModel(req agent.Request) (*agent.Result, error) {
	if req.Threads < 1 || req.Plan.MinRuns < 1 {
		return nil, fault(devices.FaultLab, "request", "a block needs at least one thread and one run")
	}
	// One thread executes the model, so that its CPU time is the model's.
	runtime.LockOSThread()
	if err := pin(req.CPUs); err != nil {
		return nil, err
	}
	s, err := open(req)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.fill(req); err != nil {
		return nil, err
	}
	r := &agent.Result{Init: s.init}
	clock := cpuClock(req.Threads)
	if r.First, _, err = s.invoke(clock); err != nil {
		return nil, err
	}
	if err := s.warmUp(req.Plan, clock, r); err != nil {
		return nil, err
	}
	if err := s.sample(req.Plan, clock, r); err != nil {
		return nil, err
	}
	r.Delegation, r.Left = s.delegation()
	// Asked for afterwards: a cpuset that somebody changed in the middle would show.
	if r.CPUs, err = affinity(); err != nil {
		return nil, err
	}
	r.PeakMemory, err = peakMemory()
	return r, err
}

// cpuClock is the thread's clock, or with several threads the process's: pthreadpool's
// workers do the work then.
func cpuClock(threads int) C.clockid_t {
	if threads > 1 {
		return C.CLOCK_PROCESS_CPUTIME_ID
	}
	return C.CLOCK_THREAD_CPUTIME_ID
}

func (s *session) warmUp(p devices.Plan, clock C.clockid_t, r *agent.Result) error {
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

func (s *session) sample(p devices.Plan, clock C.clockid_t, r *agent.Result) error {
	var total float64
	for more(p, len(r.Samples), total) {
		wall, cpu, err := s.invoke(clock)
		if err != nil {
			return err
		}
		r.Samples = append(r.Samples, wall)
		r.CPUSamples = append(r.CPUSamples, cpu)
		total += wall
	}
	return nil
}

// more says whether the plan wants another timed invoke.
func more(p devices.Plan, runs int, seconds float64) bool {
	switch {
	case runs < p.MinRuns:
		return true
	case p.MaxRuns > 0 && runs >= p.MaxRuns, p.MaxSeconds > 0 && seconds >= p.MaxSeconds:
		return false
	}
	return seconds < p.MinSeconds
}
