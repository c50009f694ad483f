package bench

import (
	"fmt"

	"latlab/bench/verdict"
	"latlab/devices"
)

// Estimator is how the latencies of a sweep's networks were computed from their blocks. Name is empty until a
// measurement that is not INVALID is seen: where all blocks were disturbed, for example, an INVALID
// latency is the median of all samples, for want of a better one, and no other is computed like it.
type Estimator struct {
	Sweep   string // its id, for errors
	Name    string
	network string // the first
}

// Add notes how a network's latency was computed. It is an error of the user if that differs from the others':
// no fit and no comparison mixes them. Stored samples are judged anew whenever they are read, so that this is
// a sweep of which some blocks were stored without what the estimator needs.
func (s *Estimator) Add(e Estimate) error {
	if e.M == nil || e.M.Verdict == verdict.Invalid {
		return nil
	}
	if s.Name == "" {
		s.Name, s.network = e.M.Estimator, e.Network.Name
	}
	if s.Name == e.M.Estimator {
		return nil
	}
	return &devices.Error{
		Fault: devices.FaultUser, Op: "sweep " + s.Sweep, Reason: "usage",
		Err: fmt.Errorf("the latency of network %s is the %s, that of network %s the %s: they cannot be used together",
			s.network, s.Name, e.Network.Name, e.M.Estimator),
		Advice: "measure the sweep anew: sweep --again",
	}
}
