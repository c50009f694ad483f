//go:build xnnpack_builtin

package main

/*
#define _GNU_SOURCE
#include <link.h>
#include <stdlib.h>
#include <string.h>

static const char* base(const char* path) {
  const char* slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

static int visit(struct dl_phdr_info* info, size_t size, void* found) {
  (void)size;
  if (info->dlpi_name == NULL || strcmp(base(info->dlpi_name), "libtensorflowlite_c.so") != 0) return 0;
  *(const char**)found = info->dlpi_name;
  return 1;
}

static const char* latlab_runtime_path(void) {
  const char* path = NULL;
  dl_iterate_phdr(visit, &path);
  return path;
}
*/
import "C"

import (
	"os"
	"time"

	"latlab/devices/agent/wire"
	"latlab/internal/filemark"
)

// runtimeLibrary identifies the loaded runtime library, which need not be the one beside the agent
// (LD_LIBRARY_PATH, LD_PRELOAD). Its path comes from the loader, because /proc/self/maps may be missing.
// The library is hashed, unless latlab has seen the hash of a file with this mark before.
func runtimeLibrary() (hash, mark string) {
	path := C.latlab_runtime_path()
	if path == nil {
		return "", ""
	}
	name := C.GoString(path)
	if m, err := filemark.Of(name); err == nil && !m.Recent(time.Now()) {
		mark = m.String()
	}
	if mark != "" && mark == os.Getenv(wire.KnownLibrary) {
		return "", mark
	}
	hash = fileHash(name)
	// A file that was changed while it was hashed has another mark by now.
	if m, err := filemark.Of(name); err != nil || m.String() != mark {
		mark = ""
	}
	return hash, mark
}
