"""Reads an export as TuNAS does and prints the cost of networks, one a line.

    read_tunas.py DIR SSD < indices.txt

Standard library only. Each step follows the TuNAS function that its name says
(google-research/google-research, tunas/), with plain lists for tensors and
every float32 operation rounded to float32. Nothing here knows the exporter.
"""

import base64
import collections
import importlib.util
import json
import os
import struct
import sys


def registered(name, *fields):
  return name, collections.namedtuple(name.split('.')[-1], fields)


V3 = 'mobile_search_space_v3.'
# What schema_io.register_namedtuple has registered; the last three are ours.
REGISTRY = dict([
    registered('basic_specs.ConvTowerSpec', 'blocks', 'filters_base'),
    registered('basic_specs.Block', 'layers', 'filters'),
    registered('basic_specs.ZeroSpec'),
    registered('basic_specs.FilterMultiplier', 'scale'),
    registered(V3 + 'ActivationSpec', 'name'),
    registered(V3 + 'ConvSpec', 'kernel_size', 'strides', 'use_batch_norm'),
    registered(V3 + 'DepthwiseBottleneckSpec', 'kernel_size',
               'expansion_filters', 'use_squeeze_and_excite', 'strides',
               'activation', 'se_inner_activation', 'se_gating_activation'),
    registered(V3 + 'ResidualSpec', 'layer'),
    registered(V3 + 'SeparableConvSpec', 'kernel_size', 'strides',
               'activation'),
    registered(V3 + 'GlobalAveragePoolSpec'),
    registered(V3 + 'DetectionEndpointSpec'),
    registered(V3 + 'FusedConvSpec', 'kernel_size', 'expansion_filters',
               'use_squeeze_and_excite', 'strides', 'activation'),
    registered(V3 + 'TuckerConvSpec', 'kernel_size', 'input_rank_ratio',
               'output_rank_ratio', 'strides', 'activation'),
    registered(V3 + 'NoExpansionSpec', 'kernel_size', 'use_squeeze_and_excite',
               'strides', 'activation'),
])


class OneOf:

  def __init__(self, choices, tag, mask=None):
    self.choices, self.tag, self.mask = choices, tag, mask


def from_json(x):
  """schema_io._from_json."""
  if isinstance(x, (int, float, str)):
    return x
  kind, rest = x[0], x[1:]
  if kind == 'list':
    return [from_json(v) for v in rest]
  if kind == 'tuple':
    return tuple(from_json(v) for v in rest)
  if kind == 'oneof':
    assert [k for k, _ in rest] == ['choices', 'tag'], rest
    assert rest[1][1] in ('op_indices', 'filters_indices'), rest[1]
    return OneOf(from_json(rest[0][1]), rest[1][1])
  if kind.startswith('namedtuple:'):
    cls = REGISTRY[kind[len('namedtuple:'):]]
    fields = {k: from_json(v) for k, v in rest}
    assert set(fields) == set(cls._fields), (kind, fields)
    return cls(**fields)
  raise ValueError(kind)


def map_oneofs(func, x):
  """schema.map_oneofs: children before their parent, fields in order."""
  if isinstance(x, OneOf):
    choices = [map_oneofs(func, c) for c in x.choices]
    return func(OneOf(choices, x.tag, x.mask))
  if isinstance(x, (list, tuple)):
    items = [map_oneofs(func, v) for v in x]
    return x.__class__(*items) if hasattr(x, '_fields') else x.__class__(items)
  if isinstance(x, (int, float, str)):
    return x
  raise ValueError('Unsupported value: {}'.format(x))


def with_constant_masks(indices, spec):
  """mobile_cost_model._with_constant_masks."""
  rest = list(indices)

  def update(oneof):
    index = rest.pop(0)
    if not 0 <= index < len(oneof.choices):
      raise ValueError('Invalid index: {}'.format(index))
    mask = [float(i == index) for i in range(len(oneof.choices))]
    return OneOf(oneof.choices, oneof.tag, mask)

  masked = map_oneofs(update, spec)
  if rest:
    raise ValueError('Wrong number of indices: {} too many'.format(len(rest)))
  return masked


def kron(x, y):
  return [a * b for a in x for b in y]


def reduce_kron(values):
  result = None
  for v in values:
    if v is not None:
      result = v if result is None else kron(result, v)
  return result


def layer_features(x):
  """mobile_cost_model._get_layer_features."""
  if isinstance(x, (float, int, str)):
    return [1.0]
  if isinstance(x, (list, tuple)):
    result = reduce_kron(layer_features(v) for v in x)
    return [1.0] if result is None else result
  if isinstance(x, OneOf):
    return [m * f for m, c in zip(x.mask, x.choices) for f in layer_features(c)]
  raise ValueError('Unsupported object type: {}'.format(x))


def coupled_tf_features(spec):
  """mobile_cost_model.coupled_tf_features."""
  features, input_mask = [], None
  for block in spec.blocks:
    assert block.layers
    output_mask = block.filters.mask if isinstance(block.filters, OneOf) else None
    for layer in block.layers:
      features.append(reduce_kron([output_mask, input_mask, layer_features(layer)]))
      input_mask = output_mask
  kept = [f for f in features if f is not None and len(f) > 1]
  return [x for f in kept for x in f] if kept else [1.0]


def float32(x):
  return struct.unpack('>f', struct.pack('>f', x))[0]


def decode(data, dtype):
  assert dtype == '>f4', dtype
  raw = base64.decodebytes(data)
  return struct.unpack('>{}f'.format(len(raw) // 4), raw)


def estimate_cost(features, module, ssd):
  """cost_model_lib.estimate_cost."""
  kernel = decode(module.KERNEL_DATA[ssd], module.SERIALIZATION_DTYPE)
  (bias,) = decode(module.BIAS_DATA[ssd], module.SERIALIZATION_DTYPE)
  if len(kernel) != len(features):
    raise ValueError('{} coefficients, {} features'.format(len(kernel), len(features)))
  cost = 0.0
  for f, k in zip(features, kernel):
    if f:
      cost = float32(cost + float32(f * k))
  return float32(cost + bias)


def check_lines(path):
  """The layout of base64.encodebytes: full lines of 76 characters but the last."""
  for block in open(path).read().split('b"""\n')[1:]:
    lines = block.split('"""')[0].splitlines()
    assert all(len(line) == 76 for line in lines[:-1]), path
    assert 0 < len(lines[-1]) <= 76, path


def main(folder, ssd):
  path = os.path.join(folder, 'cost_model_data.py')
  check_lines(path)
  found = importlib.util.spec_from_file_location('cost_model_data', path)
  module = importlib.util.module_from_spec(found)
  found.loader.exec_module(module)
  with open(os.path.join(folder, 'model_spec.json')) as f:
    text = f.read()
  structure = json.loads(text)
  assert json.dumps(structure, sort_keys=True, indent=2) == text, 'not what json.dumps writes'
  spec = from_json(structure)
  for line in sys.stdin:
    indices = [int(i) for i in line.split(':')]
    features = coupled_tf_features(with_constant_masks(indices, spec))
    print(repr(estimate_cost(features, module, ssd)))


if __name__ == '__main__':
  sys.dont_write_bytecode = True
  main(*sys.argv[1:])
