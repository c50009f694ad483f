# Argument: a folder. Writes bad.onnx: an int8 network of which the compiler does not take
# every operator.
import numpy as np
import onnx
from onnx import TensorProto as T, helper as h, numpy_helper as nh

folder = sys.argv[1]
scale, zero = nh.from_array(np.float32(0.05), "s"), nh.from_array(np.uint8(128), "z")
nodes = [
    h.make_node("DequantizeLinear", ["x", "s", "z"], ["a"]),
    h.make_node("Erf", ["a"], ["b"], name="Erf"),
    h.make_node("QuantizeLinear", ["b", "s", "z"], ["y"]),
]
shape = [1, 4, 8, 8]
graph = h.make_graph(nodes, "bad", [h.make_tensor_value_info("x", T.UINT8, shape)],
                     [h.make_tensor_value_info("y", T.UINT8, shape)], [scale, zero])
onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 14)], ir_version=7), os.path.join(folder, "bad.onnx"))
