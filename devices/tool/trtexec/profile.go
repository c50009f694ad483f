package trtexec

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"latlab/devices"
	"latlab/devices/tool"
	"latlab/internal/text"
	"latlab/sampler/model"
)

// profileFile is the exported profile, in the run's own folder.
const profileFile = "profile.json"

// maxProfile limits its size: a layer has some 200 bytes, and its name may be longer.
const maxProfile = 16 << 20

// Profile runs the engine with TensorRT's profiler, which waits after every layer. A row is a layer of the engine,
// which may stand for several of the network's operators, or for none: TensorRT adds copies that change a tensor's
// format. Rows are medians where TensorRT exports them (since 8.4), else means.
//
// trtexec first times the engine without the profiler (--separateProfileRun, since 7.2): PlainSeconds is the median of
// that. It prints no whole times of the second run. TensorRT 7.0 and 7.1 have one run only, whose median is
// WholeSeconds.
func (d *Device) Profile(ctx context.Context, m *model.Model, plan devices.Plan) (*devices.Profile, error) {
	op := "profile " + m.Name
	if err := d.accepts(m, op); err != nil {
		return nil, err
	}
	if !d.program.has("--exportProfile") {
		return nil, &devices.Error{Fault: devices.FaultUser, Op: op, Reason: devices.ReasonUnsupported, Err: errors.New("this trtexec does not export profiles")}
	}
	nodes, err := tool.NodesOf(ctx, op, m)
	if err != nil {
		return nil, err
	}
	var times []layerTime
	var runs int
	var rows []devices.Layer
	var r *report
	block, err := d.m.Block(ctx, op, func(b *devices.Block) error {
		j := job{op: op, plan: plan, deadline: b.Started.Add(plan.Timeout)}
		e, done, err := d.engine(ctx, op, m, j.deadline)
		if err != nil {
			return err
		}
		defer done()
		j.engine = e
		x, err := d.execute(ctx, j, export{profileFile, maxProfile, d.profileFlags})
		if err != nil {
			return err
		}
		if times, runs, err = parseProfile(x.data); err != nil {
			return x.out.Garbage(op, fmt.Errorf("the profile: %w", err))
		}
		r = x.report
		d.describe(b, j, r)
		rows = e.table.rows(times, d.o, nodes)
		return nil
	})
	if err != nil {
		return nil, err
	}
	tool.Describe(m, rows)
	p := devices.ProfileOf(block, rows, runs)
	if median := r.compute.median / 1e3; r.timed && d.profilesApart() {
		p.PlainSeconds = &median
	} else if r.timed {
		p.WholeSeconds = &median
	}
	return p, nil
}

// profilesApart reports whether trtexec profiles in a second run: TensorRT 11 always does.
func (d *Device) profilesApart() bool {
	return d.program.has("--separateProfileRun") || d.program.version >= 11e4
}

// profileFlags: TensorRT 7.0 and 7.1 make no profiler for --exportProfile alone, and crash.
func (d *Device) profileFlags(path string) []string {
	flags := []string{"--exportProfile=" + path}
	switch {
	case d.program.has("--separateProfileRun"):
		flags = append(flags, "--separateProfileRun")
	case !d.profilesApart():
		flags = append(flags, "--dumpProfile")
	}
	return flags
}

// layerTime is the time of a layer in one inference.
type layerTime struct {
	name    string
	seconds float64
}

// maxLayerRows limits the rows of a profile, far above any network's.
const maxLayerRows = 1 << 16

// parseProfile reads the exported profile and the number of inferences in it.
//
// Source: NVIDIA/TensorRT, samples/common/sampleReporting.cpp, Profiler::exportJSONProfile, of releases 7 to 11: a
// list that begins with {"count": N}. Names are not escaped, so a name with a quotation mark makes it unreadable.
func parseProfile(data []byte) (times []layerTime, runs int, err error) {
	var doc []struct {
		Count     *int     `json:"count"`
		Name      *string  `json:"name"`
		AverageMs *float64 `json:"averageMs"`
		MedianMs  *float64 `json:"medianMs"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, 0, err
	}
	if len(doc) < 2 || doc[0].Count == nil || *doc[0].Count < 1 || len(doc) > maxLayerRows {
		return nil, 0, fmt.Errorf("it has no number of inferences, or %d layers", max(0, len(doc)-1))
	}
	medians, sum := true, 0.0
	for i, row := range doc[1:] {
		if row.Name == nil || *row.Name == "" || row.AverageMs == nil {
			return nil, 0, fmt.Errorf("layer %d has no name or no averageMs", i+1)
		}
		medians = medians && row.MedianMs != nil
	}
	for i, row := range doc[1:] {
		ms := *row.AverageMs
		if medians {
			ms = *row.MedianMs
		}
		if sum += ms; ms < 0 || math.IsInf(sum, 0) {
			return nil, 0, fmt.Errorf("layer %d took %v ms", i+1, ms)
		}
		times = append(times, layerTime{*row.Name, ms / 1e3})
	}
	if sum == 0 {
		return nil, 0, errors.New("no layer took any time")
	}
	return times, *doc[0].Count, nil
}

// rows joins a profile with the engine's table, by the layers' names.
func (l layers) rows(times []layerTime, o Options, nodes tool.Nodes) []devices.Layer {
	var rows []devices.Layer
	for _, t := range times {
		d := l.named[t.name]
		row := devices.Layer{Name: text.Line(t.name, maxKept), Op: cmp.Or(d.op, "layer"), Kernel: d.kernel, Where: "GPU", Seconds: t.seconds}
		if o.DLACore != nil && slices.ContainsFunc(l.onDLA, func(name string) bool { return name == row.Name }) {
			row.Where = "DLA"
		}
		if row.Nodes = nodes.Find(d.nodes...); row.Nodes == nil {
			row.Nodes = nodes.Find(fused(t.name)...)
		}
		rows = append(rows, row)
	}
	return rows
}

// between separates the names of nodes in the name of a layer.
var between = regexp.MustCompile(` \+ | \|\| |, `)

// fused takes the name of a layer apart: "a + b", "a || b", and "PWN(PWN(a), b)" of pointwise operators. A name of any
// other form is one that no node has.
func fused(name string) []string {
	parts := between.Split(name, -1)
	for i, part := range parts {
		for strings.HasPrefix(part, "PWN(") {
			part = strings.TrimPrefix(part, "PWN(")
		}
		if strings.Contains(name, "PWN(") {
			part = strings.TrimRight(part, ")")
		}
		parts[i] = part
	}
	return parts
}
