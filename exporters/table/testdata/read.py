"""Reads the exports of a folder as docs/exports.md tells, and prints what it read.

One JSON object: by format a list of rows, by column. A float is the hex digits of its bits, a
time its text, an unknown null.
"""
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

folder = Path(sys.argv[1])


def plain(x):
    if x is None or x is pd.NaT:
        return None
    if isinstance(x, (list, np.ndarray)):
        return [plain(v) for v in x]
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    if isinstance(x, (bool, np.bool_)):
        return bool(x)
    if isinstance(x, (float, np.floating)):
        return None if np.isnan(x) else "f" + struct.pack(">d", x).hex()
    if isinstance(x, (int, np.integer)):
        return int(x)
    if isinstance(x, pd.Timestamp):
        return x.isoformat()
    return str(x)


def rows(frame):
    return [{k: plain(v) for k, v in r.items()} for r in frame.to_dict("records")]


def csv(path):
    text = ["sweep", "id", "space", "indices", "model", "device", "model_sha256"]
    frame = pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=[""])
    for c in ["macs", "params", "peak_memory_bytes", "nodes", "delegated_nodes", "disturbed_blocks"]:
        frame[c] = pd.read_csv(path, usecols=[c], dtype={c: "Int64"})[c]
    frame = frame.astype(object).where(frame.notna(), None)
    return rows(frame)


def jsonl(path):
    # Two readers: Python's own keeps every bit, pandas does so with precise_float.
    lines = [json.loads(l) for l in open(path, encoding="utf-8", newline="\n")]
    frame = pd.read_json(path, lines=True, precise_float=True, dtype=False)
    assert len(frame) == len(lines)
    for name in ("latency_seconds", "low_seconds", "high_seconds"):
        got = frame[name].astype(float).to_numpy()
        want = np.array([np.nan if l[name] is None else l[name] for l in lines])
        assert np.array_equal(got, want, equal_nan=True), name
    return [plain(l) for l in lines]


def parquet(path):
    table = pq.read_table(path)
    assert pd.read_parquet(path).shape == table.shape
    return {
        "metadata": {k.decode(): v.decode() for k, v in table.schema.metadata.items()},
        "columns": {f.name: str(f.type) for f in table.schema},
        "rows": [{k: plain(v) for k, v in r.items()} for r in table.to_pylist()],
    }


def npz(path):
    with np.load(path, allow_pickle=False) as d:
        return {k: {"dtype": str(d[k].dtype), "shape": list(d[k].shape), "values": plain(d[k].tolist())} for k in d.files}


readers = {"csv": csv, "jsonl": jsonl, "parquet": parquet, "npz": npz}
print(json.dumps({f: read(folder / f"m.{f}") for f, read in readers.items()}))
