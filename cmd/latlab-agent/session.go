//go:build xnnpack_builtin

package main

/*
#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>

#include "events.h"
#include "tensorflow/lite/c/c_api.h"

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

// The clocks are read in C, directly around the call: a bare loop would do the same.
static TfLiteStatus latlab_timed_invoke(TfLiteInterpreter* i, TfLiteSignatureRunner* r, clockid_t cpu_clock, double* wall, double* cpu) {
  double c = seconds(cpu_clock), w = seconds(CLOCK_MONOTONIC);
  TfLiteStatus s = r != NULL ? TfLiteSignatureRunnerInvoke(r) : TfLiteInterpreterInvoke(i);
  *wall = seconds(CLOCK_MONOTONIC) - w;
  *cpu = seconds(cpu_clock) - c;
  return s;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/mattn/go-tflite"
	"github.com/mattn/go-tflite/delegates"
	"github.com/mattn/go-tflite/delegates/xnnpack"
	"golang.org/x/sys/unix"

	"latlab/devices"
	"latlab/devices/agent/wire"
)

func runtimeVersion() string { return tflite.Version() }

// session is a model that is loaded, delegated and allocated.
type session struct {
	model       *tflite.Model
	options     *tflite.InterpreterOptions
	delegate    delegates.Delegater
	interpreter *tflite.Interpreter
	raw         *C.TfLiteInterpreter
	runner      *tflite.SignatureRunner // nil runs the first subgraph
	rawRunner   *C.TfLiteSignatureRunner
	key         string           // of the runner's signature
	inputs      []*tflite.Tensor // in the runtime's order
	outputs     []*tflite.Tensor
	name        string // of the delegate
	external    bool
	watch       watch
	inferences  int64 // so far
	init        float64
}

// watch is what is watched of a session.
type watch int

const (
	proven   watch = iota // who runs the nodes
	observed              // that, and how long each operator takes
	plain                 // nothing
)

// open loads and prepares the model. If the runtime refuses it, the error's fault is the model's.
func open(req wire.Request, w watch) (*session, error) {
	if err := readable(req.Model); err != nil {
		return nil, err
	}
	s := &session{watch: w}
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
	if w == observed {
		if err := s.observe(); err != nil {
			s.close()
			return nil, err
		}
	}
	s.interpreter = tflite.NewInterpreter(s.model, s.options)
	if err := s.prepared(); err != nil {
		s.close()
		return nil, err
	}
	if err := s.allocate(req); err != nil {
		s.close()
		return nil, err
	}
	s.init = time.Since(start).Seconds()
	s.findTensors()
	if err := s.checkInputs(); err != nil {
		s.close()
		return nil, err
	}
	// go-tflite's Interpreter is a struct of this one pointer, and so is its SignatureRunner; they have no
	// getters, and the timed loop is in C.
	s.raw = *(**C.TfLiteInterpreter)(unsafe.Pointer(s.interpreter))
	if s.runner != nil {
		s.rawRunner = *(**C.TfLiteSignatureRunner)(unsafe.Pointer(s.runner))
	}
	return s, nil
}

// allocate prepares the subgraph of a signature, or the first subgraph, with the request's shapes.
func (s *session) allocate(req wire.Request) error {
	if req.Signature != nil {
		if n := s.interpreter.GetSignatureCount(); *req.Signature < 0 || *req.Signature >= n {
			return fault(devices.FaultLab, "request", "signature %d of %d", *req.Signature, n)
		}
		s.key = s.interpreter.GetSignatureKey(*req.Signature)
		if s.runner = s.interpreter.GetSignatureRunner(s.key); s.runner == nil {
			return fault(devices.FaultModel, "rejected", "the runtime cannot run the signature %q", s.key)
		}
	}
	if err := s.resize(req.Shapes); err != nil {
		return err
	}
	status := tflite.OK
	if s.runner != nil {
		status = s.runner.AllocateTensors()
	} else {
		status = s.interpreter.AllocateTensors()
	}
	switch {
	case status == tflite.OK:
		return nil
	case s.external:
		return fault(devices.FaultModel, devices.ReasonDelegate, "the runtime cannot allocate the model's tensors as the delegate %s has prepared it", s.name)
	}
	return fault(devices.FaultModel, "rejected", "the runtime cannot allocate the model's tensors")
}

// findTensors lists the inputs and outputs of what is run.
func (s *session) findTensors() {
	if s.runner == nil {
		for i := range s.interpreter.GetInputTensorCount() {
			s.inputs = append(s.inputs, s.interpreter.GetInputTensor(i))
		}
		for i := range s.interpreter.GetOutputTensorCount() {
			s.outputs = append(s.outputs, s.interpreter.GetOutputTensor(i))
		}
		return
	}
	for i := range s.runner.GetInputCount() {
		s.inputs = append(s.inputs, s.runner.GetInputTensor(s.runner.GetInputName(i)))
	}
	for i := range s.runner.GetOutputCount() {
		s.outputs = append(s.outputs, s.runner.GetOutputTensor(s.runner.GetOutputName(i)))
	}
}

// resize gives inputs the shapes of the request.
func (s *session) resize(shapes [][]int) error {
	for i, shape := range shapes {
		if len(shape) == 0 {
			continue
		}
		dims := make([]int32, len(shape))
		for axis, n := range shape {
			dims[axis] = int32(n)
		}
		status := tflite.OK
		if s.runner != nil {
			status = s.runner.ResizeInputTensor(s.runner.GetInputName(i), dims)
		} else {
			status = s.interpreter.ResizeInputTensor(i, dims)
		}
		if status != tflite.OK {
			return fault(devices.FaultModel, "rejected", "the runtime cannot resize input %d to %v", i, shape)
		}
	}
	return nil
}

// prepared returns why there is no interpreter, or why it does not use the delegate.
//
// TFLite 2.21 takes a failed delegate out of the graph again and gives no interpreter
// (InterpreterBuilder::ApplyDelegates); other builds continue on the CPU. The wrapped Prepare
// distinguishes them.
func (s *session) prepared() error {
	switch {
	case s.external && prepareFailed():
		return fault(devices.FaultModel, devices.ReasonDelegate, "the delegate %s cannot prepare the model", s.name)
	case s.interpreter == nil && s.external && prepareSeen():
		return fault(devices.FaultModel, devices.ReasonDelegate, "the runtime refuses the model as the delegate %s has prepared it", s.name)
	case s.interpreter == nil:
		return fault(devices.FaultModel, "rejected", "the runtime refuses the model")
	}
	return nil
}

// library is the sha256 of an external delegate's library, "" for other delegates.
func (s *session) library() string {
	if e, ok := s.delegate.(*external); ok {
		return e.sha256
	}
	return ""
}

// checkInputs refuses inputs without memory: tensors of unknown size, for which a meaningless latency would be
// timed, and resources. Texts get their memory with their values.
func (s *session) checkInputs() error {
	for _, t := range s.inputs {
		if t == nil {
			return fault(devices.FaultModel, "rejected", "the runtime has no tensor for an input of the signature %q", s.key)
		}
		if t.Type() == tflite.String && !slices.Contains(t.Shape(), 0) {
			continue
		}
		if t.ByteSize() == 0 || t.Data() == nil {
			return fault(devices.FaultModel, "rejected", "input %s (%s, shape %v) has no elements: the model leaves its size open, or the runtime keeps no values of this type", t.Name(), elementType(t), t.Shape())
		}
	}
	return nil
}

func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fault(devices.FaultLab, "model-missing", "%v", err)
	}
	return f.Close()
}

// addDelegate adds the requested delegate. The C API applies none by default, and without XNNPACK a
// float32 network takes five times as long.
func (s *session) addDelegate(req wire.Request) error {
	switch req.Delegate {
	case wire.None:
		return nil
	case wire.XNNPACK:
		d, err := newXNNPack(req.Threads)
		if err != nil {
			return err
		}
		s.delegate, s.name = d, wire.XNNPACK
	case wire.External:
		d, err := newExternal(req.Plugin)
		if err != nil {
			return err
		}
		s.delegate, s.name, s.external = d, req.Plugin.Name, true
	default:
		return fault(devices.FaultLab, "request", "unknown kind of delegate %q", req.Delegate)
	}
	if s.watch != plain {
		countNodes(s.delegate.Ptr(), s.external, s.watch == observed)
	}
	s.options.AddDelegate(s.delegate)
	return nil
}

// newXNNPack starts from the library's default options, of which 8-bit kernels are a part.
// A library whose options have a different layout than the header would misread thread count and
// flags, and silently run 8-bit models seven times slower, so its flags are checked.
func newXNNPack(threads int) (delegates.Delegater, error) {
	d := xnnpack.New(xnnpack.DelegateOptions{NumThreads: int32(threads)})
	if d == nil {
		return nil, fault(devices.FaultDevice, "delegate", "the delegate xnnpack cannot be created")
	}
	const eightBit = xnnpack.FlagQS8 | xnnpack.FlagQU8
	if x, ok := d.(*xnnpack.Delegate); ok && x.Flags()&eightBit != eightBit {
		flags := x.Flags()
		d.Delete()
		return nil, fault(devices.FaultLab, "delegate",
			"the runtime's xnnpack has no 8-bit kernels switched on (flags %#x): its options have another layout than TFLite 2.21's", flags)
	}
	return d, nil
}

// close deletes in the only order that the runtime survives: runner, interpreter, delegate, model.
func (s *session) close() {
	if s == nil {
		return
	}
	s.runner.Delete()
	if s.interpreter != nil {
		s.interpreter.Delete()
	}
	if s.delegate != nil {
		s.delegate.Delete()
	}
	s.options.Delete()
	s.model.Delete()
}

// invoke runs the model once; wall and CPU time in seconds.
func (s *session) invoke(clock C.clockid_t) (wall, cpu float64, err error) {
	var w, c C.double
	s.inferences++
	if s.watch == observed {
		C.latlab_forget(0)
	}
	if C.latlab_timed_invoke(s.raw, s.rawRunner, clock, &w, &c) != C.kTfLiteOk {
		return 0, 0, fault(devices.FaultModel, "rejected", "the runtime failed to run the model")
	}
	return float64(w), float64(c), nil
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
func outputs(req wire.Request) (wire.Response, error) {
	resp := wire.Response{Type: wire.Outputs}
	s, err := open(req, proven)
	if err != nil {
		return resp, err
	}
	defer s.close()
	if err := s.fill(req); err != nil {
		return resp, err
	}
	if _, _, err := s.invoke(C.CLOCK_THREAD_CPUTIME_ID); err != nil {
		return resp, err
	}
	if err := s.ranByDelegate(); err != nil {
		return resp, err
	}
	resp.Library, resp.Signature = s.library(), s.key
	for _, t := range s.outputs {
		o, err := output(t)
		if err != nil {
			return resp, err
		}
		resp.Outputs = append(resp.Outputs, o)
	}
	d, left := s.delegation()
	resp.Delegation, resp.Left = &d, left
	return resp, nil
}

// peakMemory is VmHWM, or 0 without /proc. getrusage's ru_maxrss is useless, because across exec it
// keeps the peak of the parent that forked, here latlab.
func peakMemory() int64 { return memoryOf("/proc/self/status", "VmHWM") }

// memoryOf is a line of a file of /proc in bytes, 0 if there is none.
func memoryOf(file, name string) int64 {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var kib int64
		if _, err := fmt.Sscanf(line, name+": %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}

// pin sets the affinity of every thread of the process: those of the Go runtime exist
// already.
func pin(cpus []int) error {
	if len(cpus) == 0 {
		return nil
	}
	var set unix.CPUSet
	for _, c := range cpus {
		set.Set(c)
	}
	if err := eachThread(func(tid int) error { return unix.SchedSetaffinity(tid, &set) }); err != nil {
		return fault(devices.FaultUser, "affinity", "cannot run on CPUs %v: %v", cpus, err)
	}
	return nil
}

// affinity is what is in force for the thread that executes the model.
func affinity() ([]int, error) {
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

// eachThread calls f for each thread, or without /proc only for the calling thread. That is enough:
// it executes the model, and the runtime's workers inherit from it.
func eachThread(f func(tid int) error) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if errors.Is(err, fs.ErrNotExist) {
		return f(0)
	}
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
