"""Runs models for the tests: JSON lines of jobs in, JSON lines of answers out.

A job: {"model": path, "inputs": [base64 of raw bytes], "runtime": "micro" (TensorFlow Lite
for Microcontrollers: the reference kernels), "litert" (LiteRT with XNNPACK) or "reference"
(LiteRT's reference kernels)}. Its answer: {"outputs": [base64 of raw bytes]}.

With "ranges": n instead of inputs, the answer is what int8 tensors hold over n inputs that are
uniform between -1 and 1: {"ranges": [{"name", "op", "used", "clipped"}]}, where used is the
share of the 256 numbers from the least to the largest one, and clipped the share of values
at the ends, of the lower end where it is not the least value of the operator itself.
"""

import base64
import json
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tflite_micro.python.tflite_micro import runtime

ARENA = 16 << 20


def micro(job):
    it = runtime.Interpreter.from_file(job["model"], arena_size=ARENA)
    for i, raw in enumerate(job["inputs"]):
        d = it.get_input_details(i)
        it.set_input(np.frombuffer(base64.b64decode(raw), d["dtype"]).reshape(d["shape"]), i)
    it.invoke()
    outputs = []
    while len(outputs) < job["outputs"]:
        outputs.append(it.get_output(len(outputs)))
    return outputs


def interpreter(job):
    kind = OpResolverType.BUILTIN
    if job["runtime"] == "reference":
        kind = OpResolverType.BUILTIN_REF
    if "ranges" in job:  # a delegate's tensors cannot be read, reference kernels take minutes
        kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return Interpreter(
        job["model"],
        num_threads=1,
        experimental_op_resolver_type=kind,
        experimental_preserve_all_tensors="ranges" in job,
    )


def litert(job):
    it = interpreter(job)
    it.allocate_tensors()
    for d, raw in zip(it.get_input_details(), job["inputs"]):
        it.set_tensor(d["index"], np.frombuffer(base64.b64decode(raw), d["dtype"]).reshape(d["shape"]))
    it.invoke()
    return [it.get_tensor(d["index"]) for d in it.get_output_details()]


def ranges(job):
    it = interpreter(job)
    it.allocate_tensors()
    details = {d["index"]: d for d in it.get_tensor_details()}
    random = np.random.default_rng(0)
    seen = {}
    for _ in range(job["ranges"]):
        for d in it.get_input_details():
            scale, zero = d["quantization"]
            x = np.rint(random.uniform(-1, 1, d["shape"]) / scale) + zero
            it.set_tensor(d["index"], np.clip(x, -128, 127).astype(np.int8))
        it.invoke()
        for op in it._get_ops_details():
            for t in op["outputs"]:
                seen.setdefault(t, (op["op_name"], []))[1].append(it.get_tensor(t).ravel())
    return [spread(details[t], op, np.concatenate(values)) for t, (op, values) in seen.items()]


def spread(tensor, op, values):
    clipped = values == 127
    if tensor["quantization"][1] != -128 and op != "HARD_SWISH":
        clipped |= values == -128
    return {
        "name": tensor["name"],
        "op": op,
        "used": (int(values.max()) - int(values.min()) + 1) / 256,
        "clipped": float(clipped.mean()),
    }


def answer(job):
    if "ranges" in job:
        return {"ranges": ranges(job)}
    run = micro if job["runtime"] == "micro" else litert
    return {"outputs": [base64.b64encode(np.ascontiguousarray(y).tobytes()).decode() for y in run(job)]}


for line in sys.stdin:
    try:
        print(json.dumps(answer(json.loads(line))), flush=True)
    except Exception as e:  # the test names the model
        print(json.dumps({"error": f"{type(e).__name__}: {e}"}), flush=True)
