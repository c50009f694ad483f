package lut

import (
	"errors"
	"math"
	"slices"
	"strconv"

	"latlab/regress"
	"latlab/sampler"
	"latlab/sampler/graph"
)

// table is a cost model in the gauge that its readers need, by key.
type table struct {
	dialect Dialect
	space   *sampler.Space
	base    float64     // seconds
	weights [][]float64 // seconds, by position and entry
	rows    []row
	// For the notes.
	moved    []string // layers whose skip had a weight
	doubled  int      // keys with different values by position or choice
	prices   bool     // the classifier's keys have values
	headless bool     // the classifier's keys are 0
}

type row struct {
	key     string
	count   string // networks of the fit that used it, or null
	seconds float64
}

func (r row) ms() float64 { return r.seconds * 1000 }

func newTable(m *regress.CostModel, s *sampler.Space, d Dialect) (*table, error) {
	if err := m.CheckSpace(s); err != nil {
		return nil, err
	}
	t := &table{dialect: d, space: s, base: m.Bias}
	for _, p := range m.Table {
		t.weights = append(t.weights, slices.Clone(p.Weights))
	}
	head, err := t.splitClassifier(m)
	if err != nil {
		return nil, err
	}
	t.freeSkips()
	layers, err := t.layers(m)
	if err != nil {
		return nil, err
	}
	t.rows = append(append([]row{{key: baseKey, count: "null", seconds: t.base}}, layers...), head...)
	for _, r := range t.rows {
		if math.IsInf(r.ms(), 0) || math.IsNaN(r.ms()) {
			return nil, errors.New("a weight is too large in milliseconds")
		}
	}
	return t, nil
}

// splitClassifier moves the classifier's cost out of the entries that contain it, because
// readers have separate keys for it. A model without op-level weights cannot: then the keys are
// 0 and the last stage's first layer keeps the cost.
func (t *table) splitClassifier(m *regress.CostModel) ([]row, error) {
	s := t.space
	if s.Head.Type != sampler.Classifier {
		return nil, nil
	}
	pricer, err := regress.NewPricer(m, s)
	if err != nil && !errors.Is(err, regress.ErrNoOps) {
		return nil, err
	}
	t.prices, t.headless = pricer != nil, pricer == nil
	position, last := t.payer(), t.lastMap()
	pos := s.Positions()[position]
	var rows []row
	for out, width := range pos.Out {
		ops, err := graph.EntryOps(s, position, pos.Entry(out, 0, 0))
		if err != nil {
			return nil, err
		}
		pool, classes := headPrices(pricer, ops)
		for in := range pos.In {
			for c := range pos.Choices {
				t.weights[position][pos.Entry(out, in, c)] -= pool + classes
			}
		}
		rows = append(rows, t.headRows([3]int{last[0], last[1], width}, pool, classes, seenAt(pos, m.Table[position].Seen, out))...)
	}
	return rows, nil
}

// payer is the position that contains the head's cost, the last stage's first layer.
func (t *table) payer() int {
	n := 0
	for _, st := range t.space.Stages[:len(t.space.Stages)-1] {
		n += len(st.Layers)
	}
	return n
}

// lastMap is the height and width of the last stage's output.
func (t *table) lastMap() [2]int {
	h, w := t.space.Input.Height, t.space.Input.Width
	for _, st := range t.space.Stages {
		for _, l := range st.Layers {
			h, w = l.MapAfter(h, w)
		}
	}
	return [2]int{h, w}
}

func headPrices(p *regress.Pricer, ops []graph.PaidOp) (pool, classes float64) {
	if p == nil {
		return 0, 0
	}
	for _, o := range ops {
		switch o.Name {
		case "head/pool":
			pool = p.Seconds(o)
		case "head/classes":
			classes = p.Seconds(o)
		}
	}
	return pool, classes
}

// headRows are the keys of one last map; a reader without a key for the pool includes it in
// the classifier.
func (t *table) headRows(last [3]int, pool, classes float64, count int) []row {
	poolKey, key := t.dialect.headKeys(last, t.space.Head.Classes)
	if poolKey == "" {
		return []row{{key, strconv.Itoa(count), pool + classes}}
	}
	return []row{{poolKey, strconv.Itoa(count), pool}, {key, strconv.Itoa(count), classes}}
}

// seenAt counts the networks with an output width.
func seenAt(p sampler.Position, seen []int, out int) int {
	n := 0
	for in := range p.In {
		for c := range p.Choices {
			n += seen[p.Entry(out, in, c)]
		}
	}
	return n
}

// freeSkips changes the table so that a skipped layer costs nothing, because readers add
// nothing for it: the fitted weight of a skip at a width is subtracted from all choices of its
// layer and added to the stage's first layer, which has the same output width, or to the base if
// the skip is in that layer. No prediction changes.
func (t *table) freeSkips() {
	first := 0
	for i, pos := range t.space.Positions() {
		if pos.Layer == 0 {
			first = i
		}
		skip := slices.IndexFunc(pos.Choices, func(c sampler.Choice) bool { return c.Type == sampler.Skip })
		if skip < 0 || pos.Layer == 0 && pos.Slots() != len(pos.Choices) {
			continue
		}
		moved := false
		for out := range pos.Out {
			moved = t.freeSkip(i, first, out, skip) || moved
		}
		if moved {
			t.moved = append(t.moved, pos.Name)
		}
	}
}

// freeSkip does it for one width of one layer. A stage's first layer that can be skipped has
// a single input and output width, so its skip is part of every network.
func (t *table) freeSkip(position, first, out, skip int) bool {
	pos := t.space.Positions()[position]
	in := min(out, len(pos.In)-1)
	delta := t.weights[position][pos.Entry(out, in, skip)]
	if delta == 0 {
		return false
	}
	for c := range pos.Choices {
		t.weights[position][pos.Entry(out, in, c)] -= delta
	}
	if position == first {
		t.base += delta
		return true
	}
	to := t.space.Positions()[first]
	for in := range to.In {
		for c := range to.Choices {
			t.weights[first][to.Entry(out, in, c)] += delta
		}
	}
	return true
}

// member is an entry with the key of its shape.
type member struct {
	key, own string
	seconds  float64
	seen     int
	skip     bool
}

// layers are the rows of all entries. Entries with the same key and value are one row; with
// different values each has its own row. An example is a layer with two skips of different
// cost, which cannot both be moved to 0.
func (t *table) layers(m *regress.CostModel) ([]row, error) {
	var keys []string // in the order of the table
	members := map[string][]member{}
	err := walk(t.space, func(position, entry int, p place) {
		x := member{t.dialect.key(p), p.own(), t.weights[position][entry], m.Table[position].Seen[entry], p.choice.Type == sampler.Skip}
		if members[x.key] == nil {
			keys = append(keys, x.key)
		}
		members[x.key] = append(members[x.key], x)
	})
	var rows []row
	for _, k := range keys {
		rows = append(rows, t.join(members[k])...)
	}
	return rows, err
}

func (t *table) join(same []member) []row {
	count, agree := 0, true
	for _, x := range same {
		count += x.seen
		agree = agree && near(x.seconds, same[0].seconds)
	}
	if agree && same[0].skip && same[0].seconds == 0 {
		return nil // no reader looks it up
	}
	if agree {
		return []row{{same[0].key, strconv.Itoa(count), same[0].seconds}}
	}
	t.doubled++
	var rows []row
	for _, x := range same {
		rows = append(rows, row{x.key + x.own, strconv.Itoa(x.seen), x.seconds})
	}
	return rows
}

// near tolerates the rounding of a different order of addition, but no difference of a fit.
func near(a, b float64) bool {
	return math.Abs(a-b) <= 1e-12*max(math.Abs(a), math.Abs(b))
}
