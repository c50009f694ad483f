# Runs after the prelude and before probe.py and run.py.
PROVIDER = "QNNExecutionProvider"


def compiler():
    """The modules and the provider's devices. The provider must be registered as a library:
    named in providers=[...] it falls back to the CPU without a word."""
    import onnxruntime as ort
    import onnxruntime_qnn as qnn

    ort.set_default_logger_severity(3)  # errors; its warnings are of every network
    ort.register_execution_provider_library(PROVIDER, qnn.get_library_path())
    found = [d for d in ort.get_ep_devices() if d.ep_name == PROVIDER][:1]
    if not found:
        raise ImportError("onnxruntime finds no device of " + PROVIDER)
    return ort, qnn, found
