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
	Created   []string // providers whose delegate was created: "GPU"
	Replaced  []Replaced
	Applied   []Applied
	Reports   []Report
	Failures  []Failure
	XNNPACK   bool   // the runtime's implicit delegate for the CPU was created
	Unused    string // flags that this build does not know and ignored
	LoadedIt  bool   // the model was loaded
	Signature string // name of the signature that was run, if the model has one
}

// Replaced is the runtime's own line about nodes of a subgraph that became delegate kernels.
type Replaced struct {
	Delegate         string // "TfLiteGpuDelegateV2"
	Delegated, Nodes int    // Nodes is -1 if an older runtime does not print it
	Partitions       int    // of the plan, delegated or not
	Subgraph         string // "the whole graph", "subgraph 0"; empty in older ones
}

// Applied is the tool's line about a delegate.
type Applied struct {
	Provider string // "GPU", "EXTERNAL"
	Whole    bool   // the plan is one delegate kernel
	Kernels  int    // delegate kernels, 0 = the delegate took nothing
}

// Report is a delegate's own line, from those built on the runtime's simple delegate.
type Report struct {
	Delegate         string // "TfLiteQnnDelegate"
	Delegated, Nodes int
	Partitions       int // 0 if not printed
}

// Failure is a line that reports that a delegate did not work.
type Failure struct {
	Line string
	kind *failureKind
}

var (
	createdForm  = regexp.MustCompile(`^(\S+) delegate created\.$`)
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
	case strings.HasPrefix(t, "Loaded model "):
		p.LoadedIt = true
	case strings.HasPrefix(t, "Created TensorFlow Lite XNNPACK delegate for CPU"):
		p.XNNPACK = true
	case strings.HasPrefix(t, "Unconsumed cmdline flags: "):
		p.Unused = text.ClipTo(strings.TrimPrefix(t, "Unconsumed cmdline flags: "), 300)
	case strings.HasPrefix(t, "Using signature: "):
		p.Signature = text.ClipTo(strings.TrimPrefix(t, "Using signature: "), 300)
	default:
		f := createdForm.FindStringSubmatch(t)
		if f == nil {
			return false
		}
		if len(p.Created) < maxKept {
			p.Created = append(p.Created, f[1])
		}
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
	n, ok := counts(-1, f[1], f[2], f[4])
	if !ok || n[1] >= 0 && n[0] > n[1] || len(p.Replaced) >= maxLines {
		return false
	}
	p.Replaced = append(p.Replaced, Replaced{Delegated: n[0], Nodes: n[1], Delegate: text.ClipTo(f[3], 100), Partitions: n[2], Subgraph: f[5]})
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

func (p *Proof) report(f []string) bool {
	n, ok := counts(0, f[2], f[3], f[4])
	if !ok || n[0] > n[1] || len(p.Reports) >= maxLines {
		return false
	}
	p.Reports = append(p.Reports, Report{Delegate: text.ClipTo(f[1], 100), Delegated: n[0], Nodes: n[1], Partitions: n[2]})
	return true
}
