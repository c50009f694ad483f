package grafana

// kindsAre explains the kinds of latencies on every dashboard.
const kindsAre = "Latencies are **measured** on a device, **ESTIMATED** by a vendor's compiler or **SIMULATED** by latlab. " +
	"The column `kind` and the legends show which; the three are never mixed in one series. An unknown figure has no value, never 0."

func deviceVariable() Variable {
	return choice("device", "Device", `{__name__=~"latlab_device_info|latlab_sweep_info", `+byLab+`}`)
}

func delegateVariable() Variable {
	return choice("delegate", "Delegate", sel("latlab_sweep_info", byDevice))
}

// Legends always name the lab: Grafana's legends cannot omit it when there is only one.
const (
	inLab = "{{instance}}"
	at    = " @ " + inLab
)

// fleet is the overview.
func fleet() Dashboard {
	return page{
		uid: "latlab-fleet", title: "latlab / fleet",
		about:     "Is the lab working, and what needs attention?",
		variables: []Variable{deviceVariable(), delegateVariable()},
		sections: []section{
			{"Now", fleetNow()},
			{"Devices", fleetDevices()},
			{"Sweeps", fleetSweeps()},
			{"latlab itself", fleetServer()},
		},
	}.dashboard()
}

func fleetNow() []view {
	return []view{
		{kind: stat, title: "Devices reachable", about: "Devices that can be used now, and all known devices.", w: 4, h: 4, steps: plain(), queries: []query{
			{sumBy(ofLab, dev("latlab_device_up")), "reachable" + at}, {"count by (instance) (" + dev("latlab_device_up") + ")", "known" + at}}},
		{kind: stat, title: "Timing", about: "Devices on which latlab is timing now.", w: 3, h: 4, steps: plain(), queries: []query{
			{sumBy(ofLab, dev("latlab_device_busy")), inLab}}},
		{kind: stat, title: "Hottest sensor", about: "The highest temperature of all devices.", unit: "celsius", w: 4, h: 4, steps: above(80, "red"), queries: []query{
			{maxBy(ofLab, sel("latlab_device_temperature_celsius", byDevice)), inLab}}},
		{kind: stat, title: "Lowest battery", about: "The lowest charge of all devices with a battery.", unit: "percentunit", w: 4, h: 4, steps: below(0.3, "red"), none: "no battery known", queries: []query{
			{"min by (instance) (" + dev("latlab_device_battery_ratio") + ")", inLab}}},
		{kind: stat, title: "Quarantined", about: "Sweeps whose device was quarantined after repeated failures.", w: 3, h: 4, steps: above(1, "red"), none: "no sweep", queries: []query{
			{sumBy(ofLab, swept("latlab_sweep_state", bySweep, `state="quarantined"`)), inLab}}},
		{kind: stat, title: "Alerts firing", about: "Firing alerts of latlab's rules.", w: 3, h: 4, steps: above(1, "orange"), queries: []query{{firing(byLab), inLab}}},
		{kind: stat, title: "Store read", about: "Time since the store was read. The figures of sweeps are from that time.", unit: "s", w: 3, h: 4, steps: above(900, "orange"), queries: []query{
			{ago(maxBy(ofLab, sel("latlab_store_read_timestamp_seconds", byLab))), inLab}}},
		{kind: markdown, title: "Kinds of latencies", w: 24, h: 3, text: kindsAre},
	}
}

func fleetDevices() []view {
	return []view{
		{kind: timeline, title: "Reachable and timing", about: "Which devices were reachable, and when were they in use?", w: 12, h: 9, steps: plain(),
			names:   states(Word{Text: "unreachable", Color: "red"}, Word{Text: "idle", Color: "blue"}, Word{Text: "timing", Color: "green"}),
			queries: []query{{"(" + dev("latlab_device_up") + " + " + dev("latlab_device_busy") + ") or " + dev("latlab_device_up"), "{{device}}" + at}}},
		{kind: table, title: "Devices", about: "Properties and current state of each device.", w: 12, h: 9, links: []Override{leadsTo("device", "latlab-device"), kinds()},
			columns: []column{{1, "reachable", "bool_yes_no"}, {2, "hottest sensor", "celsius"}, {3, "battery", "percentunit"}},
			queries: []query{
				{maxBy(ofDevice+", kind, transport, model, soc, os, source", sel("latlab_device_info", byDevice)), ""},
				{dev("latlab_device_up"), ""}, {dev("latlab_device_temperature_celsius"), ""}, {dev("latlab_device_battery_ratio"), ""}}},
		{kind: lines, title: "Temperature", about: "Does a device get hot? The dashed line is the alert's limit.", unit: "celsius", w: 12, queries: []query{
			{dev("latlab_device_temperature_celsius"), "{{device}}" + at}, {"latlab:limit_temperature_celsius", "limit"}}},
		{kind: lines, title: "Battery", about: "Does a phone lose charge while it is in use? The dashed line is the alert's limit.", unit: "percentunit", w: 12, low: new(0.0), high: new(1.0), queries: []query{
			{dev("latlab_device_battery_ratio"), "{{device}}" + at}, {"latlab:limit_battery_ratio", "limit"}}},
	}
}

func fleetSweeps() []view {
	return []view{
		{kind: lines, title: "Blocks per second", about: "Which sweeps run, and how fast? A block is a run of a network in a fresh process.", unit: "suffix: blocks/s", low: new(0.0), queries: []query{
			{maxBy(ofSweep, "rate("+sel("latlab_sweep_blocks_total", bySweep)+"[$__rate_interval])"), "{{device}} {{delegate}}" + at}}},
		{kind: lines, title: "Queue", about: "Planned blocks that are not done.", unit: "short", low: new(0.0), queries: []query{
			{swept("latlab_sweep_blocks_queued", bySweep), "{{device}} {{delegate}}" + at}}},
		{kind: lines, title: "Failures by fault", about: "Failed attempts in the interval, by fault: model, device, lab or user.", unit: "short", low: new(0.0), none: "no failure", queries: []query{
			{sumBy(ofDevice+", fault", maxBy(ofSweep+", fault, reason", "increase("+sel("latlab_sweep_failures_total", bySweep)+"[$__rate_interval])")), "{{device}}: {{fault}}" + at}}},
		{kind: lines, title: "INVALID share", about: "Share of the measured networks that are INVALID. The dashed line is the alert's limit.", unit: "percentunit", low: new(0.0), queries: []query{
			{sel("sweep:latlab_sweep_invalid:ratio", bySweep), "{{device}} {{delegate}}" + at}, {"latlab:limit_invalid_ratio", "limit"}}},
		{kind: lines, title: "Failure share", about: "Failed attempts as a share of all attempts since the sweep began.", unit: "percentunit", low: new(0.0), queries: []query{
			{sel("sweep:latlab_sweep_failures:ratio", bySweep), "{{device}} {{delegate}}" + at}}},
		{kind: lines, title: "Noise between blocks", about: "How much the blocks of one network differ. The dashed line is the alert's limit.", unit: "percentunit", low: new(0.0), queries: []query{
			{withKind(swept("latlab_sweep_noise_ratio", bySweep)), "{{device}} {{delegate}} ({{kind}})" + at}, {"latlab:limit_noise_ratio", "limit"}}},
		{kind: table, title: "Sweeps", about: "Setup and progress of each sweep.", w: 24, h: 9, links: []Override{leadsTo("sweep", "latlab-sweep"), kinds()}, drop: []string{"sampling"},
			columns: []column{{1, "networks", "short"}, {2, "measured", "short"}, {3, "failed", "short"}, {4, "queued blocks", "short"}, {5, "last block ago", "s"}},
			queries: []query{
				{maxBy(ofSweep+", space, precision, kind, protocol, harness", sel("latlab_sweep_info", bySweep)), ""},
				{swept("latlab_sweep_networks", bySweep), ""}, {swept("latlab_sweep_networks_measured", bySweep), ""},
				{swept("latlab_sweep_networks_failed", bySweep), ""}, {swept("latlab_sweep_blocks_queued", bySweep), ""},
				{ago(swept("latlab_sweep_last_block_timestamp_seconds", bySweep)), ""}}},
	}
}

func fleetServer() []view {
	return []view{
		{kind: table, title: "Version", about: "Version of the latlab server.", w: 8, h: 6, queries: []query{{maxBy(ofLab+", version, revision, goversion", sel("latlab_build_info", byLab)), ""}}},
		{kind: lines, title: "Reading the store", about: "Duration of a read of the store.", unit: "s", h: 6, low: new(0.0), queries: []query{
			{maxBy(ofLab, sel("latlab_store_read_duration_seconds", byLab)), inLab}}},
		{kind: lines, title: "Store not readable", about: "Failed reads of the store in the interval.", unit: "short", h: 6, low: new(0.0), queries: []query{
			{maxBy(ofLab, "increase("+sel("latlab_store_read_failures_total", byLab)+"[$__rate_interval])"), inLab}}},
		{kind: lines, title: "Requests", about: "HTTP requests by handler and status code.", unit: "reqps", h: 6, low: new(0.0), queries: []query{
			{sumBy(ofLab+", handler, code", "rate("+sel("latlab_http_requests_total", byLab)+"[$__rate_interval])"), "{{handler}} {{code}}" + at}}},
		{kind: lines, title: "Request duration, 90 %", about: "90 % of the requests were answered within this time.", unit: "s", h: 6, low: new(0.0), queries: []query{
			{quantile("0.9", "latlab_http_request_duration_seconds", byLab, ofLab+", handler", "rate"), "{{handler}}" + at}}},
		{kind: lines, title: "Probe duration", about: "Duration of a device's probe, including failed ones.", unit: "s", h: 6, low: new(0.0), queries: []query{
			{dev("latlab_probe_duration_seconds"), "{{device}}" + at}}},
	}
}
