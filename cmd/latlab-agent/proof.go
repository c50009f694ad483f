//go:build xnnpack_builtin

package main

/*
#include <stdlib.h>
#include <string.h>

#include "tensorflow/lite/c/c_api.h"
#include "tensorflow/lite/c/common.h"

// The runtime has no getter for what a delegate's Prepare did to the graph, so Prepare is wrapped
// to count the nodes before, the nodes inside delegate kernels afterwards, and those kernels.
typedef struct {
  int builtin, version, count;
  TfLiteType type;  // of the first input, or of the output of a node without any
  int dynamic;      // an input or output has no shape before the model runs
  char custom[64];  // name of a custom op
} latlab_left;

typedef TfLiteStatus (*replace_function)(TfLiteContext*, TfLiteRegistration, const TfLiteIntArray*, TfLiteDelegate*);

typedef struct {
  TfLiteStatus (*prepare)(TfLiteContext*, TfLiteDelegate*);
  int foreign;  // of another library than the runtime's
  replace_function replace;
  int nodes, delegated, partitions;
  int calls, failed;
  // Of the kernels: what the runtime calls, how often it did, and in how many kernels of the
  // main graph, each of which one inference runs once. A delegate of several kernel
  // functions has them counted only as far as the first one goes.
  TfLiteStatus (*invoke)(TfLiteContext*, TfLiteNode*);
  int wrapped;
  long long runs;
  int kinds;  // of those that were left; one more kind than fits is counted in the last
  latlab_left left[64];
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
  return a->builtin == b->builtin && a->version == b->version && a->type == b->type &&
         a->dynamic == b->dynamic && strcmp(a->custom, b->custom) == 0;
}

static void count_left(const TfLiteContext* context, const TfLiteNode* node, const TfLiteRegistration* registration) {
  latlab_left kind = {.builtin = registration->builtin_code, .version = registration->version, .count = 1};
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

static TfLiteStatus counting_invoke(TfLiteContext* context, TfLiteNode* node) {
  proof.runs++;
  return proof.invoke(context, node);
}

// wrap_invoke counts a kernel's runs, because the runtime may silently remove the delegate after
// Prepare if a kernel cannot be prepared.
static void wrap_invoke(TfLiteRegistration* registration) {
  if (registration->invoke == NULL || (proof.invoke != NULL && proof.invoke != registration->invoke)) return;
  proof.invoke = registration->invoke;
  registration->invoke = counting_invoke;
  if (proof.calls == 1) proof.wrapped++;
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

static TfLiteStatus counting_prepare(TfLiteContext* context, TfLiteDelegate* delegate) {
  TfLiteIntArray* plan = NULL;
  if (context->GetExecutionPlan(context, &plan) == kTfLiteOk && plan != NULL)
    proof.nodes += plan->size;
  proof.calls++;
  TfLiteStatus status = call_prepare(context, delegate);
  if (status != kTfLiteOk) {
    proof.failed = 1;
    return status;
  }
  if (context->GetExecutionPlan(context, &plan) != kTfLiteOk || plan == NULL) return status;
  for (int i = 0; i < plan->size; i++) {
    TfLiteNode* node;
    TfLiteRegistration* registration;
    if (context->GetNodeAndRegistration(context, plan->data[i], &node, &registration) != kTfLiteOk)
      continue;
    if (node->delegate != delegate) count_left(context, node, registration);
    if (node->delegate != delegate || node->builtin_data == NULL) continue;
    const TfLiteDelegateParams* params = (const TfLiteDelegateParams*)node->builtin_data;
    proof.delegated += params->nodes_to_replace->size;
    proof.partitions++;
    wrap_invoke(registration);
  }
  return status;
}

static void latlab_count_nodes(void* d, int foreign) {
  TfLiteDelegate* delegate = (TfLiteDelegate*)d;
  memset(&proof, 0, sizeof proof);
  proof.foreign = foreign;
  proof.prepare = delegate->Prepare;
  delegate->Prepare = counting_prepare;
}

static const latlab_proof* latlab_get_proof(void) { return &proof; }
*/
import "C"

import (
	"unsafe"

	"latlab/devices"
	"latlab/devices/agent/wire"
)

// countNodes wraps the delegate's Prepare before an interpreter is made with it.
func countNodes(delegate unsafe.Pointer, foreign bool) {
	var f C.int
	if foreign {
		f = 1
	}
	C.latlab_count_nodes(delegate, f)
}

// prepareSeen reports whether the runtime called the delegate's Prepare.
func prepareSeen() bool { return C.latlab_get_proof().calls > 0 }

func prepareFailed() bool { return C.latlab_get_proof().failed != 0 }

// ranByDelegate compares, after inferences, how often the delegate's kernels ran with the expected
// number. Fewer means that the graph fell back to the CPU.
func (s *session) ranByDelegate() error {
	p := C.latlab_get_proof()
	if s.delegate != nil && !prepareSeen() {
		return fault(devices.FaultDevice, devices.ReasonFallBack, "the runtime never asked the delegate %s to prepare the graph: the CPU ran it", s.name)
	}
	if s.external && p.delegated > 0 && p.wrapped == 0 {
		return fault(devices.FaultDevice, devices.ReasonFallBack, "the delegate %s took %d nodes by kernels whose runs cannot be counted: that it ran them is not proven", s.name, int(p.delegated))
	}
	if s.delegate == nil || p.runs >= C.longlong(s.inferences)*C.longlong(p.wrapped) {
		return nil
	}
	return fault(devices.FaultDevice, devices.ReasonFallBack, "the delegate %s took %d nodes in %d partitions, which ran %d times in %d inferences: the CPU ran them",
		s.name, int(p.delegated), int(p.partitions), int64(p.runs), s.inferences)
}

// delegation is the result of the wrapped Prepare, with the kinds of nodes that stay on the CPU.
func (s *session) delegation() (devices.Delegation, []wire.Left) {
	p := C.latlab_get_proof()
	d := devices.Delegation{Name: s.name, Nodes: int(p.nodes), Delegated: int(p.delegated), Partitions: int(p.partitions)}
	var left []wire.Left
	for i := range int(p.kinds) {
		k := &p.left[i]
		left = append(left, wire.Left{
			Builtin: int(k.builtin), Custom: C.GoString(&k.custom[0]), Version: int(k.version),
			Type: C.GoString(C.TfLiteTypeGetName(k._type)), Dynamic: k.dynamic != 0, Count: int(k.count),
		})
	}
	return d, left
}
