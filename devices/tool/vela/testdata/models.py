"""Writes small models into the folder that is the argument: a convolution of int8, and
what estimators stumble over. The schema's classes are those that Vela brings."""

import importlib
import os
import sys

import flatbuffers
import numpy as np


def schema(name):
    return importlib.import_module("ethosu.vela.tflite." + name)


FLOAT32, INT32, INT8 = 0, 2, 9
CONV_2D, FLOOR, L2_NORMALIZATION = 3, 8, 11
SHAPE = [1, 20, 20, 16]


def vector(b, start, items, add):
    start(b, len(items))
    for x in reversed(items):
        add(x)
    return b.EndVector()


def quantization(b, scales):
    q = schema("QuantizationParameters")
    s = vector(b, q.QuantizationParametersStartScaleVector, scales, b.PrependFloat32)
    z = vector(b, q.QuantizationParametersStartZeroPointVector, [0] * len(scales), b.PrependInt64)
    q.QuantizationParametersStart(b)
    q.QuantizationParametersAddScale(b, s)
    q.QuantizationParametersAddZeroPoint(b, z)
    return q.QuantizationParametersEnd(b)


class Model:
    def __init__(self):
        self.b = flatbuffers.Builder(1 << 12)
        self.buffers, self.tensors, self.ops, self.codes = [], [], [], []
        self.buffer(None)

    def buffer(self, data):
        s = schema("Buffer")
        d = None if data is None else self.b.CreateByteVector(data.tobytes())
        s.BufferStart(self.b)
        if d is not None:
            s.BufferAddData(self.b, d)
        self.buffers.append(s.BufferEnd(self.b))
        return len(self.buffers) - 1

    def tensor(self, name, shape, kind, scales, data=None):
        s, b = schema("Tensor"), self.b
        i = 0 if data is None else self.buffer(data)
        q = quantization(b, scales) if kind != FLOAT32 else None
        n, d = b.CreateString(name), vector(b, s.TensorStartShapeVector, shape, b.PrependInt32)
        s.TensorStart(b)
        s.TensorAddShape(b, d)
        s.TensorAddType(b, kind)
        s.TensorAddBuffer(b, i)
        s.TensorAddName(b, n)
        if q is not None:
            s.TensorAddQuantization(b, q)
        self.tensors.append(s.TensorEnd(b))
        return len(self.tensors) - 1

    def activation(self, name, kind=INT8):
        return self.tensor(name, SHAPE, kind, [0.05])

    def op(self, code, inputs, outputs, kind=0, options=None):
        s, b = schema("Operator"), self.b
        if code not in self.codes:
            self.codes.append(code)
        i = vector(b, s.OperatorStartInputsVector, inputs, b.PrependInt32)
        o = vector(b, s.OperatorStartOutputsVector, outputs, b.PrependInt32)
        s.OperatorStart(b)
        s.OperatorAddOpcodeIndex(b, self.codes.index(code))
        s.OperatorAddInputs(b, i)
        s.OperatorAddOutputs(b, o)
        if options is not None:
            s.OperatorAddBuiltinOptionsType(b, kind)
            s.OperatorAddBuiltinOptions(b, options)
        self.ops.append(s.OperatorEnd(b))

    def conv(self, x, y, kind=INT8):
        c, b = SHAPE[3], self.b
        r = np.random.default_rng(1)
        w = r.normal(0, 30, (c, 3, 3, c)).clip(-127, 127).astype(np.int8 if kind == INT8 else np.float32)
        bias = np.zeros(c, np.int32 if kind == INT8 else np.float32)
        weights = self.tensor("weights", list(w.shape), kind, [0.01] * c, w)
        biases = self.tensor("bias", [c], INT32 if kind == INT8 else FLOAT32, [0.0005] * c, bias)
        s = schema("Conv2DOptions")
        s.Conv2DOptionsStart(b)
        s.Conv2DOptionsAddStrideW(b, 1)
        s.Conv2DOptionsAddStrideH(b, 1)
        s.Conv2DOptionsAddDilationWFactor(b, 1)
        s.Conv2DOptionsAddDilationHFactor(b, 1)
        options = s.Conv2DOptionsEnd(b)
        self.op(CONV_2D, [x, weights, biases], [y], schema("BuiltinOptions").BuiltinOptions.Conv2DOptions, options)

    def write(self, path, inputs, outputs):
        b = self.b
        oc, sg, m = schema("OperatorCode"), schema("SubGraph"), schema("Model")
        codes = []
        for c in self.codes:
            oc.OperatorCodeStart(b)
            oc.OperatorCodeAddDeprecatedBuiltinCode(b, c)
            oc.OperatorCodeAddBuiltinCode(b, c)
            oc.OperatorCodeAddVersion(b, 3)
            codes.append(oc.OperatorCodeEnd(b))
        tensors = vector(b, sg.SubGraphStartTensorsVector, self.tensors, b.PrependUOffsetTRelative)
        i = vector(b, sg.SubGraphStartInputsVector, inputs, b.PrependInt32)
        o = vector(b, sg.SubGraphStartOutputsVector, outputs, b.PrependInt32)
        ops = vector(b, sg.SubGraphStartOperatorsVector, self.ops, b.PrependUOffsetTRelative)
        sg.SubGraphStart(b)
        sg.SubGraphAddTensors(b, tensors)
        sg.SubGraphAddInputs(b, i)
        sg.SubGraphAddOutputs(b, o)
        sg.SubGraphAddOperators(b, ops)
        subgraphs = vector(b, m.ModelStartSubgraphsVector, [sg.SubGraphEnd(b)], b.PrependUOffsetTRelative)
        codes = vector(b, m.ModelStartOperatorCodesVector, codes, b.PrependUOffsetTRelative)
        buffers = vector(b, m.ModelStartBuffersVector, self.buffers, b.PrependUOffsetTRelative)
        m.ModelStart(b)
        m.ModelAddVersion(b, 3)
        m.ModelAddSubgraphs(b, subgraphs)
        m.ModelAddOperatorCodes(b, codes)
        m.ModelAddBuffers(b, buffers)
        b.Finish(m.ModelEnd(b), b"TFL3")
        with open(path, "wb") as f:
            f.write(b.Output())


def good(path):
    m = Model()
    x, y = m.activation("in"), m.activation("out, with a comma")
    m.conv(x, y)
    m.write(path, [x], [y])


def followed_by(code):
    """A convolution and an operator that the NPU does not take."""

    def write(path):
        m = Model()
        x, mid, y = m.activation("in"), m.activation("mid"), m.activation("out")
        m.conv(x, mid)
        m.op(code, [mid], [y])
        m.write(path, [x], [y])

    return write


def floor(path):
    m = Model()
    x, y = m.activation("in"), m.activation("out")
    m.op(FLOOR, [x], [y])
    m.write(path, [x], [y])


def lie(path):
    """A convolution of float32, and one tensor of int8 that nothing uses."""
    m = Model()
    x, y = m.activation("in", FLOAT32), m.activation("out", FLOAT32)
    m.activation("unused")
    m.conv(x, y, FLOAT32)
    m.write(path, [x], [y])


def int32_weights(path):
    """A convolution whose weights are of a type that no kernel has."""
    m = Model()
    x, y = m.activation("in"), m.activation("out")
    c = SHAPE[3]
    w = m.tensor("weights", [c, 3, 3, c], INT32, [0.01], np.zeros((c, 3, 3, c), np.int32))
    m.op(CONV_2D, [x, w], [y])
    m.write(path, [x], [y])


for name, write in {
    "good": good, "partial": followed_by(FLOOR), "l2": followed_by(L2_NORMALIZATION), "none": floor, "lie": lie,
    "odd": int32_weights,
}.items():
    write(os.path.join(sys.argv[1], name + ".tflite"))
