package nnmeter

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"latlab/bench/profile"
	"latlab/devices"
	"latlab/fixtures"
	"latlab/internal/text"
	"latlab/sampler"
	"latlab/sampler/graph"
)

// layerLine has the fields of `time --layers --json` that per-layer tables need. A document of several networks has
// them in Ranked, and device and kind once.
type layerLine struct {
	Name    string          `json:"name"`
	Device  string          `json:"device"`
	Kind    string          `json:"kind"`
	Space   string          `json:"space"`
	Indices string          `json:"indices"`
	Layers  []devices.Layer `json:"layers"`
	Ranked  []layerLine     `json:"ranked"`
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
	for some, err := range sampler.Lines(f, path, func(_ int, line []byte) ([]Table, error) { return layerTablesOf(find, line) }) {
		if err != nil {
			return nil, cmp.Or(notTables(f), err)
		}
		tables = append(tables, some...)
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

// layerTablesOf are those of the networks of a line. Of several networks those without a profile are left out.
func layerTablesOf(find func(string) (*sampler.Space, error), line []byte) ([]Table, error) {
	var l layerLine
	if err := json.Unmarshal(line, &l); err != nil {
		return nil, fmt.Errorf("not what `latlab time --layers --json` prints: %w", err)
	}
	if l.Device == "" || l.Kind == "" {
		return nil, errors.New(`not what "latlab time --layers --json" prints: "device" or "kind" is missing`)
	}
	var tables []Table
	for _, one := range append(l.Ranked, l) {
		if len(one.Layers) == 0 {
			continue
		}
		ops, err := one.ops(find)
		if err != nil {
			return nil, err
		}
		tables = append(tables, Table{Device: l.Device, Kind: l.Kind, Ops: ops, Layers: one.Layers})
	}
	if len(tables) == 0 {
		return nil, fmt.Errorf("no per-layer table: --layers was not given, or device %s has none", l.Device)
	}
	return tables, nil
}

// ops are those of the network that was timed, which is a point of a space or a fixture.
func (l layerLine) ops(find func(string) (*sampler.Space, error)) ([]profile.Op, error) {
	for _, row := range l.Layers {
		if row.Seconds < 0 || row.Seconds > maxLayerSeconds {
			return nil, fmt.Errorf("layer %q has an impossible latency of %v seconds", text.Clip(row.Name), row.Seconds)
		}
	}
	g, err := l.graph(find)
	if err != nil {
		return nil, err
	}
	ops, first := make([]profile.Op, len(g.Ops)), l.firstNode(g)
	for i, row := range g.Rows(nil, 1) {
		ops[i] = profile.Op{Node: first + i, Row: row}
	}
	return ops, nil
}

// firstNode is the node of the graph's first op, as rows of one op with its name have it: the file of a network with
// uint8 inputs has a QUANTIZE of each in front, which the document does not say.
func (l layerLine) firstNode(g *graph.Graph) int {
	for _, row := range l.Layers {
		i := slices.IndexFunc(g.Ops, func(o graph.Op) bool { return o.Name == row.Name })
		if i >= 0 && len(row.Nodes) == 1 {
			return row.Nodes[0] - i
		}
	}
	return 0
}

func (l layerLine) graph(find func(string) (*sampler.Space, error)) (*graph.Graph, error) {
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
