package prom

import "slices"

// Type is a metric's type as Prometheus names it.
type Type string

// The metric types. Histograms have classic and native buckets, because the text format shows
// only +Inf of native buckets.
const (
	Gauge     Type = "gauge"
	Counter   Type = "counter"
	Histogram Type = "histogram"
)

// Metric is a metric family that latlab exports. Collectors build their descriptions from
// this table; tests check dashboards and rules against it.
type Metric struct {
	Name   string
	Type   Type
	Help   string
	Labels []string
	// Undrawn is the reason why no dashboard and no rule uses it; empty if one does.
	Undrawn string
}

// Labels of a sweep's series. An architecture is never a label, since there are thousands.
// The sweep is a label, since latencies of two spaces or precisions cannot be combined.
var sweepLabels = []string{"sweep", "device", "delegate", "threads"}

func sweepWith(more ...string) []string { return append(append([]string{}, sweepLabels...), more...) }

var deviceLabels = []string{"device"}
var costLabels = []string{"cost_model", "device"}

// Metrics lists all metric families by subject, without those of Go's runtime and process.
func Metrics() []Metric {
	return []Metric{
		{Name: "latlab_build_info", Type: Gauge, Help: "The running latlab; always 1.", Labels: []string{"version", "revision", "goversion"}},
		{Name: "latlab_store_read_timestamp_seconds", Type: Gauge, Help: "When the store was last read. The metrics of sweeps are from that time."},
		{Name: "latlab_store_read_duration_seconds", Type: Gauge, Help: "Duration of the last read of the store."},
		{Name: "latlab_store_read_failures_total", Type: Counter, Help: "Failed reads of the store. The metrics of sweeps stay those of the last successful read."},

		{Name: "latlab_sweep_info", Type: Gauge, Help: "Setup of a sweep; always 1.", Labels: sweepWith("space", "precision", "kind", "protocol", "sampling", "harness")},
		{Name: "latlab_sweep_networks", Type: Gauge, Help: "Requested networks.", Labels: sweepLabels},
		{Name: "latlab_sweep_networks_measured", Type: Gauge, Help: "Networks with all their blocks.", Labels: sweepLabels},
		{Name: "latlab_sweep_networks_failed", Type: Gauge, Help: "Failed networks.", Labels: sweepLabels},
		{Name: "latlab_sweep_blocks_total", Type: Counter, Help: "Blocks done: runs of a network in a fresh process.", Labels: sweepLabels},
		{Name: "latlab_sweep_blocks_queued", Type: Gauge, Help: "Planned blocks that are not done.", Labels: sweepLabels},
		{Name: "latlab_sweep_failures_total", Type: Counter, Help: "Failed attempts, by fault (model, device, lab, user) and reason.", Labels: sweepWith("fault", "reason")},
		{Name: "latlab_sweep_verdicts", Type: Gauge, Help: "Measured networks by verdict (VALID, IMPRECISE, INVALID).", Labels: sweepWith("verdict")},
		{Name: "latlab_sweep_invalid_networks", Type: Gauge, Help: "INVALID networks by reason; a network may have several.", Labels: sweepWith("reason")},
		{Name: "latlab_sweep_warned_networks", Type: Gauge, Help: "Measured networks by warning; a network may have several.", Labels: sweepWith("warning")},
		{Name: "latlab_sweep_noise_ratio", Type: Gauge, Help: "Noise between blocks of one network, pooled: a coefficient of variation.", Labels: sweepLabels},
		{Name: "latlab_sweep_undisturbed_samples_ratio", Type: Gauge, Help: "Share of the samples that no other work disturbed; the others are left out. Absent if the device does not show it.", Labels: sweepLabels},
		{Name: "latlab_sweep_clock_hertz", Type: Gauge, Help: "Clock of the core, as the newest block measured it.", Labels: sweepLabels},
		{Name: "latlab_sweep_interval_half_width_ratio", Type: Histogram, Help: "Half-widths of the networks' confidence intervals, relative to their latency.", Labels: sweepLabels},
		{Name: "latlab_sweep_delegated_nodes_ratio", Type: Gauge, Help: "Share of nodes that the delegate took, over all networks.", Labels: sweepLabels},
		{Name: "latlab_sweep_state", Type: Gauge, Help: "State last reported by the sweep's process: 1 for that state, 0 for the others.", Labels: sweepWith("state")},
		{Name: "latlab_sweep_quarantines_total", Type: Counter, Help: "Times that the device was quarantined after repeated failures.", Labels: sweepLabels},
		{Name: "latlab_sweep_created_timestamp_seconds", Type: Gauge, Help: "When the sweep was created.", Labels: sweepLabels},
		{Name: "latlab_sweep_last_block_timestamp_seconds", Type: Gauge, Help: "When the last block ended, by the server's clock. Simulators have a virtual clock: for them, when the server saw the block.", Labels: sweepLabels},

		{Name: "latlab_inference_duration_seconds", Type: Histogram, Help: "Wall time of every timed inference of all networks. For a tool without samples, one value per block.", Labels: sweepLabels},
		{Name: "latlab_network_latency_seconds", Type: Histogram, Help: "Latency of the measured networks, one value per network.", Labels: sweepLabels},
		{Name: "latlab_fixture_latency_seconds", Type: Gauge, Help: "Latency of a fixture, as last measured.", Labels: sweepWith("fixture")},
		{Name: "latlab_fixture_latency_low_seconds", Type: Gauge, Help: "Lower bound of the confidence interval of a fixture's latency.", Labels: sweepWith("fixture")},
		{Name: "latlab_fixture_latency_high_seconds", Type: Gauge, Help: "Upper bound of the confidence interval of a fixture's latency.", Labels: sweepWith("fixture")},
		{Name: "latlab_baseline_latency_ratio", Type: Gauge, Help: "Latency relative to the same networks in the baseline: the median over networks that are VALID in both.", Labels: sweepWith("baseline")},
		{Name: "latlab_baseline_networks", Type: Gauge, Help: "Networks that are VALID both here and in the baseline.", Labels: sweepWith("baseline")},

		{Name: "latlab_device_info", Type: Gauge, Help: "Properties of a device; always 1.", Labels: []string{"device", "kind", "transport", "model", "soc", "os", "source"}},
		{Name: "latlab_device_up", Type: Gauge, Help: "Whether the device can be reached and used (1 for a busy device). A phone that is not in the inventory has no series once it is unplugged.", Labels: deviceLabels},
		{Name: "latlab_device_busy", Type: Gauge, Help: "Whether a latlab process is timing on the device. Its state is then that of the last stored block.", Labels: deviceLabels},
		{Name: "latlab_device_observed_timestamp_seconds", Type: Gauge, Help: "When the device's state was read.", Labels: deviceLabels},
		{Name: "latlab_device_temperature_celsius", Type: Gauge, Help: "Temperature of the device's hottest sensor.", Labels: deviceLabels},
		{Name: "latlab_device_throttled", Type: Gauge, Help: "Whether the device reports throttling.", Labels: deviceLabels},
		{Name: "latlab_device_thermal_status", Type: Gauge, Help: "Android's thermal status: 0 none, 1 light, 2 moderate, 3 severe, 4 critical, 5 emergency, 6 shutdown.", Labels: deviceLabels},
		{Name: "latlab_device_battery_ratio", Type: Gauge, Help: "Charge of the device's battery.", Labels: deviceLabels},
		{Name: "latlab_device_on_battery", Type: Gauge, Help: "Whether the device runs on its battery.", Labels: deviceLabels},
		{Name: "latlab_device_cpu_frequency_hertz", Type: Gauge, Help: "Clock frequency of a CPU.", Labels: []string{"device", "cpu"}},

		{Name: "latlab_cost_model_info", Type: Gauge, Help: "Properties of a cost model; always 1.", Labels: []string{"cost_model", "device", "kind", "space", "method", "precision"}},
		{Name: "latlab_cost_model_r2", Type: Gauge, Help: "Coefficient of determination on held-out networks.", Labels: costLabels},
		{Name: "latlab_cost_model_mape_ratio", Type: Gauge, Help: "Mean absolute relative error on held-out networks.", Labels: costLabels},
		{Name: "latlab_cost_model_noise_ceiling_r2", Type: Gauge, Help: "The r2 of a perfect model, given the measurements' noise; absent if not computed.", Labels: costLabels},
		{Name: "latlab_cost_model_noise_ceiling_r2_low", Type: Gauge, Help: "Lower bound of the noise ceiling's r2.", Labels: costLabels},
		{Name: "latlab_cost_model_noise_ceiling_r2_high", Type: Gauge, Help: "Upper bound of the noise ceiling's r2.", Labels: costLabels},
		{Name: "latlab_cost_model_noise_ceiling_mape_ratio", Type: Gauge, Help: "The mean absolute relative error of a perfect model, given the measurements' noise; absent if not computed.", Labels: costLabels},
		{Name: "latlab_cost_model_noise_ceiling_mape_low_ratio", Type: Gauge, Help: "Lower bound of the noise ceiling's error.", Labels: costLabels, Undrawn: "the dashboard shows the error itself"},
		{Name: "latlab_cost_model_noise_ceiling_mape_high_ratio", Type: Gauge, Help: "Upper bound of the noise ceiling's error.", Labels: costLabels, Undrawn: "the dashboard shows the error itself"},
		{Name: "latlab_cost_model_train_networks", Type: Gauge, Help: "Networks that the models behind the held-out figures were trained on.", Labels: costLabels},
		{Name: "latlab_cost_model_test_networks", Type: Gauge, Help: "Held-out networks behind the figures.", Labels: costLabels},
		{Name: "latlab_cost_model_modified_timestamp_seconds", Type: Gauge, Help: "When the cost model's file was written.", Labels: costLabels},
		{Name: "latlab_cost_model_measured_timestamp_seconds", Type: Gauge, Help: "When the last block of the cost model's measurements ended; absent if unknown, as for simulators.", Labels: costLabels},
		{Name: "latlab_cost_model_read_failures_total", Type: Counter, Help: "Reads that found the cost model's file broken or missing. The model read before stays in use.", Labels: []string{"cost_model"}},
		{Name: "latlab_cost_model_predictions_total", Type: Counter, Help: "Architectures predicted over HTTP.", Labels: costLabels},

		{Name: "latlab_http_requests_total", Type: Counter, Help: "HTTP requests, by handler and status.", Labels: []string{"handler", "code"}},
		{Name: "latlab_http_request_duration_seconds", Type: Histogram, Help: "Duration of HTTP requests.", Labels: []string{"handler"}},
	}
}

// ProbeMetrics are those that only /probe has. It also has the metrics of its device.
func ProbeMetrics() []Metric {
	return []Metric{
		{Name: "latlab_probe_success", Type: Gauge, Help: "Whether the probe of the device succeeded."},
		{Name: "latlab_probe_duration_seconds", Type: Gauge, Help: "Duration of the probe. Concurrent scrapers share its result."},
		{Name: "latlab_probe_sensor_temperature_celsius", Type: Gauge, Help: "Temperature of a sensor.", Labels: []string{"device", "sensor"}},
	}
}

// Named returns the metric with this name, including those of /probe. It panics if there is
// none, since all names are constants in latlab's collectors.
func Named(name string) Metric {
	all := append(Metrics(), ProbeMetrics()...)
	i := slices.IndexFunc(all, func(m Metric) bool { return m.Name == name })
	if i < 0 {
		panic("prom: no metric is named " + name)
	}
	return all[i]
}
