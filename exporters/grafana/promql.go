package grafana

import (
	"slices"
	"strings"
)

// What a reader chose, as label matchers. Grafana quotes names for a regular expression.
const (
	byDevice = `device=~"$device"`
	bySweep  = `device=~"$device", delegate=~"$delegate"`
	byOne    = `sweep=~"$sweep", device=~"$device", delegate=~"$delegate"`
	byModel  = `cost_model=~"$cost_model", device=~"$device"`
)

// The labels that tell one series of a subject from another. /metrics and /probe both know a
// device, and several servers may know one sweep: one of each is shown.
const (
	ofSweep = "sweep, device, delegate, threads"
	ofModel = "cost_model, device"
)

func sel(metric string, matchers ...string) string {
	matchers = slices.DeleteFunc(matchers, func(m string) bool { return m == "" })
	if len(matchers) == 0 {
		return metric
	}
	return metric + "{" + strings.Join(matchers, ", ") + "}"
}

func maxBy(labels, expr string) string { return "max by (" + labels + ") (" + expr + ")" }
func sumBy(labels, expr string) string { return "sum by (" + labels + ") (" + expr + ")" }

// dev is a device's metric, once a device.
func dev(metric string, more ...string) string {
	return maxBy("device", sel(metric, append([]string{byDevice}, more...)...))
}

// swept is a sweep's metric, once a sweep; which chooses the sweeps.
func swept(metric, which string, more ...string) string {
	return maxBy(ofSweep, sel(metric, append([]string{which}, more...)...))
}

func model(metric string) string { return maxBy(ofModel, sel(metric, byModel)) }

// withKind adds whether a sweep's latencies are measured, estimated or simulated.
func withKind(expr string) string {
	return "(" + expr + ") * on (sweep) group_left (kind) " + maxBy("sweep, kind", "latlab_sweep_info")
}

// modelKind adds what a cost model's latencies are.
func modelKind(expr string) string {
	return "(" + expr + ") * on (cost_model, device) group_left (kind) " + maxBy("cost_model, device, kind", "latlab_cost_model_info")
}

// quantile is one of a histogram, classic or native: a server keeps one of the two. over is
// a function of a selector, like rate, or empty for all that was counted since the beginning.
func quantile(q, metric, matchers, by, over string) string {
	half := func(suffix, le string) string {
		expr := sel(metric+suffix, matchers)
		if over != "" {
			expr = over + "(" + expr + "[$__rate_interval])"
		}
		return "histogram_quantile(" + q + ", " + sumBy(by+le, expr) + ")"
	}
	return half("_bucket", ", le") + " or " + half("", "")
}

// buckets is a histogram for a heat map: native buckets where there are, else classic ones.
func buckets(metric, matchers string) string {
	native := "sum(increase(" + sel(metric, matchers) + "[$__rate_interval]))"
	return native + " or sum by (le) (increase(" + sel(metric+"_bucket", matchers) + "[$__rate_interval])) unless on () " + native
}

// firing counts alerts of the device or sweep; none is 0.
func firing(matchers string) string {
	return "count(" + sel("ALERTS", `alertname=~"Latlab.*"`, `alertstate="firing"`, matchers) + ") or vector(0)"
}
