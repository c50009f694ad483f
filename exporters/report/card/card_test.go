package card

import (
	"bytes"
	"flag"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"latlab/bench"
	"latlab/bench/memory"
	"latlab/exporters/exporttest"
	"latlab/exporters/report"
	"latlab/exporters/report/describe"
	"latlab/exporters/report/reporttest"
	"latlab/exporters/report/reporttest/cases"
	"latlab/internal/version"
)

var update = flag.Bool("update", false, "write testdata/card.md")

func cardOf(t testing.TB, d *report.Data, store string) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d, store); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCard(t *testing.T) {
	st := memory.New()
	m := reporttest.Add(t, st, reporttest.Spec{Networks: 60, Seed: 1, InvalidEvery: 10, ImpreciseEvery: 8, DisturbedEvery: 9, FailEvery: 7, PlannedEvery: 11, ProfileEvery: 9, Kernel: "Convolution (NHWC, QC8) IGEMM"})
	cost := report.Cost{File: "cost.json", Model: reporttest.Fit(t, st, m, reporttest.Tiny(t)), Space: reporttest.Tiny(t), Modified: reporttest.Began()}
	d := cases.Collect(t, st, []bench.Sweep{m}, []report.Cost{cost}, report.Options{Now: reporttest.Began()})
	got := strings.Replace(cardOf(t, d, "lab.db"), "latlab "+version.Version, "latlab VERSION", 1)
	exporttest.Golden(t, "testdata/card.md", got, *update)
}

// TestCardsOfAnything: a card says its kinds, has metadata that can be read, and holds no
// name as anything but text.
func TestCardsOfAnything(t *testing.T) {
	for _, c := range cases.All() {
		t.Run(c.Name, func(t *testing.T) {
			if testing.Short() && c.Large {
				t.Skip("large")
			}
			d := c.Make(t)
			text := cardOf(t, d, cases.Hostile(9))
			checkMarkdown(t, text)
			for _, k := range d.Kinds() {
				if !strings.Contains(text, "> **"+describe.Kind(k)+"**: ") {
					t.Errorf("the card does not say %s", describe.Kind(k))
				}
			}
			for i := range d.Fits {
				if n := strings.Count(text, "| intervals of predictions | not computed |"); n != len(d.Fits) {
					t.Errorf("%d fits, %d say that intervals are not computed", len(d.Fits), n)
				}
				if h := d.Fits[i].Model.DataHash; !strings.Contains(text, h) {
					t.Errorf("no data hash %s", h)
				}
			}
		})
	}
}

// FuzzCard: names of devices, networks and cost models' files.
func FuzzCard(f *testing.F) {
	for i := range 11 {
		f.Add(cases.Hostile(i))
	}
	for _, s := range []string{"| a | b |\n|---|---|", "```\n# title", "[x](javascript:alert(1))", "https://example.org www.example.org a@example.org", "---\nx: y\n---", "\\", "*a* _b_ ~c~", "&lt;b&gt;", "1. x", "![x](y)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if testing.Short() && len(name)%3 != 0 {
			t.Skip("a third will do")
		}
		st := memory.New()
		m := reporttest.Add(t, st, reporttest.Spec{Networks: 30, Device: name, Name: func(int) string { return name }})
		model := reporttest.Fit(t, st, m, reporttest.Tiny(t))
		model.Warnings = []string{name}
		d := cases.Collect(t, st, []bench.Sweep{m}, []report.Cost{{File: name, Model: model, Space: reporttest.Tiny(t)}}, report.Options{})
		checkMarkdown(t, cardOf(t, d, name))
	})
}

var (
	fenced   = regexp.MustCompile("(?ms)^(`{3,})sh\n.*?\n(`{3,})$")
	rawMark  = regexp.MustCompile(`(^|[^\\])(\\\\)*[<\[\]{}&@$!~]`)
	bareLink = regexp.MustCompile(`(?i)[a-z]://|(^|[\s*_~(])www\.\S`)
	freePipe = regexp.MustCompile(`(^|[^\\])(\\\\)*\|`)
)

// checkMarkdown holds what is true of every card: outside the code no mark that could begin
// an element, a link or a picture is bare, tables have as many cells as their heads, and the
// headings are the card's own.
func checkMarkdown(t *testing.T, card string) {
	t.Helper()
	front, body, ok := strings.Cut(strings.TrimPrefix(card, "---\n"), "\n---\n")
	if !ok {
		t.Fatal("no metadata")
	}
	var m metadata
	if err := yaml.Unmarshal([]byte(front), &m); err != nil || m.Library != "latlab" {
		t.Fatalf("metadata %v of\n%s", err, front)
	}
	for _, f := range fenced.FindAllStringSubmatch(body, -1) {
		if f[1] != f[2] {
			t.Errorf("a fence of %s ends with %s", f[1], f[2])
		}
	}
	cells := 0
	for line := range strings.SplitSeq(fenced.ReplaceAllString(body, ""), "\n") {
		if loc := rawMark.FindString(line); loc != "" {
			t.Errorf("bare %q in %q", loc, line)
		}
		if bareLink.MatchString(line) {
			t.Errorf("a link: %q", line)
		}
		if !strings.HasPrefix(line, "|") {
			cells = 0
			continue
		}
		n := len(freePipe.FindAllString(line, -1))
		if strings.HasPrefix(line, "|---") || strings.HasPrefix(line, "|  |") {
			n = strings.Count(line, "|")
		}
		if cells > 0 && n != cells {
			t.Errorf("%d bars, %d in its head: %q", n, cells, line)
		}
		cells = n
	}
}

func TestEscaped(t *testing.T) {
	for in, want := range map[string]string{
		"sim-pixel4-edgetpu:phone": "sim-pixel4-edgetpu:phone", "mobiledet_edgetpu": "mobiledet_edgetpu", "_x_": `\_x\_`,
		"2.467 ms": "2.467 ms", "1. x": `1\. x`, "- x": `\- x`, "--- ": `\---`, "-5 %": "-5 %", "+1.5 %": "+1.5 %", "a|b": `a\|b`,
		"<b>": `\<b\>`, "a\nb": "a\uFFFDb", "https://x": `https\://x`, "www.x": `www\.x`, "\\": `\\`, "": "", "-": `\-`,
	} {
		if got := escaped(in); got != want {
			t.Errorf("escaped(%q) is %q, want %q", in, got, want)
		}
	}
}
