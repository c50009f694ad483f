package onnx

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

var errDamaged = errors.New("truncated or damaged")

// field is one field of a message: a number, or bytes.
type field struct {
	number protowire.Number
	kind   protowire.Type
	value  uint64
	bytes  []byte
}

// fields calls f for each field of a message.
func fields(data []byte, f func(field) error) error {
	for len(data) > 0 {
		x, n := next(data)
		if n < 0 {
			return errDamaged
		}
		if err := f(x); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// next reads the first field and its size, which is negative for invalid data.
func next(data []byte) (field, int) {
	number, kind, n := protowire.ConsumeTag(data)
	if n < 0 {
		return field{}, n
	}
	f, m := field{number: number, kind: kind}, 0
	switch kind {
	case protowire.VarintType:
		f.value, m = protowire.ConsumeVarint(data[n:])
	case protowire.BytesType:
		f.bytes, m = protowire.ConsumeBytes(data[n:])
	default:
		m = protowire.ConsumeFieldValue(number, kind, data[n:])
	}
	if m < 0 {
		return field{}, m
	}
	return f, n + m
}

// is reports whether the field has the number and holds bytes.
func (f field) is(n protowire.Number) bool {
	return f.number == n && f.kind == protowire.BytesType
}
