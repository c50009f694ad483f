// Package onnx writes a graph.Graph as an ONNX model, and checks whether bytes are one.
//
// It writes the same network as the .tflite of sampler/tflite, with the same values
// (sampler/weights), for compilers that read ONNX: TensorRT and Qualcomm's. Only the layout
// differs: ONNX is channels first, so an input of 320x320x3 is 1x3x320x320 here, and so
// are outputs; there is no transpose inside. A fully connected op is a 1x1 convolution on
// its 1x1 map, and keeps four axes. TFLite's SAME padding is asymmetric at stride 2, so pads
// are written explicitly.
//
// float32 is opset 11 and IR version 6: the newest opset in the operator table of TensorRT
// 7.2, the oldest supported TensorRT. Later versions read it too: 8.0 to 8.4 go up to
// opset 13, 8.5 to 17, 10 from 9 to 20 (onnx-tensorrt, docs/operators.md of each release).
// The operators are Conv, Clip, Add, Mul, GlobalAveragePool, Sigmoid and HardSigmoid, all in the
// tables of 7.2 and 8.4. h-swish is Mul(x, HardSigmoid(x)), as neither has HardSwish;
// Clip's limits are initializers, which 7.2 requires. No TensorRT runs in this project's
// tests: that it reads these models is known from its documentation only. fp16 is an option of
// TensorRT (trtexec --fp16); the file stays the same.
//
// int8 is opset 14 and IR version 7: per-channel scales were added in opset 13, HardSwish in
// 14. Between ops every tensor is uint8 with the scale of the int8 .tflite and its zero
// point + 128, including the graph's inputs and outputs; weights are int8, symmetric, with one
// scale per output channel; biases int32, their scale the input's times the weights'. An op reads
// its operands through DequantizeLinear, and QuantizeLinear follows it. In this form Qualcomm's
// compiler maps every op and has a cost for each, including squeeze-and-excite and h-swish, and
// onnxruntime fuses convolutions, sums, products, pools and gates to integer kernels. ReLU6 needs
// no op if the quantization's own limits cut the tensor off at 0 and 6, which is always the case
// with the ranges of sampler/weights.
//
// No version of TensorRT on a GPU supports the int8 form: it requires int8 data and zero points of
// 0, which the .tflite's are not (DequantizeLinear and QuantizeLinear in the table of 8.4; "TRT
// only supports symmetric quantization", onnx-tensorrt 8.5, builtin_op_importers.cpp). For int8 on a
// Jetson give trtexec the float32 model and --int8: without a calibration file it calibrates on
// random input (RndInt8Calibrator in its sampleEngines.cpp), and its latency does not depend on the
// ranges. This works up to TensorRT 10, beyond what a Xavier gets; TensorRT 11 removed it and takes
// its precision from the model's types alone. A second, symmetric int8 form was left out: it would
// be a different network from the .tflite's, and explicit pairs prevent a TensorRT that can choose
// each layer's precision from doing so. An Orin with TensorRT 11 would need that form.
//
// The protocol buffer is encoded with protowire, without generated code: values are streamed op by
// op, and the bytes are the same on every machine. The package knows nothing about caches and names
// (sampler/model).
package onnx

import "latlab/sampler/weights"

// WriterRevision changes whenever the bytes written for some graph change. It is part of a model's
// identity, so that a cache never returns bytes of an older writer. Its number is the revision of the
// layout; the revision of the weights' values is appended.
const WriterRevision = "1" + weights.Revision

// WriterRelease is the release of latlab that introduced this WriterRevision: the producer's version in
// a model. It is not the running release, or every release would change the bytes of otherwise equal
// models.
const WriterRelease = "0.1.0"

// Options say how to write a graph.
type Options struct {
	// Precision is "float32" (also if empty) or "int8".
	Precision string
}

// Result describes the written file.
type Result struct {
	Bytes  int64
	SHA256 string // hex
}
