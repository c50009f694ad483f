package inventory

import (
	"context"
	_ "embed"
	"strings"

	"latlab/devices/tool/edgetpu"
	"latlab/devices/transport"
)

// part is a file that shows that a machine may have an accelerator.
type part struct{ path, delegate string }

// acceleratorParts are driver files by which a delegate is known to be possible. Whether it works
// with a model only a run can show.
//
// Source: LiteRT, tflite/delegates/gpu/cl/opencl_wrapper.cc (where it looks for OpenCL); AOSP,
// packages/modules/NeuralNetworks (the module's library); Coral, "Get started with the M.2 or Mini
// PCIe accelerator" (/dev/apex_0); NVIDIA, TensorRT in JetPack.
var acceleratorParts = []part{
	{"/vendor/lib64/libOpenCL.so", "gpu"}, {"/system/vendor/lib64/libOpenCL.so", "gpu"}, {"/vendor/lib64/libOpenCL-pixel.so", "gpu"},
	{"/vendor/lib64/egl/libGLES_mali.so", "gpu"},
	{"/apex/com.android.neuralnetworks/lib64/libneuralnetworks.so", "nnapi"}, {"/system/lib64/libneuralnetworks.so", "nnapi"},
	{"/vendor/lib64/libcdsprpc.so", "hexagon"},
	{"/dev/apex_0", "edgetpu"},
	{"/usr/src/tensorrt/bin/trtexec", "tensorrt"},
}

// acceleratorsScript prints which of its arguments exist, and "usb" if a Coral USB stick is plugged
// in: its id is 1a6e:089a before its first use and 18d1:9302 afterwards. It starts no program but
// the shell.
//
//go:embed accelerators.sh
var acceleratorsScript string

// accelerators returns the delegates whose files were found, none if the script failed: the list is
// for people, and a failure does not make the device broken.
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
	for line := range strings.SplitSeq(out, "\n") {
		if d := byPath[strings.TrimSpace(line)]; d != "" {
			seen = append(seen, d)
		}
	}
	return seen
}
