"""Runs a folder's models where others read them, and writes what came out.

usage: compare.py FOLDER

FOLDER/cases.json lists cases: name, and file names without folder: float32, int8 (ONNX),
float32_tflite, int8_tflite, each of which may be empty, and qualcomm, a boolean. A line of
JSON a case goes to FOLDER/results.jsonl. Outputs are compared channels first.
"""
import collections
import csv
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
import onnxruntime_qnn as qnn
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def structure(path):
    """Checks the model, shapes included, and lists what it is made of."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    missing = [v.name for v in inferred.graph.value_info if not v.type.tensor_type.HasField('shape')]
    if missing:
        raise ValueError('no shape inferred for %s' % missing)
    value = lambda v: [v.type.tensor_type.elem_type] + [d.dim_value for d in v.type.tensor_type.shape.dim]
    return {
        'ir': model.ir_version,
        'opset': {o.domain: o.version for o in model.opset_import},
        'ops': collections.Counter(n.op_type for n in model.graph.node),
        'inputs': [value(v) for v in model.graph.input],
        'outputs': [value(v) for v in model.graph.output],
        'metadata': {p.key: p.value for p in model.metadata_props},
    }


def session(path, level, save=None):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.graph_optimization_level = level
    # Without VNNI, uint8 times int8 saturates 16-bit sums; this makes it exact.
    options.add_session_config_entry('session.x64quantprecision', '1')
    if save:
        options.optimized_model_filepath = save
    return ort.InferenceSession(path, options, providers=['CPUExecutionProvider'])


def run_onnx(path, x, level, save=None):
    s = session(path, level, save)
    return s.run(None, {s.get_inputs()[0].name: x})


def run_tflite(path, x, resolver, keep=None):
    """Runs a model; keep is called with the interpreter, which then has all tensors."""
    i = Interpreter(
        model_path=path, experimental_op_resolver_type=resolver, num_threads=1,
        experimental_preserve_all_tensors=keep is not None)
    i.allocate_tensors()
    i.set_tensor(i.get_input_details()[0]['index'], x)
    i.invoke()
    if keep:
        keep(i)
    return [channels_first(i.get_tensor(d['index'])) for d in i.get_output_details()]


def channels_first(y):
    if y.ndim == 2:
        y = y.reshape(y.shape[0], 1, 1, y.shape[1])
    return np.ascontiguousarray(y.transpose(0, 3, 1, 2))


def unsigned(y):
    """The uint8 of an int8."""
    return (y.astype(np.int16) + 128).astype(np.uint8)


def same_shapes(a, b):
    if [x.shape for x in a] != [x.shape for x in b]:
        raise ValueError('shapes %s and %s' % ([x.shape for x in a], [x.shape for x in b]))


def distance(a, b):
    same_shapes(a, b)
    return max(float(np.max(np.abs(x - y))) for x, y in zip(a, b))


ALL, NONE = ort.GraphOptimizationLevel.ORT_ENABLE_ALL, ort.GraphOptimizationLevel.ORT_DISABLE_ALL


def float32(folder, case, result):
    path = os.path.join(folder, case['float32'])
    result['float32'] = structure(path)
    if not case['float32_tflite']:
        return
    shape = session(path, NONE).get_inputs()[0].shape
    x = np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)
    got = run_onnx(path, x, ALL)
    tflite = os.path.join(folder, case['float32_tflite'])
    want = run_tflite(tflite, np.ascontiguousarray(x.transpose(0, 2, 3, 1)), OpResolverType.AUTO)
    result['float32']['distance'] = distance(got, want)
    result['float32']['largest'] = max(float(np.max(np.abs(y))) for y in want)


def int8(folder, case, result):
    path = os.path.join(folder, case['int8'])
    result['int8'] = structure(path)
    if not case['int8_tflite']:
        return
    shape = session(path, NONE).get_inputs()[0].shape
    x = np.random.default_rng(2).integers(0, 256, shape).astype(np.uint8)
    signed = (x.astype(np.int16) - 128).astype(np.int8)
    tflite = os.path.join(folder, case['int8_tflite'])
    tensors = {}

    def keep(i):
        for d in i.get_tensor_details():
            if d['dtype'] == np.int8 and len(d['shape']) in (2, 4):
                tensors[d['name']] = unsigned(channels_first(i.get_tensor(d['index'])))
    want = run_tflite(tflite, np.ascontiguousarray(signed.transpose(0, 2, 3, 1)), OpResolverType.BUILTIN_REF, keep)
    want = [unsigned(y) for y in want]
    optimized = os.path.join(folder, 'optimized.onnx')
    result['int8']['op_steps'] = op_steps(path, tensors)
    result['int8']['steps'] = steps(run_onnx(path, x, NONE), want)
    result['int8']['fused_steps'] = steps(run_onnx(path, x, ALL, optimized), want)
    result['int8']['fused_ops'] = collections.Counter(n.op_type for n in onnx.load(optimized).graph.node)
    result['int8']['values'] = min(len(np.unique(y)) for y in want)


def steps(got, want):
    """How many outputs are how many steps away: steps to their number."""
    same_shapes(got, want)
    d = np.concatenate([np.abs(a.astype(int) - b.astype(int)).ravel() for a, b in zip(got, want)])
    return {int(k): int(n) for k, n in zip(*np.unique(d, return_counts=True))}


def op_steps(path, tensors):
    """Runs each op alone on what the .tflite computed before it: kind to the most steps."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    extractor = onnx.utils.Extractor(model)
    made = {n.output[0]: n for n in model.graph.node}
    constants = {c.name for c in model.graph.initializer}
    worst = collections.defaultdict(int)
    for last in model.graph.node:
        if last.op_type != 'QuantizeLinear':
            continue
        op = made[last.input[0]]
        reads = [made[i].input[0] for i in op.input if made[i].input[0] not in constants]
        part = extractor.extract_model(reads, [last.output[0]])
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = NONE
        s = ort.InferenceSession(part.SerializeToString(), options, providers=['CPUExecutionProvider'])
        got = s.run(None, {r: tensors[r] for r in reads})
        worst[op.op_type] = max(worst[op.op_type], max(steps(got, [tensors[last.output[0]]])))
    return worst


def qualcomm(folder, case, result):
    """Compiles for the SA8775's Hexagon and reads the compiler's own estimate."""
    for stale in ('profile.csv', 'context.onnx'):
        if os.path.exists(stale):
            os.remove(stale)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry('session.disable_cpu_ep_fallback', '1')
    options.add_session_config_entry('ep.context_enable', '1')
    options.add_session_config_entry('ep.context_file_path', 'context.onnx')
    devices = [d for d in ort.get_ep_devices() if d.ep_name == 'QNNExecutionProvider'][:1]
    options.add_provider_for_devices(devices, {
        'backend_path': qnn.get_qnn_htp_path(), 'soc_model': '52', 'htp_arch': '73',
        'profiling_level': 'detailed', 'profiling_file_path': 'profile.csv',
        'htp_graph_finalization_optimization_mode': '3',
    })
    ort.InferenceSession(os.path.join(folder, case['int8']), options)
    with open('profile.csv') as f:
        rows = {r['Event Identifier']: int(r['Time']) for r in csv.DictReader(f)}
    result['qualcomm'] = {
        'missing': rows['Missing Ops (Number of Ops with no Costs associated)'],
        'cycles': rows['Simulated (Accelerator exec cycles)'],
    }


def main(folder):
    with open(os.path.join(folder, 'cases.json')) as f:
        cases = json.load(f)
    ort.register_execution_provider_library('QNNExecutionProvider', qnn.get_library_path())
    with open(os.path.join(folder, 'results.jsonl'), 'w') as out:
        for case in cases:
            result = {'name': case['name']}
            try:
                if case['float32']:
                    float32(folder, case, result)
                if case['int8']:
                    int8(folder, case, result)
                if case['qualcomm']:
                    qualcomm(folder, case, result)
            except Exception as e:  # the case's fault: the others are still wanted
                result['error'] = str(e)
            print(json.dumps(result), file=out, flush=True)


main(sys.argv[1])
