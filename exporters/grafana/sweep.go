package grafana

// sweep shows one sweep, or several together.
func sweep() Dashboard {
	return page{
		uid: "latlab-sweep", title: "latlab / sweep",
		about: "How far is the sweep, how good are its measurements, and what failed?",
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

// sweepName is a sweep's name in legends.
const sweepName = "{{sweep}} {{device}} {{delegate}}" + at

func sweepProgress() []view {
	failures := "increase(" + sel("latlab_sweep_failures_total", byOne) + "[$__rate_interval])"
	return []view{
		{kind: table, title: "Setup", about: "The sweep's settings, and whether it is measured, estimated or simulated.", w: 24, h: 5, links: []Override{leadsTo("device", "latlab-device"), kinds()},
			columns: []column{{1, "created", "dateTimeFromNow"}},
			queries: []query{
				{maxBy(ofSweep+", space, precision, kind, protocol, sampling, harness", sel("latlab_sweep_info", byOne)), ""},
				{"1000 * " + swept("latlab_sweep_created_timestamp_seconds", byOne), ""}}},
		{kind: bars, title: "Networks measured", about: "Networks with all their blocks, as a share of those requested.", unit: "percentunit", w: 6, h: 6, low: new(0.0), high: new(1.0), queries: []query{
			{swept("latlab_sweep_networks_measured", byOne) + " / " + swept("latlab_sweep_networks", byOne), sweepName}}},
		{kind: stat, title: "Networks", about: "Measured, failed and requested networks.", w: 6, h: 6, steps: plain(), queries: []query{
			{sumBy(ofLab, swept("latlab_sweep_networks_measured", byOne)), "measured" + at},
			{sumBy(ofLab, swept("latlab_sweep_networks_failed", byOne)), "failed" + at},
			{sumBy(ofLab, swept("latlab_sweep_networks", byOne)), "requested" + at}}},
		{kind: stat, title: "Time left", about: "Duration of the planned blocks at the rate of the last minutes. Noisy networks get more blocks later.", unit: "s", w: 4, h: 6, steps: plain(), none: "not running", queries: []query{
			{swept("latlab_sweep_blocks_queued", byOne) + " / (" + swept("sweep:latlab_sweep_blocks:rate5m", byOne) + " > 0)", sweepName}}},
		{kind: stat, title: "Last block", about: "Time since the last block ended.", unit: "s", w: 4, h: 6, steps: plain(), none: "no block yet", queries: []query{
			{ago(swept("latlab_sweep_last_block_timestamp_seconds", byOne)), sweepName}}},
		{kind: stat, title: "Quarantines", about: "Times that the device was quarantined after repeated failures.", w: 4, h: 6, steps: above(1, "red"), queries: []query{
			{sumBy(ofLab, swept("latlab_sweep_quarantines_total", byOne)), inLab}}},
		{kind: timeline, title: "State", about: "State reported by the sweep's process.", w: 24, h: 6, steps: plain(),
			names:   states(Word{Text: "no", Color: "transparent"}, Word{Text: "yes", Color: "green"}),
			queries: []query{{maxBy(ofSweep+", state", sel("latlab_sweep_state", byOne)) + " > 0", "{{device}} {{delegate}}: {{state}}" + at}}},
		{kind: lines, title: "Blocks per second", about: "How fast is the sweep?", unit: "suffix: blocks/s", low: new(0.0), queries: []query{
			{maxBy(ofSweep, "rate("+sel("latlab_sweep_blocks_total", byOne)+"[$__rate_interval])"), sweepName}}},
		{kind: lines, title: "Queue", about: "Planned blocks that are not done.", unit: "short", low: new(0.0), queries: []query{
			{swept("latlab_sweep_blocks_queued", byOne), sweepName}}},
		{kind: lines, title: "Failures by fault and reason", about: "Failed attempts in the interval.", unit: "short", low: new(0.0), none: "no failure", queries: []query{
			{sumBy(ofLab+", fault, reason", maxBy(ofSweep+", fault, reason", failures)), "{{fault}}: {{reason}}" + at}}},
		{kind: lines, title: "Failure share", about: "Failed attempts as a share of all attempts since the sweep began.", unit: "percentunit", low: new(0.0), queries: []query{
			{sel("sweep:latlab_sweep_failures:ratio", byOne), sweepName}}},
	}
}

func sweepQuality() []view {
	count := func(label, metric string) string {
		return sumBy(ofLab+", "+label, maxBy(ofSweep+", "+label, sel(metric, byOne)))
	}
	return []view{
		{kind: bars, title: "Verdicts", about: "Measured networks that are VALID, IMPRECISE (right, with a wider interval than asked for) and INVALID.", unit: "short", h: 6, low: new(0.0), queries: []query{
			{count("verdict", "latlab_sweep_verdicts"), "{{verdict}}" + at}}},
		{kind: bars, title: "Why INVALID", about: "Reasons for INVALID; a network may have several.", unit: "short", h: 6, low: new(0.0), none: "none is INVALID", queries: []query{
			{count("reason", "latlab_sweep_invalid_networks"), "{{reason}}" + at}}},
		{kind: bars, title: "Warnings", about: "Networks with warnings, which do not make them INVALID; a network may have several.", unit: "short", h: 6, low: new(0.0), none: "no warning", queries: []query{
			{count("warning", "latlab_sweep_warned_networks"), "{{warning}}" + at}}},
		{kind: lines, title: "Noise between blocks", about: "How much the blocks of one network differ. The dashed line is the alert's limit.", unit: "percentunit", low: new(0.0), queries: []query{
			{withKind(swept("latlab_sweep_noise_ratio", byOne)), sweepName + " ({{kind}})"}, {"latlab:limit_noise_ratio", "limit"}}},
		{kind: lines, title: "Undisturbed samples", about: "Share of the samples that no other work disturbed; the others are left out. The dashed line is the alert's limit.", unit: "percentunit", low: new(0.0), high: new(1.0), none: "the device does not show it", queries: []query{
			{swept("latlab_sweep_undisturbed_samples_ratio", byOne), sweepName}, {"latlab:limit_undisturbed_ratio", "limit"}}},
		{kind: lines, title: "Measured clock", about: "Clock of the core, as the newest block measured it. It falls when the device throttles, or when a block runs on a slower core.", unit: "hertz", low: new(0.0), none: "not measured", queries: []query{
			{swept("latlab_sweep_clock_hertz", byOne), sweepName}}},
		{kind: lines, title: "Interval half-widths, 50 and 90 %", about: "How accurately is a network's latency known? The half-width of the interval over the latency.", unit: "percentunit", low: new(0.0), queries: []query{
			{withKind(quantile("0.5", "latlab_sweep_interval_half_width_ratio", byOne, ofSweep, "")), sweepName + " 50 % ({{kind}})"},
			{withKind(quantile("0.9", "latlab_sweep_interval_half_width_ratio", byOne, ofSweep, "")), sweepName + " 90 % ({{kind}})"}}},
		{kind: lines, title: "Delegated nodes", about: "Share of nodes that the delegate took.", unit: "percentunit", low: new(0.0), high: new(1.0), queries: []query{
			{swept("latlab_sweep_delegated_nodes_ratio", byOne), sweepName}}},
	}
}

func sweepLatencies() []view {
	return []view{
		{kind: heat, title: "Networks by latency", about: "Which latencies do the networks measured in the interval have? Dark = many.", unit: "s", w: 24, h: 9, eachLab: true, queries: []query{
			{buckets("latlab_network_latency_seconds", byOne), "{{le}}"}}},
		{kind: lines, title: "Networks' latency, 50 and 90 %", about: "Of all networks of the sweep so far.", unit: "s", w: 12, low: new(0.0), queries: []query{
			{withKind(quantile("0.5", "latlab_network_latency_seconds", byOne, ofSweep, "")), sweepName + " 50 % ({{kind}})"},
			{withKind(quantile("0.9", "latlab_network_latency_seconds", byOne, ofSweep, "")), sweepName + " 90 % ({{kind}})"}}},
		{kind: lines, title: "Inferences, 50 and 90 %", about: "Of all timed inferences of the sweep so far.", unit: "s", w: 12, queries: []query{
			{withKind(sel("sweep:latlab_inference_duration_seconds:p50", byOne)), sweepName + " 50 % ({{kind}})"},
			{withKind(sel("sweep:latlab_inference_duration_seconds:p90", byOne)), sweepName + " 90 % ({{kind}})"}}},
		{kind: lines, title: "Against the baseline", about: "Latency relative to the same networks in the baseline; 1 = unchanged. The dashed line is the alert's limit.", w: 12, none: "no baseline: latlab serve --baseline SWEEP", queries: []query{
			{withKind(maxBy(ofSweep+", baseline", sel("latlab_baseline_latency_ratio", byOne))), sweepName + " / {{baseline}} ({{kind}})"}, {"latlab:limit_baseline_ratio", "limit"}}},
		{kind: stat, title: "Networks in common with the baseline", about: "Networks that are VALID in both. With few networks the comparison means little.", w: 12, steps: plain(), none: "no baseline", queries: []query{
			{maxBy(ofSweep+", baseline", sel("latlab_baseline_networks", byOne)), sweepName}}},
	}
}
