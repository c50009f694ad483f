package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"latlab/internal/testenv"
)

// TestTutorialRuns types docs/tutorial.md from its first line to its last, in a folder that
// looks like a fresh clone: what the page shows is what comes, its pictures are those that
// its commands make. With -update page and pictures are written anew. What ends in " &" are
// servers; they get ports of their own, and what is asked of them is asked until it comes.
func TestTutorialRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a page from its beginning to its end")
	}
	t.Parallel()
	page := filepath.Join(testenv.Root(t), "docs", "tutorial.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	list, err := examples(string(text))
	if err != nil {
		t.Fatal(err)
	}
	tut := newTutorial(t)
	now := strings.Split(string(text), "\n")
	// From the last, so that the lines above keep their numbers; the commands run in order.
	var stale []func()
	for _, e := range list {
		if e.notRun != "" {
			t.Logf("%s:%d: not run: %s", page, e.line, e.notRun)
			continue
		}
		if printed := tut.run(e); *update && !held(e.output.text, printed) {
			stale = append(stale, func() {
				from := e.output.first - 1
				fresh := withGaps(e.output.text, strings.Split(strings.TrimRight(printed, "\n"), "\n"))
				now = slices.Replace(now, from, from+len(e.output.text), fresh...)
			})
		}
	}
	for _, rewrite := range slices.Backward(stale) {
		rewrite()
	}
	if *update && len(stale) > 0 {
		if err := os.WriteFile(page, []byte(strings.Join(now, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tut.pictures(string(text))
}

type tutorial struct {
	*lab
	ports *strings.Replacer
}

// tutorialProm is where the page's Prometheus listens.
const tutorialProm = "127.0.0.1:19090"

func newTutorial(t *testing.T) *tutorial {
	t.Helper()
	testenv.Program(t, "curl", "curl")
	testenv.Program(t, "prometheus", "prometheus")
	testenv.Program(t, "promtool", "prometheus")
	// The page's python3 has pandas.
	path := filepath.Dir(testenv.Python(t)) + string(os.PathListSeparator) + os.Getenv("PATH")
	tut := &tutorial{lab: newLab(t, "PATH="+path)}
	tut.ports = strings.NewReplacer(tutorialProm, "127.0.0.1:"+freePort(t), serveAddress, "127.0.0.1:"+freePort(t))
	tut.programInBin()
	tut.config()
	return tut
}

// config is the checkout's configuration of Prometheus, on this test's ports and in a hurry.
func (tut *tutorial) config() {
	tut.t.Helper()
	from := filepath.Join(testenv.Root(tut.t), "monitoring")
	text, err := os.ReadFile(filepath.Join(from, "prometheus.yml"))
	if err != nil {
		tut.t.Fatal(err)
	}
	local := strings.ReplaceAll(string(text), "localhost:", "127.0.0.1:")
	if !strings.Contains(local, serveAddress) || !strings.Contains(local, "_interval: 15s") {
		tut.t.Fatal("prometheus.yml does not scrape where latlab serves, or not each 15 s")
	}
	hurried := strings.ReplaceAll(tut.ports.Replace(local), "_interval: 15s", "_interval: 200ms")
	if err := os.Mkdir(tut.path("monitoring"), 0o755); err != nil {
		tut.t.Fatal(err)
	}
	if err := os.WriteFile(tut.path("monitoring/prometheus.yml"), []byte(hurried), 0o644); err != nil {
		tut.t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(from, "rules"), tut.path("monitoring/rules")); err != nil {
		tut.t.Fatal(err)
	}
}

// run runs a command of the page and returns what it printed; of a server that is nothing.
func (tut *tutorial) run(e example) string {
	tut.t.Helper()
	asks := strings.Contains(e.command, serveAddress) || strings.Contains(e.command, tutorialProm)
	e.command = tut.ports.Replace(e.command)
	switch server, isServer := strings.CutSuffix(e.command, " &"); {
	case isServer:
		if args, ok := strings.CutPrefix(server, "latlab serve "); ok {
			server = "latlab serve --web.listen-address " + tut.ports.Replace(serveAddress) + " " + args
		}
		tut.start("sh", "-c", "exec "+server)
		return ""
	case asks:
		var last string
		defer func() {
			if tut.t.Failed() {
				tut.t.Logf("the last answer was %s", last)
			}
		}()
		until(tut.t, e.command+" answers as the page says", func() bool {
			p := tut.start("sh", "-c", e.command)
			if code := p.wait(); code != exitOK {
				return false // nobody listens yet
			}
			last = p.out.String()
			return strings.TrimSpace(last) != "" && (*update || held(e.output.text, last))
		})
		return last
	}
	return tut.runExample("docs/tutorial.md", e)
}

var date = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`)

var pictureText = regexp.MustCompile(`<text[^>]*>([^<]*)`)

// heldOfPicture is what two runs of the page's commands have alike of a picture: all of it, and of
// one over time, whose points depend on the moment when the sweep began, the words.
func heldOfPicture(svg []byte) string {
	if !date.Match(svg) {
		return string(svg)
	}
	var words []string // without their places: those of the time axis depend on the moment, too
	for _, m := range pictureText.FindAllStringSubmatch(string(svg), -1) {
		words = append(words, m[1])
	}
	return date.ReplaceAllString(strings.Join(words, "\n"), "date")
}

var pictureLink = regexp.MustCompile(`!\[[^]]*\]\(pictures/([^)]+)\)`)

// pictures holds the committed pictures against those that were made in out/pictures.
func (tut *tutorial) pictures(page string) {
	tut.t.Helper()
	dir := filepath.Join(testenv.Root(tut.t), "docs", "pictures")
	shown := pictureLink.FindAllStringSubmatch(page, -1)
	total := 0
	if len(shown) == 0 {
		tut.t.Error("the page shows no picture")
	}
	for _, m := range shown {
		made, err := os.ReadFile(tut.path("out/pictures/" + m[1]))
		if err != nil {
			tut.t.Error(err)
			continue
		}
		total += len(made)
		kept, err := os.ReadFile(filepath.Join(dir, m[1]))
		if err == nil && heldOfPicture(kept) == heldOfPicture(made) {
			continue
		}
		if !*update {
			tut.t.Errorf("docs/pictures/%s is not what the page's commands make (%v); go test ./cmd/latlab -run TutorialRuns -update makes it anew", m[1], err)
			continue
		}
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, m[1]), made, 0o644)); err != nil {
			tut.t.Error(err)
		}
	}
	if kept, err := os.ReadDir(dir); len(kept) != len(shown) {
		tut.t.Errorf("%d files in docs/pictures, the page shows %d (%v)", len(kept), len(shown), err)
	}
	if total > 500_000 {
		tut.t.Errorf("the pictures have %d bytes", total)
	}
}

// TestDocsIndexHasEveryPage: docs/README.md says of every page which questions it answers.
func TestDocsIndexHasEveryPage(t *testing.T) {
	docs := filepath.Join(testenv.Root(t), "docs")
	index, err := os.ReadFile(filepath.Join(docs, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(docs, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	for _, page := range pages {
		if name := filepath.Base(page); name != "README.md" && !strings.Contains(string(index), "]("+name) {
			missing = append(missing, name)
		}
	}
	if len(pages) < 10 || len(missing) > 0 {
		t.Errorf("docs/README.md has no line for %q, of %d pages", missing, len(pages))
	}
}
