package onnx

import (
	"fmt"
)

// Fix returns a model that Check has accepted, with fixed shapes of the named inputs. Nothing else is changed:
// tools infer the other tensors' shapes from those of the inputs.
func Fix(data []byte, shapes map[string][]int) ([]byte, error) {
	out, err := rewritten(data, func(f field) ([]byte, error) {
		if !f.is(modelGraph) {
			return nil, nil
		}
		return rewritten(f.bytes, func(f field) ([]byte, error) {
			if !f.is(graphInput) {
				return nil, nil
			}
			in, err := readInput(f.bytes)
			shape, found := shapes[in.Name]
			if err != nil || !found {
				return nil, err
			}
			return fixedInput(f.bytes, in, shape)
		})
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotONNX, err)
	}
	return out, nil
}

// fixedInput is a ValueInfoProto with another type.
func fixedInput(data []byte, in Input, shape []int) ([]byte, error) {
	var dims, tensor, kind, m message
	for _, x := range shape {
		var dim message
		dim.int(dimValue, uint64(x))
		dims.message(shapeDim, dim)
	}
	tensor.int(tensorTypeElement, uint64(in.kind))
	tensor.message(tensorTypeShape, dims)
	kind.message(typeTensor, tensor)
	err := spans(data, func(f field, whole []byte) error {
		if !f.is(valueType) {
			m = append(m, whole...)
		}
		return nil
	})
	m.message(valueType, kind)
	return m, err
}

// rewritten is a message in which fields may be replaced: f returns the new bytes of one, nil to keep it.
func rewritten(data []byte, f func(field) ([]byte, error)) ([]byte, error) {
	m := make(message, 0, len(data)+64)
	err := spans(data, func(one field, whole []byte) error {
		replaced, err := f(one)
		if replaced == nil {
			m = append(m, whole...)
		} else {
			m.message(one.number, replaced)
		}
		return err
	})
	return m, err
}

// spans calls f for each field with its bytes, the tag included.
func spans(data []byte, f func(one field, whole []byte) error) error {
	for len(data) > 0 {
		x, n := next(data)
		if n < 0 {
			return errDamaged
		}
		if err := f(x, data[:n:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
