package onnx

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// tensor is the description of an initializer.
type tensor struct {
	name     string
	kind     dataType
	elements int64
	raw      int64 // bytes of raw_data, -1 without raw_data
	values   int64 // in fields of their own type
	external bool
}

func readTensor(data []byte) (tensor, error) {
	t := tensor{elements: 1, raw: -1}
	return t, fields(data, t.field)
}

func (t *tensor) field(f field) error {
	switch {
	case f.number == tensorDims && f.kind == protowire.VarintType:
		return t.dim(f.value)
	case f.is(tensorDims): // packed
		for p := f.bytes; len(p) > 0; {
			x, n := protowire.ConsumeVarint(p)
			if n < 0 {
				return errDamaged
			}
			if err := t.dim(x); err != nil {
				return err
			}
			p = p[n:]
		}
	case f.number == tensorDataType && f.kind == protowire.VarintType:
		// A number above dataTypes would be truncated to a different type.
		t.kind = dataType(min(f.value, math.MaxInt32))
	case f.number == tensorLocation && f.kind == protowire.VarintType:
		t.external = f.value == externalLocation
	case f.is(tensorName):
		t.name = string(f.bytes)
	case f.is(tensorRawData):
		t.raw = int64(len(f.bytes))
	default:
		t.values += f.values()
	}
	return nil
}

// values is how many values a typed field of a TensorProto holds: packed, or one per field.
func (f field) values() int64 {
	switch f.number {
	case tensorFloats, tensorDoubles, tensorInt32s, tensorInt64s, tensorUint64s:
	case tensorStrings:
		return 1
	default:
		return 0
	}
	switch {
	case f.kind != protowire.BytesType:
		return 1
	case f.number == tensorFloats:
		return int64(len(f.bytes) / 4)
	case f.number == tensorDoubles:
		return int64(len(f.bytes) / 8)
	}
	n := int64(0)
	for _, b := range f.bytes { // the last byte of a varint has no high bit
		if b < 0x80 {
			n++
		}
	}
	return n
}

// dim limits the product to what a file of 2 GiB can hold, so that it never overflows.
func (t *tensor) dim(x uint64) error {
	if x > math.MaxInt32 {
		return fmt.Errorf("a dimension of %d", int64(x))
	}
	if t.elements *= int64(x); t.elements > math.MaxInt32 {
		return errors.New("its dimensions are more than a file can hold")
	}
	return nil
}

// check requires that the file has as many values as the shape.
func (t *tensor) check() error {
	switch {
	case t.external:
		return errors.New("it lies in another file: save the model as one (onnx.save without external data)")
	case t.kind == 0 || t.kind >= dataTypes:
		return fmt.Errorf("data type %d", t.kind)
	}
	if t.raw >= 0 {
		if size := elementBits[t.kind]; size > 0 && t.raw != (t.elements*size+7)/8 {
			return fmt.Errorf("%d bytes for %d elements", t.raw, t.elements)
		}
		return nil
	}
	want := t.elements
	switch {
	case t.kind.complex():
		want *= 2
	case t.kind > float8Last: // packing is not checked
		want = min(want, 1)
	}
	if t.values < want || t.values > want && t.kind <= float8Last {
		return fmt.Errorf("%d values for %d elements", t.values, t.elements)
	}
	return nil
}
