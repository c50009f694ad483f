package adbtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	syncChunk = 64 << 10
	maxPath   = 1024
)

// files serves one connection to the phone's file service.
type files struct {
	f *Fake
	s io.ReadWriter
}

// sync answers requests until one fails, as adbd does.
func (f *Fake) sync(s io.ReadWriteCloser) {
	for (files{f, s}).request() {
	}
}

func (s files) head() (string, uint32, error) {
	var b [8]byte
	_, err := io.ReadFull(s.s, b[:])
	return string(b[:4]), binary.LittleEndian.Uint32(b[4:]), err
}

func (s files) send(id string, n uint32, body ...byte) bool {
	_, err := s.s.Write(append(binary.LittleEndian.AppendUint32([]byte(id), n), body...))
	return err == nil
}

func (s files) fail(text string) bool {
	s.send("FAIL", uint32(len(text)), []byte(text)...)
	return false
}

// failed formats an error as adbd does: the operation, and errno's text.
func (s files) failed(what string, err error) bool {
	var no syscall.Errno
	if errors.As(err, &no) {
		text := no.Error()
		return s.fail(what + ": " + strings.ToUpper(text[:1]) + text[1:])
	}
	return s.fail(what + ": " + err.Error())
}

func (s files) request() bool {
	id, n, err := s.head()
	if err != nil {
		return false
	}
	if n > maxPath {
		return s.fail("path too long")
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s.s, b); err != nil {
		return false
	}
	name := string(b)
	switch id {
	case "STAT":
		return s.stat1(name)
	case "STA2":
		return s.stat2(id, name, syscall.Stat)
	case "LST2":
		return s.stat2(id, name, syscall.Lstat)
	case "LIST":
		return s.list(name)
	case "SEND":
		return s.receive(name)
	case "RECV":
		return s.deliver(name)
	}
	if id != "QUIT" {
		return s.fail(fmt.Sprintf("unknown command %08x", binary.LittleEndian.Uint32([]byte(id))))
	}
	return false
}

func (s files) path(name string) string { return filepath.Join(s.f.o.Root, "/", name) }

func (s files) stat1(name string) bool {
	var st syscall.Stat_t
	_ = syscall.Lstat(s.path(name), &st)
	body := binary.LittleEndian.AppendUint32(nil, uint32(st.Size))
	return s.send("STAT", st.Mode, binary.LittleEndian.AppendUint32(body, uint32(st.Mtim.Sec))...)
}

func (s files) stat2(id, name string, stat func(string, *syscall.Stat_t) error) bool {
	var st syscall.Stat_t
	var no syscall.Errno
	if err := stat(s.path(name), &st); errors.As(err, &no) {
		st = syscall.Stat_t{}
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(st.Dev)) //nolint:unconvert // its width differs between machines
	b = binary.LittleEndian.AppendUint64(b, st.Ino)
	for _, v := range []uint32{st.Mode, uint32(st.Nlink), st.Uid, st.Gid} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	for _, v := range []int64{st.Size, st.Atim.Sec, st.Mtim.Sec, st.Ctim.Sec} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return s.send(id, uint32(no), b...)
}

func (s files) list(name string) bool {
	entries, _ := os.ReadDir(s.path(name))
	for _, e := range entries {
		var st syscall.Stat_t
		if syscall.Lstat(filepath.Join(s.path(name), e.Name()), &st) != nil {
			continue
		}
		var b []byte
		for _, v := range []uint32{uint32(st.Size), uint32(st.Mtim.Sec), uint32(len(e.Name()))} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		if !s.send("DENT", st.Mode, append(b, e.Name()...)...) {
			return false
		}
	}
	return s.send("DONE", 0, make([]byte, 12)...)
}

func (s files) deliver(name string) bool {
	file, err := os.Open(s.path(name))
	if err != nil {
		return s.failed("open failed", err)
	}
	defer file.Close()
	buf := make([]byte, syncChunk)
	for {
		n, err := file.Read(buf)
		if n > 0 && !s.send("DATA", uint32(n), buf[:n]...) {
			return false
		}
		if errors.Is(err, io.EOF) {
			return s.send("DONE", 0)
		}
		if err != nil {
			return s.failed("read failed", err)
		}
	}
}

// receive stores a file as adbd does: it first removes what has the name, makes missing
// folders, and gives group and others the owner's permissions. If it fails it reports this at
// once, reads on to the end of what is sent, and removes the file.
func (s files) receive(spec string) bool {
	s.f.moment(Push)
	comma := strings.LastIndexByte(spec, ',')
	if comma < 0 {
		return s.fail("missing , in ID_SEND_V1")
	}
	mode, err := strconv.ParseUint(spec[comma+1:], 0, 32)
	if err != nil {
		return s.fail("bad mode")
	}
	name := s.path(spec[:comma])
	if st, err := os.Lstat(name); err == nil && (st.Mode().IsRegular() || st.Mode()&fs.ModeSymlink != 0) {
		_ = os.Remove(name)
	}
	perm := fs.FileMode(mode) & 0o777
	perm |= perm>>3&0o070 | perm>>6&0o007
	file, err := s.create(name, perm)
	if err != nil {
		s.failed("couldn't create file", err)
		s.swallow()
		return false
	}
	when, err := s.content(file)
	err = errors.Join(err, file.Close())
	var full *writeError
	if errors.As(err, &full) {
		s.failed("write failed", full.err)
		s.swallow()
	}
	if err != nil {
		_ = os.Remove(name)
		return false
	}
	_ = os.Chtimes(name, when, when)
	return s.send("OKAY", 0)
}

func (s files) create(name string, perm fs.FileMode) (*os.File, error) {
	if b := s.f.broken(); b.full && b.room <= 0 {
		return nil, syscall.ENOSPC
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(name), 0o775); err != nil {
			return nil, err
		}
		file, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	}
	if errors.Is(err, fs.ErrExist) {
		file, err = os.OpenFile(name, os.O_WRONLY, perm)
	}
	if err == nil {
		_ = file.Chmod(perm)
	}
	return file, err
}

// writeError reports whether an error is of the phone's disk and not of the connection.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }

func (s files) content(file *os.File) (time.Time, error) {
	buf := make([]byte, syncChunk)
	for {
		id, n, err := s.head()
		switch {
		case err != nil:
			return time.Time{}, err
		case id == "DONE":
			return time.Unix(int64(n), 0), nil
		case id != "DATA", n > syncChunk:
			s.fail("invalid data message")
			return time.Time{}, errors.New("invalid data message")
		}
		if _, err := io.ReadFull(s.s, buf[:n]); err != nil {
			return time.Time{}, err
		}
		if err := s.f.spend(int64(n)); err != nil {
			return time.Time{}, err
		}
		if _, err := file.Write(buf[:n]); err != nil {
			return time.Time{}, &writeError{err}
		}
	}
}

// spend takes bytes from the remaining room, and breaks the connection if a test asked for
// that.
func (f *Fake) spend(n int64) error {
	f.mu.Lock()
	full := f.fault.full && f.fault.room < n
	if f.fault.full && !full {
		f.fault.room -= n
	}
	drop := f.fault.drop > 0 && f.fault.drop <= n
	f.fault.drop = max(0, f.fault.drop-n)
	f.mu.Unlock()
	switch {
	case full:
		return &writeError{syscall.ENOSPC}
	case drop:
		f.cut()
		return io.ErrUnexpectedEOF
	}
	return nil
}

// swallow reads and discards the rest of a file that was refused.
func (s files) swallow() {
	for {
		id, n, err := s.head()
		if err != nil || id != "DATA" || n > syncChunk {
			return
		}
		if _, err := io.CopyN(io.Discard, s.s, int64(n)); err != nil {
			return
		}
	}
}
