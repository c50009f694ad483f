// Command coverage is the study behind intervals and verdicts: it runs the whole loop (bench.Run) on simulated
// devices of every profile, where the truth is known, and prints how many of the 95 % intervals hold the
// truth, how wide they are beside those of an oracle that knows the noise, and how many measurements have each
// verdict. `clock` compares the noise between blocks with that of times from which the measured clock is divided
// out, on simulated devices or on the sweeps of stores. docs/measuring.md has the tables.
//
// It is no part of latlab: bench/stats and bench/verdict compute what it studies.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, args []string) error {
	f := flag.NewFlagSet("coverage", flag.ContinueOnError)
	n := f.Int("networks", 2000, "how many networks of each world, in sweeps of 200")
	only := f.String("only", "", "the worlds whose name contains this")
	preset := f.String("protocol", "default", "the protocol's preset")
	if err := f.Parse(args); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	if f.Arg(0) == "clock" {
		return errors.Join(clocks(ctx, t, *preset, min(*n, sweepNetworks), f.Args()[1:]), t.Flush())
	}
	fmt.Fprintln(t, header)
	for _, world := range worlds {
		if !strings.Contains(world.name, *only) {
			continue
		}
		r, err := study(ctx, world, *preset, *n)
		if err != nil {
			return fmt.Errorf("%s: %w", world.name, err)
		}
		fmt.Fprintln(t, r.line(world))
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}
