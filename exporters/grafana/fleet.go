package grafana

// kindsAre says on every dashboard what its numbers may be.
const kindsAre = "Latencies are **measured** on a device, **ESTIMATED** by a vendor's compiler or **SIMULATED** by latlab. " +
	"The column `kind` and the legends say which; the three are never mixed in one series. Where a figure is not known there is no value, never 0."

func deviceVariable() Variable {
	return choice("device", "Device", `{__name__=~"latlab_device_info|latlab_sweep_info", `+byLab+`}`)
}

func delegateVariable() Variable {
	return choice("delegate", "Delegate", sel("latlab_sweep_info", byDevice))
}

// How legends say which lab: in panels of many series always, for Grafana's legends cannot leave
// it out where there is one lab; a single value in large figures has no legend anyway.
const (
	inLab = "{{instance}}"
	at    = " @ " + inLab
)

// fleet is the lab at a glance.
func fleet() Dashboard {
	return page{
		uid: "latlab-fleet", title: "latlab / fleet",
		about:     "Is the lab at work, and what needs a hand?",
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
		{look: stat, title: "Devices reachable", about: "Devices that can be used now, of all that are known.", w: 4, h: 4, steps: plain(), queries: []query{
			{sumBy(ofLab, dev("latlab_device_up")), "reachable" + at}, {"count by (instance) (" + dev("latlab_device_up") + ")", "known" + at}}},
		{look: stat, title: "Timing", about: "Devices on which a latlab times now.", w: 3, h: 4, steps: plain(), queries: []query{
			{sumBy(ofLab, dev("latlab_device_busy")), inLab}}},
		{look: stat, title: "Hottest sensor", about: "The highest temperature of all devices.", unit: "celsius", w: 4, h: 4, steps: above(80, "red"), queries: []query{
			{maxBy(ofLab, sel("latlab_device_temperature_celsius", byDevice)), inLab}}},
		{look: stat, title: "Lowest battery", about: "The least charge of all devices that have a battery.", unit: "percentunit", w: 4, h: 4, steps: below(0.3, "red"), none: "no battery known", queries: []query{
			{"min by (instance) (" + dev("latlab_device_battery_ratio") + ")", inLab}}},
		{look: stat, title: "Quarantined", about: "Sweeps whose device was given up until somebody looks at it.", w: 3, h: 4, steps: above(1, "red"), none: "no sweep", queries: []query{
			{sumBy(ofLab, swept("latlab_sweep_state", bySweep, `state="quarantined"`)), inLab}}},
		{look: stat, title: "Alerts firing", about: "Of latlab's rules.", w: 3, h: 4, steps: above(1, "orange"), queries: []query{{firing(byLab), inLab}}},
		{look: stat, title: "Store read", about: "How long ago the store was read: what is said of sweeps is of that moment.", unit: "s", w: 3, h: 4, steps: above(900, "orange"), queries: []query{
			{ago(maxBy(ofLab, sel("latlab_store_read_timestamp_seconds", byLab))), inLab}}},
		{look: words, title: "What the numbers are", w: 24, h: 3, text: kindsAre},
	}
}

func fleetDevices() []view {
	return []view{
		{look: timeline, title: "Reachable and timing", about: "Which devices were there, and when were they used?", w: 12, h: 9, steps: plain(),
			names:   states(Word{Text: "away", Color: "red"}, Word{Text: "idle", Color: "blue"}, Word{Text: "timing", Color: "green"}),
			queries: []query{{"(" + dev("latlab_device_up") + " + " + dev("latlab_device_busy") + ") or " + dev("latlab_device_up"), "{{device}}" + at}}},
		{look: table, title: "Devices", about: "What each device is and how it is now.", w: 12, h: 9, links: []Override{leadsTo("device", "latlab-device"), kinds()},
			columns: []column{{1, "reachable", "bool_yes_no"}, {2, "hottest sensor", "celsius"}, {3, "battery", "percentunit"}},
			queries: []query{
				{maxBy(ofDevice+", kind, transport, model, soc, os, source", sel("latlab_device_info", byDevice)), ""},
				{dev("latlab_device_up"), ""}, {dev("latlab_device_temperature_celsius"), ""}, {dev("latlab_device_battery_ratio"), ""}}},
		{look: lines, title: "Temperature", about: "Does a device get hot? The dashed line is the alert's.", unit: "celsius", w: 12, queries: []query{
			{dev("latlab_device_temperature_celsius"), "{{device}}" + at}, {"latlab:limit_temperature_celsius", "limit"}}},
		{look: lines, title: "Battery", about: "Does a phone lose charge while it is used? The dashed line is the alert's.", unit: "percentunit", w: 12, low: new(0.0), high: new(1.0), queries: []query{
			{dev("latlab_device_battery_ratio"), "{{device}}" + at}, {"latlab:limit_battery_ratio", "limit"}}},
	}
}

func fleetSweeps() []view {
	return []view{
		{look: lines, title: "Blocks a second", about: "Who works, and how fast? A block is a run of a network in a fresh process.", unit: "suffix: blocks/s", low: new(0.0), queries: []query{
			{maxBy(ofSweep, "rate("+sel("latlab_sweep_blocks_total", bySweep)+"[$__rate_interval])"), "{{device}} {{delegate}}" + at}}},
		{look: lines, title: "Queue", about: "Blocks planned and not done.", unit: "short", low: new(0.0), queries: []query{
			{swept("latlab_sweep_blocks_queued", bySweep), "{{device}} {{delegate}}" + at}}},
		{look: lines, title: "Failures by fault", about: "Failed attempts in the interval: the model's, the device's, the lab's or the user's fault?", unit: "short", low: new(0.0), none: "no failure", queries: []query{
			{sumBy(ofDevice+", fault", maxBy(ofSweep+", fault, reason", "increase("+sel("latlab_sweep_failures_total", bySweep)+"[$__rate_interval])")), "{{device}}: {{fault}}" + at}}},
		{look: lines, title: "INVALID share", about: "Share of the measured networks that are INVALID. The dashed line is the alert's.", unit: "percentunit", low: new(0.0), queries: []query{
			{sel("sweep:latlab_sweep_invalid:ratio", bySweep), "{{device}} {{delegate}}" + at}, {"latlab:limit_invalid_ratio", "limit"}}},
		{look: lines, title: "Failure share", about: "Failed attempts of all attempts since the sweep began.", unit: "percentunit", low: new(0.0), queries: []query{
			{sel("sweep:latlab_sweep_failures:ratio", bySweep), "{{device}} {{delegate}}" + at}}},
		{look: lines, title: "Noise between blocks", about: "How much blocks of one network differ. The dashed line is the alert's.", unit: "percentunit", low: new(0.0), queries: []query{
			{withKind(swept("latlab_sweep_noise_ratio", bySweep)), "{{device}} {{delegate}} ({{kind}})" + at}, {"latlab:limit_noise_ratio", "limit"}}},
		{look: table, title: "Sweeps", about: "What is measured, and how far it is.", w: 24, h: 9, links: []Override{leadsTo("sweep", "latlab-sweep"), kinds()}, drop: []string{"sampling"},
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
		{look: table, title: "Version", about: "Which latlab serves this.", w: 8, h: 6, queries: []query{{maxBy(ofLab+", version, revision, goversion", sel("latlab_build_info", byLab)), ""}}},
		{look: lines, title: "Reading the store", about: "How long it takes to read what the metrics say.", unit: "s", h: 6, low: new(0.0), queries: []query{
			{maxBy(ofLab, sel("latlab_store_read_duration_seconds", byLab)), inLab}}},
		{look: lines, title: "Store not readable", about: "Times in the interval that the store could not be read.", unit: "short", h: 6, low: new(0.0), queries: []query{
			{maxBy(ofLab, "increase("+sel("latlab_store_read_failures_total", byLab)+"[$__rate_interval])"), inLab}}},
		{look: lines, title: "Requests", about: "Who asks, and is refused?", unit: "reqps", h: 6, low: new(0.0), queries: []query{
			{sumBy(ofLab+", handler, code", "rate("+sel("latlab_http_requests_total", byLab)+"[$__rate_interval])"), "{{handler}} {{code}}" + at}}},
		{look: lines, title: "Time to answer, 90 %", about: "Nine of ten requests were answered within this.", unit: "s", h: 6, low: new(0.0), queries: []query{
			{quantile("0.9", "latlab_http_request_duration_seconds", byLab, ofLab+", handler", "rate"), "{{handler}}" + at}}},
		{look: lines, title: "Time of a look at a device", about: "How long a probe takes; one that fails is drawn as its whole time.", unit: "s", h: 6, low: new(0.0), queries: []query{
			{dev("latlab_probe_duration_seconds"), "{{device}}" + at}}},
	}
}
