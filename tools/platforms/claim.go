package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"latlab/bench/stats"
	"latlab/devices"
	"latlab/devices/inventory"
	"latlab/sampler"
	"latlab/sampler/graph"
	"latlab/sampler/model"
)

// claimDevices are the estimators, the simulators and the local CPU in both precisions.
var claimDevices = []target{
	{"vela:ethos-u65-512", model.Int8}, {"vela:ethos-u85-1024", model.Int8}, {"hexagon:sa8775", model.Int8},
	{"sim-pixel4-edgetpu:exact", model.Int8}, {"sim-pixel4-dsp:exact", model.Int8},
	{"sim-pixel1-cpu:exact", model.Float32}, {"sim-jetson-xavier:exact", model.Float32},
	{"cpu", model.Float32}, {"cpu", model.Int8},
}

type target struct {
	device    string
	precision model.Precision
}

func (t target) String() string { return fmt.Sprintf("%s, %s", t.device, t.precision) }

// layers are the variants: the paper's blocks, and what it calls the depthwise variant of a
// regular convolution. All have residuals, kernel 3 and stride 1, so that a stack of them
// keeps its shape.
var layers = []struct{ name, choice string }{
	{"conv", "{name: c, type: conv, kernel: 3}"},
	{"separable", "{name: c, type: ibn, kernel: 3, expansion: 1}"},
	{"ibn", "{name: c, type: ibn, kernel: 3, expansion: 4}"},
	{"fused", "{name: c, type: fused, kernel: 3, expansion: 4}"},
}

// places are input sizes in pixels and widths in channels, as MobileDets have them.
var places = []struct{ pixels, width int }{
	{160, 16}, {160, 32}, {80, 16}, {80, 32}, {40, 32}, {40, 64}, {20, 72}, {20, 96}, {10, 120}, {10, 160},
}

// few and many are stacks of a block; the cost of one more block is computed from their
// difference, in which the cost of the rest of the network cancels out.
const few, many = 1, 5

// cell is a stack on a device.
type cell struct {
	place, layer, count int
	model               *model.Model
	values              []float64
}

// claim measures the cost of one more block: microseconds by device, place and layer.
func claim(ctx context.Context, s settings) (string, error) {
	cache, err := os.MkdirTemp("", "latlab-platforms-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(cache) }()
	var b strings.Builder
	for _, t := range claimDevices {
		if len(s.devices) > 0 && !slices.Contains(s.devices, t.device) {
			continue
		}
		cells, err := measureCells(ctx, s, t, model.NewCache(cache, 0))
		if err != nil {
			return "", fmt.Errorf("%s: %w", t, err)
		}
		fmt.Fprintf(&b, "\n%s\n\n%s", t, markdown(claimRows(cells)))
	}
	return b.String() + "\n", nil
}

func measureCells(ctx context.Context, s settings, t target, cache *model.Cache) ([]*cell, error) {
	l, err := inventory.New(inventory.Options{BuiltIn: true, AgentPath: s.agent, Python: s.python})
	if err != nil {
		return nil, err
	}
	d, err := l.Open(ctx, t.device)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	cells, err := stacks(d.Info(), t.precision, cache)
	if err != nil {
		return nil, err
	}
	rounds := 7 // interleaved, so that changes over time affect all cells
	if d.Info().Deterministic {
		rounds = 1
	}
	for round := range rounds {
		for i, c := range cells {
			fmt.Fprintf(os.Stderr, "\r%s: round %d of %d, %d of %d ", t, round+1, rounds, i+1, len(cells))
			b, err := d.Run(ctx, c.model, claimPlan())
			if err != nil {
				return nil, err
			}
			v, _, ok := stats.BlockSeconds(b)
			if !ok {
				return nil, fmt.Errorf("%s: no latency", c.model.Name)
			}
			c.values = append(c.values, v)
		}
	}
	fmt.Fprintln(os.Stderr)
	return cells, nil
}

func claimPlan() devices.Plan {
	return devices.Plan{WarmUpRuns: 2, WarmUpSeconds: 0.02, MinRuns: 10, MinSeconds: 0.1, MaxRuns: 500, Timeout: time.Minute}
}

func stacks(info devices.Info, p model.Precision, cache *model.Cache) ([]*cell, error) {
	var cells []*cell
	for i, at := range places {
		for j, l := range layers {
			for _, n := range []int{few, many} {
				g, err := stack(at.pixels, at.width, n, l.name, l.choice)
				if err != nil {
					return nil, err
				}
				m, err := model.New(g, model.Form{Format: info.Formats[0], Precision: p}, cache)
				if err != nil {
					return nil, err
				}
				cells = append(cells, &cell{place: i, layer: j, count: n, model: m})
			}
		}
	}
	return cells, nil
}

// stack is n blocks of a kind on a map.
func stack(pixels, width, n int, name, choice string) (*graph.Graph, error) {
	text := fmt.Sprintf(`name: %s_%d_%d_x%d
input: {height: %d, width: %d, channels: %d}
activation: relu6
choices: [%s]
stages: [{name: s, widths: [%d], layers: [{stride: 1, residual: true, repeat: %d, choices: [c]}]}]
head: {type: none}
`, name, pixels, width, n, pixels, pixels, width, choice, width, n)
	space, err := sampler.Load([]byte(text), name+".yaml")
	if err != nil {
		return nil, err
	}
	archs, err := sampler.Sample(space, 1, 1)
	if err != nil {
		return nil, err
	}
	return graph.Lower(space, archs[0])
}

// claimRows have the microseconds of one more block, and the two ratios of the claim with the
// same ratios of MACs.
func claimRows(cells []*cell) [][]string {
	head := []string{"map", "conv, us", "separable, us", "ibn, us", "fused, us",
		"separable/conv", "conv/separable MACs", "ibn/fused", "fused/ibn MACs"}
	rows := [][]string{head}
	for i, at := range places {
		us := make([]float64, len(layers))
		macs := make([]float64, len(layers))
		for j := range layers {
			us[j], macs[j] = marginal(cells, i, j)
		}
		row := []string{fmt.Sprintf("%dx%dx%d", at.pixels, at.pixels, at.width)}
		for _, v := range us {
			row = append(row, figure(v))
		}
		row = append(row, figure(us[1]/us[0]), figure(macs[0]/macs[1]), figure(us[2]/us[3]), figure(macs[3]/macs[2]))
		rows = append(rows, row)
	}
	return rows
}

// marginal is the cost of one more block of a layer at a place, in microseconds and MACs.
func marginal(cells []*cell, place, layer int) (us, macs float64) {
	for _, c := range cells {
		if c.place != place || c.layer != layer {
			continue
		}
		sign := 1.0
		if c.count == few {
			sign = -1
		}
		us += sign * 1e6 * stats.Median(c.values) / (many - few)
		macs += sign * float64(c.model.Graph.TotalMACs()) / (many - few)
	}
	return us, macs
}

// figure has three significant digits.
func figure(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
