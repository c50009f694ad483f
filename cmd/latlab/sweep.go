package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"latlab/bench"
	"latlab/devices"
	"latlab/internal/version"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
	"latlab/sampler/tflite"
)

func sweepCommand(s streams) *cli.Command {
	return &cli.Command{
		Name:  "sweep",
		Usage: "the main job: sample, compile, time and store networks; the same command resumes",
		Flags: join([]cli.Flag{spaceFlag(), countFlag(), coverageFlag(), dbFlag(),
			boolFlag("dry-run", "say how long it takes and how much it writes, and do nothing")}, measureFlags()),
		Action: func(c *cli.Context) error { return sweep(s, c) },
	}
}

func sweep(s streams, c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	info, err := describeDevice(c)
	if err != nil {
		return err
	}
	if _, err := required(c, "db"); err != nil && !c.Bool("dry-run") {
		return err
	}
	j, sp, archs, err := sweepJob(c, info)
	if err != nil {
		return err
	}
	if c.Bool("dry-run") {
		return dryRun(s, c, j, sp, archs)
	}
	res, err := measure(c.Context, s, c, j)
	if err != nil {
		return err
	}
	if err := printSweep(s, c, res); err != nil {
		return err
	}
	return outcome(res)
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
		Tools: map[string]string{"latlab": version.Version, "writer_revision": fmt.Sprint(tflite.WriterRevision)},
	}, nil
}

// commandLine is what the user typed, quoted where a shell needs it.
func commandLine() string {
	words := make([]string, len(os.Args))
	for i, w := range os.Args {
		words[i] = w
		if strings.ContainsAny(w, " \t\n'\"\\$`*?[]{}()<>|&;#~!") || w == "" {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

type sweepSummary struct {
	Sweep    string   `json:"sweep"`
	Space    string   `json:"space"`
	Device   string   `json:"device"`
	Kind     string   `json:"kind"`
	Networks int      `json:"networks"`
	Measured int      `json:"measured"`
	Failed   int      `json:"failed"`
	Invalid  int      `json:"invalid"`
	Blocks   int      `json:"blocks"` // done by this call
	NoiseCV  *float64 `json:"noise_cv"`
	Elapsed  float64  `json:"elapsed_seconds"`
}

func printSweep(s streams, c *cli.Context, res bench.Result) error {
	v := sweepSummary{
		Sweep: res.Sweep.ID, Space: res.Sweep.Space, Device: res.Sweep.Device.Name, Kind: string(res.Sweep.Device.Kind),
		Networks: c.Int("n"), Measured: res.Measured, Failed: res.Failed, Invalid: res.Invalid,
		Blocks: res.Blocks, NoiseCV: res.Noise.CV(), Elapsed: res.Elapsed.Seconds(),
	}
	if c.Bool("json") {
		return printDoc(s.out, v)
	}
	fmt.Fprintf(s.out, "sweep %s on %s: %d of %d networks measured, %d blocks now in %s, noise between blocks %s\n",
		v.Sweep, v.Device, v.Measured, v.Networks, v.Blocks, roughly(res.Elapsed), optional(v.NoiseCV, percent))
	if v.Failed > 0 {
		fmt.Fprintf(s.out, "%d networks failed; `latlab show --db %s %s` says why\n", v.Failed, c.String("db"), v.Sweep)
	}
	if v.Invalid > 0 {
		fmt.Fprintf(s.out, "WARNING: %d measurements are INVALID; `latlab show --db %s %s` says why\n", v.Invalid, c.String("db"), v.Sweep)
	}
	return nil
}

// dryRun says what a sweep would cost, before anything runs.
func dryRun(s streams, c *cli.Context, j job, sp *sampler.Space, archs []sampler.Arch) error {
	var bytes, macs int64
	for _, a := range archs {
		g, err := graph.Lower(sp, a)
		if err != nil {
			return withCode(exitUsage, err)
		}
		n, err := tflite.Size(g, tflite.Options{})
		if err != nil {
			return err
		}
		bytes += n
		macs += g.TotalMACs()
	}
	p := j.sweep.Protocol
	latency := float64(macs) / float64(len(archs)) / assumedMACsPerSecond
	least := p.Forecast(len(archs), latency, blockOverheadSeconds)
	most := least * time.Duration(p.MaxBlocks) / time.Duration(p.MinBlocks)
	v := map[string]any{
		"networks": len(archs), "blocks": len(archs) * p.MinBlocks, "max_blocks": len(archs) * p.MaxBlocks,
		"model_bytes": bytes, "mean_macs": macs / int64(len(archs)),
		"least_seconds": least.Seconds(), "most_seconds": most.Seconds(),
	}
	if c.Bool("json") {
		return printDoc(s.out, v)
	}
	fmt.Fprintf(s.out, "%d networks of %s, %s million MACs on average, on %s\n", len(archs), sp.Name, digits(float64(macs)/float64(len(archs))/1e6, 3), c.String("device"))
	fmt.Fprintf(s.out, "%d to %d blocks from the beginning; at %.0f billion MACs a second some %s to %s\n",
		len(archs)*p.MinBlocks, len(archs)*p.MaxBlocks, assumedMACsPerSecond/1e9, roughly(least), roughly(most))
	fmt.Fprintf(s.out, "%d MiB of models written, through a cache of %s\n", bytes>>20, c.String("cache-size"))
	return nil
}

// assumedMACsPerSecond is what one core of a server CPU was seen to do in float32 on
// MobileDet-space networks (20 to 50); a forecast needs a guess before anything was timed.
const assumedMACsPerSecond = 25e9

// blockOverheadSeconds is process start, model load and first inference, seen to be 0.1
// to 0.6 s for MobileDet-space networks.
const blockOverheadSeconds = 0.3
