package text

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// Tail keeps at most the given number of bytes of an output's end, after a line that says how many
// bytes are left out.
func Tail(s string, most int) string {
	w := TailWriter{Most: most}
	_, _ = w.Write([]byte(s))
	return w.String()
}

// TailWriter keeps the end of what is written to it. String may be called while it is written.
type TailWriter struct {
	Most int // bytes that are kept

	mu   sync.Mutex
	kept []byte
	lost int
}

// Write never fails.
func (w *TailWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept = append(w.kept, p...)
	if n := len(w.kept) - w.Most; n > 0 {
		w.kept = append(w.kept[:0], w.kept[n:]...)
		w.lost += n
	}
	return len(p), nil
}

// String returns the end as Tail does.
func (w *TailWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost == 0 {
		return string(w.kept)
	}
	whole := strings.ToValidUTF8(string(w.kept), "") // the first character may be cut
	return fmt.Sprintf("[%d bytes left out]\n%s", w.lost+len(w.kept)-len(whole), whole)
}

// EndsWriter keeps whole lines of the beginning and of the end of what is written to it. It is not
// safe for concurrent use.
type EndsWriter struct {
	Most int // bytes that are kept

	head, tail []byte
	lost       int64
}

// Write never fails.
func (w *EndsWriter) Write(p []byte) (int, error) {
	n := len(p)
	if room := min(w.Most/2-len(w.head), n); room > 0 && len(w.tail) == 0 {
		w.head, p = append(w.head, p[:room]...), p[room:]
	}
	// The end is moved only when twice its size is there, so that no byte is copied often.
	most := w.Most - w.Most/2
	if over := len(p) - most; over > 0 {
		w.lost += int64(len(w.tail) + over)
		w.tail, p = w.tail[:0], p[over:]
	}
	w.tail = append(w.tail, p...)
	if len(w.tail) >= 2*most {
		w.trim(most)
	}
	return n, nil
}

func (w *EndsWriter) trim(most int) {
	if over := len(w.tail) - most; over > 0 {
		w.tail = append(w.tail[:0], w.tail[over:]...)
		w.lost += int64(over)
	}
}

// ends drops the lines that are incomplete because of what is left out. A line that is longer than
// the half that is kept of it stays incomplete.
func (w *EndsWriter) ends() (head, tail []byte, lost int64) {
	w.trim(w.Most - w.Most/2)
	head, tail = w.head, w.tail
	if w.lost == 0 {
		return head, tail, 0
	}
	if i := bytes.LastIndexByte(head, '\n'); i >= 0 {
		head = head[:i+1]
	}
	if i := bytes.IndexByte(tail, '\n'); i >= 0 && i+1 < len(tail) {
		tail = tail[i+1:]
	}
	return head, tail, w.lost + int64(len(w.head)-len(head)+len(w.tail)-len(tail))
}

// Left is how many bytes are left out.
func (w *EndsWriter) Left() int64 {
	_, _, lost := w.ends()
	return lost
}

// String returns what is kept; a line says how many bytes are left out where they were.
func (w *EndsWriter) String() string {
	head, tail, lost := w.ends()
	if lost == 0 {
		return string(head) + string(tail)
	}
	between := fmt.Sprintf("[%d bytes left out]\n", lost)
	if len(head) > 0 && head[len(head)-1] != '\n' {
		between = "\n" + between
	}
	return string(head) + between + string(tail)
}

// LastLine is the last line of an output that is not blank; "" where there is none.
func LastLine(s string) string {
	s = strings.TrimSpace(s)
	return strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}
