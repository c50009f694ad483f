package model

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"latlab/internal/text"
	"latlab/sampler/onnx"
	"latlab/sampler/tflite/reader"
)

// Port is an input of a user's own file.
type Port struct {
	Name string
	Type string // of its elements: "uint8"
	// Index is its position for a runtime: see reader.Port.
	Index int
	// Shape is executed: the file's, with an open batch as 1, or the Call's. It is nil if the file leaves it
	// open and the Call does not give it; devices are given no such model.
	Shape []int
	// Set says that a tool has to be told the Shape, because the file alone does not determine it.
	Set bool
	// Element is the value that the Call gives every element, as runtimes store it (two of 4 bits are one byte, a
	// text ends with a zero); nil if it gives none, or a file.
	Element []byte

	given  *Given // what the Call gives, nil for nothing
	key    string // its name in the signature
	text   string // "x  uint8 [N, 3, H, W]"
	ranked bool
	file   []int // extents of the file, 0 = open
	preset []int // extents without a Call: 0 = open; an open batch is 1
}

// OpenPort returns the first input without a shape, nil if all have one.
func (m *Model) OpenPort() *Port {
	for i := range m.Ports {
		if m.Ports[i].Shape == nil {
			return &m.Ports[i]
		}
	}
	return nil
}

// SetPorts are the inputs of which a tool has to be told the shape, in the file's order.
func (m *Model) SetPorts() []Port {
	return slices.DeleteFunc(slices.Clone(m.Ports), func(p Port) bool { return !p.Set })
}

// SetShapes are the shapes of SetPorts by the inputs' positions: nil for the others, and nil if all are the file's.
func (m *Model) SetShapes() [][]int {
	if len(m.SetPorts()) == 0 {
		return nil
	}
	list := make([][]int, len(m.Ports))
	for i, p := range m.Ports {
		if p.Set {
			list[i] = p.Shape
		}
	}
	return list
}

// String is "x  uint8 [N, 3, H, W]".
func (p *Port) String() string { return p.text }

// Example is the value of --input-shape with the extents that are known: "x=1x3xNxN".
func (p *Port) Example() string {
	if !p.ranked {
		return text.Line(p.Name, 60) + "=SHAPE"
	}
	words := make([]string, len(p.preset))
	for i, n := range p.preset {
		words[i] = "N"
		if n > 0 {
			words[i] = strconv.Itoa(n)
		}
	}
	return text.Line(p.Name, 60) + "=" + strings.Join(words, "x")
}

// Fixed returns the path of a file whose inputs have a fixed size, for tools that take no shapes beside the
// file: the .onnx itself, or a copy in dir with the Ports' shapes.
func (m *Model) Fixed(f *File, dir string) (string, error) {
	shapes := map[string][]int{}
	for _, p := range m.SetPorts() {
		shapes[p.Name] = p.Shape
	}
	if len(shapes) == 0 {
		return f.Path, nil
	}
	data, err := os.ReadFile(f.Path)
	if err == nil {
		data, err = onnx.Fix(data, shapes)
	}
	if err != nil {
		return "", fmt.Errorf("model %s: %w", m.Name, err)
	}
	path := filepath.Join(dir, "fixed.onnx")
	return path, os.WriteFile(path, data, 0o600)
}

// onnxPort: the first of several extents is the batch, unless the file's own name for it says otherwise.
func onnxPort(in onnx.Input) Port {
	p := Port{Name: in.Name, Type: in.Type, text: text.Line(in.Name, 60) + "  " + in.String(), ranked: in.Ranked, file: []int{}}
	for _, d := range in.Dims {
		p.file = append(p.file, d.Size)
	}
	p.preset = slices.Clone(p.file)
	if len(p.file) > 1 && p.file[0] == 0 && mayBeBatch(in.Dims[0].Name) {
		p.preset[0] = 1
	}
	return p
}

// mayBeBatch reports whether an extent may be a batch by the name that an exporter gave it.
func mayBeBatch(name string) bool {
	name = strings.ToLower(name)
	for _, other := range []string{"seq", "len", "time", "frame", "token", "height", "width", "channel", "sample"} {
		if strings.Contains(name, other) {
			return strings.Contains(name, "batch")
		}
	}
	return !slices.Contains([]string{"h", "w", "c", "t", "l", "s"}, name)
}

// tflitePort: runtimes execute the file's example of an open extent. Of any axis but the batch an example of 1
// is no size, because converters write it for an unknown one.
func tflitePort(in reader.Port) Port {
	p := Port{Name: in.Name, Type: in.Type, Index: in.Index, key: in.SignatureName, text: in.String(), ranked: true, file: slices.Clone(in.Given), preset: slices.Clone(in.Given)}
	for axis, n := range in.Given {
		if n < 1 || in.Shape[axis] < 0 {
			p.file[axis] = 0
		}
		if n < 1 || n == 1 && in.Shape[axis] < 0 && (axis > 0 || len(in.Given) == 1) {
			p.preset[axis] = 0
		}
	}
	return p
}

// take finds the inputs that the Call names, and checks what it gives for them.
func (m *Model) take() error {
	for i := range m.Call.Inputs {
		g := &m.Call.Inputs[i]
		p, err := m.port(g.Name)
		if err != nil {
			return err
		}
		if p.given != nil {
			return fmt.Errorf("%s and %s name the same input of model %s", p.given.Name, g.Name, m.Name)
		}
		p.given = g
		if g.Shape == nil {
			continue
		}
		if err := p.take(g.Shape); err != nil {
			return fmt.Errorf("--%s %s=%s: %w", GivenShape, text.Line(g.Name, 60), extents(g.Shape), err)
		}
	}
	m.setShapes()
	for i := range m.Ports {
		if err := m.Ports[i].setValues(); err != nil {
			return err
		}
	}
	return nil
}

// setShapes decides which shapes are executed.
func (m *Model) setShapes() {
	batch := slices.ContainsFunc(m.Ports, func(p Port) bool { return p.Shape != nil && p.openBatch() && p.Shape[0] != p.preset[0] })
	for i := range m.Ports {
		p := &m.Ports[i]
		switch {
		case p.Shape != nil:
		case !p.ranked || slices.Contains(p.preset, 0):
		case batch && p.openBatch(): // a batch of 1 beside one of 8 is no network
			p.preset[0] = 0
		default:
			p.Shape = p.preset
		}
		p.Set = p.Shape != nil && (m.Format == ONNX && (!p.ranked || slices.Contains(p.file, 0)) || m.Network != nil && !slices.Equal(p.Shape, m.Network.Inputs[i].Given))
	}
}

func (p *Port) openBatch() bool { return p.ranked && len(p.file) > 1 && p.file[0] == 0 }

// port finds an input by its name in the signature or by that of its tensor.
func (m *Model) port(name string) (*Port, error) {
	var names []string
	var found []*Port
	for i := range m.Ports {
		p := &m.Ports[i]
		names = append(names, p.Name)
		if p.key != "" && p.key != p.Name {
			names = append(names, p.key)
		}
		switch name {
		case p.key:
			return p, nil
		case p.Name:
			found = append(found, p)
		}
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("model %s has no inputs, so none is named %q", m.Name, text.Clip(name))
	case len(found) == 0:
		return nil, fmt.Errorf("model %s has no input %q%s; its inputs are %s", m.Name, text.Clip(name), text.DidYouMean(name, names), text.ClipTo(strings.Join(names, ", "), 400))
	case len(found) > 1:
		return nil, fmt.Errorf("model %s has %d inputs named %q", m.Name, len(found), text.Clip(name))
	}
	return found[0], nil
}

// take checks a given shape against the file's.
func (p *Port) take(shape []int) error {
	if p.ranked {
		if len(shape) != len(p.file) {
			return fmt.Errorf("%d extents are given, the input has %d: %s", len(shape), len(p.file), p)
		}
		for i, n := range p.file {
			if n > 0 && n != shape[i] {
				return fmt.Errorf("extent %d is fixed in the file: %s", i+1, p)
			}
		}
	}
	p.Shape = shape
	return nil
}

func extents(shape []int) string {
	words := make([]string, len(shape))
	for i, n := range shape {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, "x")
}
