// A bare loop over the runtime's C API, to compare latlab's own timing with. It shares
// no code with latlab-agent.
//
// Usage: loop MODEL WARMUPS RUNS; prints one sample a line, in seconds.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tensorflow/lite/c/c_api.h"
#include "tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void fail(const char* what) {
  fprintf(stderr, "loop: %s\n", what);
  exit(1);
}

static void fill(TfLiteTensor* tensor) {
  float* values = TfLiteTensorData(tensor);
  size_t n = TfLiteTensorByteSize(tensor) / sizeof(float);
  srand(1);
  for (size_t i = 0; i < n; i++) values[i] = 2.0f * rand() / RAND_MAX - 1.0f;
}

int main(int argc, char** argv) {
  if (argc != 4) fail("usage: loop MODEL WARMUPS RUNS");
  int warmups = atoi(argv[2]), runs = atoi(argv[3]);
  TfLiteModel* model = TfLiteModelCreateFromFile(argv[1]);
  if (model == NULL) fail("cannot read the model");
  TfLiteXNNPackDelegateOptions xnnpack = TfLiteXNNPackDelegateOptionsDefault();
  xnnpack.num_threads = 1;
  TfLiteDelegate* delegate = TfLiteXNNPackDelegateCreate(&xnnpack);
  TfLiteInterpreterOptions* options = TfLiteInterpreterOptionsCreate();
  TfLiteInterpreterOptionsSetNumThreads(options, 1);
  TfLiteInterpreterOptionsAddDelegate(options, delegate);
  TfLiteInterpreter* interpreter = TfLiteInterpreterCreate(model, options);
  if (interpreter == NULL) fail("the runtime refuses the model");
  if (TfLiteInterpreterAllocateTensors(interpreter) != kTfLiteOk) fail("cannot allocate");
  for (int i = 0; i < TfLiteInterpreterGetInputTensorCount(interpreter); i++)
    fill(TfLiteInterpreterGetInputTensor(interpreter, i));
  for (int i = 0; i < warmups; i++)
    if (TfLiteInterpreterInvoke(interpreter) != kTfLiteOk) fail("cannot run");
  for (int i = 0; i < runs; i++) {
    double start = now();
    if (TfLiteInterpreterInvoke(interpreter) != kTfLiteOk) fail("cannot run");
    printf("%.9f\n", now() - start);
  }
  return 0;
}
