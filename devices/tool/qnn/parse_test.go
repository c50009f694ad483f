package qnn

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/devices"
)

// estimates are a graph's rows, written from the grammar, not recorded from a run.
func estimates(cycles, micros, missing int, names ...string) string {
	var b strings.Builder
	row := func(name string, x int, unit, level string) {
		fmt.Fprintf(&b, "0,BACKEND,%d,%s,BACKEND,%s,%s\n", x, unit, level, name)
	}
	row("Performance Estimates", 0, "US", "ROOT")
	row("Mode", 0, "US", "SUB-EVENT")
	for i, bound := range []string{")", " (lower estimate))", " (upper estimate))"} {
		shift := []int{0, -1, 1}[i]
		row("Simulated (Accelerator exec cycles"+bound, cycles+shift*1498, "CYCLES", "SUB-EVENT")
		row("Simulated (Accelerator exec time us"+bound, micros+shift, "US", "SUB-EVENT")
	}
	for i, name := range []string{"Input Fill", "Intermediate Fill", "Intermediate Spill", "Output Spill"} {
		row(name, 1000*(i+1), "BYTES", "SUB-EVENT")
	}
	row("Missing Ops (Number of Ops with no Costs associated)", missing, "US", "SUB-EVENT")
	for _, n := range names {
		row(n, 0, "US", "SUB-EVENT")
	}
	return b.String()
}

const finalize = profileHeader + "\n" +
	"0,FINALIZE,2500,US,BACKEND,ROOT,QNN (finalize) time\n" +
	"0,UNKNOWN,300,US,BACKEND,SUB-EVENT,Anything it likes\n"

// executed are the rows that running a network in the emulation would add.
const executed = "0,EXECUTE,987654321,US,BACKEND,ROOT,QNN (execute) time\n" +
	"0,UNKNOWN,987654321,CYCLES,BACKEND,SUB-EVENT,Accelerator (execute) time (cycles)\n"

func TestProfile(t *testing.T) {
	p, err := parseProfile(finalize + estimates(15000, 10, 2, "OpId_3", "a name, with a comma") + executed)
	if err != nil {
		t.Fatal(err)
	}
	want := &profile{finalize: 0.0025, graphs: []costs{{
		cycles: span{15000, 13502, 16498}, micros: span{10, 9, 11},
		bytes:   map[string]float64{"input_fill_bytes": 1000, "intermediate_fill_bytes": 2000, "intermediate_spill_bytes": 3000, "output_spill_bytes": 4000},
		missing: 2, names: []string{"OpId_3", "a name, with a comma"},
	}}}
	if diff := cmp.Diff(want, p, cmp.AllowUnexported(profile{}, costs{}, span{})); diff != "" {
		t.Errorf("profile (-want +got):\n%s", diff)
	}
	for name, text := range map[string]string{"a chip without estimates": finalize, "nothing but a header": profileHeader + "\n", "a title alone": finalize + "0,BACKEND,0,US,BACKEND,ROOT,Performance Estimates\n0,BACKEND,0,US,BACKEND,SUB-EVENT,Mode\n"} {
		if p, err := parseProfile(text); err != nil || len(p.graphs) != 0 {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestChangedProfiles(t *testing.T) {
	whole := finalize + estimates(15000, 10, 0)
	for _, tt := range []struct{ from, to, says string }{
		{"Time,Unit", "Time,Core,Unit", "its columns are"},
		{"Simulated (Accelerator exec cycles)", "Simulated (Accelerator exec kilocycles)", `"Simulated (Accelerator exec kilocycles)" is not known`},
		{"15000,CYCLES", "15000,US", "is in US, not CYCLES"},
		{"15000,CYCLES", "many,CYCLES", `is "many"`},
		{"15000,CYCLES", "-1,CYCLES", `is "-1"`},
		{"15000,CYCLES", "1,CYCLES", "outside of its bounds"},
		{"0,BACKEND,10,US,BACKEND,SUB-EVENT,Simulated (Accelerator exec time us)\n", "", `"Simulated (Accelerator exec time us)" is missing`},
		{"Intermediate Spill", "Input Fill", `"Input Fill" is there twice`},
		{"0,US,BACKEND,SUB-EVENT,Missing Ops", "0,US,BACKEND,SUB-EVENT,Lost Ops", "is not known"},
		{"2500,US", "2500,MS", "is in MS"},
		{"0,BACKEND,0,US,BACKEND,SUB-EVENT,Mode", "0,BACKEND,0", "3 of 7 columns"},
	} {
		text := strings.Replace(whole, tt.from, tt.to, 1)
		if text == whole {
			t.Fatalf("there is no %q", tt.from)
		}
		if _, err := parseProfile(text); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q to %q: error is %v, want %q", tt.from, tt.to, err, tt.says)
		}
	}
	if _, err := parseProfile(finalize + estimates(15000, 10, 1, "a", "b")); err == nil {
		t.Error("two names of one operator without cost are taken")
	}
}

func TestAnswer(t *testing.T) {
	for text, says := range map[string]string{
		`{"whole":true,"graphs":[{"provider":"QNNExecutionProvider","ops":{"Conv":1}}]}`:  "",
		`{"whole":false,"graphs":[{"provider":"CPUExecutionProvider","ops":{"Erf":1}}]}`:  "",
		`{"whole":true,"graphs":[{"provider":"CPUExecutionProvider","ops":{"Erf":1}}]}`:   "1 of 1 nodes are left",
		`{"whole":false,"graphs":[{"provider":"QNNExecutionProvider","ops":{"Conv":1}}]}`: "0 of 1 nodes are left",
		`{"whole":true,"graphs":[]}`: "0 of 0",
		`{"whole":true,"graphs":[{"provider":"QNNExecutionProvider","ops":{"Conv":-1}}]}`: "-1 nodes",
		`{"whole":true,"graphs":[{"provider":"QNNExecutionProvider","device":"HTP"}]}`:    "unknown field",
		``: "EOF",
	} {
		_, err := parseAnswer(text)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error is %v, want %q", text, err, says)
		}
	}
}

// TestSecondsAreConfirmed: latlab determined the clock itself, so the result must agree with the
// compiler's microseconds.
func TestSecondsAreConfirmed(t *testing.T) {
	s := soc{clock: 1500e6}
	for _, tt := range []struct {
		cycles, micros float64
		ok             bool
	}{{15000, 10, true}, {16499, 10, true}, {15030, 9, false}, {15000, 11, false}, {30000, 10, false}} {
		g := costs{cycles: span{tt.cycles, tt.cycles, tt.cycles}, micros: span{tt.micros, tt.micros, tt.micros}}
		got, err := s.seconds(g)
		if (err == nil) != tt.ok || tt.ok && got.mid != tt.cycles/1500e6 {
			t.Errorf("%v cycles and %v us give %v, %v", tt.cycles, tt.micros, got, err)
		}
	}
}

// FuzzProfile: whatever the file holds, the result is an error or complete costs.
func FuzzProfile(f *testing.F) {
	f.Add(finalize + estimates(15000, 10, 0))
	f.Add(finalize + estimates(15000, 10, 1, "x") + estimates(3000, 2, 0) + executed)
	f.Add(profileHeader)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseProfile(text)
		if err != nil {
			return
		}
		for _, g := range p.graphs {
			if g.cycles.low > g.cycles.mid || g.micros.mid > g.micros.high || len(g.bytes) != 4 || g.missing < len(g.names) {
				t.Errorf("costs are %+v", g)
			}
		}
		d := Device{soc: soc{clock: 1497.6e6}}
		var b devices.Block
		if d.times(&b, p.graphs) == nil && !(b.Summary.Mean > 0 && b.Bounds.Low <= b.Summary.Mean && b.Bounds.High >= b.Summary.Mean) {
			t.Errorf("%v s, bounds %+v", b.Summary.Mean, b.Bounds)
		}
	})
}

// FuzzUnquantized: a hostile file gives an error or an answer, never a panic.
func FuzzUnquantized(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x08\x08\x3a\x10\x0a\x0e\x0a\x01a\x12\x01b\x22\x04Conv\x1a\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if found, err := unquantized(data); err != nil && found != nil {
			t.Errorf("%v and %v", found, err)
		}
	})
}

// FuzzAnswer: an accepted answer has nodes, and reports correctly whether any was left.
func FuzzAnswer(f *testing.F) {
	f.Add(`{"whole":true,"graphs":[{"provider":"QNNExecutionProvider","ops":{"Conv":1}}]}`)
	f.Add(`{"whole":false,"graphs":[{"provider":"CPUExecutionProvider","ops":{"Erf":2}},{"provider":"QNNExecutionProvider","ops":{"Conv":1}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAnswer(text)
		if err != nil {
			return
		}
		if d := delegation(a); d.Nodes < 1 || d.Delegated < 0 || d.Delegated > d.Nodes || a.Whole != (d.Delegated == d.Nodes) || a.Whole != (len(d.Why) == 0) {
			t.Errorf("%s: %+v", text, d)
		}
	})
}
