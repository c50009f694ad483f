package grafana

// sweep is one sweep, or some beside each other.
func sweep() Dashboard {
	return page{
		uid: "latlab-sweep", title: "latlab / sweep",
		about: "How far is it, is it any good, and what went wrong?",
		variables: []Variable{
			deviceVariable(), delegateVariable(),
			choice("sweep", "Sweep", sel("latlab_sweep_info", bySweep)),
		},
		sections: []section{
			{"Progress", sweepProgress()},
			{"Quality", sweepQuality()},
			{"Latencies", sweepLatencies()},
		},
	}.dashboard()
}

// sweepName is how legends call a sweep.
const sweepName = "{{sweep}} {{device}} {{delegate}}" + at

func sweepProgress() []view {
	failures := "increase(" + sel("latlab_sweep_failures_total", byOne) + "[$__rate_interval])"
	return []view{
		{look: table, title: "What it is", about: "Measured, estimated or simulated, and under which protocol.", w: 24, h: 5, links: []Override{leadsTo("device", "latlab-device"), kinds()},
			columns: []column{{1, "begun", "dateTimeFromNow"}},
			queries: []query{
				{maxBy(ofSweep+", space, precision, kind, protocol, sampling, harness", sel("latlab_sweep_info", byOne)), ""},
				{"1000 * " + swept("latlab_sweep_created_timestamp_seconds", byOne), ""}}},
		{look: bars, title: "Networks measured", about: "With all their blocks, of those asked for.", unit: "percentunit", w: 6, h: 6, low: new(0.0), high: new(1.0), queries: []query{
			{swept("latlab_sweep_networks_measured", byOne) + " / " + swept("latlab_sweep_networks", byOne), sweepName}}},
		{look: stat, title: "Networks", about: "Measured, given up, asked for.", w: 6, h: 6, steps: plain(), queries: []query{
			{sumBy(ofLab, swept("latlab_sweep_networks_measured", byOne)), "measured" + at},
			{sumBy(ofLab, swept("latlab_sweep_networks_failed", byOne)), "given up" + at},
			{sumBy(ofLab, swept("latlab_sweep_networks", byOne)), "asked for" + at}}},
		{look: stat, title: "Queue at the present rate", about: "How long the planned blocks take as fast as the last minutes' were; more are planned where noise asks for them.", unit: "s", w: 4, h: 6, steps: plain(), none: "does not run", queries: []query{
			{swept("latlab_sweep_blocks_queued", byOne) + " / (" + swept("sweep:latlab_sweep_blocks:rate5m", byOne) + " > 0)", sweepName}}},
		{look: stat, title: "Last block", about: "How long ago it ended.", unit: "s", w: 4, h: 6, steps: plain(), none: "no block yet", queries: []query{
			{ago(swept("latlab_sweep_last_block_timestamp_seconds", byOne)), sweepName}}},
		{look: stat, title: "Quarantines", about: "Times that the device was given up until somebody looks at it.", w: 4, h: 6, steps: above(1, "red"), queries: []query{
			{sumBy(ofLab, swept("latlab_sweep_quarantines_total", byOne)), inLab}}},
		{look: timeline, title: "State", about: "What the sweep's process said that it does.", w: 24, h: 6, steps: plain(),
			names:   states(Word{Text: "no", Color: "transparent"}, Word{Text: "yes", Color: "green"}),
			queries: []query{{maxBy(ofSweep+", state", sel("latlab_sweep_state", byOne)) + " > 0", "{{device}} {{delegate}}: {{state}}" + at}}},
		{look: lines, title: "Blocks a second", about: "How fast is it?", unit: "suffix: blocks/s", low: new(0.0), queries: []query{
			{maxBy(ofSweep, "rate("+sel("latlab_sweep_blocks_total", byOne)+"[$__rate_interval])"), sweepName}}},
		{look: lines, title: "Queue", about: "Blocks planned and not done.", unit: "short", low: new(0.0), queries: []query{
			{swept("latlab_sweep_blocks_queued", byOne), sweepName}}},
		{look: lines, title: "Failures by fault and reason", about: "Failed attempts in the interval.", unit: "short", low: new(0.0), none: "no failure", queries: []query{
			{sumBy(ofLab+", fault, reason", maxBy(ofSweep+", fault, reason", failures)), "{{fault}}: {{reason}}" + at}}},
		{look: lines, title: "Failure share", about: "Failed attempts of all attempts since the sweep began.", unit: "percentunit", low: new(0.0), queries: []query{
			{sel("sweep:latlab_sweep_failures:ratio", byOne), sweepName}}},
	}
}

func sweepQuality() []view {
	count := func(label, metric string) string {
		return sumBy(ofLab+", "+label, maxBy(ofSweep+", "+label, sel(metric, byOne)))
	}
	return []view{
		{look: bars, title: "Verdicts", about: "Measured networks that are VALID and INVALID.", unit: "short", h: 6, low: new(0.0), queries: []query{
			{count("verdict", "latlab_sweep_verdicts"), "{{verdict}}" + at}}},
		{look: bars, title: "Why INVALID", about: "A network may have several reasons.", unit: "short", h: 6, low: new(0.0), none: "none is INVALID", queries: []query{
			{count("reason", "latlab_sweep_invalid_networks"), "{{reason}}" + at}}},
		{look: bars, title: "Warnings", about: "Networks with a doubt that does not make them INVALID; one may have several.", unit: "short", h: 6, low: new(0.0), none: "no warning", queries: []query{
			{count("warning", "latlab_sweep_warned_networks"), "{{warning}}" + at}}},
		{look: lines, title: "Noise between blocks", about: "How much blocks of one network differ. The dashed line is the alert's.", unit: "percentunit", low: new(0.0), queries: []query{
			{withKind(swept("latlab_sweep_noise_ratio", byOne)), sweepName + " ({{kind}})"}, {"latlab:limit_noise_ratio", "limit"}}},
		{look: lines, title: "Interval half-widths, 50 and 90 %", about: "How well is a network's latency known? Half the interval over the latency.", unit: "percentunit", low: new(0.0), queries: []query{
			{withKind(quantile("0.5", "latlab_sweep_interval_half_width_ratio", byOne, ofSweep, "")), sweepName + " 50 % ({{kind}})"},
			{withKind(quantile("0.9", "latlab_sweep_interval_half_width_ratio", byOne, ofSweep, "")), sweepName + " 90 % ({{kind}})"}}},
		{look: lines, title: "Delegated nodes", about: "Share of the graphs' nodes that the delegate took.", unit: "percentunit", low: new(0.0), high: new(1.0), queries: []query{
			{swept("latlab_sweep_delegated_nodes_ratio", byOne), sweepName}}},
	}
}

func sweepLatencies() []view {
	return []view{
		{look: heat, title: "Networks by latency", about: "Which latencies do the networks measured in the interval have? Dark = many.", unit: "s", w: 24, h: 9, eachLab: true, queries: []query{
			{buckets("latlab_network_latency_seconds", byOne), "{{le}}"}}},
		{look: lines, title: "Networks' latency, 50 and 90 %", about: "Of all networks of the sweep so far.", unit: "s", w: 12, low: new(0.0), queries: []query{
			{withKind(quantile("0.5", "latlab_network_latency_seconds", byOne, ofSweep, "")), sweepName + " 50 % ({{kind}})"},
			{withKind(quantile("0.9", "latlab_network_latency_seconds", byOne, ofSweep, "")), sweepName + " 90 % ({{kind}})"}}},
		{look: lines, title: "Inferences, 50 and 90 %", about: "Of all timed inferences of the sweep so far.", unit: "s", w: 12, queries: []query{
			{withKind(sel("sweep:latlab_inference_duration_seconds:p50", byOne)), sweepName + " 50 % ({{kind}})"},
			{withKind(sel("sweep:latlab_inference_duration_seconds:p90", byOne)), sweepName + " 90 % ({{kind}})"}}},
		{look: lines, title: "Against the baseline", about: "Latency over that of the same networks in the baseline; 1 = the same. The dashed line is the alert's.", w: 12, none: "no baseline: latlab serve --baseline SWEEP", queries: []query{
			{withKind(maxBy(ofSweep+", baseline", sel("latlab_baseline_latency_ratio", byOne))), sweepName + " / {{baseline}} ({{kind}})"}, {"latlab:limit_baseline_ratio", "limit"}}},
		{look: stat, title: "Networks in common with the baseline", about: "That are VALID in both: few say little.", w: 12, steps: plain(), none: "no baseline", queries: []query{
			{maxBy(ofSweep+", baseline", sel("latlab_baseline_networks", byOne)), sweepName}}},
	}
}
