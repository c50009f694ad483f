package benchmarkmodel

import (
	"regexp"
	"strconv"
	"strings"

	"latlab/internal/text"
)

// Proof is what a run printed about who executed the graph. That a delegate was created proves
// nothing: NNAPI creates its delegate and then runs a float model on the CPU.
type Proof struct {
	Replaced []Replaced // the runtime's own lines about its subgraphs
	Applied  []Applied
	Reports  []Replaced // lines of delegates built on the runtime's simple delegate
	Failures []Failure
	XNNPACK  bool   // the runtime's implicit delegate for the CPU was created
	Unused   string // flags that this build does not know and ignored
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
	replacedForm = regexp.MustCompile(`^Replacing (\d+)(?: out of (\d+))? node\(s\) with delegate \((.*?)\) node, yielding (\d+) partitions(?: for (.+?))?\.?$`)
	appliedForm  = regexp.MustCompile(`^(?:Explicitly applied|Applied) (\S+) delegate, and the model graph will be (completely|partially) executed (?:by|w/) the delegate(?: w/ (\d+) delegate kernels)?\.?$`)
	noneForm     = regexp.MustCompile(`^Though (\S+) delegate is explicitly applied, the model(?: graph)? will not be executed by the delegate\.?$`)
	reportForm   = regexp.MustCompile(`^(.*?)[:,] *(\d+) nodes delegated out of (\d+)(?: nodes)?(?: with (\d+) partitions)?\.?$`)
)

func (p *Proof) line(l line) error {
	t := l.text
	if p.mark(t) {
		return nil
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
