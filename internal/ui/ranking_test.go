package ui

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"latlab/bench"
	"latlab/bench/verdict"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// rankedNetworks are some that are apart, one that is tied, one without bounds, one without spread.
func rankedNetworks() []bench.Ranked {
	estimate := func(i int, name string, seconds, width float64, v verdict.Verdict, macs int64) bench.Estimate {
		m := &verdict.Measurement{Seconds: seconds, Verdict: v}
		if width >= 0 {
			m.Low, m.High = new(seconds*(1-width)), new(seconds*(1+width))
		}
		n := bench.Network{Index: i, Name: name, Status: bench.Measured}
		if macs > 0 {
			n.MACs = &macs
		}
		return bench.Estimate{Network: n, M: m}
	}
	all := []bench.Estimate{
		estimate(0, "own/mobiledet_edgetpu_tucker-0123456789ab-float32.tflite", 0.412345, 0.02, verdict.Valid, 1533181504),
		estimate(1, "own/deep/mobiledet_edgetpu_tucker-ba9876543210-float32.tflite", 0.415, 0.02, verdict.Invalid, 444227776),
		estimate(2, "own/short-float32.tflite", 0.1, 0, verdict.Valid, 12345678),
		estimate(3, "own/unknown-float32.tflite", 0.2, -1, verdict.Invalid, 0),
	}
	for i := range 8 {
		all = append(all, estimate(4+i, fmt.Sprintf("own/net-%d-float32.tflite", i), 0.5+float64(i), 0.01, verdict.Valid, 1e9))
	}
	return bench.Rank(all)
}

func TestRanking(t *testing.T) {
	for _, columns := range []int{80, 120} {
		var b bytes.Buffer
		if err := Ranking(&b, rankedNetworks(), bench.ByLatency, columns); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > columns {
				t.Errorf("%d columns on a terminal of %d: %s", n, columns, line)
			}
		}
		golden := filepath.Join("testdata", fmt.Sprintf("ranking-%d.txt", columns))
		if *update {
			if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), b.String()); d != "" {
			t.Errorf("%d columns (-want +got):\n%s", columns, d)
		}
	}
}

// Without a tie there is nothing to explain, and names that fit keep their folder.
func TestRankingWithoutTies(t *testing.T) {
	var b bytes.Buffer
	if err := Ranking(&b, rankedNetworks()[:1], bench.ByLatency, Columns); err != nil {
		t.Fatal(err)
	}
	want := "#  NETWORK                   LATENCY   INTERVAL   TIMES  VERDICT\n1  own/short-float32.tflite  100.0 ms  no spread  1.00x  VALID\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

// What the networks are sorted by has a column, on a narrow terminal too.
func TestRankingShowsWhatItIsSortedBy(t *testing.T) {
	for by, want := range map[bench.RankOrder]string{bench.ByMACs: " MACS", bench.ByIndex: " INDEX", bench.ByName: " NETWORK", bench.ByVerdict: " VERDICT"} {
		var b bytes.Buffer
		if err := Ranking(&b, rankedNetworks(), by, Columns); err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(b.String(), "\n")
		if !strings.Contains(head, want) {
			t.Errorf("by %s, the columns are %s", by, head)
		}
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > Columns {
				t.Errorf("by %s: %d columns: %s", by, n, line)
			}
		}
	}
}

func TestRankedJSON(t *testing.T) {
	ranked := rankedNetworks()
	ranked[0].Network.Features = map[string]float64{"op:macs": 1}
	one, err := RankedJSON(ranked[0], map[string]any{"layers": []int{7}})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`{"index":2,"name":"own/short-float32.tflite",`, `"rank":1,"tied":false,"times_fastest":1`, `"latency_seconds":0.1`, `"verdict":"VALID"`} {
		if !strings.Contains(string(one), part) {
			t.Errorf("%s is not in %s", part, one)
		}
	}
	if strings.Contains(string(one), "features") {
		t.Errorf("features are in %s", one)
	}
	failed, err := RankedJSON(bench.Ranked{Estimate: bench.Estimate{Network: bench.Network{Name: "f", Status: bench.Failed}}}, nil)
	if want := `{"index":0,"name":"f","model":"","status":"failed","rank":null}`; err != nil || string(failed) != want {
		t.Errorf("%s, %v; want %s", failed, err, want)
	}
}

func TestDropCommon(t *testing.T) {
	for _, c := range []struct{ of, want []string }{
		{[]string{"own/a-float32.tflite", "own/b-float32.tflite"}, []string{"a", "b"}},
		{[]string{"own/a-net-int8.tflite", "own/deep/b-net-int8.tflite"}, []string{"a-net", "deep/b-net"}},
		{[]string{"x/a.tflite", "y/a.tflite"}, []string{"x/a", "y/a"}},
		{[]string{"a.tflite", "b.onnx", "c"}, []string{"a.tflite", "b.onnx", "c"}},
		{[]string{"mobiledet_cpu", "m/a-int8.tflite", "m/sub/b-int8.tflite"}, []string{"mobiledet_cpu", "a", "sub/b"}},
		{[]string{"mobiledet_cpu", "m/b-int8.tflite"}, []string{"mobiledet_cpu", "m/b-int8.tflite"}},
		{[]string{"b", "m/a-int8.tflite", "m/b-int8.tflite"}, []string{"b", "m/a-int8.tflite", "m/b-int8.tflite"}},
		{[]string{"tiny-0123", "tiny-4567"}, []string{"tiny-0123", "tiny-4567"}},
		{[]string{"own/.tflite", "own/.tflite"}, []string{".tflite", ".tflite"}},
		{[]string{"é-ü", "à-ü"}, []string{"é", "à"}},
		{[]string{"a", ""}, []string{"a", ""}},
	} {
		var rows [][]string
		for _, name := range c.of {
			rows = append(rows, []string{name})
		}
		dropCommon(rows, 0)
		for i, want := range c.want {
			if rows[i][0] != want {
				t.Errorf("%q: %q, want %q", c.of, rows, c.want)
				break
			}
		}
	}
}
