package benchmarkmodel

import (
	"math"
	"strconv"

	"latlab/devices"
)

// planArgs translates a plan into the tool's flags. The tool's loop runs
//
//	while (runs < num_runs or time < min_secs) and time <= max_secs
//
// so it honours MinRuns and MinSeconds directly. max_secs would end a slow network before its MinRuns,
// so it is set to the plan's timeout: Plan.MaxSeconds applies once MinRuns are done, and then only
// limits MinSeconds. The tool has no flag for MaxRuns: a network faster than MinSeconds/MaxRuns runs
// more often than that, in the same time. If MinRuns and MaxRuns are equal, min_secs is 0 and the
// number of runs is exact.
//
// Rejected: num_runs computed from the latency of an earlier block, with min_secs 0. A network's first
// block would then follow a different rule than its later ones.
//
// The tool has no flag for the seed of the inputs either: it takes a new one every time.
func planArgs(p devices.Plan) []string {
	runs, seconds := max(1, p.MinRuns), max(0, p.MinSeconds)
	if p.MaxSeconds > 0 {
		seconds = min(seconds, p.MaxSeconds)
	}
	if p.MaxRuns > 0 && runs >= p.MaxRuns {
		seconds = 0
	}
	return []string{
		"--num_runs=" + strconv.Itoa(min(runs, math.MaxInt32)),
		"--min_secs=" + secs(seconds),
		"--max_secs=" + secs(max(1, p.Timeout.Seconds())),
		// The first warm-up is the first inference; without it that figure would be missing.
		"--warmup_runs=" + strconv.Itoa(min(max(1, p.WarmUpRuns), math.MaxInt32)),
		"--warmup_min_secs=" + secs(max(0, p.WarmUpSeconds)),
	}
}

// maxSecs keeps the tool's sum of microseconds, an int64, far from overflow.
const maxSecs = 1e9

func secs(s float64) string { return strconv.FormatFloat(min(s, maxSecs), 'g', -1, 32) }
