package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// mostBusy is the share of all cores that a quiet machine may use for other things.
const mostBusy = 0.03

// quiet watches the machine for some seconds and refuses one that does something else. The load average
// would count this command's own former sweep.
func quiet(ctx context.Context) error {
	before, err := cpuTime()
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(3 * time.Second):
	}
	after, err := cpuTime()
	if err != nil {
		return err
	}
	if share := busyShare(before, after); share > mostBusy {
		return fmt.Errorf("the machine is not quiet: other processes used %.0f %% of its cores for 3 s; end them, or give -busy", 100*share)
	}
	return nil
}

func cpuTime() (procfs.CPUStat, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return procfs.CPUStat{}, err
	}
	s, err := fs.Stat()
	return s.CPUTotal, err
}

func busyShare(a, b procfs.CPUStat) float64 {
	idle := b.Idle + b.Iowait - a.Idle - a.Iowait
	used := b.User + b.Nice + b.System + b.IRQ + b.SoftIRQ + b.Steal - a.User - a.Nice - a.System - a.IRQ - a.SoftIRQ - a.Steal
	if used <= 0 {
		return 0
	}
	return used / (used + idle)
}

// load computes on cores until the context ends.
func load(ctx context.Context, cores []int) error {
	for _, core := range cores {
		started := make(chan error)
		go func() {
			runtime.LockOSThread() // for good: the thread ends with the goroutine
			var set unix.CPUSet
			set.Set(core)
			err := unix.SchedSetaffinity(0, &set)
			started <- err
			for x := uint64(1); err == nil && ctx.Err() == nil; {
				for range 1 << 16 {
					x = x*0x9e3779b97f4a7c15 + 1
				}
			}
		}()
		if err := <-started; err != nil {
			return fmt.Errorf("core %d cannot be kept busy: %w", core, err)
		}
	}
	return nil
}
