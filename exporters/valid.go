package exporters

import (
	"fmt"
	"iter"
	"strings"

	"latlab/bench/verdict"
)

// LeftOut counts the networks that ValidOnly left out.
type LeftOut struct {
	Invalid    int `json:"invalid"`
	Imprecise  int `json:"imprecise"`
	Unmeasured int `json:"unmeasured"` // failed, or not run yet
}

// Total is the number of networks left out.
func (l LeftOut) Total() int { return l.Invalid + l.Imprecise + l.Unmeasured }

// String is a text for people: "3 networks (2 INVALID, 1 not measured)".
func (l LeftOut) String() string {
	var parts []string
	if l.Invalid > 0 {
		parts = append(parts, fmt.Sprintf("%d INVALID", l.Invalid))
	}
	if l.Imprecise > 0 {
		parts = append(parts, fmt.Sprintf("%d IMPRECISE", l.Imprecise))
	}
	if l.Unmeasured > 0 {
		parts = append(parts, fmt.Sprintf("%d not measured", l.Unmeasured))
	}
	switch l.Total() {
	case 0:
		return "no network"
	case 1:
		return "1 network (" + parts[0] + ")"
	}
	return fmt.Sprintf("%d networks (%s)", l.Total(), strings.Join(parts, ", "))
}

// ValidOnly leaves out the networks whose verdict is not VALID, and counts them in left as
// the rows are read. An error is passed on.
func ValidOnly(rows iter.Seq2[Row, error], left *LeftOut) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for r, err := range rows {
			if err == nil && !left.keeps(r) {
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func (l *LeftOut) keeps(r Row) bool {
	switch {
	case r.M == nil:
		l.Unmeasured++
	case r.M.Verdict == verdict.Invalid:
		l.Invalid++
	case r.M.Verdict == verdict.Imprecise:
		l.Imprecise++
	default:
		return true
	}
	return false
}
