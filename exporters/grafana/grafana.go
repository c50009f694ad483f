// Package grafana makes latlab's dashboards: fleet, device, sweep and cost model.
//
// They are Go, so that a test can hold them against exporters/prom's table of metrics, and
// are committed as JSON in monitoring/dashboards, because a user imports files. The model is
// this package's own, some 150 lines: Grafana's SDK builds the same JSON, but would bring a
// module of its own, hundreds of generated types, and of its two builders one is deprecated
// and the other is for Grafana 13 and later only.
//
// The package refuses to talk to a Grafana: what is imported or provisioned how is its
// owner's choice (docs/dashboards.md). Nothing here is a number: units, words for unknown
// values and the kind of a latency (measured, estimated, simulated) come from the metrics.
package grafana

import (
	"bytes"
	"encoding/json"
)

// schemaVersion is Grafana 10.0's; later ones migrate it when they import.
const schemaVersion = 38

// tag is how the dashboards find each other.
const tag = "latlab"

// All are the dashboards, in the order of a look at a lab.
func All() []Dashboard {
	return []Dashboard{fleet(), device(), sweep(), costModel()}
}

// File is the name of a dashboard's file.
func (d Dashboard) File() string { return d.UID + ".json" }

// JSON is what Grafana imports.
func (d Dashboard) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // a diff of PromQL should be readable
	e.SetIndent("", "  ")
	err := e.Encode(d)
	return b.Bytes(), err
}

// Query is what a dashboard asks Prometheus.
type Query struct {
	Panel   string // title
	Expr    string // with variables as Grafana has them
	Instant bool
}

// Queries are all of a dashboard's panels'.
func (d Dashboard) Queries() []Query {
	var all []Query
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			all = append(all, Query{p.Title, t.Expr, t.Instant})
		}
	}
	return all
}
