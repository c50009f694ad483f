"""Reads the pair as nn-Meter's extract_feature does; prints kernel, features and label.

usage: read_nnmeter.py origin_kernels.json profiled_results.json
"""
import json
import os
import sys

SPATIAL = ["HW", "CIN", "COUT", "KERNEL_SIZE", "STRIDES"]
FEATURES = {
    "conv-bn-relu": SPATIAL,
    "dwconv-bn-relu": SPATIAL,
    "fc": ["CIN", "COUT"],
    "global-avgpool": ["HW", "CIN"],
    "hswish": ["HW", "CIN"],
    "se": ["HW", "CIN"],
    "add": ["HW", "CIN", "CIN"],
}

with open(sys.argv[1]) as f:
    kernels = json.load(f)
with open(sys.argv[2]) as f:
    results = json.load(f)
assert list(kernels) == list(results), (list(kernels), list(results))
for kind, entries in kernels.items():
    assert sorted(entries) == sorted(results[kind]), kind
    for id, entry in entries.items():
        os.path.basename(entry["model"])
        assert all(isinstance(n, int) and n > 0 for shape in entry["shapes"] for n in shape), entry
        avg, std = results[kind][id]["latency"].split("+-")
        features = [entry["config"][name] for name in FEATURES[kind]]
        assert len(entry["config"]) == len(set(FEATURES[kind])), entry
        assert float(std) >= 0 or float(std) != float(std), std
        print(json.dumps([kind, features, float(avg)]))
