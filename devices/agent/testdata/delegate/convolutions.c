// A real external delegate for tests: it takes convolutions and computes them with plain
// loops. Options:
//
//	take      all (every node of a kind that it knows), some (each second of them), none
//	kinds     conv (the default), dw (depthwise as well), custom (edgetpu-custom-op, which hands
//	          its input on, and nothing else)
//	fail      create: makes no delegate and says why; silent: makes none and says nothing;
//	          prepare: the delegate's Prepare fails; kernel: the kernels cannot be made ready;
//	          late: the same, with the flag that puts it off until tensors are allocated;
//	          invoke: a kernel fails
//	hang      invoke: a kernel never comes back
//	crash     create, prepare, invoke: at that moment the process dies of a signal
//	older     kernel: the last fields of the kernels' registration hold anything, as those do that
//	          a library of an older TFLite passes; delegate: so does the delegate's
//	print     text for fd 1, as vendors' libraries print there
//
// Any other option, and any other value, makes no delegate. Float32, no dilation.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tensorflow/lite/builtin_ops.h"
#include "tensorflow/lite/core/c/common.h"

// The layouts of the runtime's own structures (LiteRT, tflite/core/c/builtin_op_data.h).
typedef enum { kPaddingUnknown, kPaddingSame, kPaddingValid } padding_t;
typedef enum { kActNone, kActRelu, kActReluN1To1, kActRelu6 } activation_t;
typedef struct {
  padding_t padding;
  int stride_width, stride_height;
  activation_t activation;
  int dilation_width, dilation_height;
} conv_params;
typedef struct {
  padding_t padding;
  int stride_width, stride_height;
  int depth_multiplier;
  activation_t activation;
  int dilation_width, dilation_height;
} depthwise_params;

typedef struct {
  TfLiteDelegate delegate;
  int some, none, depthwise, custom, older;
  const char *fail, *crash, *hang;
} conv_delegate;

// One node of the graph, as a kernel needs it.
typedef struct {
  int input, filter, bias, output, depthwise, copy;
  padding_t padding;
  int stride_h, stride_w;
  activation_t activation;
} conv_node;

typedef struct {
  conv_delegate* owner;
  int count;
  // The outputs of each node that stay inside the kernel: the runtime gives them no memory.
  float** inside;
  conv_node nodes[];
} kernel;

static int is(const char* a, const char* b) { return a != NULL && strcmp(a, b) == 0; }

static void die_at(const conv_delegate* d, const char* moment) {
  if (is(d->crash, moment)) raise(SIGSEGV);
}

static void* kernel_init(TfLiteContext* context, const char* buffer, size_t length) {
  (void)length;
  const TfLiteDelegateParams* params = (const TfLiteDelegateParams*)buffer;
  const int n = params->nodes_to_replace->size;
  kernel* k = calloc(1, sizeof *k + n * sizeof k->nodes[0]);
  k->owner = (conv_delegate*)params->delegate->data_;
  k->inside = calloc(n, sizeof *k->inside);
  for (int i = 0; i < n; i++) {
    TfLiteNode* node;
    TfLiteRegistration* registration;
    context->GetNodeAndRegistration(context, params->nodes_to_replace->data[i], &node, &registration);
    conv_node* c = &k->nodes[k->count++];
    c->input = node->inputs->data[0];
    c->output = node->outputs->data[0];
    c->copy = registration->builtin_code == kTfLiteBuiltinCustom;
    if (c->copy) continue;
    c->filter = node->inputs->data[1];
    c->bias = node->inputs->size > 2 ? node->inputs->data[2] : -1;
    c->depthwise = registration->builtin_code == kTfLiteBuiltinDepthwiseConv2d;
    if (c->depthwise) {
      const depthwise_params* p = node->builtin_data;
      c->padding = p->padding, c->stride_h = p->stride_height, c->stride_w = p->stride_width, c->activation = p->activation;
    } else {
      const conv_params* p = node->builtin_data;
      c->padding = p->padding, c->stride_h = p->stride_height, c->stride_w = p->stride_width, c->activation = p->activation;
    }
  }
  return k;
}

static void kernel_free(TfLiteContext* context, void* data) {
  (void)context;
  kernel* k = data;
  for (int i = 0; i < k->count; i++) free(k->inside[i]);
  free(k->inside);
  free(k);
}

static int leaves(const TfLiteNode* node, int tensor) {
  for (int i = 0; i < node->outputs->size; i++)
    if (node->outputs->data[i] == tensor) return 1;
  return 0;
}

static TfLiteStatus kernel_prepare(TfLiteContext* context, TfLiteNode* node) {
  kernel* k = node->user_data;
  if (is(k->owner->fail, "kernel") || is(k->owner->fail, "late")) return kTfLiteError;
  for (int i = 0; i < k->count; i++) {
    const int output = k->nodes[i].output;
    if (k->inside[i] == NULL && !leaves(node, output)) k->inside[i] = malloc(context->tensors[output].bytes);
  }
  return kTfLiteOk;
}

static float* values(const TfLiteContext* context, const kernel* k, int tensor) {
  for (int i = 0; i < k->count; i++)
    if (k->nodes[i].output == tensor && k->inside[i] != NULL) return k->inside[i];
  return context->tensors[tensor].data.f;
}

static float activated(float x, activation_t a) {
  if ((a == kActRelu || a == kActRelu6) && x < 0) return 0;
  if (a == kActRelu6 && x > 6) return 6;
  if (a == kActReluN1To1) return x < -1 ? -1 : x > 1 ? 1 : x;
  return x;
}

static int padded(padding_t p, int in, int out, int stride, int size) {
  const int total = (out - 1) * stride + size - in;
  return p == kPaddingSame && total > 0 ? total / 2 : 0;
}

static void run(const TfLiteContext* context, const kernel* k, const conv_node* c) {
  if (c->copy) {
    memcpy(values(context, k, c->output), values(context, k, c->input), context->tensors[c->input].bytes);
    return;
  }
  const TfLiteTensor *in = &context->tensors[c->input], *f = &context->tensors[c->filter], *out = &context->tensors[c->output];
  const float* input = values(context, k, c->input);
  float* output = values(context, k, c->output);
  const float* bias = c->bias >= 0 ? context->tensors[c->bias].data.f : NULL;
  const int H = in->dims->data[1], W = in->dims->data[2], C = in->dims->data[3];
  const int OH = out->dims->data[1], OW = out->dims->data[2], OC = out->dims->data[3];
  const int KH = f->dims->data[1], KW = f->dims->data[2];
  const int top = padded(c->padding, H, OH, c->stride_h, KH), left = padded(c->padding, W, OW, c->stride_w, KW);
  for (int oy = 0; oy < OH; oy++)
    for (int ox = 0; ox < OW; ox++)
      for (int oc = 0; oc < OC; oc++) {
        float sum = bias != NULL ? bias[oc] : 0;
        for (int ky = 0; ky < KH; ky++)
          for (int kx = 0; kx < KW; kx++) {
            const int y = oy * c->stride_h + ky - top, x = ox * c->stride_w + kx - left;
            if (y < 0 || y >= H || x < 0 || x >= W) continue;
            const float* pixel = input + (y * W + x) * C;
            if (c->depthwise) {
              sum += pixel[oc / (OC / C)] * f->data.f[(ky * KW + kx) * OC + oc];
              continue;
            }
            const float* w = f->data.f + ((oc * KH + ky) * KW + kx) * C;
            for (int i = 0; i < C; i++) sum += pixel[i] * w[i];
          }
        output[(oy * OW + ox) * OC + oc] = activated(sum, c->activation);
      }
}

static TfLiteStatus kernel_invoke(TfLiteContext* context, TfLiteNode* node) {
  const kernel* k = node->user_data;
  die_at(k->owner, "invoke");
  while (is(k->owner->hang, "invoke")) pause();
  if (is(k->owner->fail, "invoke")) return kTfLiteError;
  for (int i = 0; i < k->count; i++) run(context, k, &k->nodes[i]);
  return kTfLiteOk;
}

static int takes(const conv_delegate* d, const TfLiteContext* context, const TfLiteNode* node, const TfLiteRegistration* r) {
  if (d->none || context->tensors[node->inputs->data[0]].type != kTfLiteFloat32) return 0;
  if (d->custom) return r->builtin_code == kTfLiteBuiltinCustom && is(r->custom_name, "edgetpu-custom-op");
  return r->builtin_code == kTfLiteBuiltinConv2d || (d->depthwise && r->builtin_code == kTfLiteBuiltinDepthwiseConv2d);
}

static TfLiteStatus prepare(TfLiteContext* context, TfLiteDelegate* delegate) {
  const conv_delegate* d = delegate->data_;
  die_at(d, "prepare");
  if (is(d->fail, "prepare")) return kTfLiteError;
  TfLiteIntArray* plan;
  if (context->GetExecutionPlan(context, &plan) != kTfLiteOk) return kTfLiteError;
  // data[0] is the size: TfLiteIntArray's own layout, without its allocator.
  int* taken = calloc(plan->size + 1, sizeof *taken);
  int seen = 0;
  for (int i = 0; i < plan->size; i++) {
    TfLiteNode* node;
    TfLiteRegistration* registration;
    if (context->GetNodeAndRegistration(context, plan->data[i], &node, &registration) != kTfLiteOk) continue;
    if (!takes(d, context, node, registration)) continue;
    if (d->some && seen++ % 2 == 1) continue;
    taken[1 + taken[0]++] = plan->data[i];
  }
  TfLiteRegistration convolutions = {
      .init = kernel_init, .free = kernel_free, .prepare = kernel_prepare, .invoke = kernel_invoke,
      .builtin_code = kTfLiteBuiltinDelegate, .custom_name = "Convolutions", .version = 1};
  if (d->older) {
    convolutions.registration_external = (void*)d;
    convolutions.async_kernel = (void*)d;
    convolutions.inplace_operator = (uint64_t)d;
  }
  TfLiteStatus status = kTfLiteOk;
  if (taken[0] > 0)
    status = context->ReplaceNodeSubsetsWithDelegateKernels(context, convolutions, (const TfLiteIntArray*)taken, delegate);
  free(taken);
  return status;
}

// option reads one; 0 where it is none of ours.
static int option(conv_delegate* d, const char* key, const char* value) {
  if (is(key, "take")) {
    d->some = is(value, "some");
    d->none = is(value, "none");
    return d->some || d->none || is(value, "all");
  }
  if (is(key, "kinds")) {
    d->depthwise = is(value, "dw");
    d->custom = is(value, "custom");
    if (d->custom) d->delegate.flags = kTfLiteDelegateFlagsAllowDynamicTensors;
    return d->depthwise || d->custom || is(value, "conv");
  }
  if (is(key, "older")) {
    d->older = is(value, "kernel");
    if (!d->older) d->delegate.opaque_delegate_builder = (void*)d;
    return 1;
  }
  if (is(key, "print")) return puts(value) >= 0 && fflush(stdout) == 0;
  if (is(key, "fail")) {
    if (is(value, "late")) d->delegate.flags = kTfLiteDelegateFlagsAllowDynamicTensors;
    d->fail = value;
    return 1;
  }
  if (is(key, "hang")) {
    d->hang = value;
    return 1;
  }
  d->crash = value;
  return is(key, "crash");
}

__attribute__((visibility("default"))) TfLiteDelegate* tflite_plugin_create_delegate(
    char** keys, char** values, size_t count, void (*report)(const char*)) {
  conv_delegate* d = calloc(1, sizeof *d);
  d->delegate.data_ = d;
  d->delegate.Prepare = prepare;
  int good = 1;
  for (size_t i = 0; i < count; i++) good = good && option(d, keys[i], values[i]);
  die_at(d, "create");
  if (good && !is(d->fail, "create") && !is(d->fail, "silent")) return &d->delegate;
  if (!is(d->fail, "silent")) report(good ? "no accelerator is plugged in" : "an option is unknown");
  free(d);
  return NULL;
}

__attribute__((visibility("default"))) void tflite_plugin_destroy_delegate(TfLiteDelegate* delegate) {
  if (delegate != NULL) free(delegate->data_);
}
