# Arguments: model, folder, and what is passed to the provider as KEY=VALUE.
# Answers who takes which operators. Estimates are in FOLDER/whole.csv, or in
# FOLDER/part.csv where the processor does not take the whole network.
from collections import Counter

ort, qnn, device = compiler()
model, folder = sys.argv[1:3]
options = dict(a.split("=", 1) for a in sys.argv[3:])


def compile(name, whole):
    so = ort.SessionOptions()
    if whole:  # raises unless every node is taken
        so.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    so.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    so.add_session_config_entry("ep.context_enable", "1")
    so.add_session_config_entry("ep.context_file_path", os.path.join(folder, name + ".ctx.onnx"))
    so.add_provider_for_devices(device, {
        "backend_path": qnn.get_qnn_htp_path(), "profiling_level": "detailed",
        "profiling_file_path": os.path.join(folder, name + ".csv"), **options})
    session = ort.InferenceSession(model, so)
    return [{"provider": g.ep_name, "ops": dict(Counter(n.op_type for n in g.get_nodes()))}
            for g in session.get_provider_graph_assignment_info()]


try:
    answer({"whole": True, "graphs": compile("whole", True)})
except Exception as refused:
    try:
        graphs = compile("part", False)
    except Exception:
        graphs = []
    if all(g["provider"] == PROVIDER for g in graphs):
        raise refused  # for another reason than nodes that are left
    answer({"whole": False, "graphs": graphs})
