package sampler

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"latlab/internal/strictyaml"
)

// Limits of a space file. They limit the memory for any file: the table of the largest space takes
// some 10 MB, its largest network 1 GiB of float32 weights, half of what a .tflite file's 32-bit
// offsets can address.
const (
	maxFile       = 1 << 20 // bytes
	maxSide       = 8192    // pixels
	maxWidth      = 16384   // channels, classes
	maxKernel     = 63
	maxExpansion  = 64
	maxMultiplier = 64
	maxStages     = 64
	maxLayers     = 256 // of the space
	maxChoices    = 250 // of a layer; an index is a byte in the sampler's sets
	maxSlots      = 1 << 20
	maxElements   = 1 << 28 // of a tensor, and of a network's weights
)

// LoadFile reads a space from a YAML file; see Load.
func LoadFile(path string) (*Space, error) {
	data, err := spaceKind.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Load(data, path)
}

// Load reads a space from YAML; docs/spaces.md describes the format. filename is used in errors and
// in Space.Source. It returns a *strictyaml.Error for the first error: a field that is unknown or
// missing, a value out of range, a stride or residual that the shapes do not allow. A file with a
// built-in space's name must contain that space, because an Arch's id includes only the name.
func Load(data []byte, filename string) (*Space, error) {
	s, err := load(data, filename)
	if err != nil {
		return nil, err
	}
	if builtin, err := Builtin(s.Name); err == nil && !same(s, builtin) {
		return nil, &strictyaml.Error{File: filename, Field: "name",
			Msg: fmt.Sprintf("%s is the name of a built-in space with other content; give this space a different name", s.Name)}
	}
	s.Source = filename
	return s, nil
}

// same reports whether two spaces hold the same networks under the same indices.
func same(a, b *Space) bool {
	x, y := *a, *b
	x.Doc, x.Source = y.Doc, y.Source
	return reflect.DeepEqual(x, y)
}

// spaceKind follows references: the limits above hold for what they stand for.
var spaceKind = strictyaml.Kind{Name: "a space", MaxBytes: maxFile, Aliases: true}

func load(data []byte, filename string) (s *Space, err error) {
	err = spaceKind.Read(data, filename, func(v strictyaml.Value) { s = (&loader{}).space(v) })
	if err != nil {
		return nil, err
	}
	return s, nil
}

// loader is the state while reading the file.
type loader struct {
	multipliers []float64
	choices     map[string]Choice
	names       []string // of choices, in order
	height      int      // of the map that the next layer reads
	width       int
	in          []int // candidate channels of that map
	layers      int
	slots       int
	weights     float64   // of the largest network so far
	maps        []mapSize // of the stages
}

func (l *loader) space(v strictyaml.Value) *Space {
	o := v.Object("name", "doc", "input", "activation", "multipliers", "choices", "stages", "head")
	s := &Space{Name: name(o.Get("name"))}
	if d, ok := o.Opt("doc"); ok {
		s.Doc = doc(d)
	}
	s.Input = l.input(o.Get("input"))
	s.Activation = Activation(o.Get("activation").OneOf(string(ReLU6), string(ReLU), string(HSwish)))
	if m, ok := o.Opt("multipliers"); ok {
		l.multipliers = multipliers(m)
	}
	l.readChoices(o.Get("choices"))
	for _, stage := range o.Get("stages").List(maxStages) {
		s.Stages = append(s.Stages, l.stage(stage, s.Stages))
	}
	s.Head = l.head(o.Get("head"), s.Stages)
	return s
}

func doc(v strictyaml.Value) string {
	s := v.Text()
	if len(s) > 1000 || strings.ContainsAny(s, "\r\n") {
		v.Fail("must be one line of at most 1000 bytes")
	}
	return s
}

// Names become parts of file names, op names and metric labels, on every system.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// name reads an identifier.
func name(v strictyaml.Value) string {
	s := v.Text()
	if !nameForm.MatchString(s) {
		v.Fail("must be 1 to 64 letters, digits, '_', '.' or '-', beginning with a letter or digit, not %s", v)
	}
	return s
}

// positive reads a number above 0 and at most high; it is high where the value is none.
func positive(v strictyaml.Value, high float64) float64 {
	x, ok := v.Number()
	if ok && x > 0 && x <= high {
		return x
	}
	if ok {
		v.Fail("must be above 0 and at most %v, not %s", high, v)
	}
	return high
}

func (l *loader) input(v strictyaml.Value) Input {
	o := v.Object("height", "width", "channels")
	in := Input{
		Height:   o.Get("height").Int(1, maxSide),
		Width:    o.Get("width").Int(1, maxSide),
		Channels: o.Get("channels").Int(1, maxWidth),
	}
	if n := int64(in.Height) * int64(in.Width) * int64(in.Channels); n > maxElements {
		v.Fail("%dx%dx%d has %d elements; a tensor may have %d", in.Height, in.Width, in.Channels, n, maxElements)
	}
	l.height, l.width, l.in = in.Height, in.Width, []int{in.Channels}
	return in
}

func multipliers(v strictyaml.Value) []float64 {
	var ms []float64
	for _, m := range v.List(maxChoices) {
		ms = append(ms, positive(m, maxMultiplier))
	}
	return ms
}

func (l *loader) readChoices(v strictyaml.Value) {
	l.choices = map[string]Choice{}
	for _, v := range v.List(maxChoices) {
		c := choice(v)
		if _, twice := l.choices[c.Name]; twice {
			v.Fail("choice %q appears twice", c.Name)
		}
		l.choices[c.Name] = c
		l.names = append(l.names, c.Name)
	}
}

// choiceFields are the fields of each layer type besides name and type; a question mark means
// optional.
var choiceFields = map[LayerType][]string{
	Conv:           {"kernel", "activation?", "bias?"},
	IBN:            {"kernel", "expansion", "se?", "activation?"},
	Fused:          {"kernel", "expansion", "se?", "activation?"},
	Tucker:         {"kernel", "in_ratio", "out_ratio", "activation?"},
	Separable:      {"kernel", "activation?"},
	Bottleneck:     {"kernel", "expansion", "se?", "activation?"},
	ActivationMark: {"activation?"},
	EndpointMark:   {},
	Pool:           {},
	Skip:           {},
}

func choice(v strictyaml.Value) Choice {
	o := v.Object("name", "type", "kernel", "expansion", "in_ratio", "out_ratio", "se", "activation", "bias")
	c := Choice{Name: name(o.Get("name"))}
	c.Type = LayerType(o.Get("type").OneOf(string(Conv), string(IBN), string(Fused), string(Tucker), string(Separable), string(Bottleneck),
		string(ActivationMark), string(EndpointMark), string(Pool), string(Skip)))
	if !o.OK() {
		return c
	}
	fields := strings.Join(choiceFields[c.Type], " ")
	for _, key := range []string{"kernel", "expansion", "in_ratio", "out_ratio", "se", "activation", "bias"} {
		f, given := o.Opt(key)
		switch has := strings.Contains(" "+fields, " "+key); {
		case has && !given && strings.Contains(fields, key+"?"):
		case has:
			c.set(key, o.Get(key))
		case given:
			f.Fail("does not belong to a choice of type %s", c.Type)
		}
	}
	return c
}

func (c *Choice) set(key string, v strictyaml.Value) {
	switch key {
	case "kernel":
		c.Kernel = v.Int(1, maxKernel)
		if c.Kernel%2 == 0 {
			v.Fail("must be odd, not %d", c.Kernel)
		}
	case "expansion":
		c.Expansion = v.Int(1, maxExpansion)
		if c.Expansion == 1 && c.Type == Fused {
			v.Fail("must be at least 2 for a fused convolution, which without expansion is type conv")
		}
	case "in_ratio":
		c.InRatio = positive(v, 1)
	case "out_ratio":
		c.OutRatio = positive(v, 1)
	case "se":
		c.SE = positive(v, 1)
	case "activation":
		c.Activation = Activation(v.OneOf(string(ReLU6), string(ReLU), string(HSwish)))
	case "bias":
		c.Bias = v.Bool()
	}
}

func (l *loader) stage(v strictyaml.Value, before []Stage) Stage {
	o := v.Object("name", "base_width", "multipliers", "widths", "layers")
	st := Stage{Name: name(o.Get("name"))}
	for _, other := range before {
		if other.Name == st.Name {
			o.Get("name").Fail("stage %q appears twice", st.Name)
		}
	}
	st.Widths = l.widths(o)
	for _, layer := range o.Get("layers").List(maxLayers) {
		st.Layers = append(st.Layers, l.repeated(layer, st)...)
	}
	if n := len(st.Widths); n > 0 {
		l.maps = append(l.maps, mapSize{l.height, l.width, st.Widths[n-1]})
	}
	return st
}

// widths are either listed, or a base times multipliers.
func (l *loader) widths(o strictyaml.Object) []int {
	base, hasBase := o.Opt("base_width")
	list, hasList := o.Opt("widths")
	own, hasOwn := o.Opt("multipliers")
	switch {
	case hasBase == hasList:
		o.Value.Fail("needs either widths or base_width")
		return nil
	case hasList && hasOwn:
		own.Fail("belongs to base_width; widths are taken as they are")
		return nil
	case hasList:
		return widthList(list)
	}
	ms := l.multipliers
	if hasOwn {
		ms = multipliers(own)
	}
	if len(ms) == 0 {
		base.Fail("needs multipliers, in the stage or for the whole space")
	}
	return scaled(base, base.Int(1, maxWidth), ms)
}

func widthList(v strictyaml.Value) []int {
	var ws []int
	for _, w := range v.List(maxChoices) {
		x := w.Int(1, maxWidth)
		if len(ws) > 0 && x <= ws[len(ws)-1] {
			w.Fail("widths must ascend: %d after %d", x, ws[len(ws)-1])
		}
		ws = append(ws, x)
	}
	return ws
}

func scaled(v strictyaml.Value, base int, multipliers []float64) []int {
	seen := map[int]bool{}
	for _, m := range multipliers {
		w := ScaleWidth(base, m)
		if w > maxWidth {
			v.Fail("%d times %v is %d channels; a width may be %d", base, m, w, maxWidth)
		}
		seen[w] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// ScaleWidth is a width times a factor, rounded half up to a multiple of 8, at least 8
// (tensorflow/models, ssd_mobiledet_feature_extractor._scale_filters). Widths, Tucker ranks and the
// hidden channels of squeeze-and-excite use it.
func ScaleWidth(width int, factor float64) int {
	return max(8, int(float64(width)*factor/8+0.5)*8)
}

// DivisibleWidth is ScaleWidth, but 8 more where rounding would take away more than a tenth
// (google-research/tunas, search_space_utils.make_divisible): 72 channels have 24 hidden ones at a quarter, not 16.
func DivisibleWidth(width int, factor float64) int {
	exact := float64(width) * factor
	w := ScaleWidth(width, factor)
	if float64(w) < 0.9*exact {
		w += 8
	}
	return w
}

// repeated reads one entry of a stage's layers, which may stand for several layers.
func (l *loader) repeated(v strictyaml.Value, st Stage) []Layer {
	o := v.Object("stride", "residual", "repeat", "choices", "by")
	layer := Layer{Stride: o.Get("stride").Int(1, 2)}
	if r, ok := o.Opt("residual"); ok {
		layer.Residual = r.Bool()
	}
	n := 1
	if r, ok := o.Opt("repeat"); ok {
		n = r.Int(1, maxLayers)
	}
	layer.Choices = l.layerChoices(o.Get("choices"))
	if by, ok := o.Opt("by"); ok {
		layer.By = decisions(by, layer)
	}
	var layers []Layer
	for i := 0; i < n && v.OK(); i++ {
		l.place(o, layer, st, len(st.Layers)+i == 0)
		layers = append(layers, layer)
	}
	return layers
}

func (l *loader) layerChoices(v strictyaml.Value) []Choice {
	var cs []Choice
	seen := map[string]bool{}
	for _, ref := range v.List(maxChoices) {
		name := ref.Text()
		c, ok := l.choices[name]
		switch {
		case !ok:
			ref.Fail("unknown choice %s%s", ref, strictyaml.DidYouMean(name, l.names))
		case seen[name]:
			ref.Fail("choice %s is listed twice", ref)
		}
		seen[name] = true
		cs = append(cs, c)
	}
	if len(cs) == 1 && cs[0].Type == Skip {
		v.Fail("must have a choice besides skip")
	}
	for _, c := range cs {
		if c.Type != Skip && c.Type.keepsWidth() && len(cs) > 1 {
			v.Fail("%s must be the only choice of its layer, because it is of type %s", c.Name, c.Type)
		}
	}
	return cs
}

// decisions reads the decisions that together make a layer's choice.
func decisions(v strictyaml.Value, l Layer) []By {
	order := []By{ByNone, ByKernel, ByExpansion, BySE, ByOp}
	last := -1
	for _, x := range v.List(len(order)) {
		by := By(x.OneOf("none", "kernel", "expansion", "se", "op"))
		i := slices.Index(order, by)
		if x.OK() && (i <= last || last == 0) {
			x.Fail("must be none alone, or some of kernel, expansion, se and op in this order")
		}
		last = i
		l.By = append(l.By, by)
	}
	if v.OK() && !l.product() {
		v.Fail("the layer's choices must be every combination of the values that these decide, the first changing slowest, " +
			"and then the skip if the layer has one, which op decides")
	}
	return l.By
}

// place checks that a layer fits the shapes before it, and updates them.
func (l *loader) place(o strictyaml.Object, layer Layer, st Stage, first bool) {
	v := o.Value
	sameShape := layer.Stride == 1 && (!first || len(l.in) == 1 && reflect.DeepEqual(l.in, st.Widths))
	if layer.Residual && !sameShape {
		o.Get("residual").Fail("%s", shapeReason(layer, "a residual"))
	}
	for _, c := range layer.Choices {
		switch {
		case !c.Type.keepsWidth():
		case !sameShape:
			o.Get("choices").Fail("%s", shapeReason(layer, string(c.Type)))
		case l.layers == 0:
			o.Get("choices").Fail("the network's first layer cannot be %s", firstReason(c.Type))
		case c.Type != Skip && layer.Residual:
			o.Get("residual").Fail("does not belong to a layer of type %s", c.Type)
		}
	}
	if layer.Stride == 2 && l.height == 1 && l.width == 1 {
		o.Get("stride").Fail("the map is 1x1 here and cannot shrink by a stride of 2")
	}
	l.count(v, layer, st)
	l.in = st.Widths
	l.height, l.width = layer.MapAfter(l.height, l.width)
}

func firstReason(t LayerType) string {
	if t == Skip {
		return "skipped"
	}
	return "of type " + string(t)
}

func shapeReason(l Layer, what string) string {
	if l.Stride != 1 {
		return what + " needs stride 1"
	}
	return what + " needs equal input and output widths; a stage's first layer has them only if both stages have the same single width"
}

// shrink is the size after a stride with SAME padding.
func shrink(size, stride int) int { return (size + stride - 1) / stride }

// count checks the limits of the table and the networks.
func (l *loader) count(v strictyaml.Value, layer Layer, st Stage) {
	if !v.OK() || len(st.Widths) == 0 {
		return
	}
	l.layers++
	if l.layers > maxLayers {
		v.Fail("layer %d; a space may have %d", l.layers, maxLayers)
	}
	l.slots += len(l.in) * len(st.Widths) * len(layer.Choices)
	if l.slots > maxSlots {
		v.Fail("the cost table has more than %d entries up to here (widths before x widths x choices)", maxSlots)
	}
	var most float64
	for _, c := range layer.Choices {
		tensor, weights := l.elements(c, layer.Stride, st.Widths[len(st.Widths)-1])
		if tensor > maxElements {
			v.Fail("choice %s has a tensor of %.3g elements at the largest width; the limit is %d", c.Name, tensor, maxElements)
		}
		most = math.Max(most, weights)
	}
	l.weights += most
	if l.weights > maxElements {
		v.Fail("the largest network has more than %d weights up to here", maxElements)
	}
}

// elements is an upper bound of the largest tensor and of the weights of a choice.
func (l *loader) elements(c Choice, stride, out int) (tensor, weights float64) {
	in := float64(l.in[len(l.in)-1])
	mid := in * float64(c.Expansion)
	before := float64(l.height) * float64(l.width)
	behind := float64(shrink(l.height, stride)) * float64(shrink(l.width, stride))
	k := float64(c.Kernel) * float64(c.Kernel)
	o := float64(out)
	tensor = behind * o
	switch c.Type {
	case Conv, Tucker:
		weights = k * in * o
	case Separable:
		weights = k*in + in*o
	case IBN, Bottleneck:
		tensor = math.Max(tensor, before*mid)
		weights = in*mid + k*mid + mid*o
	case Fused:
		tensor = math.Max(tensor, behind*mid)
		weights = k*in*mid + mid*o
	}
	if c.SE > 0 {
		weights += 2 * mid * float64(ScaleWidth(int(mid), c.SE))
	}
	return tensor, weights
}
