package grafana

// device shows one device, or several together.
func device() Dashboard {
	return page{
		uid: "latlab-device", title: "latlab / device",
		about:     "Is this device in a state to measure on, and are its latencies unchanged?",
		variables: []Variable{deviceVariable(), delegateVariable()},
		sections: []section{
			{"Now", deviceNow()},
			{"State", deviceCondition()},
			{"Latencies", deviceLatencies()},
		},
	}.dashboard()
}

func deviceNow() []view {
	yesNo := states(Word{Text: "no"}, Word{Text: "yes"})
	return []view{
		{kind: table, title: "Setup", about: "The device's properties, and whether its latencies are measured, estimated or simulated.", w: 24, h: 5, links: []Override{kinds()},
			queries: []query{{maxBy(ofDevice+", kind, transport, model, soc, os, source", sel("latlab_device_info", byDevice)), ""}}},
		{kind: stat, title: "Reachable", about: "Whether the device can be used.", w: 4, h: 4, steps: below(1, "red"), names: yesNo, queries: []query{{dev("latlab_device_up"), "{{device}}" + at}}},
		{kind: stat, title: "Timing", about: "Whether latlab is timing on it now. Its state is then that of the last block.", w: 4, h: 4, steps: plain(), names: yesNo, queries: []query{{dev("latlab_device_busy"), "{{device}}" + at}}},
		{kind: stat, title: "State read", about: "Time since the state below was read.", unit: "s", w: 4, h: 4, steps: plain(), queries: []query{
			{ago(dev("latlab_device_observed_timestamp_seconds")), "{{device}}" + at}}},
		{kind: stat, title: "Hottest sensor", about: "Temperature of the hottest sensor.", unit: "celsius", w: 4, h: 4, steps: above(80, "red"), queries: []query{{dev("latlab_device_temperature_celsius"), "{{device}}" + at}}},
		{kind: stat, title: "Battery", about: "Charge of the battery.", unit: "percentunit", w: 4, h: 4, steps: below(0.3, "red"), none: "no battery known", queries: []query{{dev("latlab_device_battery_ratio"), "{{device}}" + at}}},
		{kind: stat, title: "Alerts firing", about: "Firing alerts of latlab's rules for these devices.", w: 4, h: 4, steps: above(1, "orange"), queries: []query{{firing(byDevice), inLab}}},
		{kind: markdown, title: "Kinds of latencies", w: 24, h: 3, text: kindsAre},
	}
}

func deviceCondition() []view {
	return []view{
		{kind: lines, title: "Temperature", about: "Temperature of the hottest sensor. The dashed line is the alert's limit.", unit: "celsius", queries: []query{
			{dev("latlab_device_temperature_celsius"), "{{device}}" + at}, {"latlab:limit_temperature_celsius", "limit"}}},
		{kind: lines, title: "All sensors", about: "Which part of the device is warm? Read by /probe.", unit: "celsius", queries: []query{
			{maxBy(ofDevice+", sensor", sel("latlab_probe_sensor_temperature_celsius", byDevice)), "{{device}} {{sensor}}" + at}}},
		{kind: timeline, title: "Throttling", about: "When did the device report throttling?", steps: plain(),
			names:   states(Word{Text: "no", Color: "green"}, Word{Text: "throttled", Color: "red"}),
			queries: []query{{dev("latlab_device_throttled"), "{{device}}" + at}}},
		{kind: timeline, title: "Android's thermal status", about: "How severe is throttling according to Android?", steps: plain(),
			names: states(Word{Text: "none", Color: "green"}, Word{Text: "light", Color: "yellow"}, Word{Text: "moderate", Color: "orange"}, Word{Text: "severe", Color: "red"},
				Word{Text: "critical", Color: "dark-red"}, Word{Text: "emergency", Color: "dark-red"}, Word{Text: "shutdown", Color: "purple"}),
			queries: []query{{dev("latlab_device_thermal_status"), "{{device}}" + at}}},
		{kind: lines, title: "Clocks", about: "Did a CPU's clock fall during timing?", unit: "hertz", low: new(0.0), queries: []query{
			{maxBy(ofDevice+", cpu", sel("latlab_device_cpu_frequency_hertz", byDevice)), "{{device}} cpu {{cpu}}" + at}}},
		{kind: lines, title: "Battery", about: "Does it lose charge while it is in use?", unit: "percentunit", low: new(0.0), high: new(1.0), queries: []query{
			{dev("latlab_device_battery_ratio"), "{{device}}" + at}, {"latlab:limit_battery_ratio", "limit"}}},
		{kind: timeline, title: "Power", about: "When did the device run on its battery?", steps: plain(),
			names:   states(Word{Text: "plugged in", Color: "green"}, Word{Text: "on battery", Color: "orange"}),
			queries: []query{{dev("latlab_device_on_battery"), "{{device}}" + at}}},
		{kind: timeline, title: "Probes", about: "When did probes of the device (/probe) succeed?", steps: plain(),
			names:   states(Word{Text: "failed", Color: "red"}, Word{Text: "ok", Color: "green"}),
			queries: []query{{dev("latlab_probe_success"), "{{device}}" + at}}},
		{kind: lines, title: "Probe duration", about: "Duration of the device's probes.", unit: "s", low: new(0.0), queries: []query{
			{dev("latlab_probe_duration_seconds"), "{{device}}" + at}}},
	}
}

func deviceLatencies() []view {
	fixture := func(metric string) string {
		return withKind(maxBy(ofSweep+", fixture", sel(metric, bySweep)))
	}
	return []view{
		{kind: heat, title: "Inferences", about: "Latency of the inferences of all networks. Dark = many.", unit: "s", w: 24, h: 9, eachLab: true, queries: []query{
			{buckets("latlab_inference_duration_seconds", bySweep), "{{le}}"}}},
		{kind: lines, title: "Inferences in the interval, 50 and 90 %", about: "Latency of the networks timed at that moment. Different networks differ by far more than a device drifts.", unit: "s", low: new(0.0), queries: []query{
			{withKind(quantile("0.5", "latlab_inference_duration_seconds", bySweep, ofSweep, "rate")), "{{device}} {{delegate}} 50 % ({{kind}})" + at},
			{withKind(quantile("0.9", "latlab_inference_duration_seconds", bySweep, ofSweep, "rate")), "{{device}} {{delegate}} 90 % ({{kind}})" + at}}},
		{kind: lines, title: "Fixtures with their interval", about: "Is the latency of the same network unchanged?", unit: "s", queries: []query{
			{fixture("latlab_fixture_latency_seconds"), "{{device}} {{fixture}} ({{kind}})" + at},
			{fixture("latlab_fixture_latency_low_seconds"), "{{device}} {{fixture}} low" + at},
			{fixture("latlab_fixture_latency_high_seconds"), "{{device}} {{fixture}} high" + at}}},
		{kind: lines, title: "Delegated nodes", about: "Share of nodes that the delegate took; below 100 %, part of the network ran on the CPU.", unit: "percentunit", low: new(0.0), high: new(1.0), queries: []query{
			{swept("latlab_sweep_delegated_nodes_ratio", bySweep), "{{device}} {{delegate}}" + at}}},
	}
}
