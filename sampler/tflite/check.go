package tflite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"latlab/sampler/tflite/internal/schema"
)

// ErrNotTFLite is wrapped by every error of Check.
var ErrNotTFLite = errors.New("not a readable TFLite model")

// Detect reports whether data has the identifier of a .tflite; Check checks the whole file.
func Detect(data []byte) bool { return len(data) >= 8 && string(data[4:8]) == Identifier }

// Check reports whether data is a complete .tflite: identifier and version, every table, vector and string
// inside the bytes, and every index of its subgraphs in range. Buffers' data may lie behind the
// FlatBuffer, in a file of any size. The generated accessors of
// internal/schema then cannot read out of bounds. Work and memory are limited by len(data) for any content.
// It does not check whether a runtime supports the operators.
func Check(data []byte) error {
	err := checkBytes(data)
	if err == nil {
		err = checkModel(schema.GetRootAsModel(data, 0), len(data))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotTFLite, err)
	}
	return nil
}

func checkBytes(data []byte) error {
	switch {
	case len(data) == 0:
		return errors.New("it is empty")
	case !Detect(data):
		return fmt.Errorf("the identifier %s is missing at byte 4", Identifier)
	}
	data = data[:min(len(data), maxFlatBuffer)]
	w := &walker{data: data, tables: len(data) / 4}
	root, err := w.follow(0)
	if err != nil {
		return err
	}
	return w.table(root, modelLayout)
}

// maxFlatBuffer is how much of a file its tables may use, as in the runtime: offsets between tables have
// 31 bits. The data of buffers may lie behind it, at offsets of 64 bits, so a file may be larger.
//
// Source: tensorflow, core/model_builder.cc, VerifyAndBuildFromAllocation.
const maxFlatBuffer = math.MaxInt32 - 1

// tableLayout describes a table for Check: its fields by id. A table in a file may have more or fewer
// fields.
type tableLayout struct {
	name   string
	fields []field
}

// field is a field's layout. The zero value is a field that is not read.
type field struct {
	size  int          // of a scalar, or of a vector's elements
	list  bool         // a vector, or a string, of scalars
	each  *tableLayout // a vector of tables
	table *tableLayout // a table
	union bool         // an options table; its type is the field before
}

var (
	optionLayouts = map[schema.BuiltinOptions]*tableLayout{
		schema.BuiltinOptionsConv2DOptions:          {"Conv2DOptions", []field{one, four, four, one, four, four}},
		schema.BuiltinOptionsDepthwiseConv2DOptions: {"DepthwiseConv2DOptions", []field{one, four, four, four, one, four, four}},
		schema.BuiltinOptionsPool2DOptions:          {"Pool2DOptions", []field{one, four, four, four, four, one}},
		schema.BuiltinOptionsFullyConnectedOptions:  {"FullyConnectedOptions", []field{one}},
		schema.BuiltinOptionsAddOptions:             {"AddOptions", []field{one}},
		schema.BuiltinOptionsMulOptions:             {"MulOptions", []field{one}},
		schema.BuiltinOptionsHardSwishOptions:       {"HardSwishOptions", nil},
		schema.BuiltinOptionsIfOptions:              {"IfOptions", []field{four, four}},
		schema.BuiltinOptionsWhileOptions:           {"WhileOptions", []field{four, four}},
		schema.BuiltinOptionsConcatenationOptions:   {"ConcatenationOptions", []field{four, one}},
		schema.BuiltinOptionsSubOptions:             {"SubOptions", []field{one}},
		schema.BuiltinOptionsDivOptions:             {"DivOptions", []field{one}},
		schema.BuiltinOptionsGatherOptions:          {"GatherOptions", []field{four, four}},
		schema.BuiltinOptionsSqueezeOptions:         {"SqueezeOptions", []field{ints}},
		schema.BuiltinOptionsStridedSliceOptions:    {"StridedSliceOptions", []field{four, four, four, four, four, one}},
		schema.BuiltinOptionsTransposeConvOptions:   {"TransposeConvOptions", []field{one, four, four, one}},
		schema.BuiltinOptionsBatchMatMulOptions:     {"BatchMatMulOptions", []field{one, one}},
		schema.BuiltinOptionsConv3DOptions:          {"Conv3DOptions", []field{one, four, four, four, one}},
	}
	one, four, eight, unread  = field{size: 1}, field{size: 4}, field{size: 8}, field{}
	text, ints, longs, octets = field{size: 1, list: true}, field{size: 4, list: true}, field{size: 8, list: true}, field{size: 1, list: true}

	// Details of other quantizations are not read: a file may have newer ones.
	quantizationLayout = &tableLayout{"QuantizationParameters", []field{ints, ints, ints, longs, one, unread, four}}
	sparsityLayout     = &tableLayout{"SparsityParameters", nil}
	tensorLayout       = &tableLayout{"Tensor", []field{ints, one, four, text, {table: quantizationLayout}, one, {table: sparsityLayout}, ints}}
	operatorLayout     = &tableLayout{"Operator", []field{four, ints, ints, one, {union: true}, octets, one, octets, ints, eight, eight}}
	subGraphLayout     = &tableLayout{"SubGraph", []field{{each: tensorLayout}, ints, ints, {each: operatorLayout}, text}}
	codeLayout         = &tableLayout{"OperatorCode", []field{one, text, four, four}}
	bufferLayout       = &tableLayout{"Buffer", []field{octets, eight, eight}}
	metadataLayout     = &tableLayout{"Metadata", []field{text, four}}
	mapLayout          = &tableLayout{"TensorMap", []field{text, four}}
	signatureLayout    = &tableLayout{"SignatureDef", []field{{each: mapLayout}, {each: mapLayout}, text, unread, four}}
	modelLayout        = &tableLayout{"Model", []field{four, {each: codeLayout}, {each: subGraphLayout}, text, {each: bufferLayout}, ints, {each: metadataLayout}, {each: signatureLayout}}}
)

// walker visits tables. The number of visits is limited by the file's size over four bytes, the size of an
// offset: a file whose tables contain each other many times over is refused.
type walker struct {
	data   []byte
	tables int // remaining visits
}

func (w *walker) inside(pos, n int) error {
	if pos < 0 || n < 0 || pos > len(w.data)-n {
		if len(w.data) == maxFlatBuffer {
			return fmt.Errorf("its tables need bytes %d to %d, but a FlatBuffer ends at 2 GiB: only the data of buffers may lie behind it", pos, pos+n)
		}
		return fmt.Errorf("it needs bytes %d to %d, but has %d: truncated or damaged", pos, pos+n, len(w.data))
	}
	return nil
}

// follow reads the offset at pos and returns what it points to.
func (w *walker) follow(pos int) (int, error) {
	if err := w.inside(pos, 4); err != nil {
		return 0, err
	}
	to := pos + int(binary.LittleEndian.Uint32(w.data[pos:]))
	return to, w.inside(to, 4)
}

func (w *walker) table(pos int, s *tableLayout) error {
	if w.tables--; w.tables < 0 {
		return errors.New("its tables overlap: damaged")
	}
	if err := w.fields(pos, s.fields); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

func (w *walker) fields(pos int, fields []field) error {
	if err := w.inside(pos, 4); err != nil {
		return err
	}
	vtable := pos - int(int32(binary.LittleEndian.Uint32(w.data[pos:])))
	if err := w.inside(vtable, 4); err != nil {
		return err
	}
	length := int(binary.LittleEndian.Uint16(w.data[vtable:]))
	if err := w.inside(vtable, max(length, 4)); err != nil {
		return err
	}
	union := schema.BuiltinOptionsNONE
	for id, f := range fields {
		slot := 4 + 2*id
		if slot >= length {
			break
		}
		if err := w.inside(vtable+slot, 2); err != nil {
			return err
		}
		off := int(binary.LittleEndian.Uint16(w.data[vtable+slot:]))
		if off == 0 {
			continue
		}
		if err := w.field(pos+off, f, union); err != nil {
			return err
		}
		// A union's type is the preceding byte field: remember the last one.
		union = schema.BuiltinOptionsNONE
		if f == one {
			union = schema.BuiltinOptions(w.data[pos+off])
		}
	}
	return nil
}

func (w *walker) field(pos int, f field, union schema.BuiltinOptions) error {
	switch {
	case f.union:
		s := optionLayouts[union]
		if s == nil {
			s = &tableLayout{"options", nil}
		}
		return w.reference(pos, s)
	case f.table != nil:
		return w.reference(pos, f.table)
	case f.each != nil:
		return w.vectorOfTables(pos, f.each)
	case f.list:
		_, _, err := w.vector(pos, f.size)
		return err
	}
	return w.inside(pos, f.size)
}

func (w *walker) reference(pos int, s *tableLayout) error {
	to, err := w.follow(pos)
	if err != nil {
		return err
	}
	return w.table(to, s)
}

// vector returns the position of the elements and their number.
func (w *walker) vector(pos, size int) (at, n int, err error) {
	if at, err = w.follow(pos); err != nil {
		return 0, 0, err
	}
	n = int(binary.LittleEndian.Uint32(w.data[at:]))
	return at + 4, n, w.inside(at+4, n*size)
}

func (w *walker) vectorOfTables(pos int, s *tableLayout) error {
	at, n, err := w.vector(pos, 4)
	if err != nil {
		return err
	}
	for i := range n {
		if err := w.reference(at+4*i, s); err != nil {
			return err
		}
	}
	return nil
}

// checkModel checks the indices with which tables refer to each other.
func checkModel(m *schema.Model, size int) error {
	if m.Version() != 3 {
		return fmt.Errorf("schema version %d, want 3", m.Version())
	}
	if m.SubgraphsLength() == 0 {
		return errors.New("it has no subgraph")
	}
	// Every index takes four bytes of the file, unless operators share their lists.
	left := len(m.Table().Bytes) / 4
	for i := range m.SubgraphsLength() {
		var sub schema.SubGraph
		m.Subgraphs(&sub, i)
		if err := checkSubGraph(m, &sub, size, &left); err != nil {
			if i > 0 {
				return fmt.Errorf("subgraph %d: %w", i, err)
			}
			return err
		}
	}
	return nil
}

// outside checks data behind the FlatBuffer. Offsets 0 and 1 mean that there are none, and data inside
// take precedence.
func outside(inside bool, offset, length uint64, size int) error {
	if inside || offset <= 1 || offset <= uint64(size) && length <= uint64(size)-offset {
		return nil
	}
	return fmt.Errorf("its %d bytes lie at byte %d of %d: truncated", length, offset, size)
}

// checkBuffer: buffer 0 means none, also if the table of buffers is empty. Buffers that no tensor has
// are not checked, since runtimes do not read them.
func checkBuffer(m *schema.Model, i uint32, size int) error {
	if i == 0 {
		return nil
	}
	if int64(i) >= int64(m.BuffersLength()) {
		return fmt.Errorf("buffer %d of %d", i, m.BuffersLength())
	}
	var b schema.Buffer
	m.Buffers(&b, int(i))
	if err := outside(b.DataLength() > 0, b.Offset(), b.Size(), size); err != nil {
		return fmt.Errorf("buffer %d: %w", i, err)
	}
	return nil
}

// checkSubGraph counts the indices that it reads down from left, so that subgraphs which share their
// tables cannot make the work longer than the file.
func checkSubGraph(m *schema.Model, sub *schema.SubGraph, size int, left *int) error {
	for i := range sub.TensorsLength() {
		if *left--; *left < 0 {
			return errOverlap
		}
		var t schema.Tensor
		sub.Tensors(&t, i)
		if err := checkBuffer(m, t.Buffer(), size); err != nil {
			return fmt.Errorf("tensor %d: %w", i, err)
		}
	}
	if err := checkPorts(sub, 0, sub); err != nil {
		return err
	}
	for i := range sub.OperatorsLength() {
		var op schema.Operator
		sub.Operators(&op, i)
		if *left -= 1 + op.InputsLength() + op.OutputsLength(); *left < 0 {
			return errOverlap
		}
		if err := checkOperator(m, sub, &op, size); err != nil {
			return fmt.Errorf("operator %d: %w", i, err)
		}
	}
	return nil
}

var errOverlap = errors.New("its lists overlap: damaged")

func checkOperator(m *schema.Model, sub *schema.SubGraph, op *schema.Operator, size int) error {
	if int64(op.OpcodeIndex()) >= int64(m.OperatorCodesLength()) {
		return fmt.Errorf("operator code %d of %d", op.OpcodeIndex(), m.OperatorCodesLength())
	}
	if err := outside(op.CustomOptionsLength() > 0, op.LargeCustomOptionsOffset(), op.LargeCustomOptionsSize(), size); err != nil {
		return fmt.Errorf("custom options: %w", err)
	}
	return checkPorts(op, -1, sub) // -1 is an absent optional input
}

// ports are the tensors that an operator or a subgraph reads and computes.
type ports interface {
	InputsLength() int
	Inputs(i int) int32
	OutputsLength() int
	Outputs(i int) int32
}

// checkPorts requires indices of tensors; lowest is the smallest one allowed as an input.
func checkPorts(p ports, lowest int, sub *schema.SubGraph) error {
	if err := checkIndices("input", p.InputsLength(), p.Inputs, lowest, sub.TensorsLength()); err != nil {
		return err
	}
	return checkIndices("output", p.OutputsLength(), p.Outputs, 0, sub.TensorsLength())
}

func checkIndices(what string, n int, at func(int) int32, lowest, tensors int) error {
	for i := range n {
		if x := int(at(i)); x < lowest || x >= tensors {
			return fmt.Errorf("%s %d: tensor %d of %d", what, i, x, tensors)
		}
	}
	return nil
}
