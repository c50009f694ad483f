package benchmarkmodel

import (
	"math"
	"strconv"

	"latlab/devices"
)

// planArgs says a plan in the tool's words. Its loop goes on
//
//	while (runs < num_runs or time < min_secs) and time <= max_secs
//
// so MinRuns and MinSeconds are honoured as they are. max_secs would end a slow network
// before its MinRuns, so it is the plan's timeout: Plan.MaxSeconds applies once MinRuns are
// done, and then only bounds MinSeconds. MaxRuns the tool cannot be told: a network faster
// than MinSeconds/MaxRuns runs more often than that, in the same time. Where MinRuns and
// MaxRuns are one number min_secs is 0, and the number is exact.
//
// Rejected: num_runs from the latency of an earlier block, min_secs 0. A network's first
// block would be of another rule than its later ones.
//
// The seed of the inputs cannot be told either: the tool takes one of its own every time.
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
		// The first warm-up is the first inference, without which there is no such figure.
		"--warmup_runs=" + strconv.Itoa(min(max(1, p.WarmUpRuns), math.MaxInt32)),
		"--warmup_min_secs=" + secs(max(0, p.WarmUpSeconds)),
	}
}

// maxSecs keeps the tool's sum of microseconds, an int64, far from its end.
const maxSecs = 1e9

func secs(s float64) string { return strconv.FormatFloat(min(s, maxSecs), 'g', -1, 32) }
