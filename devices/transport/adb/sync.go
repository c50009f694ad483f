package adb

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"latlab/devices"
	"latlab/devices/transport"
	"latlab/internal/text"
)

// Limits of the file protocol. Source: AOSP, packages/modules/adb/SYNC.TXT and
// file_sync_protocol.h.
const (
	syncChunk = 64 << 10 // SYNC_DATA_MAX
	maxPath   = 1024
	maxFail   = 4096 // text of a failure

	// privateFile is a regular file without any permission. adbd gives group and others the
	// owner's permissions, so 0600 would be readable for all until it is changed; adbd writes
	// through the descriptor with which it made the file, and needs no permission. Source:
	// AOSP, daemon/file_sync_service.cpp, send_impl and handle_send_file.
	privateFile = 0o100000
)

// files is a connection to the phone's file service.
type files struct {
	d *Device
	w *wire
}

func (d *Device) files(ctx context.Context) (*files, error) {
	w, err := d.open(ctx, "sync:")
	if err != nil {
		return nil, err
	}
	return &files{d, w}, nil
}

func (f *files) close() { _ = f.w.Close() }

// send begins a request: four letters, a length, and that many bytes.
func (f *files) send(id string, body []byte) error {
	head := binary.LittleEndian.AppendUint32([]byte(id), uint32(len(body)))
	_, err := f.w.Write(append(head, body...))
	return err
}

// head reads four letters and a number.
func (f *files) head() (id string, n uint32, err error) {
	var b [8]byte
	if _, err := io.ReadFull(f.w, b[:]); err != nil {
		return "", 0, err
	}
	return string(b[:4]), binary.LittleEndian.Uint32(b[4:]), nil
}

// failure converts the phone's message about a file to an error.
func (f *files) failure(n uint32) error {
	if n > maxFail {
		return fmt.Errorf("the phone announces a message of %d bytes", n)
	}
	said := make([]byte, n)
	if _, err := io.ReadFull(f.w, said); err != nil {
		return err
	}
	return fileError(text.Line(string(said), maxClip))
}

// fileError: the phone's messages are those of its C library.
func fileError(text string) error {
	for _, known := range []struct {
		words string
		err   error
	}{
		{"No such file or directory", fs.ErrNotExist}, {"Permission denied", fs.ErrPermission},
		{"Operation not permitted", fs.ErrPermission}, {"No space left on device", errFull}, {"Disk quota exceeded", errFull},
	} {
		if strings.Contains(text, known.words) {
			return fmt.Errorf("%w: %s", known.err, text)
		}
	}
	return &said{text}
}

// said is an error that quotes the phone's message about a file, so the phone is there.
type said struct{ text string }

func (e *said) Error() string { return e.text }

var errFull = errors.New("no space left on the device")

// ended converts an error of the connection to ReasonOffline, and keeps the phone's own
// messages.
func (f *files) ended(ctx context.Context, err error) error {
	var word *said
	switch {
	case err == nil, errors.As(err, &word), errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, errFull):
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	return f.d.lost(ctx, f.w, err)
}

func checkPath(p string) error {
	switch {
	case !path.IsAbs(p):
		return fmt.Errorf("%q is not absolute", p)
	case strings.ContainsRune(p, 0):
		return fmt.Errorf("%q has a zero byte", p)
	case len(p) > maxPath-64: // room for a temporary name and the mode
		return fmt.Errorf("a path of %d bytes is more than adb takes", len(p))
	}
	return nil
}

// Put sends a file under a temporary name, private until its mode is set, and renames it.
func (d *Device) Put(ctx context.Context, f transport.File) error {
	if err := checkPath(f.Path); err != nil {
		return err
	}
	temp := fmt.Sprintf("%s.%08x", f.Path, rand.Uint32())
	err := d.push(ctx, temp, f)
	if err == nil {
		_, err = transport.Shell(ctx, d, maxReply, `[ ! -d "$3" ] || { echo "$3: Is a directory" >&2; exit 1; }; chmod "$1" "$2" && mv -f "$2" "$3"`, strconv.FormatUint(uint64(f.Mode.Perm()), 8), temp, f.Path)
	}
	if err == nil {
		return nil
	}
	d.remove(ctx, temp)
	if errors.Is(err, errFull) {
		return d.full(ctx, f, err)
	}
	return err
}

// remove deletes what a failed push left; if the phone went offline, it stays until latlab's
// folder is cleaned.
func (d *Device) remove(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killPatience)
	defer cancel()
	_, _ = transport.Shell(ctx, d, maxReply, `rm -f "$1"`, name)
}

func (d *Device) full(ctx context.Context, f transport.File, err error) error {
	dir := path.Dir(f.Path)
	return &devices.Error{Fault: devices.FaultDevice, Op: "push to adb " + d.serial, Reason: devices.ReasonFull,
		Err: fmt.Errorf("no room for %d bytes%s: %w", f.Size, d.free(ctx, dir), err), Advice: "make room there; what is used: adb -s " + text.ShellWord(d.serial) + " shell df -h " + dir}
}

// free describes the free space, if df reports it.
func (d *Device) free(ctx context.Context, dir string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), killPatience)
	defer cancel()
	out, err := transport.Shell(ctx, d, maxReply, `df -k "$1"`, dir)
	if free := transport.ParseFree(out); err == nil && free >= 0 {
		return fmt.Sprintf(", %d are free", free)
	}
	return ""
}

func (d *Device) push(ctx context.Context, temp string, f transport.File) error {
	s, err := d.files(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.send("SEND", fmt.Appendf(nil, "%s,%d", temp, privateFile)); err != nil {
		return s.ended(ctx, err)
	}
	local, err := s.content(ctx, f)
	if local != nil {
		return local
	}
	// The phone's reason is more useful than the broken connection that follows it.
	if err == nil {
		err = s.send("DONE", nil)
	}
	if answer := s.answer(); answer != nil && !isBroken(answer) || err == nil {
		err = answer
	}
	return s.ended(ctx, err)
}

func isBroken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// content sends the file's bytes. local is an error of reading them.
func (f *files) content(ctx context.Context, file transport.File) (local, wire error) {
	content, buf := file.Exactly(), make([]byte, syncChunk)
	for {
		n, err := io.ReadFull(content, buf)
		if n > 0 {
			if err := ctx.Err(); err != nil {
				return err, nil
			}
			if err := f.send("DATA", buf[:n]); err != nil {
				return nil, err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, nil
		case err != nil:
			return err, nil
		}
	}
}

// answer reads whether a request succeeded.
func (f *files) answer() error {
	id, n, err := f.head()
	switch {
	case err != nil:
		return err
	case id == "OKAY":
		return nil
	case id == "FAIL":
		return f.failure(n)
	}
	return fmt.Errorf("the phone answers %q to a file", id)
}

// Get implements transport.Transport.
func (d *Device) Get(ctx context.Context, name string, w io.Writer, limit int64) error {
	if err := checkPath(name); err != nil {
		return err
	}
	s, err := d.files(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.send("RECV", []byte(name)); err != nil {
		return s.ended(ctx, err)
	}
	var written error
	err = s.receive(func(chunk []byte) error {
		if limit -= int64(len(chunk)); limit < 0 {
			written = fmt.Errorf("%s is longer than was expected", name)
		} else {
			_, written = w.Write(chunk)
		}
		return written
	})
	if written != nil {
		return written
	}
	return s.ended(ctx, err)
}

// receive reads chunks up to the end of the file.
func (f *files) receive(take func([]byte) error) error {
	buf := make([]byte, syncChunk)
	for {
		id, n, err := f.head()
		switch {
		case err != nil:
			return err
		case id == "DONE":
			return nil
		case id == "FAIL":
			return f.failure(n)
		case id != "DATA" || n > syncChunk:
			return fmt.Errorf("the phone sends %q with %d bytes in a file", id, n)
		}
		if _, err := io.ReadFull(f.w, buf[:n]); err != nil {
			return err
		}
		if err := take(buf[:n]); err != nil {
			return err
		}
	}
}

// Stat returns a file's details and follows links.
func (d *Device) Stat(ctx context.Context, name string) (transport.Info, error) {
	if err := checkPath(name); err != nil {
		return transport.Info{}, err
	}
	s, err := d.files(ctx)
	if err != nil {
		return transport.Info{}, err
	}
	defer s.close()
	id, read := "STAT", s.stat1
	if slices.Contains(d.features, "stat_v2") {
		id, read = "STA2", s.stat2
	}
	if err := s.send(id, []byte(name)); err != nil {
		return transport.Info{}, s.ended(ctx, err)
	}
	info, err := read(name)
	return info, s.ended(ctx, err)
}

// stat1 reads the old answer: mode, size of 32 bits, time; all zero if there is no file.
func (f *files) stat1(name string) (transport.Info, error) {
	var b [16]byte
	if _, err := io.ReadFull(f.w, b[:]); err != nil {
		return transport.Info{}, err
	}
	u := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	if string(b[:4]) != "STAT" {
		return transport.Info{}, fmt.Errorf("the phone answers %q to a file", b[:4])
	}
	if u(4) == 0 {
		return transport.Info{}, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return transport.Info{Size: int64(u(8)), Mode: transport.FileMode(u(4)), ModTime: time.Unix(int64(u(12)), 0)}, nil
}

// stat2 reads the new answer.
func (f *files) stat2(name string) (transport.Info, error) {
	var b [72]byte
	if _, err := io.ReadFull(f.w, b[:]); err != nil {
		return transport.Info{}, err
	}
	if string(b[:4]) != "STA2" {
		return transport.Info{}, fmt.Errorf("the phone answers %q to a file", b[:4])
	}
	var v struct {
		Error                 uint32
		Dev, Ino              uint64
		Mode, Links, UID, GID uint32
		Size                  uint64
		ATime, MTime, CTime   int64
	}
	if err := binary.Read(bytes.NewReader(b[4:]), binary.LittleEndian, &v); err != nil {
		return transport.Info{}, err
	}
	const enoent, eacces, eperm = 2, 13, 1
	switch v.Error {
	case 0:
		return transport.Info{Size: int64(v.Size), Mode: transport.FileMode(v.Mode), ModTime: time.Unix(v.MTime, 0)}, nil
	case enoent:
		return transport.Info{}, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	case eacces, eperm:
		return transport.Info{}, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrPermission}
	}
	return transport.Info{}, &said{fmt.Sprintf("stat %s: error %d", name, v.Error)}
}
