package sshtest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// running is a process as /proc describes it.
type running struct{ pid, parent int }

// processes returns all processes that are not dead.
func processes() []running {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	var out []running
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		// The name in brackets may contain anything, so fields are counted from its end.
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		parent, _ := strconv.Atoi(fields[1])
		out = append(out, running{pid, parent})
	}
	return out
}

// Sessions returns the processes below sshd: those that serve connections, and the programs
// that they started unless these are orphaned.
func (s *Server) Sessions() []int {
	if s.sshd == nil {
		return nil
	}
	return below(processes(), s.pid())
}

func below(all []running, parent int) []int {
	var out []int
	for _, p := range all {
		if p.parent == parent {
			out = append(append(out, p.pid), below(all, p.pid)...)
		}
	}
	return out
}

// Left returns the programs, including orphans, that a session of this server started. They
// are recognised by their environment, in which sshd puts the port of the connection.
func (s *Server) Left() []int {
	var out []int
	for _, p := range processes() {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/environ")
		if err != nil {
			continue
		}
		for e := range strings.SplitSeq(string(b), "\x00") {
			if v, ok := strings.CutPrefix(e, "SSH_CONNECTION="); ok && strings.HasSuffix(v, " "+s.proxy.targetPort()) {
				out = append(out, p.pid)
			}
		}
	}
	return out
}

func kill(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }
