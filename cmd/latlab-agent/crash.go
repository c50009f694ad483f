//go:build xnnpack_builtin

package main

// #include <signal.h>
//
// static void latlab_die_of(int s) { signal(s, SIG_DFL); }
import "C"

import "syscall"

// dieOfSignals lets a crash of the runtime end the process by a signal, which devices/agent counts
// as the model's fault. Go's handlers would print goroutines and exit with code 2, which counts as
// the device's fault and is retried in vain. The price is that a nil pointer in the agent's own code
// causes no panic with a trace either.
func dieOfSignals() {
	for _, s := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGABRT} {
		C.latlab_die_of(C.int(s))
	}
}
