package grafana

// costModel shows how accurate the cost models are.
func costModel() Dashboard {
	return page{
		uid: "latlab-cost-model", title: "latlab / cost model",
		about:     "Can a search trust this model?",
		variables: []Variable{deviceVariable(), choice("cost_model", "Cost model", sel("latlab_cost_model_info", byDevice))},
		sections: []section{
			{"Models", costNow()},
			{"Over time", costHistory()},
		},
	}.dashboard()
}

const modelName = "{{cost_model}}" + at

func costNow() []view {
	return []view{
		{kind: table, title: "Setup", about: "The kind of the latencies that each model was fitted to, and the fit method.", w: 24, h: 6, links: []Override{leadsTo("device", "latlab-device"), kinds()},
			columns: []column{{1, "train networks", "short"}, {2, "test networks", "short"}},
			queries: []query{
				{maxBy(ofModel+", kind, space, method, precision", sel("latlab_cost_model_info", byModel)), ""},
				{model("latlab_cost_model_train_networks"), ""}, {model("latlab_cost_model_test_networks"), ""}}},
		{kind: markdown, title: "Kinds of latencies", w: 24, h: 3, text: kindsAre + " r2 and error are computed on held-out networks."},
		{kind: stat, title: "r2", about: "Coefficient of determination on held-out networks; 1 is perfect.", w: 6, h: 6, steps: below(0.9, "red"), none: "not computed", queries: []query{
			{modelKind(model("latlab_cost_model_r2")), modelName + " ({{kind}})"}}},
		{kind: stat, title: "Error", about: "Mean absolute relative error on held-out networks.", unit: "percentunit", w: 6, h: 6, steps: plain(), none: "not computed", queries: []query{
			{modelKind(model("latlab_cost_model_mape_ratio")), modelName + " ({{kind}})"}}},
		{kind: stat, title: "Noise ceiling", about: "The r2 and the error that a perfect model would reach, given the measurements' noise.", w: 6, h: 6, steps: plain(), none: "not computed", queries: []query{
			{modelKind(model("latlab_cost_model_noise_ceiling_r2")), modelName + " r2 ({{kind}})"},
			{modelKind(model("latlab_cost_model_noise_ceiling_mape_ratio")), modelName + " error ({{kind}})"}},
			links: []Override{override("byRegexp", "/ error \\(/", Property{"unit", "percentunit"})}},
		{kind: stat, title: "Age", about: "Time since the model's last latency was measured; for simulators, since the file was written.", unit: "s", w: 6, h: 6, steps: above(90*86400, "orange"), queries: []query{
			{ago(sel("cost_model:latlab_cost_model_basis:timestamp_seconds", byModel)), modelName}}},
	}
}

func costHistory() []view {
	return []view{
		{kind: lines, title: "r2 and noise ceiling", about: "Did a new fit improve the model, and how much improvement is possible? The dashed line is the alert's limit.", high: new(1.0), queries: []query{
			{modelKind(model("latlab_cost_model_r2")), modelName + " ({{kind}})"},
			{modelKind(model("latlab_cost_model_noise_ceiling_r2")), modelName + " ceiling"},
			{modelKind(model("latlab_cost_model_noise_ceiling_r2_low")), modelName + " ceiling, lower bound"},
			{modelKind(model("latlab_cost_model_noise_ceiling_r2_high")), modelName + " ceiling, upper bound"},
			{"latlab:limit_cost_model_r2", "limit"}}},
		{kind: lines, title: "Behind the measurements", about: "Time from the model's last latency to its device's newest block; below 0 the model is newer. The dashed line is the alert's limit.", unit: "s", queries: []query{
			{sel("cost_model:latlab_cost_model_lag:seconds", byModel), modelName}, {"latlab:limit_cost_model_lag_seconds", "limit"}}},
		{kind: lines, title: "Predictions", about: "Architectures predicted over HTTP.", unit: "suffix: archs/s", low: new(0.0), queries: []query{
			{sumBy(ofModel, "rate("+sel("latlab_cost_model_predictions_total", byModel)+"[$__rate_interval])"), modelName}}},
	}
}
