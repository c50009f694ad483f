package sampler

// SampleCoverage draws n different networks so that every reachable entry of the cost table is used
// once by as few networks as possible, then a second time, and so on. Decisions that coverage
// leaves open are drawn uniformly. Determinism, prefixes and errors are as in Sample.
//
// No sample can cover a table with fewer networks than its position with the most reachable entries
// has. Each network is the best next one: a dynamic program over the stage widths (Viterbi, IEEE Transactions on Information
// Theory 13(2), 1967) maximises the value of the entries. An entry that is due has as much value as
// its position has entries due, so the position with the most entries due always has priority.
func SampleCoverage(s *Space, n int, seed uint64) ([]Arch, error) {
	return take(s, n, newCoverage(s, seed).next)
}

// coverage draws networks without replacement, the most useful first. An entry is due while at most
// level networks have used it; when none is due, the level rises.
type coverage struct {
	flat   *Flattener
	random stream
	rest   *uniform // used if every useful network was already drawn
	seen   map[string]bool
	stages []stageCoverage
	level  int
	due    int // entries
}

// stageCoverage is one stage's positions. The first position's entries depend on the widths before
// and after, the others' only on the width after.
type stageCoverage struct {
	in, out int // numbers of candidate widths
	layers  []layerCoverage
	// worth[in] is the value of the best path from this stage to the last, given the width before
	// it; it is recomputed for each network.
	worth []int
}

// layerCoverage counts the uses of one position's reachable entries.
type layerCoverage struct {
	choices int
	used    []int // by cell*choices + choice
	due     []int // entries by cell; a cell is out*in+in for a first layer, out for others
	left    int   // entries due
}

func newCoverage(s *Space, seed uint64) *coverage {
	c := &coverage{flat: s.Flattener(), random: newStream("coverage", s.Name, seed), rest: newUniform(s, seed), seen: map[string]bool{}}
	in := 1
	for _, st := range s.Stages {
		sc := stageCoverage{in: in, out: len(st.Widths), worth: make([]int, in)}
		for i, l := range st.Layers {
			cells := sc.out
			if i == 0 {
				cells *= in
			}
			sc.layers = append(sc.layers, layerCoverage{
				choices: len(l.Choices), used: make([]int, cells*len(l.Choices)), due: make([]int, cells),
			})
		}
		c.stages = append(c.stages, sc)
		in = sc.out
	}
	c.recount()
	return c
}

// recount finds the entries that are due at the level.
func (c *coverage) recount() {
	c.due = 0
	for i := range c.stages {
		for j := range c.stages[i].layers {
			l := &c.stages[i].layers[j]
			clear(l.due)
			l.left = 0
			for e, n := range l.used {
				if n <= c.level {
					l.due[e/l.choices]++
					l.left++
				}
			}
			c.due += l.left
		}
	}
}

// tries is how often a drawn network that is not new is drawn again, with its random part changed.
// This happens from the second level on, or in a tiny space.
const tries = 8

// next returns a network not returned before; there must be one.
func (c *coverage) next() []int {
	indices := c.draw()
	for i := 1; i < tries && c.seen[key(indices)]; i++ {
		indices = c.draw()
	}
	if c.seen[key(indices)] {
		// Perhaps no new network has these entries: leave them to the next level.
		c.use(indices)
		for c.seen[key(indices)] {
			indices = c.rest.next()
		}
	}
	c.seen[key(indices)] = true
	c.use(indices)
	return indices
}

// draw returns a network with the most valuable entries.
func (c *coverage) draw() []int {
	c.plan()
	var indices, best []int
	in := 0
	for i := range c.stages {
		st := &c.stages[i]
		best = best[:0]
		for out := range st.out {
			if c.value(i, in, out) == st.worth[in] {
				best = append(best, out)
			}
		}
		out := best[c.random.below(uint64(len(best)))]
		for j := range st.layers {
			indices = append(indices, c.choose(&st.layers[j], st.cell(j, in, out)))
		}
		indices = append(indices, out)
		in = out
	}
	return c.flat.unflat(indices, func(n int) int { return int(c.random.below(uint64(n))) })
}

// plan fills in the stages' worth, starting with the last stage.
func (c *coverage) plan() {
	for i := len(c.stages) - 1; i >= 0; i-- {
		st := &c.stages[i]
		for in := range st.in {
			st.worth[in] = 0
			for out := range st.out {
				st.worth[in] = max(st.worth[in], c.value(i, in, out))
			}
		}
	}
}

// value is the value of stage i at these widths, including the best path after it.
func (c *coverage) value(i, in, out int) int {
	st := &c.stages[i]
	v := 0
	for j := range st.layers {
		if l := &st.layers[j]; l.due[st.cell(j, in, out)] > 0 {
			v += l.left
		}
	}
	if i+1 < len(c.stages) {
		v += c.stages[i+1].worth[out]
	}
	return v
}

func (st *stageCoverage) cell(layer, in, out int) int {
	if layer == 0 {
		return out*st.in + in
	}
	return out
}

// choose draws one of the cell's choices that are due, or any choice if none is.
func (c *coverage) choose(l *layerCoverage, cell int) int {
	if l.due[cell] == 0 {
		return int(c.random.below(uint64(l.choices)))
	}
	k := int(c.random.below(uint64(l.due[cell])))
	for choice := range l.choices {
		if l.used[cell*l.choices+choice] <= c.level {
			if k == 0 {
				return choice
			}
			k--
		}
	}
	panic("sampler: a cell's due count is wrong")
}

// use counts a network's entries.
func (c *coverage) use(indices []int) {
	indices = c.flat.Append(nil, indices)
	in := 0
	for i := range c.stages {
		st := &c.stages[i]
		out := indices[len(st.layers)]
		for j := range st.layers {
			l, cell := &st.layers[j], st.cell(j, in, out)
			e := cell*l.choices + indices[j]
			l.used[e]++
			if l.used[e] == c.level+1 {
				l.due[cell]--
				l.left--
				c.due--
			}
		}
		indices = indices[len(st.layers)+1:]
		in = out
	}
	for c.due == 0 {
		c.level++
		c.recount()
	}
}
