package main

import (
	"os/signal"
	"syscall"
	"unsafe"
)

// kernelAction is the kernel's struct sigaction, large enough for amd64 and arm64.
type kernelAction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

// resetSignal restores the default action of a signal that the Go runtime handles.
func resetSignal(s syscall.Signal) {
	signal.Reset(s)
	var deflt kernelAction
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&deflt)), 0, unsafe.Sizeof(deflt.mask), 0, 0)
}
