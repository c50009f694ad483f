package inventory

import (
	"bufio"
	"context"
	_ "embed"
	"strings"

	"latlab/devices/machine"
	"latlab/devices/state"
	"latlab/devices/transport"
)

// look reads what a machine is and how it is now.
func (l *Lab) look(ctx context.Context, s *Status, t transport.Transport, e *entry) {
	now, err := machine.On(t, e.name).State(ctx)
	if err != nil {
		s.fail(err)
		return
	}
	s.Now = &now
	s.judge(e)
	id, err := state.Identify(ctx, t)
	if err != nil {
		s.fail(err)
		return
	}
	s.identified(id)
	s.addDelegates(parts(ctx, t))
}

func (s *Status) identified(id state.Identity) {
	s.Model, s.SoC, s.OS = some(id.Model), some(id.SoC), some(id.OS)
	s.Build = some(id.Build)
}

// part is something of an accelerator that may be on a machine.
type part struct{ path, delegate string }

// accelerators are parts by which a delegate is known to be possible: what the driver of a
// phone or board puts there. That it works with a model only timing tells.
//
// Source: LiteRT, tflite/delegates/gpu/cl/opencl_wrapper.cc (where it looks for OpenCL);
// AOSP, packages/modules/NeuralNetworks (the module's library); Coral, "Get started with the
// M.2 or Mini PCIe accelerator" (/dev/apex_0); NVIDIA, TensorRT in JetPack.
var accelerators = []part{
	{"/vendor/lib64/libOpenCL.so", "gpu"}, {"/system/vendor/lib64/libOpenCL.so", "gpu"}, {"/vendor/lib64/libOpenCL-pixel.so", "gpu"},
	{"/vendor/lib64/egl/libGLES_mali.so", "gpu"},
	{"/apex/com.android.neuralnetworks/lib64/libneuralnetworks.so", "nnapi"}, {"/system/lib64/libneuralnetworks.so", "nnapi"},
	{"/vendor/lib64/libcdsprpc.so", "hexagon"},
	{"/dev/apex_0", "edgetpu"},
	{"/usr/src/tensorrt/bin/trtexec", "tensorrt"},
}

// partsScript prints which of its arguments are there, and "usb" where a Coral stick is
// plugged in: before its first use it is 1a6e:089a, then 18d1:9302. No program but the shell
// is started.
//
//go:embed parts.sh
var partsScript string

// parts are the delegates whose parts were seen, none where that could not be asked: it is
// for people, and no reason to call a device broken.
func parts(ctx context.Context, t transport.Transport) []string {
	var paths []string
	byPath := map[string]string{"usb": delegateEdgeTPU}
	for _, p := range accelerators {
		paths = append(paths, p.path)
		byPath[p.path] = p.delegate
	}
	out, err := transport.Shell(ctx, t, 16<<10, partsScript, paths...)
	if err != nil {
		return nil
	}
	var seen []string
	for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
		if d := byPath[lines.Text()]; d != "" {
			seen = append(seen, d)
		}
	}
	return seen
}
