//go:build xnnpack_builtin

package main

/*
#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>

#include "tensorflow/lite/c/c_api.h"
#include "tensorflow/lite/c/common.h"
#include "tensorflow/lite/builtin_ops.h"

// What a delegate's Prepare did to the graph. The runtime has no getter for it, so the
// delegate's own Prepare is wrapped: nodes before, nodes inside the delegate kernels
// afterwards, and the number of those kernels.
typedef struct {
  TfLiteStatus (*prepare)(TfLiteContext*, TfLiteDelegate*);
  int nodes, delegated, partitions;
} latlab_proof;

// One delegate a process: a Prepare has no place for a pointer of ours.
static latlab_proof proof;

static TfLiteStatus counting_prepare(TfLiteContext* context, TfLiteDelegate* delegate) {
  TfLiteIntArray* plan = NULL;
  if (context->GetExecutionPlan(context, &plan) == kTfLiteOk && plan != NULL)
    proof.nodes += plan->size;
  TfLiteStatus status = proof.prepare(context, delegate);
  if (status != kTfLiteOk) return status;
  if (context->GetExecutionPlan(context, &plan) != kTfLiteOk || plan == NULL) return status;
  for (int i = 0; i < plan->size; i++) {
    TfLiteNode* node;
    TfLiteRegistration* registration;
    if (context->GetNodeAndRegistration(context, plan->data[i], &node, &registration) != kTfLiteOk)
      continue;
    if (node->delegate != delegate || node->builtin_data == NULL) continue;
    const TfLiteDelegateParams* params = (const TfLiteDelegateParams*)node->builtin_data;
    proof.delegated += params->nodes_to_replace->size;
    proof.partitions++;
  }
  return status;
}

static void latlab_count_nodes(void* d) {
  TfLiteDelegate* delegate = (TfLiteDelegate*)d;
  proof = (latlab_proof){.prepare = delegate->Prepare};
  delegate->Prepare = counting_prepare;
}

static latlab_proof latlab_get_proof(void) { return proof; }

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

// The clocks are read in C, directly around the call: a bare loop would do the same.
static TfLiteStatus latlab_timed_invoke(TfLiteInterpreter* i, clockid_t cpu_clock, double* wall, double* cpu) {
  double c = seconds(cpu_clock), w = seconds(CLOCK_MONOTONIC);
  TfLiteStatus s = TfLiteInterpreterInvoke(i);
  *wall = seconds(CLOCK_MONOTONIC) - w;
  *cpu = seconds(cpu_clock) - c;
  return s;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"
	"unsafe"

	"github.com/mattn/go-tflite"
	"github.com/mattn/go-tflite/delegates"
	"github.com/mattn/go-tflite/delegates/xnnpack"
	"golang.org/x/sys/unix"

	"latlab/devices"
	"latlab/devices/agent"
)

func runtimeVersion() string { return tflite.Version() }

// session is a model loaded, delegated and allocated.
type session struct {
	model       *tflite.Model
	options     *tflite.InterpreterOptions
	delegate    delegates.Delegater
	interpreter *tflite.Interpreter
	raw         *C.TfLiteInterpreter
	name        string // of the delegate
	init        float64
}

// open loads the model and prepares it. The error's fault is the model's where the
// runtime refuses it.
func open(req agent.Request) (*session, error) {
	if err := readable(req.Model); err != nil {
		return nil, err
	}
	s := &session{name: req.Delegate}
	start := time.Now()
	s.model = tflite.NewModelFromFile(req.Model)
	if s.model == nil {
		return nil, fault(devices.FaultModel, "rejected", "the runtime cannot read the model as a .tflite")
	}
	s.options = tflite.NewInterpreterOptions()
	s.options.SetNumThread(req.Threads)
	if err := s.addDelegate(req); err != nil {
		s.close()
		return nil, err
	}
	s.interpreter = tflite.NewInterpreter(s.model, s.options)
	if s.interpreter == nil {
		s.close()
		return nil, fault(devices.FaultModel, "rejected", "the runtime refuses the model")
	}
	if s.interpreter.AllocateTensors() != tflite.OK {
		s.close()
		return nil, fault(devices.FaultModel, "rejected", "the runtime cannot allocate the model's tensors")
	}
	s.init = time.Since(start).Seconds()
	// go-tflite's Interpreter is a struct of this one pointer; it has no getter, and the
	// timed loop is in C.
	s.raw = *(**C.TfLiteInterpreter)(unsafe.Pointer(s.interpreter))
	return s, nil
}

func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fault(devices.FaultLab, "model-missing", "%v", err)
	}
	return f.Close()
}

// addDelegate adds XNNPACK: the C API applies none by itself, and without it a float32
// network takes five times as long.
func (s *session) addDelegate(req agent.Request) error {
	switch req.Delegate {
	case "":
		return nil
	case "xnnpack":
		s.delegate = xnnpack.New(xnnpack.DelegateOptions{NumThreads: int32(req.Threads)})
	default:
		return fault(devices.FaultUser, "delegate", "unknown delegate %q; this agent has xnnpack", req.Delegate)
	}
	if s.delegate == nil {
		return fault(devices.FaultDevice, "delegate", "the delegate %s cannot be created", req.Delegate)
	}
	C.latlab_count_nodes(s.delegate.Ptr())
	s.options.AddDelegate(s.delegate)
	return nil
}

// close deletes in the only order that the runtime survives: interpreter, delegate, model.
func (s *session) close() {
	if s.interpreter != nil {
		s.interpreter.Delete()
	}
	if s.delegate != nil {
		s.delegate.Delete()
	}
	s.options.Delete()
	s.model.Delete()
}

func (s *session) delegation() devices.Delegation {
	p := C.latlab_get_proof()
	return devices.Delegation{Name: s.name, Nodes: int(p.nodes), Delegated: int(p.delegated), Partitions: int(p.partitions)}
}

// invoke runs the model once; wall and CPU time in seconds.
func (s *session) invoke(clock C.clockid_t) (wall, cpu float64, err error) {
	var w, c C.double
	if C.latlab_timed_invoke(s.raw, clock, &w, &c) != C.kTfLiteOk {
		return 0, 0, fault(devices.FaultModel, "rejected", "the runtime failed to run the model")
	}
	return float64(w), float64(c), nil
}

// fill gives the input tensors values: the request's, or uniform ones in [-1, 1) as the
// preprocessing of a detector makes them.
func (s *session) fill(req agent.Request) error {
	n := s.interpreter.GetInputTensorCount()
	if req.Inputs != nil && len(req.Inputs) != n {
		return fault(devices.FaultUser, "inputs", "the model has %d inputs, the request gives %d", n, len(req.Inputs))
	}
	rng := splitMix(req.Plan.Seed)
	for i := range n {
		t := s.interpreter.GetInputTensor(i)
		var values []float32
		if req.Inputs != nil {
			values = req.Inputs[i]
		}
		if err := fillTensor(t, values, &rng); err != nil {
			return err
		}
	}
	return nil
}

func fillTensor(t *tflite.Tensor, values []float32, rng *splitMix) error {
	if t.ByteSize() == 0 {
		return nil
	}
	if t.Type() != tflite.Float32 {
		if values != nil {
			return fault(devices.FaultUser, "inputs", "input %s is %v, values can be given to float32 only", t.Name(), t.Type())
		}
		return fillBytes(t, rng)
	}
	dst := unsafe.Slice((*float32)(t.Data()), t.ByteSize()/4)
	if values != nil {
		if len(values) != len(dst) {
			return fault(devices.FaultUser, "inputs", "input %s takes %d values, the request gives %d", t.Name(), len(dst), len(values))
		}
		copy(dst, values)
		return nil
	}
	for i := range dst {
		dst[i] = float32(int32(rng.next()>>32)) / (1 << 31)
	}
	return nil
}

// fillBytes gives integer tensors random bytes: every bit pattern is a valid value.
// Floats of other widths stay zero, where a random pattern could be a NaN.
func fillBytes(t *tflite.Tensor, rng *splitMix) error {
	switch t.Type() {
	case tflite.Int8, tflite.UInt8:
		dst := unsafe.Slice((*byte)(t.Data()), t.ByteSize())
		for i := range dst {
			dst[i] = byte(rng.next() >> 56)
		}
	}
	return nil
}

// splitMix is the generator of Steele, Lea and Flood, OOPSLA 2014.
type splitMix uint64

func (s *splitMix) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// outputs runs the model once and returns all output tensors.
func outputs(req agent.Request) ([]agent.Output, *devices.Delegation, error) {
	s, err := open(req)
	if err != nil {
		return nil, nil, err
	}
	defer s.close()
	if err := s.fill(req); err != nil {
		return nil, nil, err
	}
	if _, _, err := s.invoke(C.CLOCK_THREAD_CPUTIME_ID); err != nil {
		return nil, nil, err
	}
	var outs []agent.Output
	for i := range s.interpreter.GetOutputTensorCount() {
		o, err := output(s.interpreter.GetOutputTensor(i))
		if err != nil {
			return nil, nil, err
		}
		outs = append(outs, o)
	}
	d := s.delegation()
	return outs, &d, nil
}

func output(t *tflite.Tensor) (agent.Output, error) {
	o := agent.Output{Name: t.Name(), Shape: t.Shape()}
	if t.Type() != tflite.Float32 {
		return o, fault(devices.FaultUser, "outputs", "output %s is %v, only float32 can be returned", t.Name(), t.Type())
	}
	if t.ByteSize() == 0 {
		return o, nil
	}
	for _, v := range unsafe.Slice((*float32)(t.Data()), t.ByteSize()/4) {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return o, fault(devices.FaultModel, "not-finite", "output %s is not finite", t.Name())
		}
		o.Values = append(o.Values, v)
	}
	return o, nil
}

// peakMemory is VmHWM. getrusage's ru_maxrss is of no use: across exec it keeps the peak
// of the process that forked, here of latlab itself.
func peakMemory() (int64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib << 10, nil
		}
	}
	return 0, errors.New("/proc/self/status has no VmHWM")
}

// pin sets the affinity of every thread of the process (those of the Go runtime exist
// already) and returns what is in force.
func pin(cpus []int) ([]int, error) {
	if len(cpus) > 0 {
		var set unix.CPUSet
		for _, c := range cpus {
			set.Set(c)
		}
		if err := eachThread(func(tid int) error { return unix.SchedSetaffinity(tid, &set) }); err != nil {
			return nil, fault(devices.FaultUser, "affinity", "cannot run on CPUs %v: %v", cpus, err)
		}
	}
	var got unix.CPUSet
	if err := unix.SchedGetaffinity(0, &got); err != nil {
		return nil, err
	}
	var in []int
	for c := range 8 * int(unsafe.Sizeof(got)) {
		if got.IsSet(c) {
			in = append(in, c)
		}
	}
	return in, nil
}

func eachThread(f func(tid int) error) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		var tid int
		if _, err := fmt.Sscan(t.Name(), &tid); err != nil {
			return err
		}
		if err := f(tid); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}
