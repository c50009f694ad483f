package nnmeter

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"latlab/devices"
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

// ReadTables reads a file of documents of `time --layers --json`, one a line; find finds the spaces
// that they name. A line that cannot be used is an error: half of a file that somebody collected for
// this is of no use.
func ReadTables(path string, find func(space string) (*sampler.Space, error)) ([]Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var tables []Table
	for t, err := range sampler.Lines(f, path, func(_ int, line []byte) (Table, error) { return layerTableOf(find, line) }) {
		if err != nil {
			return nil, cmp.Or(notTables(f), err)
		}
		tables = append(tables, t)
	}
	if len(tables) == 0 {
		return nil, fmt.Errorf("%s holds no per-layer table; `latlab time --layers --json` prints them", path)
	}
	return tables, nil
}

// notTables says what a file is that has no per-layer tables, nil if that is not seen. A list of networks
// has the fields of a table's line, so it is not recognized.
func notTables(f *os.File) error {
	head := make([]byte, 4096)
	n, _ := f.ReadAt(head, 0) // without them the first bad line's error is as good
	if why := text.WrongKind(head[:n], f.Name(), text.Networks); why != "" {
		return fmt.Errorf("%s is not a file of per-layer tables: %s", f.Name(), why)
	}
	return nil
}

func layerTableOf(find func(string) (*sampler.Space, error), line []byte) (Table, error) {
	var l layerLine
	if err := json.Unmarshal(line, &l); err != nil {
		return Table{}, fmt.Errorf("not what `latlab time --layers --json` prints: %w", err)
	}
	switch {
	case l.Device == "" || l.Kind == "":
		return Table{}, errors.New(`not what "latlab time --layers --json" prints: "device" or "kind" is missing`)
	case len(l.Layers) == 0:
		return Table{}, fmt.Errorf("no per-layer table: --layers was not given, or device %s has none", l.Device)
	}
	for _, row := range l.Layers {
		if row.Seconds < 0 || row.Seconds > maxLayerSeconds {
			return Table{}, fmt.Errorf("layer %q has an impossible latency of %v seconds", text.Clip(row.Name), row.Seconds)
		}
	}
	g, err := l.graph(find)
	return Table{Device: l.Device, Kind: l.Kind, Graph: g, Layers: l.Layers}, err
}

// graph is the network that was timed: the ops whose names the rows have.
func (l layerLine) graph(find func(string) (*sampler.Space, error)) (*graph.Graph, error) {
	var sp *sampler.Space
	if l.Space != "" {
		var err error
		if sp, err = find(l.Space); err != nil {
			return nil, err
		}
	}
	return GraphOf(l.Name, l.Indices, sp)
}

// GraphOf is the graph of a point of a space, or of a fixture without one (nil).
func GraphOf(name, indices string, sp *sampler.Space) (*graph.Graph, error) {
	if sp == nil {
		f, err := fixtures.Get(name)
		if err != nil {
			return nil, fmt.Errorf("network %q is neither in a space nor a fixture, so its layers are unknown", text.Clip(name))
		}
		return f.Graph()
	}
	a, err := sp.ParseArch(indices)
	if err != nil {
		return nil, err
	}
	return graph.Lower(sp, a)
}
