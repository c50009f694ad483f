package prom

import "slices"

// Type is a metric's type as Prometheus names it.
type Type string

// The types that latlab has. Histograms have classic and native buckets: native ones alone
// show nothing but +Inf in the text format.
const (
	Gauge     Type = "gauge"
	Counter   Type = "counter"
	Histogram Type = "histogram"
)

// Metric is a metric family that latlab exports. This table is the promise: collectors make
// their descriptions from it, dashboards and rules are checked against it.
type Metric struct {
	Name   string
	Type   Type
	Help   string
	Labels []string
	// Undrawn says why no dashboard and no rule uses it; empty = one does.
	Undrawn string
}

// Labels of a sweep's hot series. An architecture is never a label: there are thousands.
// The sweep is one: latencies of two spaces or precisions on one device do not add up.
var sweepLabels = []string{"sweep", "device", "delegate", "threads"}

func sweepWith(more ...string) []string { return append(append([]string{}, sweepLabels...), more...) }

var deviceLabels = []string{"device"}
var costLabels = []string{"cost_model", "device"}

// Metrics lists all metric families but those of Go's runtime and process, by subject.
func Metrics() []Metric {
	return []Metric{
		{Name: "latlab_build_info", Type: Gauge, Help: "The running latlab; always 1.", Labels: []string{"version", "revision", "goversion"}},
		{Name: "latlab_store_read_timestamp_seconds", Type: Gauge, Help: "When the store was last read; what the other metrics say of sweeps is of that moment."},
		{Name: "latlab_store_read_duration_seconds", Type: Gauge, Help: "How long reading the store took the last time."},
		{Name: "latlab_store_read_failures_total", Type: Counter, Help: "Times that the store could not be read; the metrics of sweeps are then of the last time that it could."},

		{Name: "latlab_sweep_info", Type: Gauge, Help: "What a sweep is of; always 1.", Labels: sweepWith("space", "precision", "kind", "protocol", "sampling", "harness")},
		{Name: "latlab_sweep_networks", Type: Gauge, Help: "Networks asked for.", Labels: sweepLabels},
		{Name: "latlab_sweep_networks_measured", Type: Gauge, Help: "Networks with all their blocks.", Labels: sweepLabels},
		{Name: "latlab_sweep_networks_failed", Type: Gauge, Help: "Networks given up.", Labels: sweepLabels},
		{Name: "latlab_sweep_blocks_total", Type: Counter, Help: "Blocks done: runs of a network in a fresh process.", Labels: sweepLabels},
		{Name: "latlab_sweep_blocks_queued", Type: Gauge, Help: "Blocks planned and not done.", Labels: sweepLabels},
		{Name: "latlab_sweep_failures_total", Type: Counter, Help: "Failed attempts, by whose fault (model, device, lab, user) and reason.", Labels: sweepWith("fault", "reason")},
		{Name: "latlab_sweep_verdicts", Type: Gauge, Help: "Measured networks by verdict (VALID, INVALID).", Labels: sweepWith("verdict")},
		{Name: "latlab_sweep_invalid_networks", Type: Gauge, Help: "Measured networks by reason why they are INVALID; one may have several.", Labels: sweepWith("reason")},
		{Name: "latlab_sweep_warned_networks", Type: Gauge, Help: "Measured networks by warning; one may have several.", Labels: sweepWith("warning")},
		{Name: "latlab_sweep_noise_ratio", Type: Gauge, Help: "Noise between blocks of one network, pooled: a coefficient of variation.", Labels: sweepLabels},
		{Name: "latlab_sweep_interval_half_width_ratio", Type: Histogram, Help: "Half-widths of the networks' confidence intervals, relative to their latency.", Labels: sweepLabels},
		{Name: "latlab_sweep_delegated_nodes_ratio", Type: Gauge, Help: "Nodes that the delegate took of all nodes, summed over networks.", Labels: sweepLabels},
		{Name: "latlab_sweep_state", Type: Gauge, Help: "What the sweep's process last said that it does: 1 for that state, 0 for the others.", Labels: sweepWith("state")},
		{Name: "latlab_sweep_quarantines_total", Type: Counter, Help: "Times that the device was given up until somebody looks at it.", Labels: sweepLabels},
		{Name: "latlab_sweep_created_timestamp_seconds", Type: Gauge, Help: "When the sweep was begun.", Labels: sweepLabels},
		{Name: "latlab_sweep_last_block_timestamp_seconds", Type: Gauge, Help: "When the last block ended, by the server's clock; of a simulator, whose clock is its own, when it was seen.", Labels: sweepLabels},

		{Name: "latlab_inference_duration_seconds", Type: Histogram, Help: "Wall time of every timed inference of all networks; of a tool without samples, one a block.", Labels: sweepLabels},
		{Name: "latlab_network_latency_seconds", Type: Histogram, Help: "Latency of the measured networks, one value a network.", Labels: sweepLabels},
		{Name: "latlab_fixture_latency_seconds", Type: Gauge, Help: "Latency of a known network, as last measured.", Labels: sweepWith("fixture")},
		{Name: "latlab_fixture_latency_low_seconds", Type: Gauge, Help: "Lower bound of the confidence interval of a known network's latency.", Labels: sweepWith("fixture")},
		{Name: "latlab_fixture_latency_high_seconds", Type: Gauge, Help: "Upper bound of the confidence interval of a known network's latency.", Labels: sweepWith("fixture")},
		{Name: "latlab_baseline_latency_ratio", Type: Gauge, Help: "Latency over that of the same networks in the baseline: the median over common networks that are VALID in both.", Labels: sweepWith("baseline")},
		{Name: "latlab_baseline_networks", Type: Gauge, Help: "Networks in common with the baseline that are VALID in both.", Labels: sweepWith("baseline")},

		{Name: "latlab_device_info", Type: Gauge, Help: "What a device is; always 1.", Labels: []string{"device", "kind", "transport", "model", "soc", "os", "source"}},
		{Name: "latlab_device_up", Type: Gauge, Help: "Whether the device can be reached and used (a busy one can). A phone that nobody named has no series once it is unplugged.", Labels: deviceLabels},
		{Name: "latlab_device_busy", Type: Gauge, Help: "Whether a latlab times on the device now; its condition is then that of the last stored block.", Labels: deviceLabels},
		{Name: "latlab_device_observed_timestamp_seconds", Type: Gauge, Help: "When the device's condition was read.", Labels: deviceLabels},
		{Name: "latlab_device_temperature_celsius", Type: Gauge, Help: "Temperature of the device's hottest sensor.", Labels: deviceLabels},
		{Name: "latlab_device_throttled", Type: Gauge, Help: "Whether the device says that it slows itself down.", Labels: deviceLabels},
		{Name: "latlab_device_thermal_status", Type: Gauge, Help: "Android's thermal status: 0 none, 1 light, 2 moderate, 3 severe, 4 critical, 5 emergency, 6 shutdown.", Labels: deviceLabels},
		{Name: "latlab_device_battery_ratio", Type: Gauge, Help: "Charge of the device's battery.", Labels: deviceLabels},
		{Name: "latlab_device_on_battery", Type: Gauge, Help: "Whether the device runs on its battery.", Labels: deviceLabels},
		{Name: "latlab_device_cpu_frequency_hertz", Type: Gauge, Help: "Clock of a CPU.", Labels: []string{"device", "cpu"}},

		{Name: "latlab_cost_model_info", Type: Gauge, Help: "What a cost model is of; always 1.", Labels: []string{"cost_model", "device", "kind", "space", "method", "precision"}},
		{Name: "latlab_cost_model_r2", Type: Gauge, Help: "Coefficient of determination on networks held out of the fit.", Labels: costLabels},
		{Name: "latlab_cost_model_mape_ratio", Type: Gauge, Help: "Mean absolute relative error on networks held out of the fit.", Labels: costLabels},
		{Name: "latlab_cost_model_noise_ceiling_r2", Type: Gauge, Help: "What a perfect model would reach given the measurements' noise; absent where it was not computed.", Labels: costLabels},
		{Name: "latlab_cost_model_train_networks", Type: Gauge, Help: "Networks that the held-out figures' fits were trained on.", Labels: costLabels},
		{Name: "latlab_cost_model_test_networks", Type: Gauge, Help: "Networks that the held-out figures are of.", Labels: costLabels},
		{Name: "latlab_cost_model_modified_timestamp_seconds", Type: Gauge, Help: "When the cost model's file was written.", Labels: costLabels},
		{Name: "latlab_cost_model_measured_timestamp_seconds", Type: Gauge, Help: "When the last block of the cost model's measurements ended; absent where that is not known, as of simulators.", Labels: costLabels},
		{Name: "latlab_cost_model_read_failures_total", Type: Counter, Help: "Looks at the cost model's file that found it broken or gone; what was read before is served on.", Labels: []string{"cost_model"}},
		{Name: "latlab_cost_model_predictions_total", Type: Counter, Help: "Architectures predicted over HTTP.", Labels: costLabels},

		{Name: "latlab_http_requests_total", Type: Counter, Help: "Requests answered, by handler and status.", Labels: []string{"handler", "code"}},
		{Name: "latlab_http_request_duration_seconds", Type: Histogram, Help: "How long answering took.", Labels: []string{"handler"}},
	}
}

// ProbeMetrics are those of /probe alone. It has the metrics of one device besides.
func ProbeMetrics() []Metric {
	return []Metric{
		{Name: "latlab_probe_success", Type: Gauge, Help: "Whether the device could be looked at."},
		{Name: "latlab_probe_duration_seconds", Type: Gauge, Help: "How long looking took; scrapers that come meanwhile share the answer."},
		{Name: "latlab_probe_sensor_temperature_celsius", Type: Gauge, Help: "Temperature of a sensor.", Labels: []string{"device", "sensor"}},
	}
}

// Named returns the metric of a name, /probe's among them. It panics where there is none: names
// are constants of latlab's own collectors.
func Named(name string) Metric {
	all := append(Metrics(), ProbeMetrics()...)
	i := slices.IndexFunc(all, func(m Metric) bool { return m.Name == name })
	if i < 0 {
		panic("prom: no metric is named " + name)
	}
	return all[i]
}
