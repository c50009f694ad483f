// Command repeatability proves that latlab finds the same latencies again. It times the same networks in four
// sweeps on one core of this machine:
//
//  1. the machine idle,
//  2. idle again, after other work: networks of another space were timed, so that memory, caches, clock and heat
//     are no longer those that the first sweep left,
//  3. while something computes on another core, as on a build machine,
//  4. fewer of them, while something computes on the same core, as no scheduler would place it.
//
// It prints how far the last three are from the first. The fourth must be INVALID or right: the command fails if
// a latency is neither.
//
// It measures with the built programs alone, and keeps their stores: the same command resumes. It refuses a
// machine that is not quiet, because its own load is to be the only one.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

type options struct {
	latlab, dir, device, space, other, protocol string
	networks, few                               int
	core, otherCore                             int
	busy                                        bool
}

// step is a sweep into a store of its own, while cores are busy.
type step struct {
	store    string
	name     string
	networks int
	load     []int
}

func (o options) steps() []step {
	return []step{
		{"idle.db", "idle", o.networks, nil},
		{"again.db", "idle, again", o.networks, nil},
		{"other-core.db", "another core busy", o.networks, []int{o.otherCore}},
		{"same-core.db", "the same core busy", o.few, []int{o.core}},
	}
}

func main() {
	if err := interruptible(); err != nil {
		fmt.Fprintln(os.Stderr, "repeatability:", err)
		os.Exit(1)
	}
}

func interruptible() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return run(ctx, os.Args[1:], os.Stdout)
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	f := flag.NewFlagSet("repeatability", flag.ContinueOnError)
	f.StringVar(&o.latlab, "latlab", "bin/latlab", "the latlab to test")
	f.StringVar(&o.dir, "dir", "out/repeatability", "folder of the stores")
	f.StringVar(&o.device, "device", "cpu", "device; on a simulator nothing is kept busy")
	f.StringVar(&o.space, "space", "mobiledet_cpu_tucker", "space to sample")
	f.StringVar(&o.other, "other", "mobiledet_edgetpu_tucker", "space of the other work")
	f.StringVar(&o.protocol, "protocol", "default", "protocol")
	f.IntVar(&o.networks, "networks", 40, "how many networks")
	f.IntVar(&o.few, "few", 20, "how many of them with a busy same core")
	f.IntVar(&o.core, "core", 0, "core to time on")
	f.IntVar(&o.otherCore, "other-core", 1, "another core")
	f.BoolVar(&o.busy, "busy", false, "measure although the machine is not quiet")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.few > o.networks || o.core == o.otherCore {
		return errors.New("-few is at most -networks, and -core is not -other-core")
	}
	if err := os.MkdirAll(o.dir, 0o750); err != nil {
		return err
	}
	steps := o.steps()
	for i, s := range steps {
		if i == 1 {
			if err := o.otherWork(ctx); err != nil {
				return err
			}
		}
		if err := o.sweep(ctx, s); err != nil {
			return err
		}
	}
	return o.report(ctx, steps, out)
}

func (o options) simulated() bool { return strings.HasPrefix(o.device, "sim") }

func (o options) sweepArgs(store, space string, networks int) []string {
	args := []string{"sweep", "--device", o.device, "--space", space, "-n", strconv.Itoa(networks), "--seed", "1",
		"--protocol", o.protocol, "--db", filepath.Join(o.dir, store)}
	if !o.simulated() {
		args = append(args, "--cpus", strconv.Itoa(o.core))
	}
	return args
}

func (o options) otherWork(ctx context.Context) error {
	return o.measure(ctx, "other work", o.sweepArgs("other-work.db", o.other, o.few))
}

// sweep measures a step, or resumes it. It needs a quiet machine before the load of the step begins.
func (o options) sweep(ctx context.Context, s step) error {
	if !o.busy && !o.simulated() {
		if err := quiet(ctx); err != nil {
			return fmt.Errorf("before %q: %w", s.name, err)
		}
	}
	during, end := context.WithCancel(ctx)
	defer end()
	if !o.simulated() {
		if err := load(during, s.load); err != nil {
			return err
		}
	}
	return o.measure(ctx, s.name, o.sweepArgs(s.store, o.space, s.networks))
}

// measure runs latlab. Measurements that are INVALID (4) are what a busy core is to show.
func (o options) measure(ctx context.Context, name string, args []string) error {
	fmt.Fprintf(os.Stderr, "== %s: %s %s\n", name, o.latlab, strings.Join(args, " "))
	c := exec.CommandContext(ctx, o.latlab, args...)
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	err := c.Run()
	if e, ok := errors.AsType[*exec.ExitError](err); ok && e.ExitCode() == 4 {
		return nil
	}
	return err
}

// row is a network of an export.
type row struct {
	ID      string  `json:"id"`
	Latency float64 `json:"latency_seconds"`
	Low     float64 `json:"low_seconds"`
	High    float64 `json:"high_seconds"`
	Verdict string  `json:"verdict"`
}

func (o options) rows(ctx context.Context, s step) (map[string]row, error) {
	c := exec.CommandContext(ctx, o.latlab, "export", "--db", filepath.Join(o.dir, s.store), "--format", "jsonl", "-o", "-")
	var problems bytes.Buffer
	c.Stderr = &problems
	text, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(problems.String()))
	}
	rows := map[string]row{}
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var r row
		switch err := d.Decode(&r); {
		case errors.Is(err, io.EOF):
			return rows, nil
		case err != nil:
			return nil, err
		}
		rows[r.ID] = r
	}
}

// overall is the ratio of all networks together, by latlab compare.
func (o options) overall(ctx context.Context, a, b step) (string, error) {
	c := exec.CommandContext(ctx, o.latlab, "compare", "--json", "--include-invalid", filepath.Join(o.dir, a.store), filepath.Join(o.dir, b.store))
	text, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("latlab compare: %w", err)
	}
	var doc struct {
		Overall *struct {
			Ratio float64 `json:"ratio"`
			Low   float64 `json:"low"`
			High  float64 `json:"high"`
		} `json:"overall"`
	}
	if err := json.Unmarshal(text, &doc); err != nil || doc.Overall == nil {
		return "-", err
	}
	return fmt.Sprintf("%.3f (%.3f to %.3f)", doc.Overall.Ratio, doc.Overall.Low, doc.Overall.High), nil
}

func (o options) report(ctx context.Context, steps []step, out io.Writer) error {
	idle, err := o.rows(ctx, steps[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "| against idle | %s | all together |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)+2))
	var wrong []string
	for i, s := range steps[1:] {
		rows, err := o.rows(ctx, s)
		if err != nil {
			return err
		}
		all, err := o.overall(ctx, steps[0], s)
		if err != nil {
			return err
		}
		d := differ(idle, rows)
		fmt.Fprintf(out, "| %s | %s | %s |\n", s.name, strings.Join(d.cells(), " | "), all)
		if i == len(steps)-2 {
			wrong = d.smoothWrong
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return fmt.Errorf("with the same core busy, %d of %d latencies are neither INVALID nor within %g %% of the idle ones: %s",
			len(wrong), o.few, 100*rightWithin, strings.Join(wrong, ", "))
	}
	return nil
}
