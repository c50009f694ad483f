package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"latlab/devices"
	"latlab/exporters/nnmeter"
	"latlab/fixtures"
	"latlab/internal/text"
	"latlab/sampler"
	"latlab/sampler/graph"
)

// layerLine has the fields of `time --layers --json` that a per-layer table needs.
type layerLine struct {
	Name    string          `json:"name"`
	Device  string          `json:"device"`
	Kind    string          `json:"kind"`
	Space   string          `json:"space"`
	Indices string          `json:"indices"`
	Layers  []devices.Layer `json:"layers"`
}

// maxLayerSeconds is more than any layer takes, and sums of such rows stay finite.
const maxLayerSeconds = 1e6

// readLayerTables reads a file of such documents, one a line. An unusable line is an error: an
// export of only part of the file would be misleading.
func readLayerTables(path string, find resolver) ([]nnmeter.Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	defer f.Close()
	var tables []nnmeter.Table
	for t, err := range sampler.Lines(f, path, func(_ int, line []byte) (nnmeter.Table, error) { return layerTableOf(find, line) }) {
		if err != nil {
			return nil, withCode(exitUsage, err)
		}
		tables = append(tables, t)
	}
	if len(tables) == 0 {
		return nil, usagef("%s holds no per-layer table; `latlab time --layers --json` prints them", path)
	}
	return tables, nil
}

func layerTableOf(find resolver, line []byte) (nnmeter.Table, error) {
	var l layerLine
	if err := json.Unmarshal(line, &l); err != nil {
		return nnmeter.Table{}, fmt.Errorf("not what `latlab time --layers --json` prints: %w", err)
	}
	switch {
	case l.Device == "" || l.Kind == "":
		return nnmeter.Table{}, errors.New(`not what "latlab time --layers --json" prints: "device" or "kind" is missing`)
	case len(l.Layers) == 0:
		return nnmeter.Table{}, fmt.Errorf("no per-layer table: --layers was not given, or device %s has none", l.Device)
	}
	for _, row := range l.Layers {
		if row.Seconds < 0 || row.Seconds > maxLayerSeconds {
			return nnmeter.Table{}, fmt.Errorf("layer %q has an impossible latency of %v seconds", text.Clip(row.Name), row.Seconds)
		}
	}
	g, err := l.graph(find)
	return nnmeter.Table{Device: l.Device, Kind: l.Kind, Graph: g, Layers: l.Layers}, err
}

// graph is the network that was timed; its ops have the names of the rows.
func (l layerLine) graph(find resolver) (*graph.Graph, error) {
	if l.Space == "" {
		f, err := fixtures.Get(l.Name)
		if err != nil {
			return nil, fmt.Errorf("network %q is neither in a space nor a fixture, so its layers are unknown", text.Clip(l.Name))
		}
		return f.Graph()
	}
	sp, err := find(l.Space)
	if err != nil {
		return nil, err
	}
	a, err := sp.ParseArch(l.Indices)
	if err != nil {
		return nil, err
	}
	return graph.Lower(sp, a)
}
