//go:build xnnpack_builtin

#define _GNU_SOURCE
#include "events.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// The runtime's struct of callbacks, of which it calls every one unchecked. go-tflite does not wrap it.
//
// Source: TensorFlow 2.21, tensorflow/lite/profiling/telemetry/c/profiler.h and profiler.cc, which passes on
// the events of operators only. A duration is in whole microseconds.
typedef struct profiler {
  void* data;
  void (*event)(struct profiler*, const char*, uint64_t);
  void (*op_event)(struct profiler*, const char*, int64_t, int64_t, uint64_t);
  void (*settings)(struct profiler*, const char*, const void*);
  uint32_t (*begin)(struct profiler*, const char*, int64_t, int64_t);
  void (*end)(struct profiler*, uint32_t);
  void (*op)(struct profiler*, const char*, uint64_t, int64_t, int64_t);
} profiler;

static latlab_event* list;
static int count, room, open = -1;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static latlab_event* add(int kind, const char* name, int64_t op, int64_t subgraph) {
  if (count++ >= room) return NULL;
  latlab_event* e = &list[count - 1];
  e->kind = kind;
  e->within = open;
  e->op = op;
  e->subgraph = subgraph;
  strncpy(e->name, name != NULL ? name : "", sizeof e->name - 1);
  return e;
}

uint32_t latlab_begin(int kind, const char* name, int64_t op, int64_t subgraph) {
  latlab_event* e = add(kind, name, op, subgraph);
  if (e == NULL) return UINT32_MAX;
  open = e - list;
  e->seconds = now();
  return open;
}

void latlab_end(uint32_t handle) {
  if (handle >= (uint32_t)room) return;
  latlab_event* e = &list[handle];
  e->seconds = now() - e->seconds;
  open = e->within;
}

static void on_event(profiler* p, const char* name, uint64_t status) {}
static void on_op_event(profiler* p, const char* name, int64_t op, int64_t subgraph, uint64_t status) {}
static void on_settings(profiler* p, const char* name, const void* settings) {}

static uint32_t on_begin(profiler* p, const char* name, int64_t op, int64_t subgraph) {
  return latlab_begin(latlab_operator, name, op, subgraph);
}

static void on_end(profiler* p, uint32_t handle) { latlab_end(handle); }

static void on_op(profiler* p, const char* name, uint64_t microseconds, int64_t op, int64_t subgraph) {
  latlab_event* e = add(latlab_inside, name, op, subgraph);
  if (e != NULL) e->seconds = 1e-6 * microseconds;
}

static profiler observer = {NULL, on_event, on_op_event, on_settings, on_begin, on_end, on_op};

int latlab_observe(TfLiteInterpreterOptions* options) {
  // Experimental in the C API: a library of the user's may lack it.
  void (*set)(TfLiteInterpreterOptions*, profiler*) =
      (void (*)(TfLiteInterpreterOptions*, profiler*))dlsym(RTLD_DEFAULT, "TfLiteInterpreterOptionsSetTelemetryProfiler");
  if (set == NULL) return 0;
  set(options, &observer);
  return 1;
}

int latlab_forget(int wanted) {
  count = 0;
  open = -1;
  if (wanted <= room) return 1;
  latlab_event* grown = calloc(wanted, sizeof *grown);
  if (grown == NULL) return 0;
  free(list);
  list = grown;
  room = wanted;
  return 1;
}

const latlab_event* latlab_events(void) { return list; }
int latlab_event_count(void) { return count; }
