package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"latlab/bench"
	"latlab/devices"
	"latlab/exporters/prom"
	"latlab/internal/text"
	"latlab/internal/ui"
	"latlab/regress"
)

type sweepOptions struct {
	named    namedOptions
	n        int
	coverage bool
	ranking  rankOptions
	dryRun   bool
	again    bool
	check    string
	profile  int
	pushURL  string
	untilOptions
	measureOptions
	flags *flagSet
}

func (o *sweepOptions) register(f *flagSet) {
	o.flags = f
	o.named.register(f)
	f.count(&o.n)
	f.coverage(&o.coverage)
	f.string(&o.named.list, "models", "model files of your own: a `LIST.jsonl` of {\"path\",\"features\":{}} lines", "")
	f.db(&o.db)
	f.bool(&o.again, "again", "measure a finished sweep anew, as a new run in the same store; an unfinished run is resumed")
	f.string(&o.check, "check", "first time 8 networks and say whether a cost model still holds, a JSON `FILE` that fit wrote", "")
	o.ranking.register(f, "")
	f.int(&o.profile, "profile", "also profile `N` of the networks, evenly spread: the time of each op, one more block each after all others", 0)
	f.bool(&o.dryRun, "dry-run", "only print how long the sweep would take and how much it would write")
	o.untilOptions.register(f)
	f.string(&o.pushURL, "push.url", "Prometheus Pushgateway to push the store's metrics to at the end, a `URL`", "")
	o.measureOptions.register(f)
}

func (o *sweepOptions) run(ctx context.Context, s streams) error {
	names, err := o.deviceNames()
	if err != nil {
		return err
	}
	if o.pushURL != "" {
		if err := prom.CheckPushURL(o.pushURL); err != nil {
			return usagef("--push.url: %w", err)
		}
	}
	if o.profile < 0 {
		return usagef("--profile is %d; it must be 0 or more", o.profile)
	}
	if err := required("db", o.db); err != nil && !o.dryRun {
		return err
	}
	if err := o.ranking.check(); err != nil {
		return err
	}
	plan, err := o.planner(s)
	if err != nil {
		return err
	}
	var plans []sweepPlan
	for _, name := range names {
		info, err := o.describeNamed(name)
		if err != nil {
			return err
		}
		p, err := plan(ctx, info)
		if err != nil {
			return err
		}
		p.name, p.info = name, info
		plans = append(plans, p)
	}
	check, err := o.checkPlan(plans)
	if err != nil {
		return err
	}
	if !o.dryRun {
		return runPlans(ctx, s, o, plans, check)
	}
	for _, p := range plans {
		err = moreSevere(err, p.dry(ctx))
	}
	return err
}

// deviceNames reads --device of a verb that takes several: a,b,c.
func (o *sweepOptions) deviceNames() ([]string, error) {
	if err := required("device", o.device); err != nil {
		return nil, err
	}
	names := strings.Split(o.device, ",")
	for i, n := range names {
		names[i] = strings.TrimSpace(n)
		switch {
		case names[i] == "":
			return nil, usagef("--device %q has an empty name", o.device)
		case slices.Contains(names[:i], names[i]):
			return nil, usagef("--device %q names %s twice", o.device, names[i])
		}
	}
	return names, nil
}

// commandLine is the command that the user typed, quoted where a shell needs it.
func commandLine() string {
	return strings.Join(mapped(os.Args, text.ShellWord), " ")
}

type sweepSummary struct {
	Sweep     string       `json:"sweep"`
	Space     string       `json:"space"`
	Device    string       `json:"device"`
	Kind      devices.Kind `json:"kind"`
	Networks  int          `json:"networks"`
	Measured  int          `json:"measured"`
	Failed    int          `json:"failed"`
	Invalid   int          `json:"invalid"`
	Imprecise int          `json:"imprecise"`
	Blocks    int          `json:"blocks"` // done by this call
	NoiseCV   *float64     `json:"noise_cv"`
	Elapsed   float64      `json:"elapsed_seconds"`
	Run       int          `json:"run,omitempty"`
	// EndedBy is target, budget or max_blocks, with --until and --budget; the others say how far it came.
	EndedBy string   `json:"ended_by,omitempty"`
	Wide    int      `json:"wide_intervals,omitempty"`    // of networks, wider than the target
	Widest  *float64 `json:"widest_half_width,omitempty"` // relative; left out if a network has no interval
	FitMAPE *float64 `json:"fit_mape,omitempty"`          // held-out
	// Refused are asked for too, but not among Networks.
	Refused []bench.Refused `json:"refused"`
	Check   *regress.Check  `json:"check,omitempty"` // with --check
	// Ranked has all networks of a sweep of up to 50, or with --all or --top.
	Ranked []json.RawMessage `json:"ranked,omitempty"`
	// Profiled are networks with a profile, with --profile; Unprofiled say why others could not be profiled.
	Profiled   int      `json:"profiled,omitempty"`
	Unprofiled []string `json:"unprofiled,omitempty"`

	until         bench.Until
	target        float64 // half-width
	deterministic bool
	all           []bench.Estimate // to be ranked
}

func summary(n int, refused []bench.Refused, res bench.Result) sweepSummary {
	return sweepSummary{
		Sweep: res.Sweep.ID, Space: res.Sweep.Space, Device: res.Sweep.Device.Name, Kind: res.Sweep.Device.Kind,
		Networks: n, Measured: res.Measured, Failed: res.Failed, Invalid: res.Invalid, Imprecise: res.Imprecise,
		Refused: list(refused), Blocks: res.Blocks, NoiseCV: res.NoiseCV(), Elapsed: res.Elapsed.Seconds(), Run: res.Sweep.Run,
		Profiled: res.Profiled, Unprofiled: res.Unprofiled, deterministic: res.Sweep.Device.Deterministic,
	}
}

// printSweep prints the summary with the ranked networks. What went wrong comes last, where it is seen.
func (o *sweepOptions) printSweep(s streams, v sweepSummary) error {
	noise := ui.Optional(v.NoiseCV, ui.Percent)
	if v.deterministic {
		noise = "none"
	}
	elapsed := time.Duration(v.Elapsed * float64(time.Second))
	fmt.Fprint(s.out, ui.Wrap("sweep", []string{
		fmt.Sprintf("%s%s on %s:", v.Sweep, runWords(v.Run), v.Device),
		countsLine(v.Measured, v.Networks+len(v.Refused), v.Kind, "", 0, len(v.Refused)) + ",",
		fmt.Sprintf("%s now in %s", ui.Plural(v.Blocks, "block"), ui.Duration(elapsed)),
	}, ui.Columns))
	fmt.Fprintf(s.out, "  noise between blocks %s\n", noise)
	if v.EndedBy != "" {
		printUnder(s.out, " ", v.untilLine())
	}
	if v.Profiled > 0 {
		fmt.Fprintf(s.out, "  %s profiled\n", ui.Plural(v.Profiled, "network"))
	}
	if err := o.ranking.print(s, v.all, 0); err != nil {
		return err
	}
	printRefused(s, v.Refused)
	printUnprofiled(s, v.Unprofiled)
	if v.Failed > 0 {
		fmt.Fprintf(s.out, "%s failed; to see why:\n", ui.Plural(v.Failed, "network"))
	}
	if v.Imprecise > 0 {
		fmt.Fprintf(s.out, "%s IMPRECISE: right, with intervals wider than the protocol asks for\n", ui.Plural(v.Imprecise, "measurement"))
	}
	if v.Invalid > 0 {
		fmt.Fprintf(s.out, "WARNING: %s INVALID; to see why:\n", ui.Plural(v.Invalid, "measurement"))
	}
	if v.Failed+v.Invalid > 0 {
		ui.Command(s.out, "  ", fmt.Sprintf("latlab show --db %s %s", text.ShellWord(o.db), v.Sweep))
	}
	return nil
}
