package benchmarkmodel

import (
	"errors"
	"fmt"
	"strings"

	"latlab/devices"
)

// notProven is a run of which it is not proven that the delegate had the graph.
type notProven struct {
	kind failureKind
	err  error
}

var errNothing = errors.New("the delegate took no node: the CPU ran the model")

// prove says who executed the graph: positive evidence, and no line that denies it. nodes is
// how many the model has, 0 where that is not known.
//
// On the CPU (xnnpack) nodes that were left are slower but true; on an accelerator a run of
// which the CPU had all is an error, as its time would be another machine's.
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
		// The runtime's lines are of all subgraphs; the tool's own word is of the one that it runs.
		return d, &notProven{nothing, errNothing}
	}
	if k.accelerator && !counted && len(p.Replaced) > 0 {
		// "Completely executed" counts every delegate's kernels, and only others took nodes.
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

// count adds up what the runtime says of each subgraph, or what the delegate says itself.
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
			// A second line of one subgraph counts the first's kernels among its nodes.
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

// complete makes the figures whole from what the tool says of the plan, and from the
// model's own number of nodes where nobody counted them. Where a part is left and how many
// nodes that is was not printed, each kernel stands for the one node that it has at least,
// and the figures are not exact.
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
	case d.Nodes == 0: // an older runtime, which does not say of how many
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
