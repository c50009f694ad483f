# Arguments: model, folder, and what is passed to the provider as KEY=VALUE.
# Answers who takes which operators; where the processor takes all, the context binary is in
# the folder, and the answer names it and the graph's inputs.
from collections import Counter

ort, qnn, device = compiler()
model, folder = sys.argv[1:3]
options = dict(a.split("=", 1) for a in sys.argv[3:])


def compile(whole):
    so = ort.SessionOptions()
    if whole:  # raises unless every node is taken
        so.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        so.add_session_config_entry("ep.context_enable", "1")
        so.add_session_config_entry("ep.context_embed_mode", "0")  # the binary in a file of its own
        so.add_session_config_entry("ep.context_file_path", os.path.join(folder, "context.onnx"))
    so.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    so.add_provider_for_devices(device, {"backend_path": qnn.get_qnn_htp_path(), **options})
    session = ort.InferenceSession(model, so)
    return session, [{"provider": g.ep_name, "ops": dict(Counter(n.op_type for n in g.get_nodes()))}
                     for g in session.get_provider_graph_assignment_info()]


try:
    session, graphs = compile(True)
    answer({"whole": True, "graphs": graphs, "files": [f for f in os.listdir(folder) if f.endswith(".bin")],
            "inputs": [{"name": i.name, "type": i.type, "shape": i.shape} for i in session.get_inputs()]})
except Exception as refused:
    try:
        graphs = compile(False)[1]
    except Exception:
        graphs = []
    if all(g["provider"] == PROVIDER for g in graphs):
        raise refused  # for another reason than nodes that are left
    answer({"whole": False, "graphs": graphs})
