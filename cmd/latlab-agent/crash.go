//go:build xnnpack_builtin

package main

// #include <signal.h>
//
// static void latlab_die_of(int s) { signal(s, SIG_DFL); }
import "C"

import "syscall"

// dieOfSignals lets a runtime that crashes end the process by its signal, which says that
// the model did it. Go's own handlers would print a page of goroutines and leave with exit
// code 2, as if the agent had given up: the fault of the device, tried again in vain. The
// price is that a nil pointer of the agent's own is no panic with a trace either.
func dieOfSignals() {
	for _, s := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGABRT} {
		C.latlab_die_of(C.int(s))
	}
}
