package adb

import (
	"bytes"
	"io"
	"strconv"
	"sync"
)

// maxPipe is how many bytes a stream keeps for its reader. adbd sends both streams through one
// connection: while a reader reads one stream to its end, the other has to be kept, as the
// kernel's pipes would.
const maxPipe = 256 << 10

// pipe is one of a program's output streams. A full pipe blocks the other one too.
type pipe struct {
	mu             sync.Mutex
	changed        sync.Cond
	buf            bytes.Buffer
	ended, dropped bool
}

func newPipe() *pipe {
	p := &pipe{}
	p.changed.L = &p.mu
	return p
}

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for rest := b; len(rest) > 0; {
		for p.buf.Len() >= maxPipe && !p.dropped {
			p.changed.Wait()
		}
		n := min(len(rest), maxPipe-p.buf.Len())
		if n == 0 { // full and dropped
			break
		}
		p.buf.Write(rest[:n])
		rest = rest[n:]
		p.changed.Broadcast()
	}
	return len(b), nil
}

func (p *pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.buf.Len() == 0 && !p.ended {
		p.changed.Wait()
	}
	if p.buf.Len() == 0 {
		return 0, io.EOF
	}
	p.changed.Broadcast()
	return p.buf.Read(b)
}

// drop makes writers discard what does not fit.
func (p *pipe) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropped = true
	p.changed.Broadcast()
}

// end is the position after the last byte.
func (p *pipe) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.changed.Broadcast()
}

// marks removes the mark with the exit code from an error stream: the mark, digits, a newline.
// Bytes that may be the beginning of a mark are held back until more arrive.
type marks struct {
	mark  []byte
	to    io.Writer
	held  []byte
	found bool
	code  byte
}

// maxDigits is the most digits that an exit code has.
const maxDigits = 3

func (m *marks) Write(b []byte) (int, error) {
	m.held = append(m.held, b...)
	for len(m.held) > 0 {
		n, isMark := m.next()
		if n == 0 {
			break
		}
		if !isMark {
			_, _ = m.to.Write(m.held[:n])
		}
		m.held = m.held[n:]
	}
	m.held = bytes.Clone(m.held)
	return len(b), nil
}

// next returns how many bytes are settled, and whether they are a mark.
func (m *marks) next() (n int, isMark bool) {
	if m.found {
		return len(m.held), false
	}
	at := bytes.Index(m.held, m.mark)
	if at > 0 {
		return at, false
	}
	if at < 0 {
		return len(m.held) - m.beginning(), false
	}
	digits := m.held[len(m.mark):]
	end := bytes.IndexByte(digits, '\n')
	if end < 0 && len(digits) <= maxDigits {
		return 0, false
	}
	code, err := strconv.ParseUint(string(digits[:max(end, 0)]), 10, 8)
	if err != nil {
		return len(m.mark), false
	}
	m.found, m.code = true, byte(code)
	return len(m.mark) + end + 1, true
}

// beginning returns how many bytes at the end could begin a mark.
func (m *marks) beginning() int {
	for n := min(len(m.mark)-1, len(m.held)); n > 0; n-- {
		if bytes.HasSuffix(m.held, m.mark[:n]) {
			return n
		}
	}
	return 0
}

// flush passes on the bytes that were held back.
func (m *marks) flush() {
	_, _ = m.to.Write(m.held)
	m.held = nil
}
