package protocol

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"latlab/internal/strictyaml"
	"latlab/internal/text"
)

// field is a field that users may set, by its name in JSON and YAML.
type field struct {
	name     string
	at       any  // *int, *float64 or *bool
	positive bool // 0 is refused
}

func (p *Protocol) fields() []field {
	return []field{
		{name: "min_blocks", at: &p.MinBlocks}, {name: "max_blocks", at: &p.MaxBlocks},
		{name: "warmup_runs", at: &p.WarmUpRuns}, {name: "warmup_seconds", at: &p.WarmUpSeconds},
		{name: "min_runs", at: &p.MinRuns}, {name: "max_runs", at: &p.MaxRuns},
		{name: "min_seconds", at: &p.MinSeconds}, {name: "max_seconds", at: &p.MaxSeconds},
		{name: "timeout_seconds", at: &p.TimeoutSeconds},
		{name: "percentile", at: &p.Percentile},
		{name: "confidence", at: &p.Confidence}, {name: "target_half_width", at: &p.HalfWidth, positive: true},
		{name: "batch_networks", at: &p.Batch}, {name: "pause_seconds", at: &p.PauseSeconds},
		{name: "retries", at: &p.Retries}, {name: "retry_delay_seconds", at: &p.RetryDelaySeconds}, {name: "failure_limit", at: &p.FailureLimit},
		{name: "step_limit", at: &p.StepLimit, positive: true}, {name: "drift_limit", at: &p.DriftLimit, positive: true},
		{name: "cpu_ratio_limit", at: &p.CPURatioLimit}, {name: "frequency_limit", at: &p.FrequencyLimit}, {name: "clock_limit", at: &p.ClockLimit},
		{name: "reference_every_blocks", at: &p.ReferenceEvery},
		{name: "min_undisturbed", at: &p.MinUndisturbed}, {name: "limit_seconds", at: &p.LimitSeconds},
		{name: "allow_partial", at: &p.AllowPartial},
	}
}

// Fields lists the names of the fields that users may set.
func Fields() []string {
	var names []string
	for _, f := range new(Protocol).fields() {
		names = append(names, f.name)
	}
	return names
}

// Value is a field as it is written, such as "0.05".
func (p Protocol) Value(name string) string {
	for _, f := range p.fields() {
		if f.name == name {
			return f.String()
		}
	}
	return ""
}

func (f field) String() string {
	switch x := f.at.(type) {
	case *int:
		return strconv.Itoa(*x)
	case *float64:
		return strconv.FormatFloat(*x, 'g', -1, 64)
	case *bool:
		return strconv.FormatBool(*x)
	}
	panic("protocol: " + f.name) // cannot happen
}

// IsFile reports whether --protocol names a file.
func IsFile(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext == ".yaml" || ext == ".yml"
}

var fileKind = strictyaml.Kind{
	Name: "a protocol", MaxBytes: 64 << 10,
	Empty: "; `base: default` and the fields that differ make a protocol",
}

// Find returns a preset by its name, or reads a file. An error is the user's, but for a file that cannot be read.
func Find(name string) (Protocol, error) {
	if !IsFile(name) {
		return Named(name)
	}
	data, err := fileKind.ReadFile(name)
	if err != nil {
		return Protocol{}, err
	}
	return Read(data, name)
}

// Read reads a protocol from YAML: the fields that differ from those of the preset that `base` names, by default
// of "default". An error is a *strictyaml.Error.
func Read(data []byte, file string) (p Protocol, err error) {
	err = fileKind.Read(data, file, func(root strictyaml.Value) {
		o := root.Object(append([]string{"base"}, Fields()...)...)
		p = presets()[0]
		if v, ok := o.Opt("base"); ok {
			p = presets()[max(0, slices.Index(Presets(), v.OneOf(Presets()...)))]
		}
		p.Name = filepath.Base(file)
		for _, f := range p.fields() {
			if v, ok := o.Opt(f.name); ok {
				f.read(v)
			}
		}
		p.failIn(o)
	})
	return p, err
}

func (f field) read(v strictyaml.Value) {
	switch x := f.at.(type) {
	case *int:
		*x = v.Int(0, math.MaxInt32)
	case *float64:
		*x, _ = v.Number()
	case *bool:
		*x = v.Bool()
	}
}

// failIn reports the first broken rule at the line of a field that breaks it. A preset breaks none, so that one
// of the fields is in the file.
func (p Protocol) failIn(o strictyaml.Object) {
	for _, c := range p.checks() {
		if !c.bad || !o.OK() {
			continue
		}
		at := c.fields[max(0, slices.IndexFunc(c.fields, o.Has))]
		if at == c.fields[0] {
			o.Fail(at, "%s", c.text)
		} else {
			o.Fail(at, "contradicts %s, which %s", c.fields[0], c.text)
		}
	}
}

// Set returns the protocol with fields changed, each written as "min_blocks=5".
func (p Protocol) Set(assignments []string) (Protocol, error) {
	var set []string
	for _, a := range assignments {
		name, value, ok := strings.Cut(a, "=")
		at := slices.IndexFunc(p.fields(), func(f field) bool { return f.name == name })
		switch {
		case !ok:
			return p, fmt.Errorf("%q is not FIELD=VALUE, such as min_blocks=5", a)
		case at < 0:
			return p, fmt.Errorf("a protocol has no field %q%s", name, strictyaml.DidYouMean(name, Fields()))
		case slices.Contains(set, name):
			return p, fmt.Errorf("%s is given twice; leave one out", name)
		}
		f := p.fields()[at]
		if err := f.parse(value); err != nil {
			return p, err
		}
		separator := ","
		if len(set) == 0 {
			separator = " with "
		}
		set = append(set, name)
		p.Name += separator + name + "=" + f.String()
	}
	return p, p.Check()
}

func (f field) parse(value string) error {
	var err error
	want := "a number"
	switch x := f.at.(type) {
	case *int:
		want = "a whole number"
		*x, err = strconv.Atoi(value)
	case *float64:
		*x, err = strconv.ParseFloat(value, 64)
	case *bool:
		want = "true or false"
		*x, err = strconv.ParseBool(value)
	}
	if err != nil {
		return fmt.Errorf("%s must be %s, not %q", f.name, want, text.Clip(value))
	}
	return nil
}

// Arguments are the flags that choose a protocol with the same fields: a preset, and what differs from it.
func (p Protocol) Arguments() []string {
	word, _, _ := strings.Cut(p.Name, " ")
	base := presets()[max(0, slices.Index(Presets(), word))]
	args := []string{"--protocol", base.Name}
	for _, f := range p.fields() {
		if value := f.String(); value != base.Value(f.name) {
			args = append(args, "--set", f.name+"="+value)
		}
	}
	return args
}
