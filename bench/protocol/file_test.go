package protocol

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
)

func TestRead(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"", ": is empty; `base: default` and the fields that differ make a protocol"},
		{"base: qick\n", `:1: base: unknown value "qick"; did you mean "quick"?`},
		{"min_block: 4\n", `:1: min_block: unknown field; did you mean "min_blocks"?`},
		{"name: mine\n", ":1: name: unknown field"},
		{"min_blocks: 4.5\n", ":1: min_blocks: must be a whole number, not 4.5"},
		{"min_blocks: 2\n", ":1: min_blocks: is below 3: the spread between blocks needs three"},
		{"base: quick\nmin_blocks: 4\nmax_blocks: 3\n", ":3: max_blocks: is below min_blocks"},
		{"# one of two\nmin_blocks: 12\n", ":2: min_blocks: contradicts max_blocks, which is below min_blocks"},
		{"min_seconds: .nan\n", ":1: min_seconds: is not a number from 0 up"},
		{"step_limit: 0\n", ":1: step_limit: is not above 0"},
		{"percentile: 90\n", ":1: percentile: is not between 0.5 and 1; 0 is the median"},
		{"percentile: 0.9\n", ":1: percentile: contradicts min_runs, which is below 36, which percentile 0.9 of a block needs"},
		{"percentile: 0.99\nmin_runs: 40\nmax_runs: 400\n", ":2: min_runs: is below 368, which percentile 0.99 of a block needs"},
		{"warmup_seconds: 60\n", ":1: warmup_seconds: contradicts timeout_seconds, which is not above warmup_seconds and max_seconds together"},
		{"limit_seconds: 0.5\n", ":1: limit_seconds: is below max_seconds"},
		{"allow_partial: 1\n", ":1: allow_partial: must be true or false, not 1"},
	} {
		_, err := Read([]byte(c.text), "mine.yaml")
		if err == nil || !strings.HasPrefix(err.Error(), "mine.yaml"+c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q says %v, want %s", c.text, err, c.says)
		}
	}
	p, err := Read([]byte("base: precise\nmin_runs: 40\npercentile: 0.9\n"), "of/mine.yaml")
	want, _ := Named("precise")
	want.Name, want.MinRuns, want.Percentile = "mine.yaml", 40, 0.9
	if diff := cmp.Diff(want, p); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestSet(t *testing.T) {
	for _, c := range []struct {
		set  []string
		says string
	}{
		{[]string{"min_blocks"}, `"min_blocks" is not FIELD=VALUE`},
		{[]string{"min_block=4"}, `no field "min_block"; did you mean "min_blocks"?`},
		{[]string{"min_blocks=4", "min_blocks=5"}, "min_blocks is given twice"},
		{[]string{"min_blocks=4.5"}, `min_blocks must be a whole number, not "4.5"`},
		{[]string{"min_blocks=9", "max_blocks=4"}, "max_blocks is below min_blocks"},
		{[]string{"pause_seconds=+Inf"}, "pause_seconds is not a number from 0 up"},
	} {
		p, _ := Named("default")
		if _, err := p.Set(c.set); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v says %v, want %s", c.set, err, c.says)
		}
	}
	p, _ := Named("quick")
	got, err := p.Set([]string{"min_blocks=4", "target_half_width=0.01", "allow_partial=true"})
	p.MinBlocks, p.HalfWidth, p.AllowPartial = 4, 0.01, true
	p.Name = "quick with min_blocks=4,target_half_width=0.01,allow_partial=true"
	if diff := cmp.Diff(p, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	args := []string{"--protocol", "quick", "--set", "min_blocks=4", "--set", "target_half_width=0.01", "--set", "allow_partial=true"}
	if diff := cmp.Diff(args, got.Arguments()); diff != "" {
		t.Error(diff)
	}
	of, err := Read([]byte("base: quick\n"), "mine.yaml")
	if err != nil {
		t.Fatal(err)
	}
	base, _ := Named("default")
	if base, err = base.Set(sets(of.Arguments()[2:])); err != nil || base.Identity() != of.Identity() {
		t.Errorf("%v: %v gives another protocol", err, of.Arguments())
	}
}

func sets(args []string) (values []string) {
	for i := 1; i < len(args); i += 2 {
		values = append(values, args[i])
	}
	return values
}

// TestCheckDevice: rules that need CPU times or samples are refused where there are none.
func TestCheckDevice(t *testing.T) {
	cpu, summary, gpu := devices.Info{Name: "d"}, devices.Info{Name: "d", NoSamples: true}, devices.Info{Name: "d", Accelerator: true}
	waits, _ := Named("default")
	waits.MinUndisturbed = 5
	tail, _ := Named("mlperf-mobile")
	for _, c := range []struct {
		p    Protocol
		on   devices.Info
		says string
	}{
		{waits, cpu, ""}, {waits, gpu, "min_undisturbed needs the CPU time"}, {waits, summary, "min_undisturbed needs the CPU time"},
		{waits, devices.Info{Threads: 2}, "min_undisturbed needs"},
		{tail, cpu, ""}, {tail, gpu, ""}, {tail, summary, "percentile needs the time of each inference"},
		{tail, devices.Info{Deterministic: true}, "percentile needs times that vary"},
	} {
		err := c.p.CheckDevice(c.on)
		if c.says == "" && err == nil {
			continue
		}
		if err == nil || c.says == "" || !strings.Contains(err.Error(), c.says) || devices.FaultOf(err) != devices.FaultUser {
			t.Errorf("%s on %+v: %v, want %q", c.p.Name, c.on, err, c.says)
		}
	}
}
