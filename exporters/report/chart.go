package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// chart is a picture as the template draws it: one or more frames above each other that
// share the x axis. Places are per cent of the frame, from its left and its top, so that the
// browser lays the picture out at any width while text keeps its size.
type chart struct {
	ID     string
	Title  string
	Desc   string // what it shows, for who cannot see it
	Note   string // how to read it
	Frames []frame
	Legend []legend
	Keys   []key // the legend as it is drawn
	Wide   bool  // takes the whole width
	Rows   bool  // has long row labels on the left
}

type legend struct{ Class, Text string }

type frame struct {
	Label  string // of the y axis, above the frame
	Height int    // pixels
	X, Y   axis
	Bands  []mark // behind the paths
	Paths  []path
	Marks  []mark
	Over   []path // in front of the marks
}

// axis has ticks from left to right, or from bottom to top. Label is beneath the x axis.
type axis struct {
	Label string
	Ticks []tick
	scale scale
}

type tick struct {
	At   string
	Text string
}

// mark is a thing with a value: a dot (W empty), a box, or with Line a line.
type mark struct {
	X, Y, W, H string
	Class      string
	Tip        string
	Row        string // sweep and row of the network that it is: "0,12"; "" = none
	Href       string
}

// path is a line or area; D is in thousandths of the frame.
type path struct{ Class, D string }

// scale maps values to per cent.
type scale struct {
	low, high float64
	log       bool
}

// newScale covers the values with a margin; of none it covers 0 to 1.
func newScale(log bool, values ...[]float64) scale {
	low, high := math.Inf(1), math.Inf(-1)
	for _, vs := range values {
		for _, v := range vs {
			if !unknown(v) && (v > 0 || !log) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	switch {
	case low > high && log:
		low, high = 1e-3, 1
	case low > high:
		low, high = 0, 1
	}
	if log {
		margin := max(math.Pow(high/low, 0.04), 1.02)
		return scale{low / margin, high * margin, true}
	}
	margin := (high - low) * 0.04
	if margin == 0 {
		margin = max(math.Abs(high)*0.02, 1e-9)
	}
	return scale{low - margin, high + margin, false}
}

// at is the share of the axis, 0 to 1 within it.
func (s scale) at(v float64) float64 {
	if s.log {
		return math.Log(v/s.low) / math.Log(s.high/s.low)
	}
	return (v - s.low) / (s.high - s.low)
}

// from is the inverse of at.
func (s scale) from(share float64) float64 {
	if s.log {
		return s.low * math.Pow(s.high/s.low, share)
	}
	return s.low + share*(s.high-s.low)
}

func (s scale) x(v float64) string { return pos(100 * s.at(v)) }
func (s scale) y(v float64) string { return pos(100 - 100*s.at(v)) }

func (s scale) clip(v float64) float64 { return min(max(v, s.low), s.high) }

// pos prints a place with two decimals at most: a hundredth of a per cent is below a pixel.
func pos(p float64) string {
	return strconv.FormatFloat(math.Round(p*100)/100, 'f', -1, 64)
}

// xAxis has few ticks: seven labels of six letters are what a phone has room for.
func (s scale) xAxis(label string, unit float64) axis {
	return axis{Label: label, Ticks: s.ticks(6, unit, s.x), scale: s}
}

func (s scale) yAxis(unit float64) axis { return axis{Ticks: s.ticks(6, unit, s.y), scale: s} }

// ticks are round values times unit, at most n+1.
func (s scale) ticks(n int, unit float64, place func(float64) string) []tick {
	var all []tick
	for _, v := range s.round(n, unit) {
		all = append(all, tick{place(v / unit), tickText(v)})
	}
	return all
}

func tickText(v float64) string {
	if math.Abs(v) >= 1e5 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return digits(v, 6)
}

func (s scale) round(n int, unit float64) []float64 {
	low, high := s.low*unit, s.high*unit
	if s.log && high/low > 8 {
		return logRound(low, high, n)
	}
	step := roundStep((high - low) / float64(n))
	var all []float64
	for k := math.Ceil(low/step - 1e-9); k*step <= high*(1+1e-12)+step*1e-9; k++ {
		all = append(all, k*step+0) // -0 is 0
		if len(all) > 2*n {
			break
		}
	}
	return all
}

func logRound(low, high float64, n int) []float64 {
	for _, mantissas := range [][]float64{{1, 2, 5}, {1, 3}, {1}} {
		var all []float64
		for p := math.Pow(10, math.Floor(math.Log10(low))); p <= high; p *= 10 {
			for _, m := range mantissas {
				if v := m * p; v >= low && v <= high {
					all = append(all, v)
				}
			}
		}
		if len(all) <= n+1 || len(mantissas) == 1 {
			return all
		}
	}
	return nil
}

// polyline is a path through values.
func polyline(x, y scale, xs, ys []float64) string {
	var b strings.Builder
	for i := range xs {
		word := "L"
		if i == 0 {
			word = "M"
		}
		fmt.Fprintf(&b, "%s%s %s", word, pos(1000*x.at(xs[i])), pos(1000-1000*y.at(ys[i])))
	}
	return b.String()
}

// histogram counts values in equal bins of the scale.
func histogram(s scale, bins int, values []float64) []int {
	counts := make([]int, bins)
	for _, v := range values {
		if !unknown(v) {
			counts[min(max(int(s.at(v)*float64(bins)), 0), bins-1)]++
		}
	}
	return counts
}

// bars draw a histogram in a frame whose y scale is of counts.
func bars(x, y scale, counts []int, class string, tip func(low, high float64, n int) string) []mark {
	var all []mark
	w := 1 / float64(len(counts))
	for i, n := range counts {
		if n == 0 {
			continue
		}
		h := max(100*y.at(float64(n)), 1)
		all = append(all, mark{
			X: pos(100 * float64(i) * w), Y: pos(100 - h), W: pos(100 * w * 0.96), H: pos(h), Class: class,
			Tip: tip(x.from(float64(i)*w), x.from(float64(i+1)*w), n),
		})
	}
	return all
}

// density draws points as boxes whose colour is how many there are: beyond a thousand, points
// hide each other and the page gets slow.
func density(x, y scale, xs, ys []float64, tip func(x, y, n float64) string) []mark {
	const columns, lines = 56, 40
	counts := map[[2]int]int{}
	most := 0
	for i := range xs {
		if unknown(xs[i]) || unknown(ys[i]) {
			continue
		}
		k := [2]int{min(max(int(x.at(xs[i])*columns), 0), columns-1), min(max(int(y.at(ys[i])*lines), 0), lines-1)}
		counts[k]++
		most = max(most, counts[k])
	}
	var all []mark
	for c := range columns {
		for l := range lines {
			n := counts[[2]int{c, l}]
			if n == 0 {
				continue
			}
			all = append(all, mark{
				X: pos(100 * float64(c) / columns), Y: pos(100 - 100*float64(l+1)/lines),
				W: pos(100.0 / columns), H: pos(100.0 / lines),
				Class: heatClass(math.Log(float64(n)+1) / math.Log(float64(most)+1)),
				Tip:   tip(x.from((float64(c)+0.5)/columns), y.from((float64(l)+0.5)/lines), float64(n)),
			})
		}
	}
	return all
}

// heatSteps is how many colours a heat map has.
const heatSteps = 9

// heatClass is the colour of a share from 0 to 1.
func heatClass(share float64) string {
	return fmt.Sprintf("h%d", min(max(int(share*heatSteps), 0), heatSteps-1))
}
