package grafana

// device is one device, or some beside each other.
func device() Dashboard {
	return page{
		uid: "latlab-device", title: "latlab / device",
		about:     "Is this device fit to measure on, and does it still do what it did?",
		variables: []Variable{deviceVariable(), delegateVariable()},
		sections: []section{
			{"Now", deviceNow()},
			{"Condition", deviceCondition()},
			{"Latencies", deviceLatencies()},
		},
	}.dashboard()
}

func deviceNow() []view {
	yesNo := states(Word{Text: "no"}, Word{Text: "yes"})
	return []view{
		{look: table, title: "What it is", about: "Measured, estimated or simulated; what the device says of itself.", w: 24, h: 5, links: []Override{kinds()},
			queries: []query{{maxBy(ofDevice+", kind, transport, model, soc, os, source", sel("latlab_device_info", byDevice)), ""}}},
		{look: stat, title: "Reachable", about: "Whether the device can be used.", w: 4, h: 4, steps: below(1, "red"), names: yesNo, queries: []query{{dev("latlab_device_up"), "{{device}}" + at}}},
		{look: stat, title: "Timing", about: "Whether a latlab times on it now; its condition is then the last block's.", w: 4, h: 4, steps: plain(), names: yesNo, queries: []query{{dev("latlab_device_busy"), "{{device}}" + at}}},
		{look: stat, title: "Condition read", about: "How long ago the condition below was read.", unit: "s", w: 4, h: 4, steps: plain(), queries: []query{
			{ago(dev("latlab_device_observed_timestamp_seconds")), "{{device}}" + at}}},
		{look: stat, title: "Hottest sensor", about: "Its temperature.", unit: "celsius", w: 4, h: 4, steps: above(80, "red"), queries: []query{{dev("latlab_device_temperature_celsius"), "{{device}}" + at}}},
		{look: stat, title: "Battery", about: "Its charge.", unit: "percentunit", w: 4, h: 4, steps: below(0.3, "red"), none: "no battery known", queries: []query{{dev("latlab_device_battery_ratio"), "{{device}}" + at}}},
		{look: stat, title: "Alerts firing", about: "Of latlab's rules, about these devices.", w: 4, h: 4, steps: above(1, "orange"), queries: []query{{firing(byDevice), inLab}}},
		{look: words, title: "What the numbers are", w: 24, h: 3, text: kindsAre},
	}
}

func deviceCondition() []view {
	return []view{
		{look: lines, title: "Temperature", about: "The hottest sensor. The dashed line is the alert's.", unit: "celsius", queries: []query{
			{dev("latlab_device_temperature_celsius"), "{{device}}" + at}, {"latlab:limit_temperature_celsius", "limit"}}},
		{look: lines, title: "All sensors", about: "Which part of the device is warm? Seen by /probe.", unit: "celsius", queries: []query{
			{maxBy(ofDevice+", sensor", sel("latlab_probe_sensor_temperature_celsius", byDevice)), "{{device}} {{sensor}}" + at}}},
		{look: timeline, title: "Throttling", about: "When did it say that it slows itself down?", steps: plain(),
			names:   states(Word{Text: "no", Color: "green"}, Word{Text: "throttled", Color: "red"}),
			queries: []query{{dev("latlab_device_throttled"), "{{device}}" + at}}},
		{look: timeline, title: "Android's thermal status", about: "How hot does Android find itself?", steps: plain(),
			names: states(Word{Text: "none", Color: "green"}, Word{Text: "light", Color: "yellow"}, Word{Text: "moderate", Color: "orange"}, Word{Text: "severe", Color: "red"},
				Word{Text: "critical", Color: "dark-red"}, Word{Text: "emergency", Color: "dark-red"}, Word{Text: "shutdown", Color: "purple"}),
			queries: []query{{dev("latlab_device_thermal_status"), "{{device}}" + at}}},
		{look: lines, title: "Clocks", about: "Did a CPU's clock fall while it was timed?", unit: "hertz", low: new(0.0), queries: []query{
			{maxBy(ofDevice+", cpu", sel("latlab_device_cpu_frequency_hertz", byDevice)), "{{device}} cpu {{cpu}}" + at}}},
		{look: lines, title: "Battery", about: "Does it lose charge while it is used?", unit: "percentunit", low: new(0.0), high: new(1.0), queries: []query{
			{dev("latlab_device_battery_ratio"), "{{device}}" + at}, {"latlab:limit_battery_ratio", "limit"}}},
		{look: timeline, title: "Power", about: "When did it run on its battery?", steps: plain(),
			names:   states(Word{Text: "plugged in", Color: "green"}, Word{Text: "on battery", Color: "orange"}),
			queries: []query{{dev("latlab_device_on_battery"), "{{device}}" + at}}},
		{look: timeline, title: "Looks at the device", about: "When could it be looked at (/probe)?", steps: plain(),
			names:   states(Word{Text: "failed", Color: "red"}, Word{Text: "well", Color: "green"}),
			queries: []query{{dev("latlab_probe_success"), "{{device}}" + at}}},
		{look: lines, title: "Time of a look", about: "How long looking at it took.", unit: "s", low: new(0.0), queries: []query{
			{dev("latlab_probe_duration_seconds"), "{{device}}" + at}}},
	}
}

func deviceLatencies() []view {
	fixture := func(metric string) string {
		return withKind(maxBy(ofSweep+", fixture", sel(metric, bySweep)))
	}
	return []view{
		{look: heat, title: "Inferences", about: "How long did inferences take, all networks together? Dark = many.", unit: "s", w: 24, h: 9, eachLab: true, queries: []query{
			{buckets("latlab_inference_duration_seconds", bySweep), "{{le}}"}}},
		{look: lines, title: "Inferences in the interval, 50 and 90 %", about: "Of whichever networks were timed just then: networks differ by far more than a device drifts.", unit: "s", low: new(0.0), queries: []query{
			{withKind(quantile("0.5", "latlab_inference_duration_seconds", bySweep, ofSweep, "rate")), "{{device}} {{delegate}} 50 % ({{kind}})" + at},
			{withKind(quantile("0.9", "latlab_inference_duration_seconds", bySweep, ofSweep, "rate")), "{{device}} {{delegate}} 90 % ({{kind}})" + at}}},
		{look: lines, title: "Known networks with their interval", about: "Does the same network still take as long as it did?", unit: "s", queries: []query{
			{fixture("latlab_fixture_latency_seconds"), "{{device}} {{fixture}} ({{kind}})" + at},
			{fixture("latlab_fixture_latency_low_seconds"), "{{device}} {{fixture}} low" + at},
			{fixture("latlab_fixture_latency_high_seconds"), "{{device}} {{fixture}} high" + at}}},
		{look: lines, title: "Delegated nodes", about: "Share of the graphs' nodes that the delegate took; below 100 % an accelerator is not what is measured.", unit: "percentunit", low: new(0.0), high: new(1.0), queries: []query{
			{swept("latlab_sweep_delegated_nodes_ratio", bySweep), "{{device}} {{delegate}}" + at}}},
	}
}
