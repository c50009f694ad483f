// Command trtexec stands in for NVIDIA's in tests: it takes the same flags and no others,
// prints and exports in the formats of TensorRT 7, 8 and 10, and reports the latencies of its
// control file (trtfake). It computes nothing.
//
// Formats and loop follow NVIDIA/TensorRT, samples/common/sampleReporting.cpp,
// sampleInference.cpp and logger.h.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"latlab/internal/testboard/trtfake"
)

func main() { os.Exit(run(os.Args)) }

type program struct {
	trtfake.Control
	dir   string // of the program
	args  []string
	opts  map[string]string
	fault string
	index int64
}

func run(args []string) int {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	p := &program{args: args, dir: filepath.Dir(self)}
	if len(args) == 2 && args[1] == "--help" {
		return p.help(filepath.Dir(self))
	}
	if p.Control, p.index, p.fault, err = trtfake.Load(filepath.Dir(self)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	p.header("RUNNING")
	if err := p.parse(args[1:]); err != nil {
		return p.fail(err.Error())
	}
	p.chance()
	if done, code := p.misbehave(); done {
		return code
	}
	if p.opts["--onnx"] != "" {
		return p.build()
	}
	return p.time()
}

func (p *program) help(dir string) int {
	var err error
	if p.Control, _, _, err = peek(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	p.header("RUNNING")
	fmt.Println("=== Model Options ===")
	for _, f := range flags(p.Version) {
		fmt.Printf("  %-27sas in NVIDIA's own help\n", f.name+f.form)
	}
	return 0
}

// header prints "&&&& RUNNING TensorRT.trtexec [TensorRT v8401] # trtexec --onnx=a"; TensorRT 7
// prints no version.
func (p *program) header(word string) {
	version := ""
	if p.Version >= 8000 {
		version = fmt.Sprintf(" [TensorRT v%d]", p.Version)
	}
	if p.Version >= 1e5 {
		version += " [b26]"
	}
	fmt.Printf("&&&& %s TensorRT.trtexec%s # %s\n", word, version, strings.Join(p.args, " "))
}

func log(w io.Writer, level, text string) {
	fmt.Fprintf(w, "[%s] [%s] %s\n", time.Now().Format("01/02/2006-15:04:05"), level, text)
}

func info(format string, args ...any) { log(os.Stdout, "I", fmt.Sprintf(format, args...)) }

func (p *program) pass() int {
	if p.fault == trtfake.NoPass {
		return 0
	}
	p.header("PASSED")
	return 0
}

func (p *program) fail(text string) int {
	log(os.Stderr, "E", text)
	p.header("FAILED")
	return 1
}

// misbehave causes the faults that need no model.
func (p *program) misbehave() (done bool, code int) {
	switch p.fault {
	case trtfake.Crash:
		// A Go program exits on SIGSEGV; a shell is killed by it.
		_ = syscall.Exec("/bin/sh", []string{"sh", "-c", "kill -SEGV $$"}, os.Environ())
	case trtfake.Hang:
		time.Sleep(24 * time.Hour)
	case trtfake.Garbage:
		fmt.Print("\x7fELF\x00 Latency: soon\n&&&& MAYBE\n")
		return true, 0
	case trtfake.Failed:
		return true, p.fail("Error[10]: Could not find any implementation for node conv.")
	case trtfake.CUDA:
		return true, p.fail("Cuda failure: unspecified launch failure")
	case trtfake.Full:
		if p.opts["--onnx"] != "" {
			return true, p.fail("Saving engine to file failed.")
		}
	case trtfake.Endless:
		for {
			if _, err := os.Stdout.WriteString(strings.Repeat("[I] and so on\n", 1000)); err != nil {
				return true, 1
			}
		}
	}
	return false, 0
}
