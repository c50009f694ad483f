package bench_test

import (
	"strings"
	"testing"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/devices"
)

// TestAgain: a finished sweep is measured anew under another identity, on a device that may have changed;
// an unfinished run is resumed, and nothing else is.
func TestAgain(t *testing.T) {
	ctx, st := t.Context(), memory.New()
	d := newDevice()
	o := options(d, st, 3)
	again := func(networks int) (bench.Sweep, error) {
		return bench.Again(ctx, st, o.Sweep, networks, d.Info())
	}
	refused := func(want string) {
		t.Helper()
		if _, err := again(3); devices.FaultOf(err) != devices.FaultUser || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	run := func(o bench.Options, fails bool) bench.Result {
		t.Helper()
		res, err := bench.Run(ctx, o)
		if (err != nil) != fails {
			t.Fatal(err)
		}
		return res
	}
	stop := make(chan struct{})
	close(stop)

	refused("no such sweep")
	stopped := o
	stopped.Stop = stop
	run(stopped, true)
	refused("of the 3 networks")
	first := run(o, false).Sweep

	d.info.Fingerprint = map[string]string{"runtime": "2.0"}
	var err error
	if o.Sweep, err = again(3); err != nil || o.Sweep.Run != 1 {
		t.Fatal(o.Sweep.Run, err)
	}
	stopped.Sweep = o.Sweep
	run(stopped, true)
	if s, err := again(3); err != nil || s.Run != 1 {
		t.Errorf("an unfinished run is not resumed: run %d, %v", s.Run, err)
	}
	second := run(o, false).Sweep
	// A run that was stopped among its extra blocks has all networks measured, and is unfinished too.
	if err := st.Plan(ctx, second.ID, nil, []bench.Slot{{Order: 999, Network: 1, Round: 99}}); err != nil {
		t.Fatal(err)
	}
	if s, err := again(3); err != nil || s.Run != 1 {
		t.Errorf("a run with an extra block to do is not resumed: run %d, %v", s.Run, err)
	}
	run(o, false)
	if second.ID == first.ID || second.Request() != first.ID || first.Request() != first.ID {
		t.Errorf("ids %s and %s, requests %s and %s", first.ID, second.ID, first.Request(), second.Request())
	}
	if s, err := again(3); err != nil || s.Run != 2 {
		t.Errorf("run %d, %v, want 2", s.Run, err)
	}

	// Of a run of more networks, the first three are done.
	o.Sweep.Run, o.Networks = 2, 5
	run(o, false)
	if s, err := again(3); err != nil || s.Run != 3 {
		t.Errorf("run %d, %v, want 3", s.Run, err)
	}
	o.Sweep.Run = 3
	stopped.Sweep = o.Sweep
	run(stopped, true)
	d.info.Fingerprint = map[string]string{"runtime": "3.0"}
	if s, err := again(3); err != nil || s.Run != 4 {
		t.Errorf("a run that the device can no longer finish: run %d, %v, want 4", s.Run, err)
	}
}
