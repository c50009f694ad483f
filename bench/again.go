package bench

import (
	"context"
	"fmt"

	"latlab/devices"
)

// Again returns the request, of so many networks, with the run that measures it anew: the next one after the newest run, or
// that one itself if it was begun by Again and is unfinished. The device may have changed since earlier
// runs, which is why one measures again; a run that today's device can no longer finish is left as it is.
//
// Rejected: starting the first run where there is none. A mistyped seed would then be measured for an
// hour instead of being refused.
func Again(ctx context.Context, st Reader, request Sweep, networks int, now devices.Info) (Sweep, error) {
	request.Device, request.Run = now, 0
	sweeps, err := st.Sweeps(ctx)
	if err != nil {
		return request, labError("find the runs of a sweep", err)
	}
	var newest *Sweep
	for _, s := range sweeps {
		if s.Request() == request.Identity() && (newest == nil || s.Run > newest.Run) {
			newest = &s
		}
	}
	if newest == nil {
		return request, userError("measure again", fmt.Errorf("the store has no such sweep on %s yet; leave --again out to measure it for the first time", now.Name))
	}
	asked := min(newest.Networks, networks)
	done, err := settled(ctx, st, newest.ID, asked)
	if err != nil {
		return request, labError("read sweep "+newest.ID, err)
	}
	request.Run = newest.Run
	if done < asked {
		switch {
		case newest.Run == 0:
			return request, userError("measure again", fmt.Errorf("%d of the %d networks of sweep %s are done; finish it first, with the same command without --again", done, asked, newest.ID))
		case newest.CheckDevice(now) == nil:
			return request, nil
		}
	}
	request.Run++
	return request, nil
}

// settled is how many of a sweep's first networks have all their planned blocks, extra ones too, or failed.
func settled(ctx context.Context, st Reader, sweep string, networks int) (n int, err error) {
	waiting := map[int]bool{}
	for s, err := range st.Schedule(ctx, sweep) {
		if err != nil {
			return 0, err
		}
		waiting[s.Network] = waiting[s.Network] || s.State == SlotPlanned
	}
	for net, err := range st.Networks(ctx, sweep) {
		if err != nil {
			return 0, err
		}
		if net.Index < networks && net.Status != Planned && !waiting[net.Index] {
			n++
		}
	}
	return n, nil
}
