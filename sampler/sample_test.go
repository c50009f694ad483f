package sampler

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The samples are promised to stay: change a golden here only with a new name for the
// stream, and say so in the release notes.
func TestSampleGolden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		space    string
		seed     uint64
		sample   func(*Space, int, uint64) ([]Arch, error)
		first    string
		thousand string // of the sha256 of 1000 lines of indices
	}{
		{"mobiledet_edgetpu_tucker", 0, Sample,
			"0:2:3:1:1:7:10:3:2:10:11:11:1:4:6:4:0:3:5:4:9:7:7:0:0:9:6:4:0:0:1", "4a7f573d2c3f3be7"},
		{"mobiledet_edgetpu_tucker", 1, Sample,
			"0:2:2:3:3:4:9:5:4:8:6:8:12:2:8:10:12:5:6:0:1:1:2:6:2:7:4:5:5:3:0", "95282d8bb4b9f281"},
		{"mobiledet_cpu_ibn", math.MaxUint64, Sample,
			"0:2:1:1:2:1:1:0:0:2:0:3:4:1:2:2:0:0:0:2:4:0:4:3:0:2:3:4:0:0:6", "ff6b0cb7c25dc580"},
		{"mobiledet_dsp_ibn", 7, Sample,
			"0:4:0:0:0:1:2:0:1:1:1:2:0:0:0:2:1:2:5:0:0:1:1:1:0:0:2:2:1:1:0", "85f2004087e1d84b"}, // small enough to be shuffled
		{"mobiledet_edgetpu_tucker", 1, SampleCoverage,
			"0:1:5:1:3:11:9:0:4:3:1:3:9:0:4:0:4:12:0:11:10:8:2:4:9:11:8:5:1:9:5", "b246e1148a31ff9b"},
		{"mobiledet_dsp_ibn", 7, SampleCoverage,
			"0:2:0:3:1:2:1:0:0:1:2:2:0:4:1:2:1:0:4:1:0:1:0:0:0:1:0:1:6:1:5", "c2016522afac46a4"},
		{"mobilenet_v3_like_search", 1, Sample,
			"0:0:0:3:0:0:0:0:4:0:1:0:2:1:1:2:2:0:1:2:0:2:1:2:3:1:0:2:2:0:1:0:5:0:0:2:1:1:1:2:4:0:1:0:3:0:1:0:0:0:0:3:1:0:1:1:4:1:1:1:1:0:0:2:1:1:0:1:2:3:0:0:3:0:0:1:1:0:0:0:5:1:0:5:5:2", "27ab455dbea96e20"},
		{"proxylessnas_search", 1, Sample,
			"0:1:0:2:1:0:1:0:0:1:0:0:0:0:0:0:1:1:0:1:1:0:2:0:0:2:1:1:0:0:1:0:1:1:1:1:1:1:1:0:0:0:1:0:0:2:0:1:2:0:1:2:1:1:0:0:1:0:0:1:1:2:1:0:2:0:0:0:0:1:0:0:0", "983f5cb1b80b1f79"},
		{"proxylessnas_enlarged_search", 1, SampleCoverage,
			"3:1:1:1:1:0:1:0:0:2:1:0:1:0:1:0:1:0:0:2:0:0:2:0:0:0:1:0:3:0:0:0:2:1:1:0:1:0:0:1:0:0:1:0:0:2:1:0:0:0:1:1:1:0:2:1:1:0:0:0:0:1:1:0:0:0:0:5:1:0:0:0:5", "baf144bb1a87e646"},
	} {
		archs, err := c.sample(builtin(t, c.space), 1000, c.seed)
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		for _, a := range archs {
			fmt.Fprintln(h, a)
		}
		if got := archs[0].String(); got != c.first {
			t.Errorf("%s seed %d: first is %s, want %s", c.space, c.seed, got, c.first)
		}
		if got := fmt.Sprintf("%x", h.Sum(nil))[:16]; got != c.thousand {
			t.Errorf("%s seed %d: thousand hash to %s, want %s", c.space, c.seed, got, c.thousand)
		}
	}
}

func TestSampleErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		space *Space
		n     int
		want  string
	}{
		{tiny(t), 6913, "space tiny has 6912 networks, cannot sample 6913 different ones"},
		{tiny(t), -1, "cannot sample -1 networks"},
		{builtin(t, "mobiledet_cpu_ibn"), MaxSample + 1, "cannot sample 10000001 networks at once, at most 10000000"},
	} {
		for _, sample := range []func(*Space, int, uint64) ([]Arch, error){Sample, SampleCoverage} {
			if _, err := sample(c.space, c.n, 1); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		}
	}
}

// A whole space is every network once, in an order that the seed decides.
func TestSampleWholeSpace(t *testing.T) {
	t.Parallel()
	s := tiny(t)
	for _, sample := range []func(*Space, int, uint64) ([]Arch, error){Sample, SampleCoverage} {
		a, err := sample(s, 6912, 1)
		if err != nil {
			t.Fatal(err)
		}
		checkSample(t, s, a)
		b, err := sample(s, 6912, 2)
		if err != nil {
			t.Fatal(err)
		}
		if cmp.Equal(a[:10], b[:10]) {
			t.Error("seeds 1 and 2 give the same networks")
		}
	}
}

// checkSample checks that all networks are different and in the space.
func checkSample(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *Space, archs []Arch) {
	t.Helper()
	seen := map[string]bool{}
	for i, a := range archs {
		if err := s.Check(a); err != nil {
			t.Fatalf("network %d: %v", i, err)
		}
		if seen[a.String()] {
			t.Fatalf("network %d, %s, came before", i, a)
		}
		seen[a.String()] = true
	}
}

func TestSampleProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpace(t)
		sample := rapid.SampledFrom([]func(*Space, int, uint64) ([]Arch, error){Sample, SampleCoverage}).Draw(t, "sample")
		limit := 300
		if size := s.Size(); size.IsInt64() && size.Int64() < 300 {
			limit = int(size.Int64())
		}
		m := rapid.IntRange(0, limit).Draw(t, "m")
		n := rapid.IntRange(0, m).Draw(t, "n")
		seed := rapid.Uint64().Draw(t, "seed")
		long, err := sample(s, m, seed)
		if err != nil {
			t.Fatal(err)
		}
		short, err := sample(s, n, seed)
		if err != nil {
			t.Fatal(err)
		}
		checkSample(t, s, long)
		if diff := cmp.Diff(short, long[:n]); diff != "" {
			t.Fatalf("the first %d of %d differ from %d (-short +long)\n%s", n, m, n, diff)
		}
	})
}

// Every value of every decision must come equally often: a chi-squared test at 1 in a
// million for each, with a seed that is known to pass.
func TestSampleIsUniform(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"mobiledet_edgetpu_tucker", "mobiledet_dsp_ibn"} {
		s := builtin(t, name)
		const n = 20_000
		archs, err := Sample(s, n, 3)
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range s.Decisions() {
			count := make([]float64, len(d.Names))
			for _, a := range archs {
				count[a.Indices[i]]++
			}
			want := float64(n) / float64(len(count))
			var chi2 float64
			for _, c := range count {
				chi2 += (c - want) * (c - want) / want
			}
			// Wilson and Hilferty, PNAS 17(12), 1931: the cube root of chi2/k is nearly normal.
			k := float64(len(count) - 1)
			if k > 0 && (math.Cbrt(chi2/k)-(1-2/(9*k)))/math.Sqrt(2/(9*k)) > 4.75 {
				t.Errorf("%s %s: counts %v", name, d.Name, count)
			}
		}
	}
}

func TestStreamBelow(t *testing.T) {
	t.Parallel()
	r := newStream("test", "space", 1)
	for _, n := range []uint64{1, 2, 3, 7, 1 << 32, 1<<63 + 1, math.MaxUint64} {
		for range 100 {
			if x := r.below(n); x >= n {
				t.Fatalf("below(%d) is %d", n, x)
			}
		}
	}
}

func TestArchText(t *testing.T) {
	t.Parallel()
	s := tiny(t)
	good := strings.Repeat("0:", 9) + "0"
	if a, err := s.ParseArch(good); err != nil || a.String() != good || a.Space != "tiny" {
		t.Errorf("got %v, %v", a, err)
	}
	for text, want := range map[string]string{
		"":                            `indices "": field 1 is "", want a whole number`,
		"0,1,2":                       `indices "0,1,2": separate the numbers by colons, such as 0:3:1`,
		"0:x":                         `indices "0:x": field 2 is "x", want a whole number`,
		"+0" + good[1:]:               `indices "+0:0:0:0:0:0:0:0:0:0": field 1 is "+0", want a whole number`,
		"00" + good[1:]:               `indices "00:0:0:0:0:0:0:0:0:0": field 1 is "00", want a whole number`,
		"0:0":                         "space tiny has 10 decisions, indices 0:0 have 2",
		strings.Repeat("0:", 9) + "3": "space tiny: index 9 is 3, but decision stage3/width may be 0 to 2 (16, 24, 40)",
		"0:0:2" + good[5:]:            "space tiny: index 2 is 2, but decision stage1 may be 0 to 1 (ibn_k3_e1, tucker_k3)",
		"-1" + good[1:]:               "space tiny: index 0 is -1, but decision stem may be 0 to 0 (conv_k3)",
	} {
		if _, err := s.ParseArch(text); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	if _, err := s.ParseArch(strings.Repeat("0:", 1e6)); err == nil || len(err.Error()) > 300 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

// Entries must agree with Positions, and archOf must use the entry that it is asked for.
func TestEntries(t *testing.T) {
	t.Parallel()
	for _, s := range []*Space{tiny(t), builtin(t, "mobiledet_cpu_ibn")} {
		for p, pos := range s.Positions() {
			for e := range pos.Slots() {
				out, in, choice := pos.Split(e)
				if pos.Entry(out, in, choice) != e {
					t.Fatalf("%s: Split and Entry disagree on %d", pos.Name, e)
				}
				if !pos.Reachable(e) {
					continue
				}
				a := archOf(s, p, e)
				if err := s.Check(a); err != nil {
					t.Fatal(err)
				}
				if got := s.Entries(a)[p]; got != e {
					t.Fatalf("%s %s: archOf(%d) uses entry %d", s.Name, pos.Name, e, got)
				}
			}
		}
	}
}

// drawSpace makes small and large spaces out of whatever the loader takes.
func drawSpace(t *rapid.T) *Space {
	words := []string{"conv_k1", "conv_k3", "ibn_e1", "ibn_e6", "fused", "tucker"}
	var b strings.Builder
	b.WriteString("name: drawn\ndoc: \"drawn: # 'x'\"\nactivation: h-swish\n")
	fmt.Fprintf(&b, "input: {height: %d, width: 300, channels: %d}\n",
		rapid.IntRange(1, 40).Draw(t, "height"), rapid.IntRange(1, 4).Draw(t, "channels"))
	b.WriteString(`choices:
  - {name: conv_k1, type: conv, kernel: 1}
  - {name: conv_k3, type: conv, kernel: 3}
  - {name: ibn_e1, type: ibn, kernel: 3, expansion: 1, se: 0.3333333}
  - {name: ibn_e6, type: ibn, kernel: 7, expansion: 6}
  - {name: fused, type: fused, kernel: 3, expansion: 2, se: 1}
  - {name: tucker, type: tucker, kernel: 5, in_ratio: 1e-3, out_ratio: 0.1}
  - {name: b_k3_e1, type: bottleneck, kernel: 3, expansion: 1, activation: relu}
  - {name: b_k3_e4, type: bottleneck, kernel: 3, expansion: 4, activation: relu}
  - {name: b_k5_e1, type: bottleneck, kernel: 5, expansion: 1, activation: relu}
  - {name: b_k5_e4, type: bottleneck, kernel: 5, expansion: 4, activation: relu}
  - {name: mark, type: endpoint}
  - {name: skip, type: skip}
stages:
`)
	some := rapid.SliceOfNDistinct(rapid.SampledFrom(words), 1, 4, rapid.ID)
	widths := rapid.SliceOfNDistinct(rapid.IntRange(1, 40), 1, 5, rapid.ID)
	for i := range rapid.IntRange(1, 4).Draw(t, "stages") {
		set := map[int]bool{}
		for _, w := range widths.Draw(t, "widths") {
			set[w] = true
		}
		var ws []string
		for _, w := range slices.Sorted(maps.Keys(set)) {
			ws = append(ws, strconv.Itoa(w))
		}
		fmt.Fprintf(&b, "  - name: s%d\n    widths: [%s]\n    layers:\n", i, strings.Join(ws, ", "))
		fmt.Fprintf(&b, "      - {stride: %d, choices: [%s]}\n", rapid.IntRange(1, 2).Draw(t, "stride"), strings.Join(some.Draw(t, "choices"), ", "))
		if n := rapid.IntRange(0, 3).Draw(t, "more"); n > 0 {
			fmt.Fprintf(&b, "      - {stride: 1, residual: %v, repeat: %d, choices: [%s, skip]}\n",
				rapid.Bool().Draw(t, "residual"), n, strings.Join(some.Draw(t, "choices"), ", "))
		}
		if rapid.Bool().Draw(t, "tree") {
			fmt.Fprintf(&b, "      - {stride: 1, choices: [mark], by: [none]}\n")
			fmt.Fprintf(&b, "      - {stride: 1, residual: true, choices: [b_k3_e1, b_k3_e4, b_k5_e1, b_k5_e4%s], by: [kernel, expansion, op]}\n",
				rapid.SampledFrom([]string{"", ", skip"}).Draw(t, "last"))
		}
	}
	b.WriteString("head: {type: classifier, classes: 2}\n")
	s, err := Load([]byte(b.String()), "drawn.yaml")
	if err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	return s
}

func TestYAMLRoundTrip(t *testing.T) {
	t.Parallel()
	check := func(t interface{ Fatalf(string, ...any) }, s *Space) {
		text, err := s.YAML()
		if err != nil {
			t.Fatalf("%v", err)
		}
		back, err := Load(text, s.Source)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		back.Source = s.Source
		if diff := cmp.Diff(s, back); diff != "" {
			t.Fatalf("(-space +read back)\n%s\n%s", diff, text)
		}
		again, err := back.YAML()
		if err != nil || string(again) != string(text) {
			t.Fatalf("the second text differs: %v (-first +second)\n%s", err, cmp.Diff(string(text), string(again)))
		}
	}
	for _, name := range BuiltinNames() {
		check(t, builtin(t, name))
	}
	check(t, tiny(t))
	rapid.Check(t, func(t *rapid.T) { check(t, drawSpace(t)) })
}

func TestYAMLRefusesUnwritableSpaces(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Space){
		"two choices of one name": func(s *Space) { s.Stages[1].Layers[0].Choices[0].Name = "conv_k3" },
		"stride 3":                func(s *Space) { s.Stages[0].Layers[0].Stride = 3 },
		"no name":                 func(s *Space) { s.Name = "" },
		"no stages":               func(s *Space) { s.Stages = nil },
	} {
		s := tiny(t)
		change(s)
		if text, err := s.YAML(); err == nil {
			t.Errorf("%s: wrote\n%s", name, text)
		}
	}
}

func BenchmarkSample100k(b *testing.B) {
	s := builtin(b, "mobiledet_edgetpu_tucker")
	for b.Loop() {
		if _, err := Sample(s, 100_000, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSampleShuffled100k(b *testing.B) {
	s := builtin(b, "mobiledet_dsp_ibn")
	for b.Loop() {
		if _, err := Sample(s, 100_000, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		builtin(b, "mobiledet_edgetpu_tucker")
	}
}

// archOf is an Arch that uses the entry at the position; all other decisions are 0.
func archOf(s *Space, position, entry int) Arch {
	p := s.Positions()[position]
	out, in, choice := p.Split(entry)
	a := Arch{Space: s.Name, Indices: make([]int, len(s.Decisions()))}
	for i, d := range s.Decisions() {
		switch {
		case d.Stage == p.Stage && d.Layer == p.Layer:
			a.Indices[i] = choice
		case d.Stage == p.Stage && d.Layer < 0:
			a.Indices[i] = out
		case d.Stage == p.Stage-1 && d.Layer < 0 && p.Layer == 0:
			a.Indices[i] = in
		}
	}
	return a
}
