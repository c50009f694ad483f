"""Reads a cost model and a sweep as npz, and predicts the sweep's networks."""
import json
import struct
import sys

import numpy as np

d = np.load(sys.argv[1], allow_pickle=False)
m = np.load(sys.argv[2], allow_pickle=False)
assert list(d["feature_names"]) == list(m["feature_names"])
print(json.dumps({
    "bias": struct.pack(">d", m["bias"]).hex(),
    "coef": [struct.pack(">d", x).hex() for x in m["coef"]],
    "seen": m["seen"].tolist(),
    "entry": m["entry"].tolist(),
    "position": m["position"].tolist(),
    "names": [f"{p} {c} {i}->{o}" for p, c, i, o in zip(m["position"], m["choice"], m["in_width"], m["out_width"])],
    "feature_names": m["feature_names"].tolist(),
    "predictions": [repr(float(p)) for p in d["X"] @ m["coef"] + m["bias"]],
    "indices": [":".join(map(str, i)) for i in d["indices"]],
    "metadata": json.loads(str(m["metadata"])),
}))
