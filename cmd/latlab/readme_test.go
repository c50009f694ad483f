package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/internal/testenv"
)

// example is a command of a document, or a block that is not run.
type example struct {
	line    int
	command string
	notRun  string // the reason
	output  lines
}

// lines are what a document shows as a command's output: the text, and its first line's number.
type lines struct {
	first int
	text  []string
}

var notRunComment = regexp.MustCompile(`^<!-- not run: (.+) -->$`)

// examples are the commands of a document's ```sh blocks: each line, or each line behind
// "$ " where there are such lines and the others are output. A line that ends in \ goes
// on. A block behind <!-- not run: reason --> is one example without a command.
func examples(text string) ([]example, error) {
	lines := strings.Split(text, "\n")
	var found []example
	reason := ""
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if m := notRunComment.FindStringSubmatch(line); m != nil {
			reason = m[1]
			continue
		}
		fence, isFence := strings.CutPrefix(line, "```")
		if !isFence {
			if line != "" {
				reason = ""
			}
			continue
		}
		begin := i + 1
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
		}
		if i == len(lines) {
			return nil, fmt.Errorf("line %d: the block does not end", begin)
		}
		if fence != "sh" {
			reason = ""
			continue
		}
		if reason != "" {
			found, reason = append(found, example{line: begin, notRun: reason}), ""
			continue
		}
		found = append(found, commands(lines[begin:i], begin+1)...)
	}
	return found, nil
}

func commands(block []string, line int) []example {
	prompt := slices.ContainsFunc(block, func(s string) bool { return strings.HasPrefix(s, "$ ") })
	var found []example
	for i := 0; i < len(block); i++ {
		text, prompted := strings.CutPrefix(block[i], "$ ")
		if text = strings.TrimSpace(text); prompt && !prompted || text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		e := example{line: line + i, command: text}
		for strings.HasSuffix(e.command, `\`) && i+1 < len(block) {
			i++
			e.command = strings.TrimSuffix(e.command, `\`) + strings.TrimSpace(block[i])
		}
		for prompt && i+1 < len(block) && !strings.HasPrefix(block[i+1], "$ ") {
			i++
			if len(e.output.text) == 0 {
				e.output.first = line + i
			}
			e.output.text = append(e.output.text, block[i])
		}
		found = append(found, e)
	}
	return found
}

// held says whether a command printed what its document shows; ... there stands for
// anything. A command without output in the document may print what it likes.
func held(shown []string, printed string) bool {
	if len(shown) == 0 {
		return true
	}
	pattern := regexp.QuoteMeta(strings.TrimSpace(strings.Join(shown, "\n")))
	pattern = strings.ReplaceAll(pattern, `\.\.\.`, `(?s:.*)`)
	return regexp.MustCompile("^" + pattern + "$").MatchString(strings.TrimSpace(printed))
}

// withGaps is what a command printed, where lines that the document shows with ... keep it: a moment or a
// port that a rewritten document showed would be wrong in the next run.
func withGaps(shown, printed []string) []string {
	return mapped(printed, func(line string) string {
		for _, s := range shown {
			if strings.Contains(s, "...") && strings.TrimSpace(s) != "..." && held([]string{s}, line) {
				return s
			}
		}
		return line
	})
}

func TestWithGaps(t *testing.T) {
	shown := []string{"5 in ... s", "...", "created ...", "r2 0.9..."}
	got := withGaps(shown, []string{"5 in 0.3 s", "6 in 0.3 s", "created now", "r2 0.8123"})
	if diff := cmp.Diff([]string{"5 in ... s", "6 in 0.3 s", "created ...", "r2 0.8123"}, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestHeld(t *testing.T) {
	for _, c := range []struct {
		shown   string
		printed string
		want    bool
	}{
		{"", "anything", true},
		{"r2 0.99", "r2 0.99\n", true},
		{"r2 0.99", "r2 0x99\n", false},
		{"r2 0.99", "r2 0.99\nand more\n", false},
		{"5 in ... s", "5 in 0.3 s\n", true},
		{"first\n...\nlast", "first\nsecond\nthird\nlast\n", true},
		{"first\n...\nlast", "first\nsecond\n", false},
	} {
		var shown []string
		if c.shown != "" {
			shown = strings.Split(c.shown, "\n")
		}
		if got := held(shown, c.printed); got != c.want {
			t.Errorf("held(%q, %q) = %v", c.shown, c.printed, got)
		}
	}
}

func TestExamplesOfADocument(t *testing.T) {
	text := strings.Join([]string{
		"```sh", "latlab spaces", "# a comment", "", "latlab sample -n 3 \\", "  --seed 7 | wc -l", "```", // 1-7
		"```", "make demo", "```", // 8-10
		"<!-- not run: needs a phone -->", "", "```sh", "latlab devices check pixel", "```", // 11-15
		"<!-- not run: too far off -->", "words", "```sh", "$ latlab version", "latlab 0.1.0", "```", // 16-21
		"```yaml", "latlab: no", "```",
	}, "\n")
	want := []example{
		{line: 2, command: "latlab spaces"}, {line: 5, command: "latlab sample -n 3 --seed 7 | wc -l"},
		{line: 13, notRun: "needs a phone"},
		{line: 19, command: "latlab version", output: lines{first: 20, text: []string{"latlab 0.1.0"}}},
	}
	got, err := examples(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(example{}, lines{})); diff != "" {
		t.Errorf("examples (-want +got):\n%s", diff)
	}
	if _, err := examples("```sh\nlatlab"); err == nil {
		t.Error("a block that does not end is no error")
	}
}

// TestEveryCommandOfTheDocumentsRuns runs them in order, in one folder from which the
// checkout's sampler/ can be seen, on the real runtime. What they say of themselves may
// be doubtful on a noisy machine (exit 4), never wrong.
func TestEveryCommandOfTheDocumentsRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a page from its beginning to its end")
	}
	t.Parallel()
	l := newLab(t, "LATLAB_AGENT="+testenv.Agent(t), "LATLAB_PYTHON="+testenv.Python(t))
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "sampler"), l.path("sampler")); err != nil {
		t.Fatal(err)
	}
	l.programInBin()
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, file := range append([]string{filepath.Join(root, "README.md")}, files...) {
		name, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		if name == filepath.Join("docs", "tutorial.md") {
			continue // TestTutorialRuns
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		list, err := examples(string(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, e := range list {
			ran += l.example(name, e)
		}
	}
	if ran == 0 {
		t.Error("the documents have no command")
	}
}

// programInBin makes a document's "bin/latlab" this program.
func (l *lab) programInBin() {
	l.t.Helper()
	if err := os.Mkdir(l.path("bin"), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(l.path("bin/latlab"), []byte("#!/bin/sh\nexec latlab \"$@\"\n"), 0o755); err != nil {
		l.t.Fatal(err)
	}
}

// example runs a command and returns 1, or logs why it is not run and returns 0.
func (l *lab) example(file string, e example) int {
	l.t.Helper()
	if e.notRun != "" {
		l.t.Logf("%s:%d: not run: %s", file, e.line, e.notRun)
		return 0
	}
	if !strings.Contains(e.command, "latlab ") {
		l.t.Errorf("%s:%d: %q is no latlab command; put <!-- not run: reason --> before the block", file, e.line, e.command)
		return 0
	}
	l.runExample(file, e)
	return 1
}

// runExample runs a command, holds what it prints against the document and returns it.
func (l *lab) runExample(file string, e example) (printed string) {
	l.t.Helper()
	p := l.start("sh", "-c", e.command)
	switch code := p.wait(); code {
	case exitOK:
	case exitInvalid:
		l.t.Logf("%s:%d: %s: some measurements are INVALID: this machine is not quiet", file, e.line, e.command)
	default:
		l.t.Errorf("%s:%d: %s: exit code %d\n%s%s", file, e.line, e.command, code, &p.out, &p.err)
	}
	if !*update && !held(e.output.text, p.out.String()) {
		l.t.Errorf("%s:%d: %s: the page shows\n%s\nand it printed\n%s", file, e.line, e.command, strings.Join(e.output.text, "\n"), &p.out)
	}
	return p.out.String()
}
