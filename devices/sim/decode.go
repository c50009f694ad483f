package sim

import (
	"crypto/sha256"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"latlab/internal/strictyaml"
	"latlab/internal/text"
	"latlab/sampler/graph"
	"latlab/sampler/model"
	"latlab/sampler/tflite/reader"
)

const maxList = 64 // maximum length of any list

var specKind = strictyaml.Kind{Name: "a simulator", MaxBytes: 1 << 20}

// LoadFile reads a simulator from a YAML file; see Load.
func LoadFile(path string) (*Spec, string, error) {
	data, err := specKind.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	return Load(data, path)
}

// Load reads a simulator and returns it with the hex sha256 of its bytes. Errors call the file
// name. The first fault is returned as a *strictyaml.Error with file, line and field: an unknown
// or missing field, a constant that is not a finite number above zero, a constant without a
// source.
func Load(data []byte, filename string) (*Spec, string, error) {
	s := &Spec{}
	err := specKind.Read(data, filename, func(v strictyaml.Value) {
		if read(v, reflect.ValueOf(s).Elem()); v.OK() {
			check(v, s)
		}
	})
	if err != nil {
		return nil, "", err
	}
	return s, fmt.Sprintf("%x", sha256.Sum256(data)), nil
}

// read fills a value of the Spec by its type.
func read(v strictyaml.Value, to reflect.Value) {
	switch to.Kind() {
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		read(v, to.Elem())
	case reflect.Struct:
		readStruct(v, to)
	case reflect.Slice:
		list := v.List(maxList)
		to.Set(reflect.MakeSlice(to.Type(), len(list), len(list)))
		for i, entry := range list {
			read(entry, to.Index(i))
		}
	case reflect.String:
		to.SetString(v.Line())
	case reflect.Float64:
		to.SetFloat(constant(v))
	case reflect.Bool:
		to.SetBool(v.Bool())
	}
}

// readStruct reads the fields by their yaml tags. Fields without omitempty are required.
func readStruct(v strictyaml.Value, to reflect.Value) {
	var names []string
	optional := map[string]bool{}
	for i := range to.NumField() {
		name, options, _ := strings.Cut(to.Type().Field(i).Tag.Get("yaml"), ",")
		names = append(names, name)
		optional[name] = options == "omitempty"
	}
	o := v.Object(names...)
	for i, name := range names {
		if o.Has(name) || !optional[name] {
			read(o.Get(name), to.Field(i))
		}
	}
}

// constant reads a finite number above zero. A constant that a device does not have is left out.
func constant(v strictyaml.Value) float64 {
	x, ok := v.Number()
	if ok && x >= 1/maxConstant && x <= maxConstant {
		return x
	}
	if ok {
		v.Fail("must be a number above 0, not %s", v)
	}
	return 1
}

// maxConstant keeps products and quotients of constants finite.
const maxConstant = 1e18

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,47}$`)

// check checks what concerns several fields.
func check(root strictyaml.Value, s *Spec) {
	if !nameForm.MatchString(s.Name) {
		root.At("name").Fail("must be lower-case letters, digits and '-', not %q", text.Clip(s.Name))
	}
	for i, f := range s.Formats {
		if f != model.TFLite && f != model.ONNX {
			root.At(fmt.Sprintf("formats[%d]", i)).Fail("must be %s or %s, not %q", model.TFLite, model.ONNX, text.Clip(string(f)))
		}
	}
	var seen []model.Precision
	for i, p := range s.Precisions {
		v := root.At(fmt.Sprintf("precisions[%d].precision", i))
		switch {
		case p.Precision != model.Float32 && p.Precision != model.Int8:
			v.Fail("must be %s or %s, not %q", model.Float32, model.Int8, text.Clip(string(p.Precision)))
		case slices.Contains(seen, p.Precision):
			v.Fail("is given twice")
		}
		seen = append(seen, p.Precision)
	}
	if s.Accelerator && s.Delegate == "" {
		root.At("delegate").Fail("is missing: an accelerator is reached through one")
	}
	if len(s.Unsupported) > 0 && s.Delegate == "" {
		root.At("unsupported").Fail("belongs to a device with a delegate")
	}
	for i, k := range s.Fused {
		checkKind(root.At(fmt.Sprintf("fused[%d]", i)), k)
	}
	for i, u := range s.Unsupported {
		checkKind(root.At(fmt.Sprintf("unsupported[%d].kind", i)), u.Kind)
	}
	checkRanges(root, s)
}

// checkKind refuses unknown ops: a misspelt op would silently be ignored, and the simulated device
// would differ from what the file's author thinks.
func checkKind(v strictyaml.Value, k graph.Kind) {
	var known []string
	for _, k := range reader.Kinds() {
		known = append(known, string(k))
	}
	if !slices.Contains(known, string(k)) {
		v.Fail("no op is of kind %q%s", text.Clip(string(k)), strictyaml.DidYouMean(string(k), known))
	}
}

func checkRanges(root strictyaml.Value, s *Spec) {
	for name, c := range map[string]Constant{
		"units": s.Tile.Units, "positions": s.Tile.Positions, "out_channels": s.Tile.OutChannels,
		"in_channels": s.Tile.InChannels, "depthwise_channels": s.Tile.DepthwiseChannels,
	} {
		if c.Value != math.Trunc(c.Value) || c.Value > 1<<20 {
			root.At("tile."+name).Fail("must be a whole number of at most %d, not %v", 1<<20, c.Value)
		}
	}
	for name, c := range map[string]Constant{
		"conv": s.Efficiency.Conv, "pointwise": s.Efficiency.Pointwise,
		"depthwise": s.Efficiency.Depthwise, "fully_connected": s.Efficiency.FullyConnected,
	} {
		if c.Value > 1 {
			root.At("efficiency."+name).Fail("must be at most 1, not %v", c.Value)
		}
	}
	fs := s.Thermal.FrequenciesHz.Values
	for i := 1; i < len(fs); i++ {
		if fs[i] >= fs[i-1] {
			root.At("thermal.frequencies_hz").Fail("must descend: %v after %v", fs[i], fs[i-1])
		}
	}
	if t := s.Thermal; t.ThrottleCelsius.Value <= t.AmbientCelsius.Value {
		root.At("thermal.throttle_celsius").Fail("must be above ambient_celsius, %v", t.AmbientCelsius.Value)
	}
}
