package report

import (
	"context"
	"errors"

	"latlab/bench"
	"latlab/bench/compare"
	"latlab/devices"
)

// Runs are the newest two runs of one request among the sweeps.
type Runs struct {
	Before, After int                 // in Data.Sweeps
	Comparison    *compare.Comparison // nil if they cannot be compared
	Why           string              // they cannot
}

// collectRuns compares the newest two runs of each request, in the order of the sweeps.
func collectRuns(ctx context.Context, st bench.Reader, sweeps []Sweep) ([]Runs, error) {
	newest := map[string][2]int{} // by request: the newest run and the one before, 1 based
	var requests []string
	for i := range sweeps {
		m := &sweeps[i].Manifest
		id := m.Request()
		two, known := newest[id]
		switch {
		case !known:
			requests = append(requests, id)
			two = [2]int{i + 1}
		case m.Run > sweeps[two[0]-1].Manifest.Run:
			two = [2]int{i + 1, two[0]}
		case two[1] == 0 || m.Run > sweeps[two[1]-1].Manifest.Run:
			two[1] = i + 1
		}
		newest[id] = two
	}
	var all []Runs
	for _, id := range requests {
		two := newest[id]
		if two[1] == 0 {
			continue
		}
		r := Runs{Before: two[1] - 1, After: two[0] - 1}
		c, err := compare.Sweeps(ctx, compare.Side{Store: st, Sweep: sweeps[r.Before].Manifest}, compare.Side{Store: st, Sweep: sweeps[r.After].Manifest}, compare.Options{})
		var refused *devices.Error
		switch {
		case errors.As(err, &refused) && refused.Fault == devices.FaultUser:
			r.Why = refused.Err.Error()
		case err != nil:
			return nil, err
		}
		r.Comparison = c
		all = append(all, r)
	}
	return all, nil
}
