package prom

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"latlab/regress"
)

// CostModel is a cost model for the metrics.
type CostModel struct {
	Name     string // its name in requests
	Model    *regress.CostModel
	Modified time.Time // of its file
	Failures int       // reads that found the file broken or missing
}

// NewCostCollector returns the metrics of the current cost models. Figures that were not
// computed have no series.
func NewCostCollector(models func() []CostModel) prometheus.Collector {
	collect := func(out Sink) {
		for _, m := range models() {
			m.collect(out)
		}
	}
	descs := descriptions("latlab_cost_model_")
	delete(descs, "latlab_cost_model_predictions_total") // exporters/web counts them
	return &collector{collect, descs}
}

func (m CostModel) collect(out Sink) {
	f, of := m.Model.Figures, []string{m.Name, m.Model.Device}
	out.Put("latlab_cost_model_info", 1, append(of, string(m.Model.Kind), m.Model.Space, m.Model.Method, string(m.Model.Precision))...)
	known := map[string]*float64{"latlab_cost_model_r2": f.R2, "latlab_cost_model_mape_ratio": f.MAPE, "latlab_cost_model_noise_ceiling_r2": f.NoiseCeilingR2}
	if c := f.NoiseCeiling; c != nil {
		known["latlab_cost_model_noise_ceiling_r2_low"], known["latlab_cost_model_noise_ceiling_r2_high"] = &c.R2Low, &c.R2High
		known["latlab_cost_model_noise_ceiling_mape_ratio"] = &c.MAPE
		known["latlab_cost_model_noise_ceiling_mape_low_ratio"], known["latlab_cost_model_noise_ceiling_mape_high_ratio"] = &c.MAPELow, &c.MAPEHigh
	}
	for name, value := range known {
		if value != nil {
			out.Put(name, *value, of...)
		}
	}
	out.Put("latlab_cost_model_train_networks", float64(f.NTrain), of...)
	out.Put("latlab_cost_model_test_networks", float64(f.NTest), of...)
	if !m.Modified.IsZero() {
		out.Put("latlab_cost_model_modified_timestamp_seconds", seconds(m.Modified), of...)
	}
	if until := m.Model.MeasuredUntil; until != nil {
		out.Put("latlab_cost_model_measured_timestamp_seconds", seconds(*until), of...)
	}
	out.Put("latlab_cost_model_read_failures_total", float64(m.Failures), m.Name)
}
