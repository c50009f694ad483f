package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"latlab/bench"
	"latlab/devices"
	"latlab/exporters/prom"
	"latlab/internal/text"
	"latlab/internal/ui"
	"latlab/internal/version"
	"latlab/sampler"
	"latlab/sampler/model"
)

func sweepCommand(s streams) *cli.Command {
	return &cli.Command{
		Name:  "sweep",
		Usage: "the main job: sample, compile, time and store networks; the same command resumes",
		Flags: join([]cli.Flag{spaceFlag(), countFlag(), coverageFlag(), modelsFlag(), dbFlag(),
			boolFlag("dry-run", "say how long it takes and how much it writes, and do nothing"),
			stringFlag("push.url", "Prometheus Pushgateway that gets the store's metrics at the end, a `URL`", "")}, measureFlags()),
		Action: func(c *cli.Context) error { return sweep(s, c) },
	}
}

func sweep(s streams, c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	names, err := deviceNames(c)
	if err != nil {
		return err
	}
	if to := c.String("push.url"); to != "" {
		if err := prom.CheckPushURL(to); err != nil {
			return usagef("--push.url: %w", err)
		}
	}
	if _, err := required(c, "db"); err != nil && !c.Bool("dry-run") {
		return err
	}
	plan := planArchs
	if c.String("models") != "" {
		plan = planModels
	}
	var plans []sweepPlan
	for _, name := range names {
		info, err := describeNamed(c, name)
		if err != nil {
			return err
		}
		p, err := plan(s, c, info)
		if err != nil {
			return err
		}
		p.name, p.info = name, info
		plans = append(plans, p)
	}
	if !c.Bool("dry-run") {
		return runPlans(c.Context, s, c, plans)
	}
	for _, p := range plans {
		err = worse(err, p.dry())
	}
	return err
}

// planArchs is a sweep of a space's networks.
func planArchs(s streams, c *cli.Context, info devices.Info) (sweepPlan, error) {
	j, sp, archs, err := sweepJob(c, info)
	return sweepPlan{
		job: func(context.Context, bench.Reader, devices.Info) (job, error) { return j, nil },
		dry: func() error {
			f, err := forecastArchs(j.source.(archSource), sp, archs)
			if err != nil {
				return err
			}
			return dryRun(s, c, j.sweep, info, f)
		},
	}, err
}

func sweepJob(c *cli.Context, info devices.Info) (job, *sampler.Space, []sampler.Arch, error) {
	sp, err := requiredSpace(c)
	if err != nil {
		return job{}, nil, nil, err
	}
	n, err := requiredCount(c)
	if err != nil {
		return job{}, nil, nil, err
	}
	archs, err := drawArchs(sp, n, c.Uint64("seed"), c.Bool("coverage"))
	if err != nil {
		return job{}, nil, nil, err
	}
	form, err := deviceForm(c, info)
	if err != nil {
		return job{}, nil, nil, err
	}
	m, err := manifest(c, form)
	if err != nil {
		return job{}, nil, nil, err
	}
	yaml, err := sp.YAML()
	if err != nil {
		return job{}, nil, nil, err
	}
	m.Space, m.SpaceFile, m.Sampling = sp.Name, string(yaml), bench.Uniform
	if c.Bool("coverage") {
		m.Sampling = bench.Coverage
	}
	cache, err := openCache(c)
	if err != nil {
		return job{}, nil, nil, err
	}
	src := archSource{space: sp, archs: archs, form: form, cache: cache}
	batch, err := src.batch()
	return job{sweep: m, n: n, source: src, batch: batch, resume: commandLine()}, sp, archs, err
}

// manifest is what every verb that times knows of its sweep.
func manifest(c *cli.Context, form model.Form) (bench.Sweep, error) {
	p, err := readProtocol(c)
	if err != nil {
		return bench.Sweep{}, err
	}
	return bench.Sweep{
		Seed: c.Uint64("seed"), Format: form.Format, Precision: form.Precision, Input: form.Input, Protocol: p, Sampling: bench.Listed,
		Tools: map[string]string{"latlab": version.Version, "writer_revision": form.WriterRevision()},
	}, nil
}

// commandLine is what the user typed, quoted where a shell needs it.
func commandLine() string {
	words := make([]string, len(os.Args))
	for i, w := range os.Args {
		words[i] = text.ShellWord(w)
	}
	return strings.Join(words, " ")
}

type sweepSummary struct {
	Sweep    string       `json:"sweep"`
	Space    string       `json:"space"`
	Device   string       `json:"device"`
	Kind     devices.Kind `json:"kind"`
	Networks int          `json:"networks"`
	Measured int          `json:"measured"`
	Failed   int          `json:"failed"`
	Invalid  int          `json:"invalid"`
	Blocks   int          `json:"blocks"` // done by this call
	NoiseCV  *float64     `json:"noise_cv"`
	Elapsed  float64      `json:"elapsed_seconds"`

	deterministic bool
}

func summary(n int, res bench.Result) sweepSummary {
	return sweepSummary{
		Sweep: res.Sweep.ID, Space: res.Sweep.Space, Device: res.Sweep.Device.Name, Kind: res.Sweep.Device.Kind,
		Networks: n, Measured: res.Measured, Failed: res.Failed, Invalid: res.Invalid,
		Blocks: res.Blocks, NoiseCV: res.NoiseCV(), Elapsed: res.Elapsed.Seconds(), deterministic: res.Sweep.Device.Deterministic,
	}
}

func printSweep(s streams, db string, v sweepSummary) {
	noise := ui.Optional(v.NoiseCV, ui.Percent)
	if v.deterministic {
		noise = "none"
	}
	elapsed := time.Duration(v.Elapsed * float64(time.Second))
	fmt.Fprint(s.out, ui.Wrap("sweep", []string{
		fmt.Sprintf("%s on %s:", v.Sweep, v.Device),
		fmt.Sprintf("%d of %s %s,", v.Measured, ui.Plural(v.Networks, "network"), ui.Kind(v.Kind)),
		fmt.Sprintf("%s now in %s", ui.Plural(v.Blocks, "block"), ui.Duration(elapsed)),
	}, ui.Columns))
	fmt.Fprintf(s.out, "  noise between blocks %s\n", noise)
	if v.Failed > 0 {
		fmt.Fprintf(s.out, "%s failed; why:\n", ui.Plural(v.Failed, "network"))
	}
	if v.Invalid > 0 {
		fmt.Fprintf(s.out, "WARNING: %s INVALID; why:\n", ui.Plural(v.Invalid, "measurement"))
	}
	if v.Failed+v.Invalid > 0 {
		ui.Command(s.out, "  ", fmt.Sprintf("latlab show --db %s %s", text.ShellWord(db), v.Sweep))
	}
}
