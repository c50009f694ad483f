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
	// What the notes tell.
	moved    []string // layers whose skip had a weight
	doubled  int      // keys that positions or choices disagree about
	prices   bool     // the classifier's keys are priced
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
			return nil, errors.New("a weight is too large to be told in milliseconds")
		}
	}
	return t, nil
}

// splitClassifier takes the classifier's price out of the entries that pay for it, where
// the model knows prices; readers have keys of their own for it. Where it does not, the
// keys are 0 and the last stage's first layer goes on paying.
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

// payer is the position of the last stage's first layer.
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
			h, w = (h+l.Stride-1)/l.Stride, (w+l.Stride-1)/l.Stride
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

// headRows are the keys of one last map; a reader that has no key for the pool counts it to
// the classifier.
func (t *table) headRows(last [3]int, pool, classes float64, count int) []row {
	poolKey, key := t.dialect.headKeys(last, t.space.Head.Classes)
	if poolKey == "" {
		return []row{{key, strconv.Itoa(count), pool + classes}}
	}
	return []row{{poolKey, strconv.Itoa(count), pool}, {key, strconv.Itoa(count), classes}}
}

// seenAt counts the networks that had an output width.
func seenAt(p sampler.Position, seen []int, out int) int {
	n := 0
	for in := range p.In {
		for c := range p.Choices {
			n += seen[p.Entry(out, in, c)]
		}
	}
	return n
}

// freeSkips moves to the gauge in which a skipped layer costs nothing, because readers add
// nothing for it: what the fit gave to a skip at a width is taken from all choices of its
// layer and given to the stage's first layer, which has the same output width, or to the
// base where that is a skip's own. No prediction changes.
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
// a single width on both sides, so that its skip is paid by every network.
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

// member is an entry with the key that its shape has.
type member struct {
	key, own string
	seconds  float64
	seen     int
	skip     bool
}

// layers are the rows of all entries. Entries of one key are one row where they agree;
// where they do not, each has a row of its own. A layer with two skips, which may cost
// something that no gauge takes away from both, is such a case.
func (t *table) layers(m *regress.CostModel) ([]row, error) {
	var keys []string // in the order of the table
	members := map[string][]member{}
	err := walk(t.space, func(position, entry int, p place) error {
		x := member{t.dialect.key(p), p.own(), t.weights[position][entry], m.Table[position].Seen[entry], p.choice.Type == sampler.Skip}
		if members[x.key] == nil {
			keys = append(keys, x.key)
		}
		members[x.key] = append(members[x.key], x)
		return nil
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
		return nil // no reader asks
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

// near lets pass what adding up in another order does, and nothing that a fit means.
func near(a, b float64) bool {
	return math.Abs(a-b) <= 1e-12*max(math.Abs(a), math.Abs(b))
}
