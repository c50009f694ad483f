package store

import (
	"encoding/json"
	"slices"

	"latlab/devices"
)

// decodeDetail reads a block's JSON. The words may be those of earlier blocks.
func decodeDetail(text string, known words) (b devices.Block, err error) {
	if b, ok := parseDetail(text, known); ok {
		return b, nil
	}
	err = json.Unmarshal([]byte(text), &b)
	return b, err
}

// parseDetail is not ok where it is encoding/json's to say what the text means.
func parseDetail(text string, known words) (b devices.Block, ok bool) {
	p := parser{text: text, words: known}
	object(&p, &b, blockFields)
	return b, !p.bad && p.at == len(text)
}

// decodeValue reads of a block's JSON what bench.Reader's Values are to have. What it passes over
// is looked at by whoever reads the blocks.
func decodeValue(text string, known words) (b devices.Block, err error) {
	p := parser{text: text, words: known}
	object(&p, &b, valueFields)
	if !p.bad && p.at == len(text) {
		return b, nil
	}
	err = json.Unmarshal([]byte(text), &b)
	return b, err
}

// only passes over all fields but those of the keys.
func only[T any](fields []field[T], keys ...string) []field[T] {
	some := slices.Clone(fields)
	for i := range some {
		if !slices.Contains(keys, some[i].key) {
			some[i].read = func(p *parser, _ *T) { p.skip() }
		}
	}
	return some
}

// The fields of what a block is made of, in the order of their structs. One that is not here makes
// every block that has it slow to read, nothing worse; TestDetailKnowsAllFields tells.
var (
	blockFields = []field[devices.Block]{
		{`"samples_seconds":`, func(p *parser, b *devices.Block) { list(p, &b.Samples, (*parser).float) }},
		{`"cpu_samples_seconds":`, func(p *parser, b *devices.Block) { list(p, &b.CPUSamples, (*parser).float) }},
		{`"warmup_seconds":`, func(p *parser, b *devices.Block) { list(p, &b.WarmUp, (*parser).float) }},
		{`"summary":`, func(p *parser, b *devices.Block) { optional(p, &b.Summary, (*parser).summary) }},
		{`"init_seconds":`, func(p *parser, b *devices.Block) { p.float(&b.InitSeconds) }},
		{`"first_seconds":`, func(p *parser, b *devices.Block) { p.float(&b.FirstSeconds) }},
		{`"peak_memory_bytes":`, func(p *parser, b *devices.Block) { p.int64(&b.PeakMemoryBytes) }},
		{`"delegation":`, func(p *parser, b *devices.Block) { object(p, &b.Delegation, delegationFields) }},
		{`"runtime":`, func(p *parser, b *devices.Block) { p.string(&b.Runtime) }},
		{`"cpus":`, func(p *parser, b *devices.Block) { list(p, &b.CPUs, (*parser).int) }},
		{`"model_sha256":`, func(p *parser, b *devices.Block) { p.string(&b.ModelSHA256) }},
		{`"started":`, func(p *parser, b *devices.Block) { p.time(&b.Started) }},
		{`"elapsed_seconds":`, func(p *parser, b *devices.Block) { p.float(&b.Elapsed) }},
		{`"before":`, func(p *parser, b *devices.Block) { object(p, &b.Before, stateFields) }},
		{`"after":`, func(p *parser, b *devices.Block) { object(p, &b.After, stateFields) }},
		{`"warnings":`, func(p *parser, b *devices.Block) { list(p, &b.Warnings, (*parser).string) }},
		{`"layers":`, func(p *parser, b *devices.Block) { list(p, &b.Layers, (*parser).layer) }},
		{`"bounds":`, func(p *parser, b *devices.Block) { optional(p, &b.Bounds, (*parser).bounds) }},
		{`"counters":`, func(p *parser, b *devices.Block) { table(p, &b.Counters, (*parser).float) }},
		{`"doubts":`, func(p *parser, b *devices.Block) { list(p, &b.Doubts, (*parser).doubt) }},
	}
	valueFields   = only(blockFields, `"summary":`, `"delegation":`)
	summaryFields = []field[devices.Summary]{
		{`"Count":`, func(p *parser, s *devices.Summary) { p.int(&s.Count) }},
		{`"Mean":`, func(p *parser, s *devices.Summary) { p.float(&s.Mean) }},
		{`"Min":`, func(p *parser, s *devices.Summary) { p.floatOrNull(&s.Min) }},
		{`"Max":`, func(p *parser, s *devices.Summary) { p.floatOrNull(&s.Max) }},
		{`"StdDev":`, func(p *parser, s *devices.Summary) { p.floatOrNull(&s.StdDev) }},
		{`"Median":`, func(p *parser, s *devices.Summary) { p.floatOrNull(&s.Median) }},
		{`"Line":`, func(p *parser, s *devices.Summary) { p.string(&s.Line) }},
	}
	delegationFields = []field[devices.Delegation]{
		{`"name":`, func(p *parser, d *devices.Delegation) { p.string(&d.Name) }},
		{`"nodes":`, func(p *parser, d *devices.Delegation) { p.int(&d.Nodes) }},
		{`"delegated":`, func(p *parser, d *devices.Delegation) { p.int(&d.Delegated) }},
		{`"partitions":`, func(p *parser, d *devices.Delegation) { p.int(&d.Partitions) }},
		{`"why":`, func(p *parser, d *devices.Delegation) { list(p, &d.Why, (*parser).string) }},
	}
	stateFields = []field[devices.State]{
		{`"time":`, func(p *parser, s *devices.State) { p.time(&s.Time) }},
		{`"load_average_1m":`, func(p *parser, s *devices.State) { p.floatOrNull(&s.LoadAverage) }},
		{`"frequencies_hz":`, func(p *parser, s *devices.State) { table(p, &s.FrequenciesHz, (*parser).floatOrNull) }},
		{`"max_frequency_hz":`, func(p *parser, s *devices.State) { table(p, &s.MaxFrequencyHz, (*parser).float) }},
		{`"governor":`, func(p *parser, s *devices.State) { p.string(&s.Governor) }},
		{`"turbo":`, func(p *parser, s *devices.State) { optional(p, &s.Turbo, (*parser).bool) }},
		{`"temperatures_celsius":`, func(p *parser, s *devices.State) { table(p, &s.TemperaturesC, (*parser).floatOrNull) }},
		{`"cooling":`, func(p *parser, s *devices.State) { list(p, &s.Cooling, (*parser).cooling) }},
		{`"throttle_count":`, func(p *parser, s *devices.State) { optional(p, &s.ThrottleCount, (*parser).int64) }},
		{`"steal_seconds":`, func(p *parser, s *devices.State) { p.floatOrNull(&s.StealSeconds) }},
		{`"on_battery":`, func(p *parser, s *devices.State) { optional(p, &s.OnBattery, (*parser).bool) }},
		{`"online_cpus":`, func(p *parser, s *devices.State) { list(p, &s.OnlineCPUs, (*parser).int) }},
		{`"gpu_hz":`, func(p *parser, s *devices.State) { table(p, &s.GPUHz, (*parser).floatOrNull) }},
		{`"raspberry_throttled":`, func(p *parser, s *devices.State) { optional(p, &s.RaspberryThrottled, (*parser).uint32) }},
		{`"thermal_status":`, func(p *parser, s *devices.State) { optional(p, &s.ThermalStatus, (*parser).int) }},
		{`"battery":`, func(p *parser, s *devices.State) { optional(p, &s.Battery, (*parser).battery) }},
		{`"screen_on":`, func(p *parser, s *devices.State) { optional(p, &s.ScreenOn, (*parser).bool) }},
		{`"airplane_mode":`, func(p *parser, s *devices.State) { optional(p, &s.AirplaneMode, (*parser).bool) }},
	}
	batteryFields = []field[devices.Battery]{
		{`"level_ratio":`, func(p *parser, b *devices.Battery) { p.floatOrNull(&b.Level) }},
		{`"temperature_celsius":`, func(p *parser, b *devices.Battery) { p.floatOrNull(&b.TemperatureC) }},
		{`"plugged":`, func(p *parser, b *devices.Battery) { p.string(&b.Plugged) }},
		{`"status":`, func(p *parser, b *devices.Battery) { p.string(&b.Status) }},
		{`"faked":`, func(p *parser, b *devices.Battery) { p.bool(&b.Faked) }},
	}
	coolingFields = []field[devices.Cooling]{
		{`"name":`, func(p *parser, c *devices.Cooling) { p.string(&c.Name) }},
		{`"type":`, func(p *parser, c *devices.Cooling) { p.string(&c.Type) }},
		{`"current_state":`, func(p *parser, c *devices.Cooling) { optional(p, &c.Current, (*parser).int64) }},
		{`"max_state":`, func(p *parser, c *devices.Cooling) { optional(p, &c.Max, (*parser).int64) }},
	}
	layerFields = []field[devices.Layer]{
		{`"name":`, func(p *parser, l *devices.Layer) { p.string(&l.Name) }},
		{`"op":`, func(p *parser, l *devices.Layer) { p.string(&l.Op) }},
		{`"where":`, func(p *parser, l *devices.Layer) { p.string(&l.Where) }},
		{`"seconds":`, func(p *parser, l *devices.Layer) { p.float(&l.Seconds) }},
		{`"cycles":`, func(p *parser, l *devices.Layer) { p.float(&l.Cycles) }},
		{`"macs":`, func(p *parser, l *devices.Layer) { p.int64(&l.MACs) }},
	}
	boundsFields = []field[devices.Bounds]{
		{`"low_seconds":`, func(p *parser, b *devices.Bounds) { p.float(&b.Low) }},
		{`"high_seconds":`, func(p *parser, b *devices.Bounds) { p.float(&b.High) }},
	}
	doubtFields = []field[devices.Doubt]{
		{`"code":`, func(p *parser, d *devices.Doubt) { p.string(&d.Code) }},
		{`"text":`, func(p *parser, d *devices.Doubt) { p.string(&d.Text) }},
	}
)

func (p *parser) summary(to *devices.Summary) { object(p, to, summaryFields) }
func (p *parser) battery(to *devices.Battery) { object(p, to, batteryFields) }
func (p *parser) cooling(to *devices.Cooling) { object(p, to, coolingFields) }
func (p *parser) layer(to *devices.Layer)     { object(p, to, layerFields) }
func (p *parser) bounds(to *devices.Bounds)   { object(p, to, boundsFields) }
func (p *parser) doubt(to *devices.Doubt)     { object(p, to, doubtFields) }

func (p *parser) uint32(to *uint32) {
	var n int64
	p.int64(&n)
	*to = uint32(n) //nolint:gosec // G115: looked at in the next line
	p.bad = p.bad || int64(*to) != n
}
