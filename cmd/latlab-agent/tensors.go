//go:build xnnpack_builtin

package main

/*
#include "tensorflow/lite/c/c_api.h"
#include "tensorflow/lite/c/common.h"

static int latlab_constant(const TfLiteTensor* t) { return t->allocation_type == kTfLiteMmapRo; }
*/
import "C"

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"unsafe"

	"github.com/mattn/go-tflite"

	"latlab/devices"
	"latlab/devices/agent/wire"
)

// fill gives the input tensors values: the request's, or random ones. A float tensor gets
// uniform values in [-1, 1), as after a detector's preprocessing; an 8- or 16-bit tensor gets any
// of its values, which is the same range if it was quantized for it. A text is empty.
func (s *session) fill(req wire.Request) error {
	n := len(s.inputs)
	for _, given := range []int{len(req.Inputs), len(req.RawInputs)} {
		if given > 0 && given != n {
			return fault(devices.FaultUser, "inputs", "the model has %d inputs, the request gives %d", n, given)
		}
	}
	rng := splitMix(req.Plan.Seed)
	for i, t := range s.inputs {
		if constant(t) {
			continue
		}
		var err error
		switch {
		case len(req.RawInputs) > 0:
			err = fillRaw(t, req.RawInputs[i])
		case len(req.Inputs) > 0:
			err = fillValues(t, req.Inputs[i])
		case t.Type() == tflite.String:
			err = fillText(t, []byte{0})
		default:
			fillRandom(t, &rng)
		}
		if err != nil {
			return err
		}
	}
	for _, g := range req.Given {
		if g.Input < 0 || g.Input >= n {
			return fault(devices.FaultLab, "request", "input %d of %d", g.Input, n)
		}
		if err := fillGiven(s.inputs[g.Input], g); err != nil {
			return err
		}
	}
	return nil
}

// fillGiven writes what the user gives for an input.
func fillGiven(t *tflite.Tensor, g wire.Given) error {
	if constant(t) {
		return fault(devices.FaultUser, "inputs", "the model has a constant for input %s, which cannot be given a value", t.Name())
	}
	content := g.Element
	if g.File != "" {
		var err error
		if content, err = os.ReadFile(g.File); err != nil {
			return fault(devices.FaultLab, "inputs", "the values of input %s: %v", t.Name(), err)
		}
	}
	if t.Type() == tflite.String {
		return fillText(t, content)
	}
	dst := memory[byte](t)
	if len(content) == 0 || len(dst)%len(content) != 0 || g.File != "" && len(content) != len(dst) {
		return fault(devices.FaultUser, "inputs", "input %s (%s, shape %v) has %d bytes in the runtime, %d are given", t.Name(), elementType(t), t.Shape(), len(dst), len(content))
	}
	for i := 0; i < len(dst); i += len(content) {
		copy(dst[i:], content)
	}
	return nil
}

// fillText writes texts that each end with a zero, or repeats one. The runtime keeps their number, the offsets of
// each and of the end in 32 bits, and then the texts without the zeros. Without it operators read a null pointer.
//
// Source: tflite/string_util.h.
func fillText(t *tflite.Tensor, content []byte) error {
	n, given := 1, bytes.Count(content, []byte{0})
	for _, extent := range t.Shape() {
		n *= extent
	}
	size, repeated := 4*(n+2)+len(content)-given, given == 1 && n > 1
	if repeated {
		size = 4*(n+2) + n*(len(content)-1)
	}
	if given != n && !repeated || size > math.MaxInt32 {
		return fault(devices.FaultUser, "inputs", "input %s (%s, shape %v) takes %d texts in at most 2 GiB, %d are given", t.Name(), elementType(t), t.Shape(), n, given)
	}
	if C.TfLiteTensorRealloc(C.size_t(size), cTensor(t)) != C.kTfLiteOk || t.ByteSize() != uint(size) {
		return fault(devices.FaultDevice, "inputs", "the runtime has no memory for the %d bytes of input %s", size, t.Name())
	}
	dst, at := memory[byte](t), 4*(n+2)
	binary.LittleEndian.PutUint32(dst, uint32(n))
	for i := range n {
		binary.LittleEndian.PutUint32(dst[4*(i+1):], uint32(at))
		text, rest, _ := bytes.Cut(content, []byte{0})
		at += copy(dst[at:], text)
		if !repeated {
			content = rest
		}
	}
	binary.LittleEndian.PutUint32(dst[4*(n+1):], uint32(at))
	return nil
}

// cTensor is the C tensor of a go-tflite Tensor, a struct of this one pointer without a getter.
func cTensor(t *tflite.Tensor) *C.TfLiteTensor { return *(**C.TfLiteTensor)(unsafe.Pointer(t)) }

// constant reports whether the file has a value for an input. It is mapped read-only.
func constant(t *tflite.Tensor) bool { return C.latlab_constant(cTensor(t)) != 0 }

// memory is a tensor's buffer as elements of a type.
func memory[T any](t *tflite.Tensor) []T {
	var zero T
	return unsafe.Slice((*T)(t.Data()), uintptr(t.ByteSize())/unsafe.Sizeof(zero))
}

// elementTypes are the types that values go in and out of as numbers, and text.
var elementTypes = map[tflite.TensorType]string{
	tflite.Float32: "float32", tflite.Int8: "int8", tflite.UInt8: "uint8", tflite.Int16: "int16",
	tflite.Int32: "int32", tflite.Int64: "int64", tflite.Bool: "bool", tflite.String: "string",
}

func elementType(t *tflite.Tensor) string {
	if name := elementTypes[t.Type()]; name != "" {
		return name
	}
	return fmt.Sprintf("type %d", int(t.Type()))
}

// fillValues copies real numbers; a quantized tensor gets them quantized, rounded half to
// even and clamped to its type.
func fillValues(t *tflite.Tensor, values []float32) error {
	if t.Type() == tflite.Float32 {
		if err := sameLength(t, len(values), len(memory[float32](t))); err != nil {
			return err
		}
		copy(memory[float32](t), values)
		return nil
	}
	q := t.QuantizationParams()
	if q.Scale == 0 {
		return fault(devices.FaultUser, "inputs", "input %s is %s and not quantized: give raw values", t.Name(), elementType(t))
	}
	low, high, ok := limits(t)
	if !ok {
		return fault(devices.FaultUser, "inputs", "input %s is %s, values cannot be given to it", t.Name(), elementType(t))
	}
	raw := make([]int64, len(values))
	for i, v := range values {
		x := math.RoundToEven(float64(v)/q.Scale) + float64(q.ZeroPoint)
		raw[i] = int64(min(max(x, float64(low)), float64(high)))
	}
	return fillRaw(t, raw)
}

func limits(t *tflite.Tensor) (low, high int64, ok bool) {
	switch t.Type() {
	case tflite.Int8:
		return math.MinInt8, math.MaxInt8, true
	case tflite.UInt8:
		return 0, math.MaxUint8, true
	case tflite.Int16:
		return math.MinInt16, math.MaxInt16, true
	}
	return 0, 0, false
}

func fillRaw(t *tflite.Tensor, values []int64) error {
	switch t.Type() {
	case tflite.Int8:
		return copyRaw(t, memory[int8](t), values)
	case tflite.UInt8:
		return copyRaw(t, memory[uint8](t), values)
	case tflite.Int16:
		return copyRaw(t, memory[int16](t), values)
	case tflite.Int32:
		return copyRaw(t, memory[int32](t), values)
	case tflite.Int64:
		return copyRaw(t, memory[int64](t), values)
	}
	return fault(devices.FaultUser, "inputs", "input %s is %s, it takes no integers", t.Name(), elementType(t))
}

func copyRaw[T int8 | uint8 | int16 | int32 | int64](t *tflite.Tensor, dst []T, values []int64) error {
	if err := sameLength(t, len(values), len(dst)); err != nil {
		return err
	}
	for i, v := range values {
		if dst[i] = T(v); int64(dst[i]) != v {
			return fault(devices.FaultUser, "inputs", "input %s is %s, which %d does not fit into", t.Name(), elementType(t), v)
		}
	}
	return nil
}

func sameLength(t *tflite.Tensor, given, want int) error {
	if given != want {
		return fault(devices.FaultUser, "inputs", "input %s takes %d values, the request gives %d", t.Name(), want, given)
	}
	return nil
}

// fillRandom writes every byte of an input, because the runtime's memory is not initialised. Types that
// it has no random values for get zeros: an index into a table must be inside it, the count of a
// loop must be small, and random bytes of a half float may be NaN. An int16 tensor that is not
// quantized is such an index too.
func fillRandom(t *tflite.Tensor, rng *splitMix) {
	switch {
	case t.Type() == tflite.Float32:
		for i, dst := 0, memory[float32](t); i < len(dst); i++ {
			dst[i] = float32(int32(rng.next()>>32)) / (1 << 31)
		}
	case t.Type() == tflite.Int8, t.Type() == tflite.UInt8, t.Type() == tflite.Int16 && t.QuantizationParams().Scale != 0:
		for i, dst := 0, memory[byte](t); i < len(dst); i++ {
			dst[i] = byte(rng.next() >> 56)
		}
	default:
		clear(memory[byte](t))
	}
}

// output is a tensor as numbers: raw where it is of integers, and as the real numbers that
// those stand for.
func output(t *tflite.Tensor) (wire.Output, error) {
	o := wire.Output{Name: t.Name(), Shape: t.Shape(), Type: elementType(t)}
	if t.ByteSize() == 0 {
		return o, nil
	}
	switch t.Type() {
	case tflite.Float32:
		return floatOutput(o, memory[float32](t))
	case tflite.Int8:
		o.Raw = widened(memory[int8](t))
	case tflite.UInt8, tflite.Bool:
		o.Raw = widened(memory[uint8](t))
	case tflite.Int16:
		o.Raw = widened(memory[int16](t))
	case tflite.Int32:
		o.Raw = widened(memory[int32](t))
	case tflite.Int64:
		o.Raw = widened(memory[int64](t))
	default:
		return o, fault(devices.FaultUser, "outputs", "output %s is of %s, which cannot be returned", t.Name(), o.Type)
	}
	q := t.QuantizationParams()
	o.Scale, o.Zero = float32(q.Scale), q.ZeroPoint
	for _, x := range o.Raw {
		v := float64(x)
		if q.Scale != 0 {
			v = (v - float64(q.ZeroPoint)) * q.Scale
		}
		o.Values = append(o.Values, float32(v))
	}
	return o, nil
}

func widened[T int8 | uint8 | int16 | int32 | int64](values []T) []int64 {
	raw := make([]int64, len(values))
	for i, v := range values {
		raw[i] = int64(v)
	}
	return raw
}

func floatOutput(o wire.Output, values []float32) (wire.Output, error) {
	for _, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return o, fault(devices.FaultModel, "not-finite", "output %s is not finite", o.Name)
		}
		o.Values = append(o.Values, v)
	}
	return o, nil
}
