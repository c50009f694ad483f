package agent_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"latlab/bench/stats"
	"latlab/devices"
	"latlab/devices/agent"
	"latlab/devices/devicetest"
	"latlab/internal/testenv"
)

// TestDisturbedSamples disturbs the real agent while it samples. Whatever the disturbance costs, CPU time must
// show it, and the block's value is not that of the longest sample.
func TestDisturbedSamples(t *testing.T) {
	core := testenv.Core(t)
	for name, disturb := range map[string]func(context.Context){
		"stopped now and then":   stopAgents,
		"its core computes, too": func(ctx context.Context) { computeOn(ctx, core) },
	} {
		t.Run(name, func(t *testing.T) {
			d := openReal(t, agent.Options{CPUs: []int{core}})
			m, plan := tinyModel(t), devicetest.Plan()
			plan.MinSeconds, plan.MaxSeconds, plan.MaxRuns = 0.2, 0.2, 1_000_000
			// A disturbance may miss a block's samples.
			for range 20 {
				ctx, end := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					disturb(ctx)
				}()
				b, err := d.Run(t.Context(), m, plan)
				end()
				<-ended
				if err != nil {
					t.Fatal(err)
				}
				if checkDisturbed(t, d.Info(), b) {
					return
				}
			}
			t.Error("no sample of 20 blocks was disturbed")
		})
	}
}

// checkDisturbed reports whether a block has disturbed samples, and checks what it is worth.
func checkDisturbed(t *testing.T, info devices.Info, b *devices.Block) bool {
	t.Helper()
	if !stats.ShowsDisturbance(info, b) {
		t.Fatalf("%d samples, %d CPU times", len(b.Samples), len(b.CPUSamples))
	}
	used := stats.Undisturbed(info, b)
	disturbed := len(b.Samples) - len(used)
	if value, _, ok := stats.Seconds(info, b); disturbed > 0 && ok && value >= slices.Max(b.Samples) {
		t.Errorf("the block's value is %v s, that of its longest sample", value)
	}
	for _, c := range b.Clock {
		if !slices.Contains(b.CPUs, c.CPU) {
			t.Errorf("the clock of core %d was read, the block ran on %v", c.CPU, b.CPUs)
		}
	}
	return disturbed > 0
}

// computeOn computes on a core. Its thread ends with the goroutine.
func computeOn(ctx context.Context, core int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var set unix.CPUSet
		set.Set(core)
		for err := unix.SchedSetaffinity(0, &set); err == nil && ctx.Err() == nil; {
		}
	}()
	<-done
}

// stopAgents stops this process's agents by turns for some milliseconds.
func stopAgents(ctx context.Context) {
	for ctx.Err() == nil {
		pids := agents()
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
		time.Sleep(3 * time.Millisecond)
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
		time.Sleep(3 * time.Millisecond)
	}
}

func agents() (pids []int) {
	files, _ := filepath.Glob("/proc/self/task/*/children")
	for _, f := range files {
		list, _ := os.ReadFile(f)
		for word := range strings.FieldsSeq(string(list)) {
			comm, _ := os.ReadFile(filepath.Join("/proc", word, "comm"))
			if pid, err := strconv.Atoi(word); err == nil && strings.TrimSpace(string(comm)) == "latlab-agent" {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
