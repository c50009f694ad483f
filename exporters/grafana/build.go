package grafana

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// panelKind is the type of a panel.
type panelKind string

const (
	stat     panelKind = "stat"           // the newest value, large
	lines    panelKind = "timeseries"     // over time
	bars     panelKind = "bargauge"       // the newest value of each series
	timeline panelKind = "state-timeline" // states over time
	heat     panelKind = "heatmap"        // a histogram over time
	table    panelKind = "table"          // the newest values with their labels
	markdown panelKind = "text"           // Markdown
)

// view is what a panel shows, without Grafana's details.
type view struct {
	kind    panelKind
	title   string
	about   string // the question that it answers
	unit    string // Grafana's name of it
	w, h    int    // of a grid of 24; 0 = 8 by 8
	queries []query
	low     *float64 // of the axis
	high    *float64
	steps   []Step          // colours by value
	names   map[string]Word // texts for values
	none    string          // shown if there is no value; empty = "not known"
	drop    []string        // a table's columns to hide
	columns []column        // a table's columns of values
	links   []Override
	text    string
	eachLab bool // one panel per lab, for panels that cannot distinguish labs
}

// query is one of a view's queries.
type query struct {
	expr   string
	legend string
}

// column is a table's value of the query with that index.
type column struct {
	query int
	title string
	unit  string
}

// section is a row of views under a title.
type section struct {
	title string
	views []view
}

// page is a dashboard's content.
type page struct {
	uid, title, about string
	variables         []Variable
	sections          []section
}

// source is the data source that the user selected.
func source() *Source { return &Source{Type: "prometheus", UID: "${datasource}"} }

func (p page) dashboard() Dashboard {
	return Dashboard{
		UID: p.uid, Title: p.title, Description: p.about, Tags: []string{tag},
		SchemaVersion: schemaVersion, Version: 1, Editable: true, GraphTooltip: 1,
		Refresh: "30s", Timezone: "browser", Time: map[string]string{"from": "now-6h", "to": "now"},
		Links:      []Link{{Title: "latlab", Type: "dashboards", Tags: []string{tag}, IncludeVars: true, KeepTime: true}},
		Templating: map[string][]Variable{"list": append([]Variable{datasourceVariable(), labVariable()}, p.variables...)},
		Panels:     layOut(p.sections),
	}
}

func datasourceVariable() Variable {
	return Variable{Name: "datasource", Type: "datasource", Label: "Prometheus", Query: "prometheus", Refresh: 1}
}

// labVariable selects labs by their scrape targets. Probes have none of these metrics, so a
// device that a user's relabelling made an instance is not listed as a lab.
func labVariable() Variable {
	v := choice("instance", "Lab", `{__name__=~"latlab_build_info|latlab_sweep_info"}`)
	v.Name = "lab"
	return v
}

// choice is a variable that selects values of a label; by default all.
func choice(name, label, selector string) Variable {
	text := "label_values(" + selector + ", " + name + ")"
	return Variable{
		Name: name, Type: "query", Label: label, Datasource: source(),
		Query: map[string]string{"query": text, "refId": name}, Definition: text,
		// A label may be missing (a delegate is): .* matches that too, a list of values does not.
		Refresh: 2, Sort: 1, Multi: true, IncludeAll: true, AllValue: ".*",
		Current: map[string]any{"selected": true, "text": []string{"All"}, "value": []string{"$__all"}},
	}
}

const gridWidth = 24

// layOut places the views from left to right, and starts a new line when a view does not fit.
func layOut(sections []section) []Panel {
	var panels []Panel
	y := 0
	add := func(p Panel, pos GridPos) {
		p.ID, p.GridPos = len(panels)+1, pos
		panels = append(panels, p)
	}
	for _, s := range sections {
		add(Panel{Type: "row", Title: s.title, Collapsed: new(false), Panels: []Panel{}}, GridPos{H: 1, W: gridWidth, Y: y})
		y++
		x, tallest := 0, 0
		for _, v := range s.views {
			w, h := cmp.Or(v.w, 8), cmp.Or(v.h, 8)
			if x+w > gridWidth {
				x, y, tallest = 0, y+tallest, 0
			}
			add(v.panel(), GridPos{H: h, W: w, X: x, Y: y})
			x, tallest = x+w, max(tallest, h)
		}
		y += tallest
	}
	return panels
}

func (v view) panel() Panel {
	p := Panel{Type: string(v.kind), Title: v.title, Description: v.about, Options: v.options()}
	if v.kind == markdown {
		return p
	}
	p.Datasource, p.FieldConfig = source(), v.fields()
	if v.eachLab {
		p.Title += ": $lab"
		p.Repeat, p.RepeatDirection, p.MaxPerRow = "lab", "h", 2
	}
	for i, q := range v.queries {
		p.Targets = append(p.Targets, v.target(i, q))
	}
	if v.kind == table {
		p.Transformations = v.transformations()
	}
	return p
}

func refID(i int) string { return string(rune('A' + i)) }

func (v view) target(i int, q query) Target {
	t := Target{RefID: refID(i), Datasource: source(), Expr: q.expr, LegendFormat: q.legend, Format: "time_series"}
	switch v.kind {
	case table:
		t.Format = "table"
		t.Instant = true
	case heat:
		t.Format = "heatmap"
	case stat, bars:
		t.Instant = true
	}
	t.Range = !t.Instant
	return t
}

func (v view) options() map[string]any {
	switch v.kind {
	case markdown:
		return map[string]any{"mode": "markdown", "content": v.text}
	case stat, bars:
		o := map[string]any{"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}}
		if v.kind == bars {
			o["orientation"], o["displayMode"] = "horizontal", "gradient"
		} else {
			o["colorMode"], o["graphMode"], o["textMode"] = "value", "none", "auto"
		}
		return o
	case heat:
		return map[string]any{
			"calculate": false, "yAxis": map[string]any{"unit": v.unit},
			"color":   map[string]any{"mode": "scheme", "scheme": "Oranges", "exponent": 0.5, "steps": 64},
			"tooltip": map[string]any{"show": true, "mode": "single", "yHistogram": true}, "legend": map[string]any{"show": true},
		}
	case timeline:
		return map[string]any{"showValue": "never", "mergeValues": true, "rowHeight": 0.8}
	case lines:
		return map[string]any{
			"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true},
			"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
		}
	}
	return map[string]any{"showHeader": true, "cellHeight": "sm"}
}

func (v view) fields() *FieldConfig {
	d := FieldDefaults{Unit: v.unit, Min: v.low, Max: v.high, NoValue: cmp.Or(v.none, "not known")}
	if len(v.steps) > 0 {
		d.Color, d.Thresholds = map[string]string{"mode": "thresholds"}, map[string]any{"mode": "absolute", "steps": v.steps}
	} else if v.kind != stat {
		d.Color = map[string]string{"mode": "palette-classic"}
	}
	if v.kind == lines {
		d.Custom = map[string]any{"lineWidth": 1, "fillOpacity": 5, "showPoints": "auto", "spanNulls": false}
	}
	if len(v.names) > 0 {
		d.Mappings = []Mapping{{Type: "value", Options: v.names}}
	}
	c := &FieldConfig{Defaults: d, Overrides: append([]Override{}, v.links...)}
	for _, col := range v.columns {
		c.Overrides = append(c.Overrides, override("byName", col.title, Property{"unit", col.unit}))
	}
	if v.kind == lines {
		c.Overrides = append(c.Overrides, override("byRegexp", "/limit$/",
			Property{"color", map[string]any{"mode": "fixed", "fixedColor": "red"}},
			Property{"custom.lineStyle", map[string]any{"fill": "dash", "dash": []int{6, 6}}},
			Property{"custom.fillOpacity", 0}))
	}
	return c
}

func override(by, what string, p ...Property) Override {
	return Override{Matcher: map[string]string{"id": by, "options": what}, Properties: p}
}

// transformations merge all queries into one table with a line per set of labels.
func (v view) transformations() []map[string]any {
	hidden, renamed := map[string]bool{"Time": true}, map[string]string{"instance": "lab"}
	for _, d := range v.drop {
		hidden[d] = true
	}
	valued := map[int]string{}
	for _, c := range v.columns {
		valued[c.query] = c.title
	}
	for i := range v.queries {
		name := "Value #" + refID(i)
		if len(v.queries) == 1 {
			name = "Value"
		}
		if title := valued[i]; title != "" {
			renamed[name] = title
		} else {
			hidden[name] = true
		}
	}
	return []map[string]any{
		{"id": "merge", "options": map[string]any{}},
		{"id": "organize", "options": map[string]any{"excludeByName": hidden, "renameByName": renamed, "indexByName": map[string]int{}}},
	}
}

// leadsTo turns a column's values into links to the dashboard of that value, in its row's lab.
func leadsTo(label, uid string) Override {
	return override("byName", label, Property{"links", []map[string]any{{
		"title": "to this " + label,
		"url":   "/d/" + uid + "?${datasource:queryparam}&var-lab=${__data.fields.lab}&var-" + label + "=${__value.raw}&${__url_time_range}",
	}}})
}

// states are texts for the numbers 0, 1, 2 and so on.
func states(w ...Word) map[string]Word {
	m := map[string]Word{}
	for i, word := range w {
		word.Index = i
		m[strconv.Itoa(i)] = word
	}
	return m
}

// above colours values from a limit on, below those under it.
func above(limit float64, color string) []Step {
	return []Step{{Color: "green"}, {Color: color, Value: &limit}}
}

func below(limit float64, color string) []Step {
	return []Step{{Color: color}, {Color: "green", Value: &limit}}
}

// plain is one colour; without steps Grafana would use its own thresholds.
func plain() []Step { return []Step{{Color: "text"}} }

// kinds colours estimated and simulated values, so that nobody takes them for measured ones.
func kinds() Override {
	colors := map[string]Word{
		"measured": {Text: "measured", Color: "green"}, "estimated": {Text: "ESTIMATED", Color: "orange"},
		"simulated": {Text: "SIMULATED", Color: "purple"},
	}
	for i, name := range slices.Sorted(maps.Keys(colors)) {
		w := colors[name]
		w.Index = i
		colors[name] = w
	}
	return override("byName", "kind",
		Property{"mappings", []Mapping{{Type: "value", Options: colors}}},
		Property{"custom.cellOptions", map[string]any{"type": "color-background"}})
}
