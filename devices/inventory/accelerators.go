package inventory

import (
	"bufio"
	"context"
	_ "embed"
	"strings"

	"latlab/devices/tool/edgetpu"
	"latlab/devices/transport"
)

// part is something of an accelerator that may be on a machine.
type part struct{ path, delegate string }

// acceleratorParts are parts by which a delegate is known to be possible: what the driver of a
// phone or board puts there. That it works with a model only timing tells.
//
// Source: LiteRT, tflite/delegates/gpu/cl/opencl_wrapper.cc (where it looks for OpenCL);
// AOSP, packages/modules/NeuralNetworks (the module's library); Coral, "Get started with the
// M.2 or Mini PCIe accelerator" (/dev/apex_0); NVIDIA, TensorRT in JetPack.
var acceleratorParts = []part{
	{"/vendor/lib64/libOpenCL.so", "gpu"}, {"/system/vendor/lib64/libOpenCL.so", "gpu"}, {"/vendor/lib64/libOpenCL-pixel.so", "gpu"},
	{"/vendor/lib64/egl/libGLES_mali.so", "gpu"},
	{"/apex/com.android.neuralnetworks/lib64/libneuralnetworks.so", "nnapi"}, {"/system/lib64/libneuralnetworks.so", "nnapi"},
	{"/vendor/lib64/libcdsprpc.so", "hexagon"},
	{"/dev/apex_0", "edgetpu"},
	{"/usr/src/tensorrt/bin/trtexec", "tensorrt"},
}

// acceleratorsScript prints which of its arguments are there, and "usb" where a Coral stick is
// plugged in: before its first use it is 1a6e:089a, then 18d1:9302. No program but the shell
// is started.
//
//go:embed accelerators.sh
var acceleratorsScript string

// accelerators are the delegates whose parts were seen, none where that could not be asked: it is
// for people, and no reason to call a device broken.
func accelerators(ctx context.Context, t transport.Transport) []string {
	var paths []string
	byPath := map[string]string{"usb": edgetpu.Delegate}
	for _, p := range acceleratorParts {
		paths = append(paths, p.path)
		byPath[p.path] = p.delegate
	}
	out, err := transport.Shell(ctx, t, 16<<10, acceleratorsScript, paths...)
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
