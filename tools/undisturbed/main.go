// Command undisturbed is the study behind devices.Undisturbed: which samples of a block to use on a machine
// that is not quiet. `record` times networks on the local CPU while other work disturbs it in five ways,
// each block beside one on the quiet machine, and writes every sample with its CPU time. `table` computes from a
// recording, for thresholds of CPU time over wall time, minima of samples, and samples after a disturbed one, how many samples
// and blocks are left, the noise between blocks, and how far latencies are from those of the quiet machine.
//
// It is no part of latlab: bench computes the estimator that came of it.
package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
)

// row is a block in a condition, and the block of the same network on the quiet machine before or after it.
type row struct {
	Condition string  `json:"condition"`
	Network   string  `json:"network"`
	Block     samples `json:"block"`
	Quiet     samples `json:"quiet"`
	Stopped   float64 `json:"stopped_ratio"` // share of the block for which a quota stopped it
}

// samples are the times of a block's inferences in seconds.
type samples struct {
	Wall []float64 `json:"samples_seconds"`
	CPU  []float64 `json:"cpu_samples_seconds"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "undisturbed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("record FILE.jsonl.gz or table FILE.jsonl.gz?")
	}
	switch args[0] {
	case burnArg:
		return burn(args[1:])
	case "record":
		var o options
		f := flag.NewFlagSet("record", flag.ContinueOnError)
		f.StringVar(&o.agent, "agent", "bin/latlab-agent", "latlab's agent")
		f.StringVar(&o.space, "space", "mobiledet_cpu_ibn", "space to sample")
		f.IntVar(&o.networks, "networks", 8, "how many networks")
		f.IntVar(&o.rounds, "rounds", 5, "blocks of each network in each condition")
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		return writeRows(f.Arg(0), func(put func(row) error) error { return record(ctx, o, put) })
	case "table":
		rows, err := readRows(args[len(args)-1])
		if err != nil {
			return err
		}
		return table(os.Stdout, rows)
	}
	return fmt.Errorf("%q is neither record nor table", args[0])
}

func writeRows(path string, write func(func(row) error) error) (err error) {
	f, err := os.Create(filepath.Clean(path))
	if err != nil {
		return err
	}
	z := gzip.NewWriter(f)
	defer func() { err = errors.Join(err, z.Close(), f.Close()) }()
	enc := json.NewEncoder(z)
	return write(func(r row) error { return enc.Encode(r) })
}

func readRows(path string) ([]row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	var rows []row
	for d := json.NewDecoder(z); ; {
		var r row
		switch err := d.Decode(&r); {
		case errors.Is(err, io.EOF):
			return rows, nil
		case err != nil:
			return nil, err
		}
		rows = append(rows, r)
	}
}
