// What the runtime reports of the operators of one inference, kept in memory that is allocated
// before it. It is C alone: a call of Go takes as long as a small operator.
#ifndef LATLAB_EVENTS_H_
#define LATLAB_EVENTS_H_

#include <stdint.h>

#include "tensorflow/lite/c/c_api.h"

enum {
  latlab_operator,  // began and ended by the runtime
  latlab_kernel,    // of a delegate, began and ended by the wrapper of its kernel
  latlab_inside     // an operator inside a delegate's kernel, whose duration the delegate reports
};

typedef struct {
  int kind;
  int within;  // position of the event in which this one happened, -1 for none
  int64_t op, subgraph;
  double seconds;
  char name[80];
} latlab_event;

// latlab_observe makes the runtime report the operators of an interpreter with these options. It returns 0 if
// the library cannot.
int latlab_observe(TfLiteInterpreterOptions* options);

// latlab_begin returns a handle for latlab_end.
uint32_t latlab_begin(int kind, const char* name, int64_t op, int64_t subgraph);
void latlab_end(uint32_t handle);

// latlab_forget makes room for as many events, and forgets those of the last inference. It returns 0 if there
// is no memory.
int latlab_forget(int room);

const latlab_event* latlab_events(void);
int latlab_event_count(void);  // more than there was room for if some are lost

#endif
