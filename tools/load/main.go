// Command load measures how scraping affects a sweep on the same machine: sweeps on the local
// CPU with `latlab serve` and a thousand scrapers, interleaved with the same sweeps without, so
// that other load affects both equally.
//
// It prints the number of scrapes and of failed ones, the ratio of the latencies with its
// confidence interval, the noise between blocks, and verdicts and warnings in both conditions.
// It fails if a scrape failed, or if the latencies changed by more than the noise without
// INVALID networks or warnings.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"latlab/bench"
	"latlab/bench/stats"
	"latlab/bench/store"
	"latlab/bench/verdict"
)

type options struct {
	latlab, space    string
	networks, rounds int
	scrapers, nice   int
	every            time.Duration
	scrapeURL        string
}

func main() {
	var o options
	flag.StringVar(&o.latlab, "latlab", "bin/latlab", "latlab, its agent beside it")
	flag.StringVar(&o.space, "space", "mobiledet_cpu_ibn", "space to sample")
	flag.IntVar(&o.networks, "networks", 10, "networks per sweep")
	flag.IntVar(&o.rounds, "rounds", 6, "sweeps in each condition")
	flag.IntVar(&o.scrapers, "scrapers", 1000, "how many scrape at once")
	flag.DurationVar(&o.every, "every", time.Second, "after which all scrape again")
	flag.IntVar(&o.nice, "nice", 10, "priority of the server; the scrapers', which are of another machine in a real lab, is 19")
	flag.StringVar(&o.scrapeURL, "scrape", "", "be the scrapers of this `URL` until stdin ends")
	flag.Parse()
	do := run
	if o.scrapeURL != "" {
		do = scrapeAll
	}
	if err := do(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// condition is what was measured with or without scrapers.
type condition struct {
	seconds []map[string]float64 // by round, then network
	fastest []map[string]float64 // the fastest run of each, which other load affects least
	noise   []float64
	doubts  map[string]int // by code: networks that have it
	invalid int
	total   int
	said    int // networks with a verdict or warning of a disturbance
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "latlab-load-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	calm, busy := &condition{doubts: map[string]int{}}, &condition{doubts: map[string]int{}}
	var s counts
	for round := range o.rounds {
		order := []*condition{calm, busy}
		if round%2 == 1 { // alternate, so that a machine that becomes slower affects both conditions
			slices.Reverse(order)
		}
		for i, c := range order {
			db := filepath.Join(dir, fmt.Sprintf("%d-%d.db", round, i))
			if err := o.measure(ctx, db, c, &s, c == busy); err != nil {
				return err
			}
		}
	}
	return o.print(calm, busy, &s)
}

// measure runs one sweep. A sweep of one network before it creates the store, which the server
// needs, and warms up the machine.
func (o options) measure(ctx context.Context, db string, c *condition, s *counts, scraped bool) error {
	if err := o.sweep(ctx, db, 1); err != nil {
		return err
	}
	stop := func() error { return nil }
	if scraped {
		var err error
		if stop, err = o.scrape(ctx, db, s); err != nil {
			return err
		}
	}
	if err := errors.Join(o.sweep(ctx, db, o.networks), stop()); err != nil {
		return err
	}
	return c.read(ctx, db)
}

func (o options) sweep(ctx context.Context, db string, n int) error {
	cmd := exec.CommandContext(ctx, o.latlab, "sweep", "--device", "cpu", "--space", o.space, "-n", strconv.Itoa(n), "--protocol", "quick", "--db", db, "--quiet")
	text, err := cmd.CombinedOutput()
	const invalid = 4 // expected here, not a failure
	if err != nil && cmd.ProcessState != nil && cmd.ProcessState.ExitCode() != invalid {
		return fmt.Errorf("sweep: %w: %s", err, text)
	}
	return nil
}

// read takes the networks that were timed in the condition; the first was timed before it.
func (c *condition) read(ctx context.Context, db string) error {
	st, err := store.OpenRead(ctx, db)
	if err != nil {
		return err
	}
	defer st.Close()
	sweeps, err := st.Sweeps(ctx)
	if err != nil || len(sweeps) != 1 {
		return fmt.Errorf("%s has %d sweeps: %w", db, len(sweeps), err)
	}
	seconds, fastest := map[string]float64{}, map[string]float64{}
	for e, err := range bench.Estimates(ctx, st, sweeps[0].ID) {
		if err != nil {
			return err
		}
		if e.M == nil || e.Network.Index == 0 {
			continue
		}
		seconds[e.Network.Name] = e.M.Seconds
		fastest[e.Network.Name] = fastestRun(e)
		c.total++
		if e.M.Verdict == verdict.Invalid {
			c.invalid++
		}
		doubts := slices.Concat(e.M.Reasons, e.M.Warnings)
		for _, d := range doubts {
			c.doubts[d.Code]++
		}
		if slices.ContainsFunc(doubts, func(d verdict.Doubt) bool { return slices.Contains(disturbances, d.Code) }) {
			c.said++
		}
		if e.M.NoiseCV != nil {
			c.noise = append(c.noise, *e.M.NoiseCV)
		}
	}
	c.seconds, c.fastest = append(c.seconds, seconds), append(c.fastest, fastest)
	return nil
}

func fastestRun(e bench.Estimate) float64 {
	least := math.Inf(1)
	for _, b := range e.Blocks {
		for _, s := range b.Samples {
			least = min(least, s)
		}
	}
	return least
}

// counts are the totals of all scrapers.
type counts struct {
	Done    int64   `json:"done"`
	Failed  int64   `json:"failed"`
	Bytes   int64   `json:"bytes"`
	Slowest float64 `json:"slowest_seconds"`
	First   string  `json:"first_failure"`
	// ServerCPU is processor time of the server.
	ServerCPU float64 `json:"server_cpu_seconds"`
}

func (s *counts) add(t counts) {
	s.Done, s.Failed, s.Bytes, s.Slowest = s.Done+t.Done, s.Failed+t.Failed, s.Bytes+t.Bytes, max(s.Slowest, t.Slowest)
	s.First, s.ServerCPU = cmp.Or(s.First, t.First), s.ServerCPU+t.ServerCPU
}

// scrape starts a server and its scrapers; stop ends both and returns the totals.
//
// The scrapers are a process with the lowest priority: in a real lab they run on other machines,
// so their own load should not count.
func (o options) scrape(ctx context.Context, db string, s *counts) (stop func() error, err error) {
	server, err := start(ctx, o.latlab, "serve", "--db", db, "--web.listen-address", "127.0.0.1:0", "--nice", strconv.Itoa(o.nice), "--json")
	if err != nil {
		return nil, err
	}
	endServer := func() error { return errors.Join(server.cmd.Process.Signal(os.Interrupt), server.cmd.Wait()) }
	var doc struct {
		URLs []string `json:"urls"`
	}
	if err := json.NewDecoder(server.out).Decode(&doc); err != nil || len(doc.URLs) != 1 {
		return nil, errors.Join(fmt.Errorf("the server does not print its address: %w", err), endServer())
	}
	self, err := os.Executable()
	if err != nil {
		return nil, errors.Join(err, endServer())
	}
	scrapers, err := start(ctx, "nice", "-n", "19", self, "-scrape", doc.URLs[0]+"metrics", "-scrapers", strconv.Itoa(o.scrapers), "-every", o.every.String())
	if err != nil {
		return nil, errors.Join(err, endServer())
	}
	return func() error {
		err := scrapers.in.Close()
		var t counts
		err = errors.Join(err, json.NewDecoder(scrapers.out).Decode(&t), scrapers.cmd.Wait(), endServer())
		if p := server.cmd.ProcessState; p != nil {
			t.ServerCPU = (p.UserTime() + p.SystemTime()).Seconds()
		}
		s.add(t)
		return err
	}, nil
}

// program is a running program.
type program struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.Reader
}

func start(ctx context.Context, name string, args ...string) (program, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return program{}, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return program{}, err
	}
	return program{cmd, in, out}, cmd.Start()
}

// scrapeAll scrapes until stdin ends, then prints counts.
func scrapeAll(ctx context.Context, o options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.scrapers}}
	var mu sync.Mutex
	var all counts
	var wg sync.WaitGroup
	for range o.scrapers {
		wg.Go(func() {
			t := loop(ctx, client, o)
			mu.Lock()
			defer mu.Unlock()
			all.add(t)
		})
	}
	wg.Wait()
	return json.NewEncoder(os.Stdout).Encode(all)
}

// loop scrapes at the beginning of each interval, all scrapers at once.
func loop(ctx context.Context, client *http.Client, o options) counts {
	var all counts
	for ctx.Err() == nil {
		begin := time.Now()
		t := counts{Done: 1}
		n, err := get(ctx, client, o.scrapeURL)
		if ctx.Err() != nil {
			break // requests open at the end count as neither
		}
		t.Bytes, t.Slowest = n, time.Since(begin).Seconds()
		if err != nil {
			t.Failed, t.First = 1, err.Error()
		}
		all.add(t)
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(begin.Truncate(o.every).Add(o.every))):
		}
	}
	return all
}

func get(ctx context.Context, client *http.Client, url string) (int64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Accept-Encoding", "gzip") // as Prometheus does; the transport then leaves it compressed
	res, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || n == 0) {
		err = fmt.Errorf("%s with %d bytes", res.Status, n)
	}
	return n, err
}

// logRatios are of each round: the mean over networks of the logarithm of busy over calm.
func logRatios(calm, busy []map[string]float64) []float64 {
	var means []float64
	for i := range min(len(calm), len(busy)) {
		var logs []float64
		for name, b := range busy[i] {
			if c := calm[i][name]; c > 0 && b > 0 {
				logs = append(logs, math.Log(b/c))
			}
		}
		if len(logs) > 0 {
			means = append(means, stat.Mean(logs, nil))
		}
	}
	return means
}

// interval is the 95 % interval of a mean by Student's t.
func interval(xs []float64) (mean, half float64) {
	mean, sd := stat.MeanStdDev(xs, nil)
	if len(xs) < 2 {
		return mean, math.Inf(1)
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(len(xs) - 1)}.Quantile(0.975)
	return mean, t * sd / math.Sqrt(float64(len(xs)))
}

func (o options) print(calm, busy *condition, s *counts) error {
	mean, half := interval(logRatios(calm.seconds, busy.seconds))
	fastest, fastestHalf := interval(logRatios(calm.fastest, busy.fastest))
	noise := stats.Median(calm.noise)
	fmt.Printf("%d sweeps of %d networks in each condition, %d scrapers every %v, the server's nice %d\n", o.rounds, o.networks-1, o.scrapers, o.every, o.nice)
	fmt.Printf("scrapes: %d, failed: %d, %.0f bytes and %.0f us of the server's processor time on average, the slowest %.3f s\n", s.Done, s.Failed,
		float64(s.Bytes)/max(1, float64(s.Done)), 1e6*s.ServerCPU/max(1, float64(s.Done)), s.Slowest)
	fmt.Printf("latency with scrapers over without: %.4f (95 %% interval %.4f to %.4f)\n", math.Exp(mean), math.Exp(mean-half), math.Exp(mean+half))
	fmt.Printf("the same of each network's fastest run: %.4f (%.4f to %.4f)\n", math.Exp(fastest), math.Exp(fastest-fastestHalf), math.Exp(fastest+fastestHalf))
	fmt.Printf("noise between blocks without scrapers: %.1f %%\n", 100*noise)
	fmt.Printf("without: %s\nwith:    %s\n", calm.words(), busy.words())
	switch moved := math.Abs(math.Expm1(mean)); {
	case s.Done == 0 || math.IsNaN(moved) || math.IsNaN(noise):
		return errors.New("no result: no scrape, or no network was timed in both conditions")
	case s.Failed > 0:
		return fmt.Errorf("%d scrapes failed, the first: %s", s.Failed, s.First)
	case moved <= noise:
		fmt.Println("the latencies moved by less than the noise")
	case busy.said < busy.total:
		return fmt.Errorf("the latencies changed by %.1f %%, more than the noise, and %d of %d networks have no verdict or warning of a disturbance", 100*moved, busy.total-busy.said, busy.total)
	default:
		fmt.Printf("the latencies moved by %.1f %%, more than the noise, and each network with scrapers says that it was disturbed\n", 100*moved)
	}
	return nil
}

// disturbances are the codes of verdicts and warnings for other load on the machine.
var disturbances = []string{verdict.ReasonCPUTime, verdict.WarnCPUBlock, verdict.WarnLoad, verdict.WarnSteal}

func (c *condition) words() string {
	codes := slices.SortedFunc(maps.Keys(c.doubts), func(a, b string) int { return cmp.Or(c.doubts[b]-c.doubts[a], strings.Compare(a, b)) })
	var words []string
	for _, code := range codes {
		words = append(words, fmt.Sprintf("%s %d", code, c.doubts[code]))
	}
	return fmt.Sprintf("%d of %d INVALID; %s", c.invalid, c.total, cmp.Or(strings.Join(words, ", "), "no reason and no warning"))
}
