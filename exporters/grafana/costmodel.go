package grafana

// costModel is how good the cost models are that predictions come from.
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
		{look: table, title: "What they are", about: "Of measured, estimated or simulated latencies, and how fitted.", w: 24, h: 6, links: []Override{leadsTo("device", "latlab-device"), kinds()},
			columns: []column{{1, "train networks", "short"}, {2, "test networks", "short"}},
			queries: []query{
				{maxBy(ofModel+", kind, space, method, precision", sel("latlab_cost_model_info", byModel)), ""},
				{model("latlab_cost_model_train_networks"), ""}, {model("latlab_cost_model_test_networks"), ""}}},
		{look: words, title: "What the numbers are", w: 24, h: 3, text: kindsAre + " r2 and error are of networks that were held out of the fit."},
		{look: stat, title: "r2", about: "Coefficient of determination on held-out networks; 1 is perfect.", w: 6, h: 6, steps: below(0.9, "red"), none: "not computed", queries: []query{
			{modelKind(model("latlab_cost_model_r2")), modelName + " ({{kind}})"}}},
		{look: stat, title: "Error", about: "Mean absolute relative error on held-out networks.", unit: "percentunit", w: 6, h: 6, steps: plain(), none: "not computed", queries: []query{
			{modelKind(model("latlab_cost_model_mape_ratio")), modelName + " ({{kind}})"}}},
		{look: stat, title: "Noise ceiling", about: "The r2 that a perfect model would reach, given the measurements' noise.", w: 6, h: 6, steps: plain(), none: "not computed", queries: []query{
			{modelKind(model("latlab_cost_model_noise_ceiling_r2")), modelName + " ({{kind}})"}}},
		{look: stat, title: "Age", about: "How long ago the last of its latencies was taken; of simulators, how long ago the file was written.", unit: "s", w: 6, h: 6, steps: above(90*86400, "orange"), queries: []query{
			{ago(sel("cost_model:latlab_cost_model_basis:timestamp_seconds", byModel)), modelName}}},
	}
}

func costHistory() []view {
	return []view{
		{look: lines, title: "r2 and noise ceiling", about: "Did a new fit make it better, and how much is left? The dashed line is the alert's.", high: new(1.0), queries: []query{
			{modelKind(model("latlab_cost_model_r2")), modelName + " ({{kind}})"},
			{modelKind(model("latlab_cost_model_noise_ceiling_r2")), modelName + " ceiling"},
			{"latlab:limit_cost_model_r2", "limit"}}},
		{look: lines, title: "Behind the measurements", about: "How long after the model's latencies its device's newest block came; below 0 the model is newer. The dashed line is the alert's.", unit: "s", queries: []query{
			{sel("cost_model:latlab_cost_model_lag:seconds", byModel), modelName}, {"latlab:limit_cost_model_lag_seconds", "limit"}}},
		{look: lines, title: "Predictions", about: "Architectures predicted over HTTP.", unit: "suffix: archs/s", low: new(0.0), queries: []query{
			{sumBy(ofModel, "rate("+sel("latlab_cost_model_predictions_total", byModel)+"[$__rate_interval])"), modelName}}},
	}
}
