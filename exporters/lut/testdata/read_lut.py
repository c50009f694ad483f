"""Reads lookup tables as a patched reader does and prints key, mean, spread and count.

usage: read_lut.py FILE std|var
"""
import json
import sys

import yaml

path, spread = sys.argv[1:]
with open(path) as f:
    table = yaml.safe_load(f)
for key, entry in table.items():
    assert isinstance(key, str), key
    assert sorted(entry) == sorted(["count", "mean", spread]), entry
    assert isinstance(entry["mean"], float), (key, entry)
    assert entry["count"] is None or isinstance(entry["count"], int), (key, entry)
    assert entry[spread] is None, (key, entry)
    print(json.dumps([key, entry["mean"]]))
