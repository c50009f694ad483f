//go:build xnnpack_builtin

package main

// #include <time.h>
import "C"

import (
	"runtime"

	"latlab/devices"
	"latlab/devices/agent/wire"
)

// timeModel is one block: load, first inference, warm-up, timed invokes.
func timeModel(req wire.Request) (wire.Response, error) {
	resp := wire.Response{Type: "result", Result: new(wire.Result)}
	if req.Threads < 1 || req.Plan.MinRuns < 1 {
		return resp, fault(devices.FaultLab, "request", "a block needs at least one thread and one run")
	}
	// One thread executes the model, so that its CPU time is the model's.
	runtime.LockOSThread()
	if err := pin(req.CPUs); err != nil {
		return resp, err
	}
	s, err := open(req)
	if err != nil {
		return resp, err
	}
	defer s.close()
	if err := s.fill(req); err != nil {
		return resp, err
	}
	resp.Library, resp.Signature = s.library(), s.key
	return resp, s.block(req, resp.Result)
}

func (s *session) block(req wire.Request, r *wire.Result) (err error) {
	r.Init = s.init
	clock := cpuClock(req.Threads)
	if r.First, _, err = s.invoke(clock); err != nil {
		return err
	}
	// Before anything is timed: what the delegate does not run must not be measured as its.
	if err := s.ranByDelegate(); err != nil {
		return err
	}
	if err := s.warmUp(req.Plan, clock, r); err != nil {
		return err
	}
	if err := s.sample(req.Plan, clock, r); err != nil {
		return err
	}
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

func (s *session) sample(p devices.Plan, clock C.clockid_t, r *wire.Result) error {
	var total float64
	for p.More(len(r.Samples), total) {
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
