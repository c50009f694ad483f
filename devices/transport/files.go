package transport

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
)

// Exactly returns the content of a file. Its Read fails if there are not exactly Size bytes.
func (f File) Exactly() io.Reader { return &exact{f: f} }

type exact struct {
	f    File
	read int64
}

func (e *exact) Read(b []byte) (int, error) {
	n, err := e.f.Content.Read(b)
	e.read += int64(n)
	if e.read > e.f.Size || errors.Is(err, io.EOF) && e.read < e.f.Size {
		return 0, fmt.Errorf("%s: %d bytes or more instead of %d", e.f.Path, e.read, e.f.Size)
	}
	return n, err
}

// CopyLimited copies a file of at most limit bytes in chunks of 1 MiB, which sftp fetches in
// parallel. It does not rely on the size that the file reports.
func CopyLimited(w io.Writer, r io.Reader, name string, limit int64) error {
	const chunk = 1 << 20
	buf := make([]byte, min(chunk-1, limit)+1)
	for left := limit; ; {
		n, err := r.Read(buf[:min(chunk-1, left)+1])
		if left -= int64(n); left < 0 {
			return fmt.Errorf("%s has more than %d bytes", name, limit)
		}
		if _, e := w.Write(buf[:n]); e != nil {
			return e
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// ParseFree returns the free bytes in the output of `df -Pk` or `df -k`, or -1 if it has a
// different format. (POSIX: file system, 1024-blocks, used, available, capacity in percent,
// mounted on.) Names may contain spaces, and without -P a long name has its own line, so the
// figures are found by the percent sign.
func ParseFree(out string) int64 {
	out = strings.TrimSpace(out)
	fields := strings.Fields(out[strings.IndexByte(out, '\n')+1:])
	for i := 4; i < len(fields); i++ {
		percent, found := strings.CutSuffix(fields[i], "%")
		if !found || !number(percent) || !number(fields[i-1]) || !number(fields[i-2]) || !number(fields[i-3]) {
			continue
		}
		if kib, err := strconv.ParseInt(fields[i-1], 10, 64); err == nil && kib <= 1<<50 {
			return kib << 10
		}
		return -1
	}
	return -1
}

func number(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// FileMode converts a POSIX st_mode.
func FileMode(m uint32) fs.FileMode {
	types := map[uint32]fs.FileMode{
		0o040000: fs.ModeDir, 0o120000: fs.ModeSymlink, 0o010000: fs.ModeNamedPipe, 0o140000: fs.ModeSocket,
		0o060000: fs.ModeDevice, 0o020000: fs.ModeDevice | fs.ModeCharDevice, 0o100000: 0,
	}
	kind, known := types[m&0o170000]
	if !known {
		kind = fs.ModeIrregular
	}
	return kind | fs.FileMode(m&0o777)
}
