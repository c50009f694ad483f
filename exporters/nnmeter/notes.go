package nnmeter

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"latlab/exporters"
	"latlab/regress"
)

// origin is the source of the figures: a cost model, or per-layer tables.
type origin struct {
	cost         *regress.CostModel
	device, kind string
	networks     int
	total, named float64 // seconds of all rows, and of those with an op
}

func (k *Kernels) notes() exporters.Notes {
	n := exporters.Notes{Format: "nnmeter", Lost: append(k.origin.losses(), k.spread())}
	if k.origin.cost != nil {
		n.Cost = exporters.OriginOf(k.origin.cost)
	}
	if len(k.left) > 0 {
		n.Lost = append(n.Lost, exporters.Loss{What: "kernels", Why: "left out, since nn-Meter has no such kernels: " + counted(k.left)})
	}
	if skipped := k.unread(); skipped != "" {
		n.Lost = append(n.Lost, exporters.Loss{What: "kernels of 0 ms or of 200 ms and more", Why: "nn-Meter silently skips them when it reads the file: " + skipped})
	}
	n.Lost = append(n.Lost,
		exporters.Loss{What: "activations", Why: "all convolutions are conv-bn-relu or dwconv-bn-relu, as nn-Meter merges them; hswish and se are separate kernels"},
		exporters.Loss{What: "model", Why: "no files of single kernels were written; the key is empty"})
	return n
}

func (o origin) losses() []exporters.Loss {
	if m := o.cost; m != nil {
		return []exporters.Loss{
			{What: "measurement", Why: fmt.Sprintf("figures are predictions of a linear model fitted to %s latencies of whole networks on %s; no kernel was measured separately, and a predictor fitted to them learns that model", m.Kind, m.Device)},
			{What: "intercept", Why: fmt.Sprintf("%s ms per network belong to no kernel", number(m.Features["intercept"]*1000))},
		}
	}
	return []exporters.Loss{
		{What: "device, kind", Why: fmt.Sprintf("figures are %s, from per-layer tables of %s (networks: %d); a layer inside a network shares caches and overlaps with others, and may be slower alone", strings.ToUpper(o.kind), o.device, o.networks)},
		{What: "other rows", Why: fmt.Sprintf("%s ms of %s ms are in rows without an op: overhead, and operators that a compiler or delegate added or fused", number((o.total-o.named)*1000), number(o.total*1000))},
	}
}

func (k *Kernels) spread() exporters.Loss {
	if k.single {
		return exporters.Loss{What: "std", Why: `not computed: "nan", which Python reads as a float; nn-Meter uses the average only`}
	}
	return exporters.Loss{What: "std", Why: `over the occurrences of a kernel in the networks, not over runs; "nan" if there is only one`}
}

func counted(counts map[string]int) string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		texts = append(texts, fmt.Sprintf("%s (%d)", name, counts[name]))
	}
	return strings.Join(texts, ", ")
}

// unread counts what nn-Meter's reader skips: label != 0.0 and label < 200.0.
func (k *Kernels) unread() string {
	counts := map[string]int{}
	for s, x := range k.list {
		if ms := x.mean() * 1000; ms == 0 || ms >= 200 {
			counts[s.kind]++
		}
	}
	return counted(counts)
}
