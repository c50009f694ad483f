package grafana

import (
	"slices"
	"strings"
)

// The user's selections as label matchers. Grafana escapes them for a regular expression.
const (
	byLab    = `instance=~"$lab"`
	byDevice = byLab + `, device=~"$device"`
	bySweep  = byDevice + `, delegate=~"$delegate"`
	byOne    = `sweep=~"$sweep", ` + bySweep
	byModel  = `cost_model=~"$cost_model", ` + byDevice
)

// The labels that identify a series. The lab is always one of them, since two labs may have
// devices, sweeps and cost models with the same names. The job is not: /metrics and /probe both
// have a device's metrics, and only one of the two is shown.
const (
	ofLab    = "instance"
	ofDevice = "instance, device"
	ofSweep  = "instance, sweep, device, delegate, threads"
	ofModel  = "instance, cost_model, device"
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

// ago is the time since the timestamps of expr.
func ago(expr string) string { return "time() - " + expr }

// dev is a device's metric, one series per device of a lab.
func dev(metric string, more ...string) string {
	return maxBy(ofDevice, sel(metric, append([]string{byDevice}, more...)...))
}

// swept is a sweep's metric, one series per sweep of a lab; which selects the sweeps.
func swept(metric, which string, more ...string) string {
	return maxBy(ofSweep, sel(metric, append([]string{which}, more...)...))
}

func model(metric string) string { return maxBy(ofModel, sel(metric, byModel)) }

// withKind adds whether a sweep's latencies are measured, estimated or simulated.
func withKind(expr string) string {
	return "(" + expr + ") * on (instance, sweep) group_left (kind) " + maxBy("instance, sweep, kind", sel("latlab_sweep_info", byLab))
}

// modelKind adds whether a cost model's latencies are measured, estimated or simulated.
func modelKind(expr string) string {
	return "(" + expr + ") * on (instance, cost_model, device) group_left (kind) " + maxBy(ofModel+", kind", sel("latlab_cost_model_info", byLab))
}

// quantile is a quantile of a histogram, classic or native: a server stores one of the two. over is
// a function of a selector, such as rate, or empty for the total count.
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

// buckets is a histogram for a heat map: native buckets if there are any, otherwise classic ones.
func buckets(metric, matchers string) string {
	half := func(by, suffix string) string {
		return sumBy(by, "increase("+sel(metric+suffix, matchers)+"[$__rate_interval])")
	}
	native := half(ofLab, "")
	return native + " or " + half(ofLab+", le", "_bucket") + " unless on (instance) " + native
}

// firing counts a lab's firing alerts; 0 if there are none.
func firing(matchers string) string {
	return "count by (instance) (" + sel("ALERTS", `alertname=~"Latlab.*"`, `alertstate="firing"`, matchers) + ") or 0 * " +
		maxBy(ofLab, sel("latlab_build_info", byLab))
}
