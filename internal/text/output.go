package text

import (
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

// LastLine is the last line of an output that is not blank; "" where there is none.
func LastLine(s string) string {
	s = strings.TrimSpace(s)
	return strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}
