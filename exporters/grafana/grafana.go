// Package grafana builds latlab's dashboards: fleet, device, sweep and cost model.
//
// They are written in Go, so that a test can check them against the table of metrics in
// exporters/prom, and committed as JSON in monitoring/dashboards, because users import files.
// The package has its own model of a dashboard, some 150 lines. Grafana's SDK builds the same
// JSON, but adds a module with hundreds of generated types; one of its two builders is
// deprecated and the other supports only Grafana 13 and later.
// The package never talks to a Grafana server: users import or provision the files
// (docs/dashboards.md). The kind of a latency (measured, estimated, simulated) comes from the
// metrics.
package grafana

import (
	"bytes"
	"encoding/json"
)

// schemaVersion is Grafana 10.0's; later ones migrate it when they import.
const schemaVersion = 38

// tag links the dashboards to each other.
const tag = "latlab"

// All returns the dashboards, from the overview to the details.
func All() []Dashboard {
	return []Dashboard{fleet(), device(), sweep(), costModel()}
}

// File is the name of a dashboard's file.
func (d Dashboard) File() string { return d.UID + ".json" }

// JSON returns the file that Grafana imports.
func (d Dashboard) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // a diff of PromQL should be readable
	e.SetIndent("", "  ")
	err := e.Encode(d)
	return b.Bytes(), err
}

// Query is a panel's query to Prometheus.
type Query struct {
	Panel   string // title
	Expr    string // with variables as Grafana has them
	Instant bool
}

// Queries returns the queries of all panels.
func (d Dashboard) Queries() []Query {
	var all []Query
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			all = append(all, Query{p.Title, t.Expr, t.Instant})
		}
	}
	return all
}
