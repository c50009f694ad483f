"""Writes small ONNX models into the folder that is the argument: a quantized convolution
as latlab writes it, and what estimators stumble over."""

import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

class Net:
    def __init__(self, activations=np.uint8, channels=16, size=20):
        self.channels, self.shape = channels, [1, channels, size, size]
        self.nodes, self.constants = [], []
        self.scale = self.constant("scale", np.float32(0.05))
        self.zero = self.constant("zero", activations(3))

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=op + "_" + output, **attributes))
        return output

    def quantize(self, x, y):
        return self.node("QuantizeLinear", [x, self.scale, self.zero], y)

    def dequantize(self, x, y):
        return self.node("DequantizeLinear", [x, self.scale, self.zero], y)

    def weights(self, name, value, scale):
        q = [self.constant(name + "_q", value), self.constant(name + "_s", np.full(self.channels, scale, np.float32)),
             self.constant(name + "_z", np.zeros(self.channels, value.dtype))]
        return self.node("DequantizeLinear", q, name, axis=0)

    def conv(self, x, y, quantized=True):
        r = np.random.default_rng(1)
        c = self.channels
        w = r.normal(0, 30, (c, c, 3, 3)).clip(-127, 127)
        if quantized:
            inputs = [x, self.weights(y + "_w", w.astype(np.int8), 0.01), self.weights(y + "_b", np.zeros(c, np.int32), 0.0005)]
        else:
            inputs = [x, self.constant(y + "_w", (w * 0.01).astype(np.float32))]
        return self.node("Conv", inputs, y, kernel_shape=[3, 3], pads=[1] * 4)

    def write(self, folder, name, kind):
        def value(n):
            return helper.make_tensor_value_info(n, kind, self.shape)

        g = helper.make_graph(self.nodes, name, [value("in")], [value("out")], self.constants)
        m = helper.make_model(g, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(m)
        onnx.save(m, os.path.join(folder, name + ".onnx"))


def main(folder):
    n = Net()
    n.quantize(n.conv(n.dequantize("in", "x"), "y"), "out")
    n.write(folder, "good", TensorProto.UINT8)

    # 59 million multiplications, of which it is known what they take.
    n = Net(channels=64, size=40)
    n.quantize(n.conv(n.dequantize("in", "x"), "y"), "out")
    n.write(folder, "conv40", TensorProto.UINT8)

    n = Net(np.int8)
    n.quantize(n.conv(n.dequantize("in", "x"), "y"), "out")
    n.write(folder, "int8", TensorProto.INT8)

    n = Net()
    n.dequantize(n.quantize(n.conv(n.dequantize(n.quantize("in", "in_q"), "x"), "y"), "out_q"), "out")
    n.write(folder, "float_io", TensorProto.FLOAT)

    n = Net()
    n.conv("in", "out", quantized=False)
    n.write(folder, "float", TensorProto.FLOAT)

    # Integers in most of it, and floats at the end.
    n = Net()
    x = n.dequantize("in", "x")
    for i in "abc":
        x = n.dequantize(n.quantize(n.conv(x, i), i + "_q"), i + "_d")
    n.quantize(n.conv(n.conv(x, "mid", quantized=False), "y", quantized=False), "out")
    n.write(folder, "lie", TensorProto.UINT8)

    # Erf has no kernel: between quantizations of its own, so that only it is left.
    n = Net()
    x = n.dequantize(n.quantize(n.conv(n.dequantize("in", "x"), "y"), "y_q"), "y_d")
    n.quantize(n.node("Erf", [x], "e"), "out")
    n.write(folder, "partial", TensorProto.UINT8)

    n = Net()
    n.quantize(n.node("Erf", [n.dequantize("in", "x")], "e"), "out")
    n.write(folder, "none", TensorProto.UINT8)

    # A graph that the checker takes and no runtime: an operator that nobody has.
    n = Net()
    n.quantize(n.node("Conv", [n.dequantize("in", "x"), n.weights("w", np.zeros((16, 3, 3, 3), np.int8), 0.01)], "y"), "out")
    g = helper.make_graph(n.nodes, "bad", [helper.make_tensor_value_info("in", TensorProto.UINT8, n.shape)],
                          [helper.make_tensor_value_info("out", TensorProto.UINT8, n.shape)], n.constants)
    m = helper.make_model(g, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    with open(os.path.join(folder, "bad.onnx"), "wb") as f:
        f.write(m.SerializeToString())


main(sys.argv[1])
