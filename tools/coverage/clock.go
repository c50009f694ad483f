package main

import (
	"context"
	"fmt"
	"io"
	"math"

	"latlab/bench"
	"latlab/bench/stats"
	"latlab/bench/store"
)

const clockHeader = "| sweep\t| blocks\t| noise\t| clock divided out\t| slow blocks\t| noise without them\t| clock divided out |"

// clocks writes the table of stores, or of the simulated devices if there are none.
func clocks(ctx context.Context, w io.Writer, preset string, networks int, paths []string) error {
	line := func(s string) { fmt.Fprintln(w, s) }
	line(clockHeader)
	if len(paths) == 0 {
		return simulatedClocks(ctx, preset, networks, line)
	}
	for _, path := range paths {
		if err := storedClocks(ctx, path, line); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// clockLine compares the noise between blocks with that of their times multiplied by their clock over the
// sweep's highest, with and without slow blocks.
func clockLine(name string, of bench.Sweep, all []bench.Estimate) string {
	info := of.Device
	var clocks []stats.CoreClock
	for _, e := range all {
		for i := range e.Blocks {
			clocks = append(clocks, stats.CoreClockOf(info, &e.Blocks[i]))
		}
	}
	sweep := stats.CoreClockOfSweep(clocks)
	slowHz := sweep.SlowHz(of.Protocol.ClockMargin(info))
	var plain, scaled, plainUsed, scaledUsed stats.Noise
	blocks, slow := 0, 0
	for _, e := range all {
		var vs, ss, vus, sus []float64
		for i := range e.Blocks {
			v, _, ok := stats.Seconds(info, &e.Blocks[i])
			if !ok {
				continue
			}
			c := stats.CoreClockOf(info, &e.Blocks[i])
			scale := scaleOf(c, sweep)
			blocks++
			vs, ss = append(vs, v), append(ss, v*scale)
			if c.Slow(slowHz) {
				slow++
				continue
			}
			vus, sus = append(vus, v), append(sus, v*scale)
		}
		plain, scaled = plain.Add(stats.NoiseOf(vs)), scaled.Add(stats.NoiseOf(ss))
		plainUsed, scaledUsed = plainUsed.Add(stats.NoiseOf(vus)), scaledUsed.Add(stats.NoiseOf(sus))
	}
	return fmt.Sprintf("| %s\t| %d\t| %s\t| %s\t| %d\t| %s\t| %s |", name, blocks, percent(plain), percent(scaled), slow, percent(plainUsed), percent(scaledUsed))
}

// scaleOf is by how much to multiply a block's time for that at the sweep's highest clock, if all of it followed the
// clock; 1 if none was measured.
func scaleOf(block, sweep stats.CoreClock) float64 {
	if block.Hz == 0 || sweep.Hz == 0 {
		return 1
	}
	return block.Hz / sweep.Hz
}

func percent(n stats.Noise) string {
	if cv := n.CV(); cv != nil && !math.IsNaN(*cv) {
		return fmt.Sprintf("%.2f %%", 100**cv)
	}
	return "-"
}

// simulatedClocks are the worlds whose clock is measured.
func simulatedClocks(ctx context.Context, preset string, networks int, line func(string)) error {
	for _, w := range worlds {
		list, err := networksOf(w, networks)
		if err != nil {
			return err
		}
		of, all, err := sweep(ctx, w, w.profile, 1, preset, list)
		if err != nil {
			return err
		}
		if stats.CoreClockOf(of.Device, &all[0].Blocks[0]).Hz > 0 {
			line(clockLine(w.name, of, all))
		}
	}
	return nil
}

// storedClocks are the sweeps of a store.
func storedClocks(ctx context.Context, path string, line func(string)) error {
	st, err := store.OpenRead(ctx, path)
	if err != nil {
		return err
	}
	defer st.Close()
	sweeps, err := st.Sweeps(ctx)
	if err != nil {
		return err
	}
	for _, s := range sweeps {
		all, err := estimates(ctx, st, s.ID)
		if err != nil {
			return err
		}
		line(clockLine(s.ID, s, all))
	}
	return nil
}
