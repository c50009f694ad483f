package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"latlab/internal/search"
	"latlab/internal/text"
	"latlab/internal/ui"
	"latlab/regress"
	"latlab/regress/choose"
	"latlab/regress/evolve"
	"latlab/sampler"
)

type searchOptions struct {
	cost, below, quality string
	n, candidates        int
	timeout              string
	seed                 uint64
	quiet                bool
	outputOptions
}

// qualityMACs is the value of --quality for which nothing is asked.
const qualityMACs = "macs"

const (
	searchCandidates = 1_000_000
	// programCandidates is what the paper looks at (Real and others, AAAI 2019).
	programCandidates = 20_000
)

func (o *searchOptions) register(f *flagSet) {
	f.cost(&o.cost)
	f.string(&o.below, "below", "only networks with a latency predicted below a `DURATION` such as 7ms", "")
	f.string(&o.quality, "quality", "what makes networks good, `WHAT`: macs, the more the better; or a .csv file with the columns indices,quality; "+
		"or a command that reads indices such as 0:3:1 from stdin, a line each, and prints a number for each, the greater the better", qualityMACs)
	f.count(&o.n)
	f.int(&o.candidates, "candidates", "how many networks to look at, repeats too, a `NUMBER`; default: 1000000, or 20000 where a command is asked", 0)
	f.string(&o.timeout, "timeout", "how long a command of --quality may take for one answer, a `DURATION`", "1m")
	f.seed(&o.seed)
	o.outputOptions.register(f, "write the networks found to `FILE`, as JSON lines; the same command resumes a search that was killed")
	f.quiet(&o.quiet)
}

func (o *searchOptions) run(ctx context.Context, s streams) error {
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	j, err := o.job(s)
	if err != nil {
		return err
	}
	err = j.find(ctx)
	switch {
	case err != nil && ctx.Err() != nil && o.savesState():
		return withCode(exitInterrupted, errors.New("interrupted; the same command goes on"))
	case err != nil && ctx.Err() != nil:
		return outputError(ctx, "", err)
	case errors.Is(err, search.ErrRunning):
		return withCode(exitLocked, err)
	case wraps[*search.StateError](err), wraps[*search.TableError](err):
		return withCode(exitUsage, err)
	case err != nil:
		return err
	}
	return j.print()
}

// savesState reports whether the search has a file beside which its state is kept.
func (o *searchOptions) savesState() bool { return o.out != "" && o.out != stdoutPath && !o.hasTable() }

func (o *searchOptions) hasTable() bool { return strings.HasSuffix(strings.ToLower(o.quality), ".csv") }
func (o *searchOptions) hasProgram() bool {
	return o.quality != qualityMACs && !o.hasTable()
}

// searchJob is a search with what it found.
type searchJob struct {
	*searchOptions
	s       streams
	model   *regress.CostModel
	space   *sampler.Space
	latency *regress.Predictor
	macs    *regress.Predictor
	limit   float64 // seconds
	least   float64 // seconds, of the space
	patient time.Duration

	looked int
	found  []foundNetwork
}

// foundNetwork is a line of the result, with the fields of predict.
type foundNetwork struct {
	prediction
	Quality float64 `json:"quality"`
}

func (o *searchOptions) job(s streams) (*searchJob, error) {
	j := &searchJob{searchOptions: o, s: s}
	var err error
	if j.model, j.space, err = loadCost(o.cost); err != nil {
		return nil, err
	}
	if err := cmp.Or(requiredCount(o.n), required("below", o.below)); err != nil {
		return nil, err
	}
	if err := j.readFlags(); err != nil {
		return nil, err
	}
	if j.latency, err = regress.NewPredictor(j.model, j.space); err != nil {
		return nil, err
	}
	least, greatest, err := j.model.Range(j.space)
	if err != nil {
		return nil, err
	}
	// The range was added up in another order, so its last bits may differ.
	if j.least = least; least >= j.limit-1e-9*math.Abs(least) {
		return nil, budgetError(&choose.BudgetError{Budget: choose.Budget{Above: math.Inf(-1), Below: j.limit}, Least: least, Greatest: greatest, Space: j.space.Name})
	}
	return j, nil
}

func (j *searchJob) readFlags() (err error) {
	if j.limit, err = readBound("below", j.below, 0); err != nil {
		return err
	}
	if j.patient, err = time.ParseDuration(j.timeout); err != nil || j.patient <= 0 {
		return usagef("--timeout %q is not a duration; write a number and its unit, such as 90s", text.Clip(j.timeout))
	}
	switch {
	case strings.TrimSpace(j.quality) == "":
		return usagef("--quality is empty; name a command or a .csv file, or leave it out for %s", qualityMACs)
	case j.flags.typed("candidates") && j.candidates < 1:
		return usagef("--candidates must be at least 1")
	case j.flags.typed("timeout") && !j.hasProgram():
		return usagef("--timeout applies to a command of --quality; leave it out")
	case j.flags.typed("candidates") && j.hasTable():
		return usagef("--candidates does not apply to a table, of which every network is looked at; leave it out")
	}
	if j.candidates < 1 {
		j.candidates = searchCandidates
		if j.hasProgram() {
			j.candidates = programCandidates
		}
	}
	inputs := []string{j.cost}
	if j.hasTable() {
		inputs = append(inputs, j.quality)
	}
	j.out, err = outPath(j.outputOptions, "", inputs...)
	return err
}

func (j *searchJob) find(ctx context.Context) (err error) {
	if j.macs, err = regress.NewMACs(ctx, j.space); err != nil {
		return err
	}
	front := &evolve.Front{}
	if j.hasTable() {
		front, err = j.table()
	} else {
		front, err = j.evolve(ctx)
	}
	if err != nil {
		return err
	}
	for _, c := range front.Best(j.n) {
		a := sampler.Arch{Space: j.space.Name, Indices: c.Indices}
		j.found = append(j.found, foundNetwork{prediction{
			point: pointOf(a), Seconds: c.Seconds, MACs: int64(j.macs.Predict(c.Indices)), Device: j.model.Device, Kind: j.model.Kind,
		}, c.Quality})
	}
	return nil
}

// table looks at all networks of a table: that is exact, and faster than to evolve towards the few networks of a
// space that a table has.
func (j *searchJob) table() (*evolve.Front, error) {
	in, name, err := openTable(j.quality)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	rows, err := search.ReadTable(in, name, j.space)
	if err != nil {
		return nil, err
	}
	front, fastest := &evolve.Front{}, math.Inf(1)
	for _, r := range rows {
		seconds := j.latency.Predict(r.Arch.Indices)
		fastest = min(fastest, seconds)
		if seconds < j.limit {
			front.Add(evolve.Candidate{Indices: r.Arch.Indices, Seconds: seconds, Quality: r.Quality})
		}
	}
	j.looked = len(rows)
	if front.Len() == 0 {
		return nil, usagef("no network of %s has a predicted latency below %s; the fastest has %s", name, ui.Seconds(j.limit), ui.Seconds(fastest))
	}
	return front, nil
}

func openTable(path string) (io.ReadCloser, string, error) {
	if err := asFile("--quality", path); err != nil {
		return nil, path, err
	}
	f, err := os.Open(path)
	return f, path, withCode(exitUsage, err)
}

func (j *searchJob) evolve(ctx context.Context) (front *evolve.Front, err error) {
	show := ui.NewCounter(j.s.err, ui.ProgressOptions{Quiet: j.quiet, JSON: j.json}, "candidates")
	run := &search.Search{
		Space: j.space, Latency: j.latency, MACs: j.macs, Below: j.limit, Candidates: j.candidates, Seed: j.seed,
		Progress: func(looked int, front *evolve.Front) {
			show.Update(looked, j.candidates, func() string { return j.bestText(front) })
		},
	}
	fastest, err := j.model.Fastest(j.space)
	if err != nil {
		return nil, err
	}
	run.First = [][]int{fastest.Indices}
	if j.hasProgram() {
		run.Program = &search.Program{Command: j.quality, Timeout: j.patient}
		defer run.Program.Close()
	}
	if j.savesState() {
		if run.State, err = j.state(); err != nil {
			return nil, writeStateError(j.statePath(), err)
		}
		defer func() { err = errors.Join(err, run.State.Close()) }()
	}
	e, err := run.Run(ctx)
	show.Finish()
	if err != nil && run.State != nil {
		err = writeStateError(j.statePath(), err)
	}
	if err != nil {
		return nil, err
	}
	j.looked = e.Looked()
	return e.Front(), nil
}

func (j *searchJob) bestText(f *evolve.Front) string {
	best := f.Best(1)
	switch {
	case len(best) == 0:
		return ""
	case j.quality == qualityMACs:
		return " best " + ui.Count(int64(best[0].Quality)) + " MACs"
	}
	return fmt.Sprintf(" best %.4g", best[0].Quality)
}

func (j *searchJob) statePath() string { return j.out + ".state" }

func (j *searchJob) state() (*search.State, error) {
	file, err := os.ReadFile(j.cost)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(file)
	id := search.Identity{Space: j.space.Name, CostModel: hex.EncodeToString(sum[:]), Below: j.limit, Quality: j.quality, Seed: j.seed}
	return search.OpenState(j.statePath(), id, j.hasProgram())
}

// writeStateError keeps the errors that say what to do.
func writeStateError(path string, err error) error {
	if wraps[*search.StateError](err) || errors.Is(err, search.ErrRunning) {
		return err
	}
	return writeError(path, err)
}
