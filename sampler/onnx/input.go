package onnx

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"latlab/internal/text"

	"google.golang.org/protobuf/encoding/protowire"
)

// Input is an input of the graph that has to be given: initializers are listed as inputs in files of old IR
// versions, and are none.
type Input struct {
	Name   string
	Type   string // "float32"; empty if it is no tensor
	Dims   []Dim
	Ranked bool // false if the file does not say how many Dims there are
	kind   dataType
}

// Dim is an extent. Size is 0 if the file leaves it open, and Name is then what the file calls it, if anything.
type Dim struct {
	Size int
	Name string
}

// String is "uint8 [N, 3, H, W]", with "?" for an extent without a name.
func (in Input) String() string {
	switch {
	case in.Type == "":
		return "no tensor"
	case !in.Ranked:
		return in.Type + " of any rank"
	}
	words := make([]string, len(in.Dims))
	for i, d := range in.Dims {
		words[i] = "?"
		if d.Size > 0 {
			words[i] = strconv.Itoa(d.Size)
		} else if d.Name != "" {
			words[i] = text.Line(d.Name, 30)
		}
	}
	return in.Type + " [" + strings.Join(words, ", ") + "]"
}

// maxRank is far above any tensor's.
const maxRank = 64

// readInput reads ValueInfoProto: name, type.tensor_type.elem_type and type.tensor_type.shape.
func readInput(data []byte) (Input, error) {
	var in Input
	err := fields(data, func(f field) error {
		switch {
		case f.is(valueName):
			in.Name = string(f.bytes)
		case f.is(valueType):
			return fields(f.bytes, in.typeField)
		}
		return nil
	})
	if err != nil {
		return in, fmt.Errorf("input %q: %w", text.Clip(in.Name), err)
	}
	return in, nil
}

func (in *Input) typeField(f field) error {
	if !f.is(typeTensor) {
		return nil
	}
	return fields(f.bytes, func(f field) error {
		switch {
		case f.number == tensorTypeElement && f.kind == protowire.VarintType:
			in.kind = dataType(min(f.value, uint64(dataTypes)))
			if in.Type = names[in.kind]; in.Type == "" {
				in.Type = fmt.Sprintf("type %d", f.value)
			}
		case f.is(tensorTypeShape):
			in.Ranked = true
			return fields(f.bytes, in.dim)
		}
		return nil
	})
}

// dim reads an extent. Exporters also write 0 and -1 for one that is open.
func (in *Input) dim(f field) error {
	if !f.is(shapeDim) {
		return nil
	}
	if len(in.Dims) == maxRank {
		return fmt.Errorf("more than %d axes", maxRank)
	}
	var d Dim
	err := fields(f.bytes, func(f field) error { // of a oneof, the last field counts
		switch {
		case f.number == dimValue && f.kind == protowire.VarintType:
			d = Dim{}
			if n := int64(f.value); n > 0 && n <= math.MaxInt32 {
				d.Size = int(n)
			} else if n > 0 {
				return fmt.Errorf("an extent of %d", n)
			}
		case f.is(dimParam):
			d = Dim{Name: string(f.bytes)}
		}
		return nil
	})
	in.Dims = append(in.Dims, d)
	return err
}
