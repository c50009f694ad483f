//go:build xnnpack_builtin

package main

/*
#include <stdlib.h>
#include <string.h>

#include "events.h"
#include "tensorflow/lite/c/c_api.h"
#include "tensorflow/lite/c/common.h"

// The runtime has no getter for what a delegate's Prepare did to the graph, so Prepare is wrapped
// to count the nodes before, the nodes inside delegate kernels afterwards, and those kernels.
typedef struct {
  int subgraph;  // position in the proof's list
  int builtin, version, count;
  TfLiteType type;  // of the first input, or of the output of a node without any
  int dynamic;      // an input or output has no shape before the model runs
  char custom[64];  // name of a custom op
} latlab_left;

// A node of the graph before delegation. The names are the model's and the runtime's own.
typedef struct {
  int index, builtin;
  const char* custom;  // name of a custom op
  const char* output;  // name of the first output
} latlab_node;

// A delegate's kernel. The runtime keeps its params as long as the interpreter.
typedef struct {
  int subgraph, index;
  const char* name;
  const TfLiteDelegateParams* params;
} latlab_kernel_node;

typedef TfLiteStatus (*replace_function)(TfLiteContext*, TfLiteRegistration, const TfLiteIntArray*, TfLiteDelegate*);

// A subgraph that the delegate prepared. The runtime has it prepare all of a file's, whichever is run.
typedef struct {
  TfLiteContext* context;
  int nodes, delegated, partitions;
  int wrapped;     // kernels whose runs are counted
  long long runs;  // of those
  // The first node of the plan is wrapped, to see whether the subgraph runs at all.
  TfLiteStatus (*first)(TfLiteContext*, TfLiteNode*);
  int ran;
  latlab_node* list;  // the nodes, if the operators are observed
} latlab_subgraph;

typedef struct {
  TfLiteStatus (*prepare)(TfLiteContext*, TfLiteDelegate*);
  int foreign;  // of another library than the runtime's
  replace_function replace;
  int failed;
  // What the runtime calls of the kernels. A delegate of several kernel functions has them counted only as
  // far as the first one goes.
  TfLiteStatus (*invoke)(TfLiteContext*, TfLiteNode*);
  int count;
  latlab_subgraph* subgraphs;
  int observed;  // the operators are
  int kernel_count;
  latlab_kernel_node* kernels;
  int kinds;  // of those that were left; one more kind than fits is counted in the last
  latlab_left left[256];
} latlab_proof;

// One delegate a process, because Prepare has no argument for our own pointer.
static latlab_proof proof;

static const TfLiteTensor* tensor_of(const TfLiteContext* context, const TfLiteIntArray* list, int i) {
  if (list == NULL || i >= list->size || list->data[i] < 0) return NULL;
  return &context->tensors[list->data[i]];
}

static int has_dynamic(const TfLiteContext* context, const TfLiteIntArray* list) {
  for (int i = 0; list != NULL && i < list->size; i++) {
    const TfLiteTensor* t = tensor_of(context, list, i);
    if (t != NULL && t->allocation_type == kTfLiteDynamic) return 1;
  }
  return 0;
}

static int same_kind(const latlab_left* a, const latlab_left* b) {
  return a->subgraph == b->subgraph && a->builtin == b->builtin && a->version == b->version && a->type == b->type &&
         a->dynamic == b->dynamic && strcmp(a->custom, b->custom) == 0;
}

static void count_left(int subgraph, const TfLiteNode* node, const TfLiteRegistration* registration) {
  const TfLiteContext* context = proof.subgraphs[subgraph].context;
  latlab_left kind = {.subgraph = subgraph, .builtin = registration->builtin_code, .version = registration->version, .count = 1};
  const TfLiteTensor* first = tensor_of(context, node->inputs, 0);
  if (first == NULL) first = tensor_of(context, node->outputs, 0);
  if (first != NULL) kind.type = first->type;
  kind.dynamic = has_dynamic(context, node->inputs) || has_dynamic(context, node->outputs);
  if (registration->custom_name != NULL) strncpy(kind.custom, registration->custom_name, sizeof kind.custom - 1);
  for (int i = 0; i < proof.kinds; i++) {
    if (same_kind(&proof.left[i], &kind)) {
      proof.left[i].count++;
      return;
    }
  }
  const int room = sizeof proof.left / sizeof proof.left[0];
  if (proof.kinds < room) {
    proof.left[proof.kinds++] = kind;
  } else {
    proof.left[room - 1].count++;
  }
}

static latlab_subgraph* find(const TfLiteContext* context) {
  for (int i = 0; i < proof.count; i++) {
    if (proof.subgraphs[i].context == context) return &proof.subgraphs[i];
  }
  return NULL;
}

static TfLiteStatus first_invoke(TfLiteContext* context, TfLiteNode* node) {
  latlab_subgraph* s = find(context);
  s->ran = 1;
  return s->first(context, node);
}

// unwrap_first undoes what wrap_first did before the delegate was taken out of the graph again.
static void unwrap_first(TfLiteContext* context, const latlab_subgraph* s) {
  TfLiteIntArray* plan = NULL;
  if (context->GetExecutionPlan(context, &plan) != kTfLiteOk || plan == NULL) return;
  for (int i = 0; i < plan->size; i++) {
    TfLiteNode* node;
    TfLiteRegistration* registration;
    if (context->GetNodeAndRegistration(context, plan->data[i], &node, &registration) == kTfLiteOk &&
        registration->invoke == first_invoke)
      registration->invoke = s->first;
  }
}

// grown is a list with room for one more item.
static void* grown(void* list, int count, size_t size) {
  void* more = realloc(list, (count + 1) * size);
  if (more == NULL) abort();
  return more;
}

// again is the entry of a subgraph, empty: the runtime has it prepared again if its inputs are resized.
static latlab_subgraph* again(TfLiteContext* context) {
  latlab_subgraph* s = find(context);
  if (s != NULL) {
    unwrap_first(context, s);
    free(s->list);
  } else {
    proof.subgraphs = grown(proof.subgraphs, proof.count, sizeof *s);
    s = &proof.subgraphs[proof.count++];
  }
  memset(s, 0, sizeof *s);
  s->context = context;
  const int at = s - proof.subgraphs;
  for (int i = proof.kernel_count - 1; i >= 0; i--) {
    if (proof.kernels[i].subgraph == at) proof.kernels[i] = proof.kernels[--proof.kernel_count];
  }
  for (int i = 0; i < proof.kinds; i++) {
    if (proof.left[i].subgraph == at) proof.left[i].count = 0;
  }
  return s;
}

static const latlab_kernel_node* kernel_of(const TfLiteNode* node) {
  for (int i = 0; i < proof.kernel_count; i++) {
    if (proof.kernels[i].params == node->builtin_data) return &proof.kernels[i];
  }
  return NULL;
}

static TfLiteStatus counting_invoke(TfLiteContext* context, TfLiteNode* node) {
  latlab_subgraph* s = find(context);
  if (s != NULL) s->runs++;
  if (!proof.observed) return proof.invoke(context, node);
  const latlab_kernel_node* k = kernel_of(node);
  const uint32_t event = k != NULL ? latlab_begin(latlab_kernel, k->name, k->index, k->subgraph) : UINT32_MAX;
  TfLiteStatus status = proof.invoke(context, node);
  latlab_end(event);
  return status;
}

// wrap_invoke counts a kernel's runs, because the runtime may silently remove the delegate after
// Prepare if a kernel cannot be prepared.
static void wrap_invoke(latlab_subgraph* s, TfLiteRegistration* registration) {
  if (registration->invoke == NULL || (proof.invoke != NULL && proof.invoke != registration->invoke)) return;
  proof.invoke = registration->invoke;
  registration->invoke = counting_invoke;
  s->wrapped++;
}

// wrap_first sees whether a subgraph runs. One whose first node has no function to wrap counts as run.
static void wrap_first(latlab_subgraph* s, TfLiteRegistration* registration) {
  if (registration->invoke == NULL) {
    s->ran = 1;
    return;
  }
  s->first = registration->invoke;
  registration->invoke = first_invoke;
}

// plain_replace clears what a registration has got since the days of the delegate's library:
// it is passed by value, so that a library of an older TFLite leaves its last fields to chance
// and the runtime would call them. A kernel with an invoke needs none of them.
static TfLiteStatus plain_replace(TfLiteContext* context, TfLiteRegistration registration, const TfLiteIntArray* nodes,
                                  TfLiteDelegate* delegate) {
  if (registration.invoke != NULL) {
    registration.registration_external = NULL;
    registration.async_kernel = NULL;
    registration.inplace_operator = 0;
  }
  return proof.replace(context, registration, nodes, delegate);
}

static TfLiteStatus call_prepare(TfLiteContext* context, TfLiteDelegate* delegate) {
  if (!proof.foreign) return proof.prepare(context, delegate);
  proof.replace = context->ReplaceNodeSubsetsWithDelegateKernels;
  context->ReplaceNodeSubsetsWithDelegateKernels = plain_replace;
  TfLiteStatus status = proof.prepare(context, delegate);
  context->ReplaceNodeSubsetsWithDelegateKernels = proof.replace;
  return status;
}

// list_nodes keeps what an observer needs to name the operators of a subgraph.
static void list_nodes(latlab_subgraph* s, const TfLiteIntArray* plan) {
  s->list = calloc(plan->size > 0 ? plan->size : 1, sizeof *s->list);
  if (s->list == NULL) abort();
  for (int i = 0; i < plan->size; i++) {
    TfLiteNode* node;
    TfLiteRegistration* registration;
    s->list[i].index = plan->data[i];
    if (s->context->GetNodeAndRegistration(s->context, plan->data[i], &node, &registration) != kTfLiteOk) continue;
    const TfLiteTensor* output = tensor_of(s->context, node->outputs, 0);
    s->list[i].builtin = registration->builtin_code;
    s->list[i].custom = registration->custom_name;
    s->list[i].output = output != NULL ? output->name : NULL;
  }
}

static void add_kernel(int subgraph, int index, const char* name, const TfLiteDelegateParams* params) {
  proof.kernels = grown(proof.kernels, proof.kernel_count, sizeof *proof.kernels);
  proof.kernels[proof.kernel_count++] = (latlab_kernel_node){subgraph, index, name, params};
}

static TfLiteStatus counting_prepare(TfLiteContext* context, TfLiteDelegate* delegate) {
  TfLiteIntArray* plan = NULL;
  const int at = again(context) - proof.subgraphs;
  if (context->GetExecutionPlan(context, &plan) == kTfLiteOk && plan != NULL) {
    proof.subgraphs[at].nodes = plan->size;
    if (proof.observed) list_nodes(&proof.subgraphs[at], plan);
  }
  TfLiteStatus status = call_prepare(context, delegate);
  if (status != kTfLiteOk) {
    proof.failed = 1;
    return status;
  }
  latlab_subgraph* s = &proof.subgraphs[at];
  if (context->GetExecutionPlan(context, &plan) != kTfLiteOk || plan == NULL) return status;
  for (int i = 0; i < plan->size; i++) {
    TfLiteNode* node;
    TfLiteRegistration* registration;
    if (context->GetNodeAndRegistration(context, plan->data[i], &node, &registration) != kTfLiteOk)
      continue;
    if (node->delegate != delegate) count_left(at, node, registration);
    if (node->delegate == delegate && node->builtin_data != NULL) {
      const TfLiteDelegateParams* params = (const TfLiteDelegateParams*)node->builtin_data;
      s->delegated += params->nodes_to_replace->size;
      s->partitions++;
      if (proof.observed) add_kernel(at, plan->data[i], registration->custom_name, params);
      wrap_invoke(s, registration);
    }
    if (i == 0) wrap_first(s, registration);
  }
  return status;
}

static void latlab_count_nodes(void* d, int foreign, int observed) {
  TfLiteDelegate* delegate = (TfLiteDelegate*)d;
  free(proof.subgraphs);
  memset(&proof, 0, sizeof proof);
  proof.foreign = foreign;
  proof.observed = observed;
  proof.prepare = delegate->Prepare;
  delegate->Prepare = counting_prepare;
}

// A delegate that takes no node: through it the nodes of a graph without a delegate are seen.
static TfLiteStatus take_nothing(TfLiteContext* context, TfLiteDelegate* delegate) { return kTfLiteOk; }

static void* latlab_nothing(void) {
  TfLiteDelegate* nothing = malloc(sizeof *nothing);
  if (nothing == NULL) abort();
  *nothing = TfLiteDelegateCreate();
  nothing->Prepare = take_nothing;
  nothing->flags = kTfLiteDelegateFlagsAllowDynamicTensors;
  return nothing;
}

// latlab_replaced is the ith node that a kernel replaced, -1 after the last one.
static int latlab_replaced(int kernel, int i) {
  const TfLiteIntArray* nodes = proof.kernels[kernel].params->nodes_to_replace;
  return i < nodes->size ? nodes->data[i] : -1;
}

static const latlab_proof* latlab_get_proof(void) { return &proof; }
static const latlab_subgraph* latlab_get_subgraph(int i) { return &proof.subgraphs[i]; }

// latlab_subgraph_of finds the subgraph that has a tensor, -1 for none.
static int latlab_subgraph_of(const void* tensor) {
  for (int i = 0; i < proof.count; i++) {
    const TfLiteContext* c = proof.subgraphs[i].context;
    if ((const TfLiteTensor*)tensor >= c->tensors && (const TfLiteTensor*)tensor < c->tensors + c->tensors_size) return i;
  }
  return -1;
}
*/
import "C"

import (
	"strings"
	"unsafe"

	"github.com/mattn/go-tflite"

	"latlab/devices"
	"latlab/devices/agent/wire"
)

// countNodes wraps the delegate's Prepare before an interpreter is made with it.
func countNodes(delegate unsafe.Pointer, foreign, observed bool) {
	C.latlab_count_nodes(delegate, cBool(foreign), cBool(observed))
}

func cBool(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// nothing is a delegate that takes no node. The one of a process is never freed.
type nothing struct{ p unsafe.Pointer }

func newNothing() nothing { return nothing{C.latlab_nothing()} }

func (n nothing) Ptr() unsafe.Pointer { return n.p }
func (nothing) Delete()               {}

// prepareSeen reports whether the runtime called the delegate's Prepare.
func prepareSeen() bool { return C.latlab_get_proof().count > 0 }

func prepareFailed() bool { return C.latlab_get_proof().failed != 0 }

// ranByDelegate compares, after inferences, how often the delegate's kernels of the subgraph that is run did
// so with the expected number. Fewer means that the graph fell back to the CPU.
func (s *session) ranByDelegate() error {
	if s.delegate == nil || s.watch == plain {
		return nil
	}
	at := s.subgraph()
	if at < 0 {
		return fault(devices.FaultDevice, devices.ReasonFallBack, "the runtime never asked the delegate %s to prepare the graph: the CPU ran it", s.name)
	}
	p := C.latlab_get_subgraph(C.int(at))
	if s.external && p.delegated > 0 && p.wrapped == 0 {
		return fault(devices.FaultDevice, devices.ReasonFallBack, "the delegate %s took %d nodes by kernels whose runs cannot be counted: that it ran them is not proven", s.name, int(p.delegated))
	}
	if p.runs >= C.longlong(s.inferences)*C.longlong(p.wrapped) {
		return nil
	}
	return fault(devices.FaultDevice, devices.ReasonFallBack, "the delegate %s took %d nodes in %d partitions, which ran %d times in %d inferences: the CPU ran them",
		s.name, int(p.delegated), int(p.partitions), int64(p.runs), s.inferences)
}

// subgraph is the position in the proof's list of the subgraph that is run, -1 if the delegate did not
// prepare it. A subgraph without inputs and outputs is taken for the first one.
func (s *session) subgraph() int {
	for _, list := range [][]*tflite.Tensor{s.inputs, s.outputs} {
		for _, t := range list {
			return int(C.latlab_subgraph_of(unsafe.Pointer(cTensor(t))))
		}
	}
	return min(int(C.latlab_get_proof().count), 1) - 1
}

// delegation is the result of the wrapped Prepare, with the kinds of nodes that stay on the CPU. It counts
// the subgraphs that ran: the one that was asked for, and those that its WHILE and IF called.
func (s *session) delegation() (devices.Delegation, []wire.Left) {
	p := C.latlab_get_proof()
	d := devices.Delegation{Name: s.name}
	if s.delegate == nil {
		return d, nil
	}
	main := s.subgraph()
	ran := map[int]bool{}
	for i := range int(p.count) {
		g := C.latlab_get_subgraph(C.int(i))
		if ran[i] = g.ran != 0 || i == main; !ran[i] {
			continue
		}
		d.Nodes += int(g.nodes)
		d.Delegated += int(g.delegated)
		d.Partitions += int(g.partitions)
	}
	var left []wire.Left
	for i := range int(p.kinds) {
		k := &p.left[i]
		if k.count == 0 || !ran[int(k.subgraph)] {
			continue
		}
		left = append(left, wire.Left{
			Builtin: int(k.builtin), Custom: C.GoString(&k.custom[0]), Version: int(k.version),
			Type: C.GoString(C.TfLiteTypeGetName(k._type)), Dynamic: k.dynamic != 0, Count: int(k.count),
		})
	}
	return d, left
}

// observedNodes are the nodes before delegation, by subgraph, and the delegate's kernels.
func observedNodes() (graphs [][]wire.Node, kernels []wire.Kernel) {
	p := C.latlab_get_proof()
	for i := range int(p.count) {
		g := C.latlab_get_subgraph(C.int(i))
		nodes := []wire.Node{}
		for _, n := range unsafe.Slice(g.list, int(g.nodes)) {
			nodes = append(nodes, wire.Node{
				Index: int(n.index), Builtin: int(n.builtin), Custom: C.GoString(n.custom), Output: strings.ToValidUTF8(C.GoString(n.output), "?"),
			})
		}
		graphs = append(graphs, nodes)
	}
	for i, k := range unsafe.Slice(p.kernels, int(p.kernel_count)) {
		of := wire.Kernel{Subgraph: int(k.subgraph), Index: int(k.index)}
		for n := C.latlab_replaced(C.int(i), 0); n >= 0; n = C.latlab_replaced(C.int(i), C.int(len(of.Nodes))) {
			of.Nodes = append(of.Nodes, int(n))
		}
		kernels = append(kernels, of)
	}
	return graphs, kernels
}
