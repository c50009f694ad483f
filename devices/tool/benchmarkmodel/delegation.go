package benchmarkmodel

import (
	"errors"
	"fmt"
	"strings"

	"latlab/devices"
)

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
	if d.Delegated == 0 && (a == nil || a.Kernels == 0) {
		d.Nodes = max(d.Nodes, nodes, 1)
		d.Partitions = 0
		if k.accelerator {
			return d, &notProven{nothing, errNothing}
		}
		return withReason(d, true), nil
	}
	exact := complete(&d, a, counted, nodes)
	return withReason(d, exact), nil
}

// count adds up the runtime's lines about each subgraph, or else the delegate's own lines.
func (p *Proof) count(k *kind, d *devices.Delegation) (found bool) {
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
	if found {
		return true
	}
	for _, r := range p.Reports {
		if k.owns(r.Delegate) {
			found = true
			d.Delegated, d.Nodes, d.Partitions = d.Delegated+r.Delegated, d.Nodes+r.Nodes, d.Partitions+r.Partitions
		}
	}
	return found
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

func withReason(d devices.Delegation, exact bool) devices.Delegation {
	left := d.Nodes - d.Delegated
	switch {
	case left == 0:
	case !exact:
		d.Why = []string{"this build tells the number of delegate kernels and not of nodes: at least one node was left to the CPU"}
	default:
		d.Why = []string{fmt.Sprintf("benchmark_model does not say why %d nodes were left to the CPU", left)}
	}
	return d
}
