package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"latlab/internal/testenv"
)

var (
	codeSpan = regexp.MustCompile("`+[^`]*`+")
	docLink  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	tableBar = regexp.MustCompile(`^\|(\s*:?-+:?\s*\|)+$`)
)

// proseLine is a line of a document outside of code blocks.
type proseLine struct {
	number int
	text   string
}

func prose(text string) []proseLine {
	var found []proseLine
	fenced := false
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			line = ""
		}
		if !fenced {
			found = append(found, proseLine{i + 1, line})
		}
	}
	return found
}

// anchors are those that a document's headings have where it is shown.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, l := range prose(text) {
		title, isTitle := strings.CutPrefix(strings.TrimLeft(l.text, "#"), " ")
		if !isTitle || !strings.HasPrefix(l.text, "#") {
			continue
		}
		found[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, title)] = true
	}
	return found
}

// brokenLinks are a document's links to files and headings that are not there.
func brokenLinks(file, text string) []string {
	var broken []string
	for _, l := range prose(text) {
		for _, m := range docLink.FindAllStringSubmatch(codeSpan.ReplaceAllString(l.text, ""), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(m[1], ":") {
				continue // another host's
			}
			path := file
			if target != "" {
				path = filepath.Join(filepath.Dir(file), target)
			}
			page, err := os.ReadFile(path)
			info, serr := os.Stat(path)
			switch {
			case serr != nil || err != nil && !info.IsDir():
				broken = append(broken, fmt.Sprintf("line %d: there is no %s", l.number, m[1]))
			case anchor != "" && !anchors(string(page))[anchor]:
				broken = append(broken, fmt.Sprintf("line %d: %s has no heading #%s", l.number, target, anchor))
			}
		}
	}
	return broken
}

// brokenTables are rows that belong to no table, as behind an empty line in its middle, and
// rows of another width than their table's head.
func brokenTables(text string) []string {
	var broken []string
	var table []proseLine
	check := func() {
		if len(table) == 1 || len(table) > 1 && !tableBar.MatchString(strings.TrimSpace(table[1].text)) {
			broken = append(broken, fmt.Sprintf("line %d: a row of no table", table[0].number))
			table = nil
		}
		for _, row := range table {
			if cells(row.text) != cells(table[0].text) {
				broken = append(broken, fmt.Sprintf("line %d: %d cells in a table of %d", row.number, cells(row.text), cells(table[0].text)))
			}
		}
		table = nil
	}
	for _, l := range prose(text) {
		if strings.HasPrefix(strings.TrimSpace(l.text), "|") {
			table = append(table, l)
			continue
		}
		check()
	}
	check()
	return broken
}

func cells(row string) int { return strings.Count(strings.ReplaceAll(row, `\|`, ""), "|") - 1 }

func TestDocumentsHoldTogether(t *testing.T) {
	t.Parallel()
	root := testenv.Root(t)
	var files []string
	for _, pattern := range []string{"*.md", "docs/*.md", "monitoring/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 15 {
		t.Errorf("only %d documents found", len(files))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range append(brokenLinks(file, string(text)), brokenTables(string(text))...) {
			t.Errorf("%s: %s", file, b)
		}
	}
}

func TestBrokenDocumentsAreFound(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "page.md")
	text := strings.ReplaceAll(`# A page: of "many" things

[here](#a-page-of-many-things) [there](page.md#nowhere) [gone](gone.md) ~[code](no.md)~ [far](https://example.org/x)

| a | b |
|---|---|
| 1 | 2 \| 3 |
| 1 | 2 | 3 |

| 4 | 5 |
| 6 | 7 |

~~~
| in | code |
[in code](no.md)
~~~
| alone |
`, "~", "`")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got := append(brokenLinks(file, text), brokenTables(text)...)
	want := []string{
		"line 3: page.md has no heading #nowhere", "line 3: there is no gone.md",
		"line 8: 3 cells in a table of 2", "line 10: a row of no table", "line 17: a row of no table",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("broken (-want +got):\n%s", diff)
	}
}
