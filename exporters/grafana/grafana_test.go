package grafana_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latlab/exporters/grafana"
	"latlab/internal/testenv"
)

var update = flag.Bool("update", false, "write monitoring/dashboards")

// TestCommitted holds the files that users import against the code.
func TestCommitted(t *testing.T) {
	dir := filepath.Join(testenv.Root(t), "monitoring", "dashboards")
	var names []string
	for _, d := range grafana.All() {
		path := filepath.Join(dir, d.File())
		names = append(names, d.File())
		want, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(have)); diff != "" {
			t.Errorf("%s is not what the code gives; go test ./exporters/grafana -update writes it (-code +file):\n%s", d.File(), diff)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !slices.Contains(names, filepath.Base(f)) {
			t.Errorf("no code gives %s", f)
		}
	}
}

// TestForm reads the JSON as Grafana would and wants what it silently gets wrong otherwise.
func TestForm(t *testing.T) {
	uid := regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	seen := map[string]bool{}
	for _, made := range grafana.All() {
		text, err := made.JSON()
		if err != nil {
			t.Fatal(err)
		}
		var d grafana.Dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		t.Run(d.UID, func(t *testing.T) {
			if !uid.MatchString(d.UID) || seen[d.UID] {
				t.Errorf("uid %q is taken or not one", d.UID)
			}
			seen[d.UID] = true
			if d.SchemaVersion != 38 {
				t.Errorf("schemaVersion is %d: Grafana 10.0 reads up to 38", d.SchemaVersion)
			}
			checkVariables(t, d)
			ids := map[int]bool{}
			for i, p := range d.Panels {
				if ids[p.ID] || p.ID == 0 {
					t.Errorf("%s: id %d is taken", p.Title, p.ID)
				}
				ids[p.ID] = true
				checkPanel(t, p)
				for _, q := range d.Panels[:i] {
					if overlap(p.GridPos, q.GridPos) {
						t.Errorf("%q lies on %q", p.Title, q.Title)
					}
				}
			}
		})
	}
}

func overlap(a, b grafana.GridPos) bool {
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

func checkPanel(t *testing.T, p grafana.Panel) {
	t.Helper()
	if g := p.GridPos; g.X < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
		t.Errorf("%s: %+v does not fit a grid of 24", p.Title, g)
	}
	if p.Title == "" {
		t.Errorf("panel %d has no title", p.ID)
	}
	if p.Type == "row" || p.Type == "text" {
		return
	}
	if p.Description == "" || len(p.Targets) == 0 {
		t.Errorf("%s: no description or no query", p.Title)
	}
	refs := map[string]bool{}
	for _, target := range p.Targets {
		if refs[target.RefID] {
			t.Errorf("%s: two queries %s", p.Title, target.RefID)
		}
		refs[target.RefID] = true
		if target.Datasource == nil || target.Datasource.UID != "${datasource}" {
			t.Errorf("%s asks another data source than the chosen one", p.Title)
		}
		if target.Instant == target.Range {
			t.Errorf("%s: a query is either instant or over a range", p.Title)
		}
		if regexp.MustCompile(`\[\d`).MatchString(target.Expr) {
			t.Errorf("%s: a window of its own, not $__rate_interval: %s", p.Title, target.Expr)
		}
	}
	if p.FieldConfig.Defaults.NoValue == "" {
		t.Errorf("%s: nothing is said where a value is missing", p.Title)
	}
}

// TestLabs: no query adds up or joins what two labs have under one name, and each asks only the
// chosen ones. Limits are of all labs, and a picture without labels is drawn once for each.
func TestLabs(t *testing.T) {
	groups := regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
	bare := regexp.MustCompile(`\b(?:sum|max|min|count|avg) ?\(`)
	metric := regexp.MustCompile(`(?:[a-z_]+:)?(?:latlab|ALERTS)[a-z0-9_:]*(?:\{[^}]*\})?`)
	for _, d := range grafana.All() {
		for _, q := range d.Queries() {
			for _, m := range groups.FindAllStringSubmatch(q.Expr, -1) {
				if !slices.Contains(strings.Split(m[1], ", "), "instance") && m[0] != "on ()" {
					t.Errorf("%s, %s: %s mixes labs: %s", d.UID, q.Panel, m[0], q.Expr)
				}
			}
			if at := bare.FindString(q.Expr); at != "" {
				t.Errorf("%s, %s: %s...) mixes labs: %s", d.UID, q.Panel, at, q.Expr)
			}
			for _, m := range metric.FindAllString(strings.ReplaceAll(q.Expr, `"Latlab.*"`, ""), -1) {
				if !strings.Contains(m, `instance=~"$lab"`) && !strings.HasPrefix(m, "latlab:limit_") {
					t.Errorf("%s, %s: %s is of all labs", d.UID, q.Panel, m)
				}
			}
		}
		for _, p := range d.Panels {
			if (p.Type == "heatmap") != (p.Repeat == "lab") {
				t.Errorf("%s, %s: repeated by %q", d.UID, p.Title, p.Repeat)
			}
			for _, target := range p.Targets {
				if several := p.Type != "table" && p.Repeat == "" && target.LegendFormat != "limit"; several && !strings.Contains(target.LegendFormat, "{{instance}}") {
					t.Errorf("%s, %s: the legend %q does not name the lab", d.UID, p.Title, target.LegendFormat)
				}
			}
		}
	}
}

// checkVariables wants each to be used and each used one to be there.
func checkVariables(t *testing.T, d grafana.Dashboard) {
	t.Helper()
	text, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range d.Templating["list"] {
		names = append(names, v.Name)
		if v.Type == "query" && (!v.Multi || !v.IncludeAll) {
			t.Errorf("variable %s takes one value only", v.Name)
		}
	}
	if names[0] != "datasource" {
		t.Errorf("the first variable is %s: the others are asked of the data source", names[0])
	}
	used := map[string]bool{"datasource": true}
	for _, m := range regexp.MustCompile(`\$([a-z]\w*)`).FindAllStringSubmatch(string(text), -1) {
		used[m[1]] = true
		if !slices.Contains(names, m[1]) {
			t.Errorf("$%s is no variable", m[1])
		}
	}
	for _, n := range names {
		if !used[n] {
			t.Errorf("no query uses $%s", n)
		}
	}
}
