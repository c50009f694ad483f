package opmodel

import (
	"math"
	"slices"
	"testing"

	"latlab/sampler/graph"
)

// conv is a convolution whose time is that of a small roofline.
func conv(in, out, size, kernel int) (*Op, float64) {
	p := graph.PaidOp{
		Op: graph.Op{Kind: graph.Conv2D, Kernel: [2]int{kernel, kernel}, Stride: [2]int{1, 1}},
		In: [4]int{1, size, size, in}, Out: [4]int{1, size, size, out},
		MACs: int64(size * size * in * out * kernel * kernel), WeightElements: int64(in * out * kernel * kernel),
		InputElements: int64(size * size * in), OutputElements: int64(size * size * out),
	}
	return NewOp(&p, 4), 2e-6 + max(float64(p.MACs)/2e10, 4*float64(p.InputElements+p.OutputElements+p.WeightElements)/1e10)
}

func add(channels, size int) (*Op, float64) {
	p := graph.PaidOp{Op: graph.Op{Kind: graph.Add}, In: [4]int{1, size, size, channels}, Out: [4]int{1, size, size, channels}}
	p.InputElements, p.OutputElements = int64(2*size*size*channels), int64(size*size*channels)
	return NewOp(&p, 4), 1e-6 + 4*float64(p.InputElements+p.OutputElements)/1e10
}

// profile has 3x3 and 1x1 convolutions in rows of their own, and one more that runs with an addition.
func profile() []Row {
	var rows []Row
	for i, size := range []int{80, 40, 20, 10} {
		for c := 16; c <= 128; c *= 2 {
			a, ta := conv(c, c+8*i, size, 3)
			b, tb := conv(c, 2*c, size, 1)
			d, td := conv(c+8, c, size, 1)
			sum, ts := add(c, size)
			rows = append(rows, Row{"window", []*Op{a}, ta}, Row{"product", []*Op{b}, tb}, Row{"product and sum", []*Op{d, sum}, (td + ts)})
		}
	}
	return rows
}

func TestFit(t *testing.T) {
	rows := profile()
	times := func(factor float64) []Row {
		scaled := slices.Clone(rows)
		for i := range scaled {
			scaled[i].Seconds *= factor
		}
		return scaled
	}
	for _, o := range []Options{{Power: 2, Prior: 0.3}, {Power: 1, Prior: 0.03}} {
		m := Fit([][]Row{times(1), times(1.01), times(0.99)}, o)
		for _, tc := range []struct {
			name         string
			in, out      int
			size, kernel int
			tolerance    float64
		}{
			{"a shape that was profiled", 32, 64, 40, 1, 0.03},
			{"a shape between others", 48, 96, 40, 1, 0.15},
			{"a window that was profiled", 32, 40, 40, 3, 0.03},
			// Its kind's weights, of 1x1 and 3x3 windows.
			{"a window that was not", 32, 40, 40, 5, 0.6},
		} {
			op, want := conv(tc.in, tc.out, tc.size, tc.kernel)
			if got := m.Seconds(op); !(math.Abs(got/want-1) < tc.tolerance) {
				t.Errorf("%+v: %s takes %.4g s, want %.4g", o, tc.name, got, want)
			}
		}
		// Parts of a row that is always fused are not known, their sum is.
		d, td := conv(40, 32, 40, 1)
		s, ts := add(32, 40)
		if got, want := m.Seconds(d)+m.Seconds(s), td+ts; !(math.Abs(got/want-1) < 0.05) {
			t.Errorf("%+v: a fused pair takes %.4g s, want %.4g", o, got, want)
		}
		// A kind that no profile has takes what ops of its size take.
		gate := graph.PaidOp{Op: graph.Op{Kind: graph.Logistic}, In: [4]int{1, 1, 1, 64}, Out: [4]int{1, 1, 1, 64}, InputElements: 64, OutputElements: 64}
		if got := m.Seconds(NewOp(&gate, 4)); !(got > 0 && got < 1e-4) {
			t.Errorf("%+v: an unknown kind takes %v s", o, got)
		}
	}
}

// TestOutliers: a row that was interrupted says nothing of its kernel.
func TestOutliers(t *testing.T) {
	rows := profile()
	spoiled := slices.Clone(rows)
	for i := 0; i < len(spoiled); i += 9 {
		spoiled[i].Seconds *= 20
	}
	m := Fit([][]Row{spoiled, rows, rows}, Options{Power: 2, Prior: 0.3})
	for _, r := range rows {
		sum := 0.0
		for _, op := range r.Ops {
			sum += m.Seconds(op)
		}
		if !(math.Abs(sum/r.Seconds-1) < 0.1) {
			t.Errorf("a row of kernel %s takes %.4g s, want %.4g", r.Kernel, sum, r.Seconds)
		}
	}
}
