package benchmarkmodel

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"latlab/devices"
	"latlab/internal/text"
)

// Proof is what a run printed about who executed the graph. That a delegate was created proves
// nothing: NNAPI creates its delegate and then runs a float model on the CPU.
type Proof struct {
	Replaced []Replaced // the runtime's own lines about its subgraphs
	Applied  []Applied
	Reports  []Replaced // delegates' own lines, which name no subgraph
	Failures []Failure
	// Unsupported are the ops that the GPU delegate left to the CPU, "CONV_3D: Operation is not supported."
	Unsupported []string
	// Kernels is how many kernels the GPU delegate made, nil if it does not print it. It counts nodes as
	// delegated before it makes kernels, and fails at that without a driver.
	Kernels *int
	XNNPACK bool   // the runtime's implicit delegate for the CPU was created
	Unused  string // flags that this build does not know and ignored
}

// Replaced is a line about nodes that became delegate kernels.
type Replaced struct {
	Delegate         string // "TfLiteGpuDelegateV2"
	Delegated, Nodes int    // Nodes is -1 if an older runtime does not print it
	Partitions       int    // of the plan, delegated or not; 0 if a delegate does not print it
	Subgraph         string // "the whole graph", "subgraph 0"; empty in older ones
}

// Applied is the tool's line about a delegate.
type Applied struct {
	Provider string // "GPU", "EXTERNAL"
	Whole    bool   // the plan is one delegate kernel
	Kernels  int    // delegate kernels, 0 = the delegate took nothing
}

// Failure is a line that reports that a delegate did not work.
type Failure struct {
	Line string
	kind *failureKind
}

var (
	replacedForm = regexp.MustCompile(`^Replacing (\d+)(?: out of (\d+))? node\(s\) with delegate \((.*?)\) node(?:, yielding (\d+) partitions(?: for (.+?))?)?\.?$`)
	appliedForm  = regexp.MustCompile(`^(?:Explicitly applied|Applied) (\S+) delegate, and the model graph will be (completely|partially) executed (?:by|w/) the delegate(?: w/ (\d+) delegate kernels)?\.?$`)
	noneForm     = regexp.MustCompile(`^Though (\S+) delegate is explicitly applied, the model(?: graph)? will not be executed by the delegate\.?$`)
	// reportForm: Hexagon's of 2019 has no partitions, Core ML's a comma before them.
	reportForm = regexp.MustCompile(`^(.*?)[:,] *(\d+) nodes delegated out of (\d+)(?: nodes)?(?:,? with (\d+) partitions)?\.?$`)
	// operationsForm is the GPU delegate's own line, of all its back-ends: "First 5 operations will run
	// on the GPU, and the remaining 3 on the CPU." until 2020, then "5 operations will run on the GPU, and
	// the remaining 3 operations will run on the CPU.", "No operations ..., and all 8 operations ...".
	// Source: LiteRT, tflite/delegates/gpu/common/model_builder.cc, GetOpsToReplace, and the same of
	// ml_drift_delegate; tensorflow v1.14 to v2.1, the same file.
	operationsForm = regexp.MustCompile(`^(?:First )?(No|\d+) operations? will run on the GPU, and (?:the remaining|all) (\d+)(?: operations?)?(?: will run)? on the CPU\.?$`)
	kernelsForm    = regexp.MustCompile(`^Created (\d+) GPU delegate kernels\.?$`)
	// unsupportedTitle begins the list of ops that the GPU delegate leaves to the CPU, "Next" until 2020,
	// and unsupportedOp is a line of it: "CONV_3D: Operation is not supported.", "CUSTOM Name: ...".
	unsupportedTitle = regexp.MustCompile(`^(Next|Following) operations are not supported by GPU delegate:?$`)
	unsupportedOp    = regexp.MustCompile(`^[A-Z0-9_]+( \S+)?:( .*)?$`)
)

// left reads what the GPU delegate prints about ops that it leaves to the CPU. Its lines have the level
// ERROR and are none: a run of which the delegate took a part is a measurement.
func (p *parser) left(t string) bool {
	switch {
	case unsupportedTitle.MatchString(t):
		p.listing = true
		return true
	case p.listing && unsupportedOp.MatchString(t) && failureOf(t) == nil:
		if strings.HasSuffix(t, ":") {
			t += " not supported by the GPU delegate"
		}
		p.r.Proof.Unsupported = keep(p.r.Proof.Unsupported, t)
		return true
	}
	p.listing = false
	f := operationsForm.FindStringSubmatch(t)
	return f != nil && p.r.Proof.operations(f)
}

func (p *Proof) operations(f []string) bool {
	n, ok := counts(0, strings.Replace(f[1], "No", "0", 1), f[2])
	return ok && addReplaced(&p.Reports, 0, Replaced{Delegate: "GPU"}, strconv.Itoa(n[0]), strconv.Itoa(n[0]+n[1]), "")
}

func (p *Proof) kernels(f []string) bool {
	n, ok := counts(0, f[1])
	if ok {
		p.Kernels = &n[0]
	}
	return ok
}

func (p *Proof) line(l line) error {
	t := l.text
	if p.mark(t) {
		return nil
	}
	if strings.Contains(t, " will run on the GPU") { // left has read the known forms
		return &UnparsableError{t, "this line about a delegate has no known form"}
	}
	if k := failureOf(t); k != nil && len(p.Failures) < maxKept {
		p.Failures = append(p.Failures, Failure{text.ClipTo(t, 300), k})
	}
	known := []struct {
		begins string
		form   *regexp.Regexp
		take   func(f []string) bool
	}{
		{"Replacing ", replacedForm, p.replaced},
		{"Explicitly applied ", appliedForm, p.applied},
		{"Applied ", appliedForm, p.applied},
		{"Though ", noneForm, func(f []string) bool { p.Applied = append(p.Applied, Applied{Provider: f[1]}); return true }},
		{"Created ", kernelsForm, p.kernels},
		{"", reportForm, p.report},
	}
	for _, k := range known {
		if !strings.HasPrefix(t, k.begins) {
			continue
		}
		f := k.form.FindStringSubmatch(t)
		switch {
		case f != nil && k.take(f):
			return nil
		case f != nil, k.begins == "Replacing " && strings.Contains(t, "with delegate"), strings.HasPrefix(k.begins, "Explicitly"):
			return &UnparsableError{t, "this line about a delegate has no known form"}
		}
	}
	return nil
}

// mark reads the lines that have no figures.
func (p *Proof) mark(t string) bool {
	switch {
	case strings.HasPrefix(t, "Loaded model "), strings.HasPrefix(t, "Using signature: "): // followed by the user's names
	case strings.HasPrefix(t, "Created TensorFlow Lite XNNPACK delegate for CPU"):
		p.XNNPACK = true
	case strings.HasPrefix(t, "Unconsumed cmdline flags: "):
		p.Unused = text.ClipTo(strings.TrimPrefix(t, "Unconsumed cmdline flags: "), 300)
	default:
		return false
	}
	return true
}

// maxNodes is more than any graph has; a larger figure is refused.
const maxNodes = 1 << 24

// counts reads whole numbers; an empty one is missing.
func counts(missing int, fields ...string) ([]int, bool) {
	var ns []int
	for _, f := range fields {
		n, err := strconv.Atoi(f)
		if f == "" {
			n, err = missing, nil
		}
		if err != nil || n > maxNodes {
			return nil, false
		}
		ns = append(ns, n)
	}
	return ns, true
}

// maxLines limits what is kept of delegates that print a line for every node.
const maxLines = 1 << 12

func (p *Proof) replaced(f []string) bool {
	return addReplaced(&p.Replaced, -1, Replaced{Delegate: f[3], Subgraph: f[5]}, f[1], f[2], f[4])
}

func (p *Proof) report(f []string) bool {
	return addReplaced(&p.Reports, 0, Replaced{Delegate: f[1]}, f[2], f[3], f[4])
}

// addReplaced adds a line with its delegated nodes, nodes and partitions.
func addReplaced(to *[]Replaced, missing int, r Replaced, figures ...string) bool {
	n, ok := counts(missing, figures...)
	if !ok || n[1] >= 0 && n[0] > n[1] || len(*to) >= maxLines {
		return false
	}
	r.Delegate, r.Delegated, r.Nodes, r.Partitions = text.ClipTo(r.Delegate, 100), n[0], n[1], n[2]
	*to = append(*to, r)
	return true
}

func (p *Proof) applied(f []string) bool {
	n, ok := counts(1, f[3])
	if !ok || n[0] < 1 || len(p.Applied) >= maxLines {
		return false
	}
	p.Applied = append(p.Applied, Applied{Provider: f[1], Whole: f[2] == "completely", Kernels: n[0]})
	return true
}

// notProven is the error of a run that does not prove that the delegate executed the graph.
type notProven struct {
	kind failureKind
	err  error
}

var errNothing = errors.New("the delegate took no node: the CPU ran the model")

// prove determines who executed the graph: it needs positive evidence, and no line that contradicts
// it. nodes is the model's number of nodes, 0 if not known.
//
// On the CPU (xnnpack), nodes that were not delegated are slower but valid. On an accelerator, a run
// that the CPU executed completely is an error, since its time would be that of a different device.
func (p *Proof) prove(k *kind, label string, nodes int) (devices.Delegation, *notProven) {
	if k.name == None {
		return devices.Delegation{}, nil
	}
	d := devices.Delegation{Name: label}
	if len(p.Failures) > 0 {
		f := p.Failures[0]
		return d, &notProven{*f.kind, errors.New(f.Line)}
	}
	nothing := failureKind{"", devices.FaultDevice, devices.ReasonFallBack, k.advice}
	counted := p.count(k, &d)
	a := p.appliedOf(k)
	if k.accelerator && a != nil && a.Kernels == 0 {
		// The runtime's lines cover all subgraphs; the tool's own line is about the one that it runs.
		return d, &notProven{nothing, errNothing}
	}
	if k.accelerator && !counted && len(p.Replaced) > 0 {
		// "Completely executed" counts every delegate's kernels, but only other delegates took nodes.
		return d, &notProven{nothing, errNothing}
	}
	if a == nil && !counted {
		return d, &notProven{nothing, fmt.Errorf("nothing that was printed proves that the %s delegate had the model", k.provider)}
	}
	if d.Delegated == 0 && (a == nil || a.Kernels == 0 || counted) {
		// With counted, the kernels of the tool's line are those of another delegate.
		d.Nodes = max(d.Nodes, nodes, 1)
		d.Partitions = 0
		if k.accelerator {
			return d, &notProven{nothing, errNothing}
		}
		return p.withReason(d, true), nil
	}
	exact := complete(&d, a, counted, nodes)
	return p.withReason(d, exact), nil
}

// Drop removes lines about subgraphs that were not run: "subgraph 1", "subgraph 1 (body)".
func (p *Proof) Drop(subgraphs []int) {
	p.Replaced = slices.DeleteFunc(p.Replaced, func(r Replaced) bool {
		var i int
		_, err := fmt.Sscanf(r.Subgraph, "subgraph %d", &i)
		return err == nil && slices.Contains(subgraphs, i)
	})
}

// count adds up the runtime's lines about each subgraph, or else the delegate's own lines. An older
// runtime prints no total; the delegate's own total is taken if it counts the same nodes as delegated.
func (p *Proof) count(k *kind, d *devices.Delegation) (found bool) {
	reported := p.reported(k)
	seen := map[string]bool{}
	for _, r := range p.Replaced {
		if !k.owns(r.Delegate) {
			continue
		}
		found = true
		d.Delegated += r.Delegated
		d.Partitions += r.Partitions
		if r.Nodes >= 0 && !seen[r.Subgraph] {
			// A second line about the same subgraph counts the kernels of the first as nodes.
			seen[r.Subgraph] = true
			d.Nodes += r.Nodes
		}
	}
	switch {
	case reported == nil:
	case !found:
		d.Delegated, d.Nodes, d.Partitions = reported.Delegated, reported.Nodes, reported.Partitions
	case d.Nodes == 0 && d.Delegated == reported.Delegated:
		d.Nodes = reported.Nodes
	}
	return found || reported != nil
}

// reported adds up a delegate's own lines, nil if there are none.
func (p *Proof) reported(k *kind) *Replaced {
	var sum *Replaced
	for _, r := range p.Reports {
		if !k.owns(r.Delegate) {
			continue
		}
		if sum == nil {
			sum = &Replaced{}
		}
		sum.Delegated, sum.Nodes, sum.Partitions = sum.Delegated+r.Delegated, sum.Nodes+r.Nodes, sum.Partitions+r.Partitions
	}
	if sum != nil && k.name == GPU && p.Kernels != nil {
		sum.Partitions = *p.Kernels
		if *p.Kernels == 0 { // the driver failed after the delegate had counted
			sum.Delegated = 0
		}
	}
	return sum
}

func (p *Proof) appliedOf(k *kind) *Applied {
	for i := len(p.Applied) - 1; i >= 0; i-- {
		if strings.EqualFold(p.Applied[i].Provider, k.provider) {
			return &p.Applied[i]
		}
	}
	return nil
}

// complete fills in missing figures from the tool's line about the plan, and from the model's own
// number of nodes. If only a part is delegated and the number of its nodes was not printed, each
// kernel counts as one node, the minimum, and the figures are marked as not exact.
func complete(d *devices.Delegation, a *Applied, counted bool, nodes int) (exact bool) {
	if a != nil {
		d.Partitions = a.Kernels
	}
	exact = true
	switch {
	case a != nil && a.Whole && !counted:
		d.Nodes = max(nodes, 1)
		d.Delegated = d.Nodes
	case a != nil && a.Whole && d.Nodes == 0:
		d.Nodes = d.Delegated
	case !counted:
		d.Delegated, exact = a.Kernels, false
		d.Nodes = max(nodes, a.Kernels+1)
	case d.Nodes == 0: // an older runtime, which does not print the total
		d.Nodes = max(nodes, d.Delegated+1)
	}
	d.Delegated = min(d.Delegated, d.Nodes)
	d.Partitions = max(1, min(d.Partitions, d.Delegated))
	return exact
}

func (p *Proof) withReason(d devices.Delegation, exact bool) devices.Delegation {
	left := d.Nodes - d.Delegated
	switch {
	case left == 0:
	case len(p.Unsupported) > 0:
		d.Why = slices.Clone(p.Unsupported)
		if len(d.Why) == maxKept {
			d.Why = append(d.Why, "and others")
		}
	case !exact:
		d.Why = []string{"this build tells the number of delegate kernels and not of nodes: at least one node was left to the CPU"}
	default:
		d.Why = []string{fmt.Sprintf("benchmark_model does not say why %d nodes were left to the CPU", left)}
	}
	return d
}
