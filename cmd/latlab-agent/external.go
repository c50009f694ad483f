//go:build xnnpack_builtin

package main

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/lite/c/c_api.h"
#include "tensorflow/lite/c/common.h"

// The plug-in functions of an external delegate (LiteRT,
// tflite/delegates/external/external_delegate_interface.h).
typedef TfLiteDelegate* (*create_function)(char** keys, char** values, size_t count, void (*report)(const char*));
typedef void (*destroy_function)(TfLiteDelegate*);

typedef struct {
  create_function create;
  destroy_function destroy;
  TfLiteDelegate* delegate;
  char error[2048];
} latlab_plugin;

// One delegate a process, because a report callback has no argument for our own pointer.
static latlab_plugin plugin;

static void report(const char* message) {
  size_t used = strlen(plugin.error);
  if (message == NULL || used + 2 >= sizeof plugin.error) return;
  if (used > 0) {
    plugin.error[used++] = ' ';
    plugin.error[used] = 0;
  }
  strncat(plugin.error, message, sizeof plugin.error - used - 1);
}

static void* symbol(void* handle, const char* name) {
  void* found = dlsym(handle, name);
  const char* why = dlerror();
  if (found == NULL) report(why != NULL ? why : name);
  return found;
}

// With the flags that the runtime itself loads delegates with (tflite/shared_library.h).
static int latlab_load(const char* path) {
  memset(&plugin, 0, sizeof plugin);
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == NULL) {
    report(dlerror());
    return 0;
  }
  plugin.create = (create_function)symbol(handle, "tflite_plugin_create_delegate");
  plugin.destroy = (destroy_function)symbol(handle, "tflite_plugin_destroy_delegate");
  return plugin.create != NULL && plugin.destroy != NULL;
}

static int latlab_create(char** keys, char** values, size_t count) {
  plugin.delegate = plugin.create(keys, values, count, report);
  return plugin.delegate != NULL;
}

enum { latlab_usual, latlab_opaque, latlab_older };

// A delegate has either a Prepare or a builder. The struct of an older TFLite ends before the
// builder, so a library of that time has other data there, which the runtime would call.
static int latlab_layout(void) {
  if (plugin.delegate->Prepare == NULL) return latlab_opaque;
  return plugin.delegate->opaque_delegate_builder != NULL ? latlab_older : latlab_usual;
}

static void* latlab_delegate(void) { return plugin.delegate; }
static void latlab_destroy(void) { plugin.destroy(plugin.delegate); }
static const char* latlab_error(void) { return plugin.error; }
*/
import "C"

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"latlab/devices"
	"latlab/devices/agent/wire"
)

// external is a delegate made by a vendor's library.
//
// Its plug-in functions are called as TFLite's Python does, and not through
// TfLiteExternalDelegateCreate, which hands the library no function to report errors with
// (external_delegate.cc): a vendor's error about a missing accelerator would be lost.
type external struct {
	sha256 string
	args   []*C.char // freed at the end: a library may keep the pointers
}

// newExternal loads the library and makes its delegate. The library stays loaded, because its
// threads may still run.
func newExternal(d *wire.Plugin) (*external, error) {
	if d == nil {
		return nil, fault(devices.FaultLab, "request", "an external delegate needs its plugin")
	}
	if !filepath.IsAbs(d.Library) {
		// A bare name would be searched for, and the path of the library would be unknown.
		return nil, fault(devices.FaultUser, devices.ReasonDelegate, "the delegate's library %q is not an absolute path", d.Library)
	}
	if _, err := os.Stat(d.Library); err != nil {
		return nil, fault(devices.FaultUser, devices.ReasonDelegate, "the library of the delegate %s: %v", d.Name, err)
	}
	path := C.CString(d.Library)
	defer C.free(unsafe.Pointer(path))
	if C.latlab_load(path) == 0 {
		return nil, fault(devices.FaultUser, devices.ReasonDelegate, "%s cannot be loaded as a delegate: %s", d.Library, pluginError())
	}
	e := &external{sha256: fileHash(d.Library)}
	if err := e.create(d); err != nil {
		e.free()
		return nil, err
	}
	return e, nil
}

func (e *external) create(d *wire.Plugin) error {
	n := len(d.Options)
	keys, values := make([]*C.char, n+1), make([]*C.char, n+1)
	for i, k := range slices.Sorted(maps.Keys(d.Options)) {
		keys[i], values[i] = C.CString(k), C.CString(d.Options[k])
		e.args = append(e.args, keys[i], values[i])
	}
	if C.latlab_create(&keys[0], &values[0], C.size_t(n)) == 0 {
		return fault(devices.FaultDevice, devices.ReasonDelegate, "%s makes no delegate: %s", d.Library, pluginError())
	}
	switch C.latlab_layout() {
	case C.latlab_opaque:
		C.latlab_destroy()
		return fault(devices.FaultUser, devices.ReasonDelegate, "the delegate of %s has no Prepare: an opaque one cannot be proven", d.Library)
	case C.latlab_older:
		C.latlab_destroy()
		return fault(devices.FaultUser, devices.ReasonDelegate, "the delegate of %s is laid out as an older TFLite's, which TFLite %s cannot run: take a build of it for a newer TFLite", d.Library, runtimeVersion())
	}
	return nil
}

func pluginError() string {
	if text := strings.TrimSpace(C.GoString(C.latlab_error())); text != "" {
		return text
	}
	return "it does not say why"
}

// Ptr is the TfLiteDelegate.
func (e *external) Ptr() unsafe.Pointer { return C.latlab_delegate() }

// Delete gives the delegate back to its library.
func (e *external) Delete() {
	C.latlab_destroy()
	e.free()
}

func (e *external) free() {
	for _, a := range e.args {
		C.free(unsafe.Pointer(a))
	}
	e.args = nil
}

// load makes an external delegate without a model.
func load(req wire.Request) (wire.Response, error) {
	resp := wire.Response{Type: wire.Load}
	e, err := newExternal(req.Plugin)
	if err != nil {
		return resp, err
	}
	defer e.Delete()
	resp.Library = e.sha256
	return resp, nil
}
