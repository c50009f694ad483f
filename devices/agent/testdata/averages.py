"""Writes mean.tflite and average_pool.tflite: the average over an 8x8 map of 16 channels in
int8, by either op. Needs ai-edge-litert, for its schema, and numpy."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as tfl


def tensor(name, shape, kind=tfl.TensorType.INT8, buffer=0):
    t = tfl.TensorT()
    t.name, t.shape, t.type, t.buffer = name, shape, kind, buffer
    if kind == tfl.TensorType.INT8:
        t.quantization = tfl.QuantizationParametersT()
        t.quantization.scale, t.quantization.zeroPoint = [0.05], [-3]
    return t


def mean(op):
    options = tfl.ReducerOptionsT()
    options.keepDims = True
    op.inputs = [0, 2]
    op.builtinOptionsType, op.builtinOptions = tfl.BuiltinOptions.ReducerOptions, options
    return tfl.BuiltinOperator.MEAN


def average_pool(op):
    options = tfl.Pool2DOptionsT()
    options.padding = tfl.Padding.VALID
    options.strideH = options.strideW = 1
    options.filterHeight = options.filterWidth = 8
    op.inputs = [0]
    op.builtinOptionsType, op.builtinOptions = tfl.BuiltinOptions.Pool2DOptions, options
    return tfl.BuiltinOperator.AVERAGE_POOL_2D


def write(fill):
    axes = tfl.BufferT()
    axes.data = np.frombuffer(np.array([1, 2], np.int32).tobytes(), np.uint8)
    op, code, graph, model = tfl.OperatorT(), tfl.OperatorCodeT(), tfl.SubGraphT(), tfl.ModelT()
    op.opcodeIndex, op.outputs = 0, [1]
    code.builtinCode = code.deprecatedBuiltinCode = fill(op)
    code.version = 2
    graph.tensors = [tensor("in", [1, 8, 8, 16]), tensor("out", [1, 1, 1, 16])]
    if len(op.inputs) > 1:
        graph.tensors.append(tensor("axes", [2], tfl.TensorType.INT32, 1))
    graph.inputs, graph.outputs, graph.operators = [0], [1], [op]
    model.version, model.buffers = 3, [tfl.BufferT(), axes]
    model.operatorCodes, model.subgraphs = [code], [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    with open(fill.__name__ + ".tflite", "wb") as f:
        f.write(builder.Output())


for average in (mean, average_pool):
    write(average)
