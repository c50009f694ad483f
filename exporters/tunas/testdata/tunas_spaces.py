"""Prints one of TuNAS's spaces as schema_io JSON, from the tables of the paper.

    tunas_spaces.py SSD

Written from the description of the spaces, without latlab's files: base widths,
multipliers, and what a block is made of. Standard library only.
"""

import json
import sys

MULTIPLIERS = (0.5, 0.625, 0.75, 1.0, 1.25, 1.5, 2.0)


def named(kind, /, **fields):
  return ['namedtuple:' + kind] + [[k, v] for k, v in fields.items()]


def v3(kind, /, **fields):
  return named('mobile_search_space_v3.' + kind, **fields)


def listed(items):
  return ['list'] + list(items)


def oneof(tag, *choices):
  return ['oneof', ['choices', listed(choices)], ['tag', tag + '_indices']]


def act(name):
  return v3('ActivationSpec', name=name)


def scale(x):
  return named('basic_specs.FilterMultiplier', scale=x)


ZERO = named('basic_specs.ZeroSpec')
ENDPOINT = v3('DetectionEndpointSpec')
POOL = v3('GlobalAveragePoolSpec')


def conv(kernel, strides, norm=True):
  return v3('ConvSpec', kernel_size=kernel, strides=strides, use_batch_norm=norm)


def separable(kernel):
  return v3('SeparableConvSpec', kernel_size=kernel, strides=1, activation=act('relu'))


def residual(layer):
  return v3('ResidualSpec', layer=layer)


def bottleneck(strides, activation, expansions, excite):
  return v3('DepthwiseBottleneckSpec', kernel_size=oneof('op', 3, 5, 7),
            expansion_filters=oneof('filters', *[scale(x) for x in expansions]),
            use_squeeze_and_excite=excite, strides=strides,
            activation=act(activation), se_inner_activation=act('relu'),
            se_gating_activation=act('sigmoid'))


def tower(blocks, widths):
  return named('basic_specs.ConvTowerSpec', blocks=listed(
      named('basic_specs.Block', layers=listed(layers), filters=oneof('filters', *w))
      for layers, w in zip(blocks, widths)), filters_base=8)


def scaled(base):
  return [sorted({max(8, int(b * m / 8 + 0.5) * 8) for m in MULTIPLIERS}) for b in base]


def proxylessnas(widths):
  def layer(strides, *skip):
    return oneof('op', bottleneck(strides, 'relu', (3.0, 6.0), False), *skip)
  blocks = [[conv(3, 2), act('relu')],
            [oneof('op', separable(3), separable(5), separable(7)), ENDPOINT]]
  for strides, layers, endpoint in ((2, 4, True), (2, 4, True), (2, 4, False),
                                    (1, 4, True), (2, 4, True), (1, 1, True)):
    blocks.append([layer(strides)] + [residual(layer(1, ZERO))] * (layers - 1) +
                  [ENDPOINT] * endpoint)
  blocks.append([conv(1, 1), act('relu'), POOL])
  return tower(blocks, widths)


def mobilenet_v3_like():
  def layer(strides, activation):
    return bottleneck(strides, activation, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
                      oneof('op', False, True))
  swish = act('swish6')
  blocks = [[conv(oneof('op', 3, 5), 2), swish,
             residual(oneof('op', separable(oneof('op', 3, 5, 7)), ZERO)), ENDPOINT]]
  for strides, activation, endpoint in ((2, 'relu', True), (2, 'relu', True), (2, 'swish6', False),
                                        (1, 'swish6', True), (2, 'swish6', True)):
    optional = residual(oneof('op', layer(1, activation), ZERO))
    blocks.append([layer(strides, activation)] + [optional] * 3 + [ENDPOINT] * endpoint)
  blocks += [[conv(1, 1), swish, POOL], [conv(1, 1, False), swish]]
  return tower(blocks, scaled((16, 16, 32, 64, 128, 256, 512, 1024)))


def main(ssd):
  spec = {
      'proxylessnas_search': lambda: proxylessnas(
          [[w] for w in (32, 16, 32, 40, 80, 96, 192, 320, 1280)]),
      'proxylessnas_enlarged_search': lambda: proxylessnas(
          scaled((16, 16, 16, 32, 64, 128, 256, 512, 1024))),
      'mobilenet_v3_like_search': mobilenet_v3_like,
  }[ssd]()
  sys.stdout.write(json.dumps(spec, sort_keys=True, indent=2))


if __name__ == '__main__':
  main(sys.argv[1])
