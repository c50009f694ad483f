package sampler

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// What a space file may ask for. The limits keep any file's memory bounded: the table of
// the largest space takes some 10 MB, its largest network 1 GiB of float32 weights, half
// of what a .tflite file's 32-bit offsets reach.
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
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	return Load(data, path)
}

// Load reads a space from YAML; docs/spaces.md describes the form. The name is what
// errors and Space.Source call the file. It returns a *LoadError for the first thing that
// is wrong: a field that is unknown or missing, a value out of range, a stride or residual
// that the shapes do not allow. A file that takes a built-in space's name must be that
// space, since an Arch's id holds the name alone.
func Load(data []byte, filename string) (*Space, error) {
	s, err := load(data, filename)
	if err != nil {
		return nil, err
	}
	if builtin, err := Builtin(s.Name); err == nil && !same(s, builtin) {
		return nil, &LoadError{File: filename, Field: "name",
			Msg: fmt.Sprintf("%s is a built-in space, and this is another one; give it a name of its own", s.Name)}
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

func load(data []byte, filename string) (*Space, error) {
	root, err := parse(data, filename)
	if err != nil {
		return nil, err
	}
	d := &decoder{file: filename}
	l := &loader{}
	s := l.space(d.value(root, ""))
	if d.err != nil {
		return nil, d.err
	}
	return s, nil
}

// parse reads the one document of a file.
func parse(data []byte, filename string) (*yaml.Node, error) {
	if len(data) > maxFile {
		return nil, &LoadError{File: filename, Msg: fmt.Sprintf("larger than %d bytes, which is no space", maxFile)}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, &LoadError{File: filename, Msg: "is empty"}
	} else if err != nil {
		return nil, syntaxError(err, filename)
	}
	if err := dec.Decode(&more); err == nil {
		return nil, &LoadError{File: filename, Line: more.Line, Msg: "a second document begins here; a file holds one space"}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxError(err, filename)
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// syntaxError moves the line that the YAML reader found to where all errors have it.
func syntaxError(err error, filename string) error {
	e := &LoadError{File: filename, Msg: Clip(strings.TrimPrefix(err.Error(), "yaml: "))}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Msg = Clip(strings.TrimPrefix(err.Error(), m[0]))
	}
	return e
}

// loader is what is known at a point of the file.
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

func (l *loader) space(v value) *Space {
	o := v.object("name", "doc", "input", "activation", "multipliers", "choices", "stages", "head")
	s := &Space{Name: o.get("name").name()}
	if doc, ok := o.opt("doc"); ok {
		s.Doc = doc.doc()
	}
	s.Input = l.input(o.get("input"))
	s.Activation = Activation(o.get("activation").oneOf(string(ReLU6), string(HSwish)))
	if m, ok := o.opt("multipliers"); ok {
		l.multipliers = multipliers(m)
	}
	l.readChoices(o.get("choices"))
	for _, stage := range o.get("stages").list(maxStages) {
		s.Stages = append(s.Stages, l.stage(stage, s.Stages))
	}
	s.Head = l.head(o.get("head"), s.Stages)
	return s
}

func (v value) doc() string {
	s := v.text()
	if v.node != nil && (len(s) > 1000 || strings.ContainsAny(s, "\r\n")) {
		v.fail("must be one line of at most 1000 bytes")
	}
	return s
}

func (l *loader) input(v value) Input {
	o := v.object("height", "width", "channels")
	in := Input{
		Height:   o.get("height").int(1, maxSide),
		Width:    o.get("width").int(1, maxSide),
		Channels: o.get("channels").int(1, maxWidth),
	}
	if n := int64(in.Height) * int64(in.Width) * int64(in.Channels); n > maxElements {
		v.fail("%dx%dx%d has %d elements; a tensor may have %d", in.Height, in.Width, in.Channels, n, maxElements)
	}
	l.height, l.width, l.in = in.Height, in.Width, []int{in.Channels}
	return in
}

func multipliers(v value) []float64 {
	var ms []float64
	for _, m := range v.list(maxChoices) {
		ms = append(ms, m.float(maxMultiplier))
	}
	return ms
}

func (l *loader) readChoices(v value) {
	l.choices = map[string]Choice{}
	for _, v := range v.list(maxChoices) {
		c := choice(v)
		if _, twice := l.choices[c.Name]; twice {
			v.fail("there is another choice %q", c.Name)
		}
		l.choices[c.Name] = c
		l.names = append(l.names, c.Name)
	}
}

// choiceFields are the fields of each layer type besides name and type; those with a
// question mark may be left out.
var choiceFields = map[LayerType][]string{
	Conv:   {"kernel"},
	IBN:    {"kernel", "expansion", "se?"},
	Fused:  {"kernel", "expansion", "se?"},
	Tucker: {"kernel", "in_ratio", "out_ratio"},
	Skip:   {},
}

func choice(v value) Choice {
	o := v.object("name", "type", "kernel", "expansion", "in_ratio", "out_ratio", "se")
	c := Choice{Name: o.get("name").name()}
	c.Type = LayerType(o.get("type").oneOf(string(Conv), string(IBN), string(Fused), string(Tucker), string(Skip)))
	if o.d.err != nil {
		return c
	}
	fields := strings.Join(choiceFields[c.Type], " ")
	for _, key := range []string{"kernel", "expansion", "in_ratio", "out_ratio", "se"} {
		f, given := o.opt(key)
		switch has := strings.Contains(" "+fields, " "+key); {
		case has && !given && strings.Contains(fields, key+"?"):
		case has:
			c.set(key, o.get(key))
		case given:
			f.fail("does not belong to a choice of type %s", c.Type)
		}
	}
	return c
}

func (c *Choice) set(key string, v value) {
	switch key {
	case "kernel":
		c.Kernel = v.int(1, maxKernel)
		if c.Kernel%2 == 0 {
			v.fail("must be odd, not %d", c.Kernel)
		}
	case "expansion":
		c.Expansion = v.int(1, maxExpansion)
		if c.Expansion == 1 && c.Type == Fused {
			v.fail("must be at least 2 for a fused convolution, which without expansion is type conv")
		}
	case "in_ratio":
		c.InRatio = v.float(1)
	case "out_ratio":
		c.OutRatio = v.float(1)
	case "se":
		c.SE = v.float(1)
	}
}

func (l *loader) stage(v value, before []Stage) Stage {
	o := v.object("name", "base_width", "multipliers", "widths", "layers")
	st := Stage{Name: o.get("name").name()}
	for _, other := range before {
		if other.Name == st.Name {
			o.get("name").fail("there is another stage %q", st.Name)
		}
	}
	st.Widths = l.widths(o)
	for _, layer := range o.get("layers").list(maxLayers) {
		st.Layers = append(st.Layers, l.repeated(layer, st)...)
	}
	if n := len(st.Widths); n > 0 {
		l.maps = append(l.maps, mapSize{l.height, l.width, st.Widths[n-1]})
	}
	return st
}

// widths are listed, or a base times multipliers.
func (l *loader) widths(o object) []int {
	base, hasBase := o.opt("base_width")
	list, hasList := o.opt("widths")
	own, hasOwn := o.opt("multipliers")
	switch {
	case hasBase == hasList:
		o.fail("needs either widths or base_width")
		return nil
	case hasList && hasOwn:
		own.fail("belongs to base_width; widths are taken as they are")
		return nil
	case hasList:
		return widthList(list)
	}
	ms := l.multipliers
	if hasOwn {
		ms = multipliers(own)
	}
	if len(ms) == 0 {
		base.fail("needs multipliers, in the stage or for the whole space")
	}
	return scaled(base, base.int(1, maxWidth), ms)
}

func widthList(v value) []int {
	var ws []int
	for _, w := range v.list(maxChoices) {
		x := w.int(1, maxWidth)
		if len(ws) > 0 && x <= ws[len(ws)-1] {
			w.fail("widths must ascend: %d after %d", x, ws[len(ws)-1])
		}
		ws = append(ws, x)
	}
	return ws
}

func scaled(v value, base int, multipliers []float64) []int {
	seen := map[int]bool{}
	for _, m := range multipliers {
		w := ScaleWidth(base, m)
		if w > maxWidth {
			v.fail("%d times %v is %d channels; a width may be %d", base, m, w, maxWidth)
		}
		seen[w] = true
	}
	return sortedKeys(seen)
}

// ScaleWidth is a width times a factor, rounded half up to a multiple of 8, at least 8
// (tensorflow/models, ssd_mobiledet_feature_extractor._scale_filters). Widths, Tucker
// ranks and squeeze-and-excite's hidden channels follow it.
func ScaleWidth(width int, factor float64) int {
	return max(8, int(float64(width)*factor/8+0.5)*8)
}

// repeated reads one entry of a stage's layers, which stands for one layer or several.
func (l *loader) repeated(v value, st Stage) []Layer {
	o := v.object("stride", "residual", "repeat", "choices")
	layer := Layer{Stride: o.get("stride").int(1, 2)}
	if r, ok := o.opt("residual"); ok {
		layer.Residual = r.bool()
	}
	n := 1
	if r, ok := o.opt("repeat"); ok {
		n = r.int(1, maxLayers)
	}
	layer.Choices = l.layerChoices(o.get("choices"))
	var layers []Layer
	for i := 0; i < n && v.d.err == nil; i++ {
		l.place(o, layer, st, len(st.Layers)+i == 0)
		layers = append(layers, layer)
	}
	return layers
}

func (l *loader) layerChoices(v value) []Choice {
	var cs []Choice
	seen := map[string]bool{}
	for _, ref := range v.list(maxChoices) {
		name := ref.text()
		c, ok := l.choices[name]
		switch {
		case ref.node == nil:
		case !ok:
			ref.fail("unknown choice %s%s", ref, didYouMean(name, l.names))
		case seen[name]:
			ref.fail("choice %s is listed twice", ref)
		}
		seen[name] = true
		cs = append(cs, c)
	}
	if len(cs) == 1 && cs[0].Type == Skip {
		v.fail("must have a choice besides skip")
	}
	return cs
}

// place checks that a layer fits the shapes where it stands, and moves on behind it.
func (l *loader) place(o object, layer Layer, st Stage, first bool) {
	v := o.value
	sameShape := layer.Stride == 1 && (!first || len(l.in) == 1 && reflect.DeepEqual(l.in, st.Widths))
	if layer.Residual && !sameShape {
		o.get("residual").fail("%s", shapeReason(layer, "a residual"))
	}
	for _, c := range layer.Choices {
		switch {
		case c.Type != Skip:
		case !sameShape:
			o.get("choices").fail("%s", shapeReason(layer, "skip"))
		case l.layers == 0:
			o.get("choices").fail("the first layer of all cannot be skipped: a network needs one")
		}
	}
	if layer.Stride == 2 && l.height == 1 && l.width == 1 {
		o.get("stride").fail("the map is 1x1 here, a stride of 2 has nothing to shrink")
	}
	l.count(v, layer, st)
	l.height, l.width, l.in = shrink(l.height, layer.Stride), shrink(l.width, layer.Stride), st.Widths
}

func shapeReason(l Layer, what string) string {
	if l.Stride != 1 {
		return what + " needs stride 1"
	}
	return what + " needs equal widths before and behind, which a stage's first layer has only where both stages have the same single width"
}

// shrink is the size behind a stride with SAME padding.
func shrink(size, stride int) int { return (size + stride - 1) / stride }

// count keeps the table and the networks within the limits.
func (l *loader) count(v value, layer Layer, st Stage) {
	if v.d.err != nil || len(st.Widths) == 0 {
		return
	}
	l.layers++
	if l.layers > maxLayers {
		v.fail("layer %d; a space may have %d", l.layers, maxLayers)
	}
	l.slots += len(l.in) * len(st.Widths) * len(layer.Choices)
	if l.slots > maxSlots {
		v.fail("the cost table has more than %d entries up to here (widths before x widths x choices)", maxSlots)
	}
	var most float64
	for _, c := range layer.Choices {
		tensor, weights := l.elements(c, layer.Stride, st.Widths[len(st.Widths)-1])
		if tensor > maxElements {
			v.fail("choice %s has a tensor of %.3g elements at the largest width; the limit is %d", c.Name, tensor, maxElements)
		}
		most = math.Max(most, weights)
	}
	l.weights += most
	if l.weights > maxElements {
		v.fail("the largest network has more than %d weights up to here", maxElements)
	}
}

// elements bounds the largest tensor and the weights of a choice from above.
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
	case IBN:
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
