# Answers what this Python has; "missing" is why the compiler cannot be loaded.
found = {"python": sys.version.split()[0], "packages": installed("onnxruntime", "onnxruntime-qnn")}
try:
    _, qnn, _ = compiler()
    if not os.path.exists(qnn.get_qnn_htp_path()):
        raise ImportError("no file " + qnn.get_qnn_htp_path())
except Exception as e:  # a library of the wrong machine fails in any way
    found["missing"] = str(e) or type(e).__name__
answer(found)
