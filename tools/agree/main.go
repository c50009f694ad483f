// Command agree compares latlab's timing with a bare C loop over the same library: ten networks,
// interleaved in one run, so that other load affects both equally. For each network it divides
// latlab's median by the loop's; the median of these ratios must be within the tolerance of 1.
//
// It shows whether the harness (process, protocol, clocks, thread) adds to a latency. It does not
// check whether the machine is quiet; bench's verdicts do.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"latlab/bench/protocol"
	"latlab/bench/stats"
	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/machine"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

type options struct {
	agent, loop, space string
	networks, rounds   int
	tolerance          float64
}

func main() {
	var o options
	flag.StringVar(&o.agent, "agent", "bin/latlab-agent", "latlab's agent")
	flag.StringVar(&o.loop, "loop", "build/agree-loop", "the bare loop")
	flag.StringVar(&o.space, "space", "mobiledet_cpu_ibn", "space to sample")
	flag.IntVar(&o.networks, "networks", 10, "how many networks")
	flag.IntVar(&o.rounds, "rounds", 7, "blocks of each kind per network")
	flag.Float64Var(&o.tolerance, "tolerance", 0.01, "how far from 1 the median ratio may be")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "agree:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "latlab-agree-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	models, err := sampleModels(o, dir)
	if err != nil {
		return err
	}
	d, err := agent.Open(ctx, machine.Here("cpu"), agent.Options{Name: "cpu", Path: o.agent})
	if err != nil {
		return err
	}
	defer d.Close()
	var ratios []float64
	fmt.Printf("%-34s %12s %12s %8s\n", "network", "latlab (ms)", "loop (ms)", "ratio")
	for _, m := range models {
		ours, theirs, err := compare(ctx, o, d, m)
		if err != nil {
			return err
		}
		ratios = append(ratios, ours/theirs)
		fmt.Printf("%-34s %12.3f %12.3f %8.4f\n", m.Name, 1e3*ours, 1e3*theirs, ours/theirs)
	}
	r := stats.Median(ratios)
	fmt.Printf("median ratio of %d networks: %.4f (smallest %.4f, largest %.4f)\n", len(ratios), r, slices.Min(ratios), slices.Max(ratios))
	if math.Abs(r-1) > o.tolerance {
		return fmt.Errorf("the median ratio %.4f differs from 1 by more than %g", r, o.tolerance)
	}
	return nil
}

func sampleModels(o options, dir string) ([]*model.Model, error) {
	s, err := sampler.Find(o.space)
	if err != nil {
		return nil, err
	}
	archs, err := sampler.Sample(s, o.networks, 1)
	if err != nil {
		return nil, err
	}
	cache := model.NewCache(dir, 0)
	var models []*model.Model
	for _, a := range archs {
		g, err := graph.Lower(s, a)
		if err != nil {
			return nil, err
		}
		m, err := model.New(g, model.Form{Format: model.TFLite, Precision: model.Float32}, cache)
		if err != nil {
			return nil, err
		}
		models = append(models, m)
	}
	return models, nil
}

// compare returns the medians over the rounds of both kinds' block medians. The order alternates,
// so that neither kind always runs after the other.
func compare(ctx context.Context, o options, d devices.Device, m *model.Model) (ours, theirs float64, err error) {
	p, err := protocol.Named("default")
	if err != nil {
		return 0, 0, err
	}
	plan := p.Plan(1)
	plan.MinSeconds, plan.MinRuns, plan.MaxRuns = 0, 20, 20
	f, err := m.Open(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	var medians [2][]float64
	for i := range 2 * o.rounds {
		kind := (i + i/2) % 2 // 0, 1, 1, 0, 0, 1 ...
		var samples []float64
		if kind == 1 {
			samples, err = bareLoop(ctx, o.loop, f.Path, plan)
		} else {
			var r *devices.Block
			if r, err = d.Run(ctx, m, plan); err == nil {
				samples = r.Samples
			}
		}
		if err != nil {
			return 0, 0, err
		}
		medians[kind] = append(medians[kind], stats.Median(samples))
	}
	return stats.Median(medians[0]), stats.Median(medians[1]), nil
}

func bareLoop(ctx context.Context, program, path string, p devices.Plan) ([]float64, error) {
	cmd := exec.CommandContext(ctx, program, path, strconv.Itoa(p.WarmUpRuns), strconv.Itoa(p.MinRuns))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var samples []float64
	for line := range strings.FieldsSeq(string(out)) {
		x, err := strconv.ParseFloat(line, 64)
		if err != nil {
			return nil, err
		}
		samples = append(samples, x)
	}
	if len(samples) != p.MinRuns {
		return nil, fmt.Errorf("the loop printed %d samples, want %d", len(samples), p.MinRuns)
	}
	return samples, nil
}
