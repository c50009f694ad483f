package search

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latlab/regress"
	"latlab/regress/evolve"
	"latlab/sampler"
)

func small(t testing.TB) *sampler.Space {
	t.Helper()
	s, err := sampler.Load([]byte(`
name: small
input: {height: 16, width: 16, channels: 3}
activation: relu6
choices:
  - {name: conv, type: conv, kernel: 3}
  - {name: ibn, type: ibn, kernel: 3, expansion: 2}
stages:
  - name: stem
    widths: [8]
    layers: [{stride: 2, choices: [conv]}]
  - name: stage1
    widths: [8, 16]
    layers: [{stride: 1, choices: [ibn]}]
head: {type: none}
`), "small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tiny(t testing.TB) *sampler.Space {
	t.Helper()
	s, err := sampler.Find("../../sampler/testdata/tiny.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newSearch is a search by MACs with random latencies, which grow with the MACs.
func newSearch(t testing.TB, sp *sampler.Space, candidates int) *Search {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	m := &regress.CostModel{Space: sp.Name, Bias: 0.001}
	for _, p := range sp.Positions() {
		pos := regress.TablePosition{Name: p.Name, Weights: make([]float64, p.Slots())}
		for e := range pos.Weights {
			out, in, choice := p.Split(e)
			pos.Weights[e] = 1e-6 * float64(p.Out[out]+p.In[in]) * float64(choice+1) * (0.5 + r.Float64())
		}
		m.Table = append(m.Table, pos)
	}
	s := &Search{Space: sp, Candidates: candidates, Seed: 1}
	least, greatest, err := m.Range(sp)
	if err != nil {
		t.Fatal(err)
	}
	s.Below = least + 0.3*(greatest-least)
	fastest, err := m.Fastest(sp)
	if err != nil {
		t.Fatal(err)
	}
	s.First = [][]int{fastest.Indices}
	if s.Latency, err = regress.NewPredictor(m, sp); err != nil {
		t.Fatal(err)
	}
	if s.MACs, err = regress.NewMACs(t.Context(), sp); err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *testing.T, s *Search) []evolve.Candidate {
	t.Helper()
	e, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e.Looked() != s.Candidates {
		t.Errorf("looked at %d candidates, want %d", e.Looked(), s.Candidates)
	}
	return e.Front().Best(20)
}

func TestMostMACsOfASmallSpace(t *testing.T) {
	t.Parallel()
	sp := tiny(t)
	s := newSearch(t, sp, 30_000)
	all, err := sampler.Sample(sp, int(sp.Size().Int64()), 1)
	if err != nil {
		t.Fatal(err)
	}
	most := 0.0
	for _, a := range all {
		if s.Latency.Predict(a.Indices) < s.Below {
			most = max(most, s.MACs.Predict(a.Indices))
		}
	}
	if got := run(t, s)[0]; got.Quality != most || got.Seconds >= s.Below {
		t.Errorf("%v MACs in %v s, want %v below %v s", got.Quality, got.Seconds, most, s.Below)
	}
}

func identity() Identity {
	return Identity{Space: "tiny", CostModel: "ab12", Below: 0.007, Quality: "macs", Seed: 3}
}

func openState(t *testing.T, path string, answers bool) *State {
	t.Helper()
	s, err := OpenState(path, identity(), answers)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Interrupted and begun again, a search finds the same as one that was left alone.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	s := newSearch(t, tiny(t), 20_000)
	want := run(t, s)
	path := filepath.Join(t.TempDir(), "found.jsonl.state")
	ctx, cancel := context.WithCancel(t.Context())
	s.State = openState(t, path, false)
	s.Progress = func(looked int, _ *evolve.Front) {
		if looked > 7000 {
			cancel()
		}
	}
	if _, err := s.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	first := 0
	s.State = openState(t, path, false)
	s.Progress = func(looked int, _ *evolve.Front) {
		if first == 0 {
			first = looked
		}
	}
	if diff := cmp.Diff(want, run(t, s)); diff != "" || first < 7000 {
		t.Errorf("begun again at %d (-want +got):\n%s", first, diff)
	}
	s.State, s.Candidates, s.Progress = openState(t, path, false), 500, nil
	run(t, s) // fewer than were looked at: the state is of no use
}

// scores is a program that answers so many lines and then fails, and writes to a file what it was asked.
func scores(t *testing.T, lines int) (p *Program, asked string) {
	asked = filepath.Join(t.TempDir(), "asked")
	command := fmt.Sprintf(`n=0; while IFS=: read a b c d e f g h i j; do
		n=$((n + 1)); if [ $n -gt %d ]; then exit 9; fi
		echo $a >&3; echo $(((c + 2 * d + 3 * e + 5 * f + 7 * g + 11 * h + 13 * i + 17 * j) %% 29))
	done 3>%s`, lines, asked)
	p = &Program{Command: command, Timeout: time.Minute}
	t.Cleanup(p.Close)
	return p, asked
}

func countLines(t *testing.T, path string) int {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(data), "\n")
}

// A program is asked for each network once, also after a kill that cut the state's last line.
func TestAnswersAreKept(t *testing.T) {
	t.Parallel()
	s := newSearch(t, tiny(t), 3000)
	var asked string
	s.Program, asked = scores(t, 1_000_000)
	want := run(t, s)
	s.Program.Close()
	all := countLines(t, asked)
	if all >= 3000 {
		t.Errorf("asked for %d of 3,000 candidates, of which some are the same", all)
	}

	path := filepath.Join(t.TempDir(), "found.jsonl.state")
	s.State = openState(t, path, true)
	s.Program, _ = scores(t, 200)
	if _, err := s.Run(t.Context()); err == nil {
		t.Fatal("the program has failed, the search not")
	}
	if _, err := OpenState(path, identity(), true); !errors.Is(err, ErrRunning) {
		t.Errorf("a second search: %v", err)
	}
	if err := s.State.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-3); err != nil {
		t.Fatal(err)
	}
	s.State = openState(t, path, true)
	s.Program, asked = scores(t, 1_000_000)
	if diff := cmp.Diff(want, run(t, s)); diff != "" {
		t.Errorf("begun again (-want +got):\n%s", diff)
	}
	s.Program.Close()
	if n := countLines(t, asked); n != all-199 {
		t.Errorf("asked for %d networks the second time, want %d", n, all-199)
	}
	if n := countLines(t, path); n != all+1 {
		t.Errorf("the state has %d lines, want %d", n, all+1)
	}
}

func TestStateRefuses(t *testing.T) {
	t.Parallel()
	const header = `{"search_state_version":1,"space":"tiny","cost_model_sha256":"ab12","below_seconds":0.007,"quality":"macs","seed":3}` + "\n"
	for name, tc := range map[string]struct{ text, want string }{
		"not a state":   {"hello\n", "is not the state of a search"},
		"not a line":    {"hello", "is not the state of a search"},
		"the networks":  {`{"id":"0","space":"tiny","indices":"0:0"}` + "\n", "is not the state of a search"},
		"newer":         {strings.Replace(header, "1", "2", 1), "is of version 2, this program continues 1"},
		"cost model":    {strings.Replace(header, "ab12", "ab13", 1), "is of a search with another cost model"},
		"limit":         {strings.Replace(header, "0.007", "0.008", 1), "is of a search below 0.008 s, not below 0.007 s"},
		"quality":       {strings.Replace(header, "macs", "score.py", 1), `is of a search with --quality "score.py", not "macs"`},
		"seed":          {strings.Replace(header, ":3}", ":4}", 1), "is of a search with --seed 4, not 3"},
		"a damaged one": {header + "{}\n", "is damaged on line 2"},
	} {
		path := filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(path, []byte(tc.text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, answers := range []bool{false, true} {
			_, err := OpenState(path, identity(), answers)
			e, is := errors.AsType[*StateError](err)
			if want := path + " " + tc.want + "; name another -o, or remove it"; !is || e.Error() != want {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
			if now, err := os.ReadFile(path); err != nil || string(now) != tc.text {
				t.Errorf("%s: the file was changed", name)
			}
		}
	}
}

// A million candidates on one core take less than a second.
func BenchmarkSearch(b *testing.B) {
	sp, err := sampler.Builtin("mobiledet_edgetpu_tucker")
	if err != nil {
		b.Fatal(err)
	}
	const candidates = 1_000_000
	s, most := newSearch(b, sp, candidates), math.Inf(-1)
	b.ReportAllocs()
	for b.Loop() {
		e, err := s.Run(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		most = e.Front().Best(1)[0].Quality
	}
	b.ReportMetric(candidates*float64(b.N)/b.Elapsed().Seconds(), "candidates/s")
	b.ReportMetric(most/1e9, "best-GMACs")
}
