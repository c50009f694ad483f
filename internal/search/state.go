package search

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"latlab/internal/atomicfile"
	"latlab/regress/evolve"
)

// Identity is what makes two searches the same: how many candidates are looked at, and how many networks
// are returned, may differ.
type Identity struct {
	Space     string  `json:"space"`
	CostModel string  `json:"cost_model_sha256"`
	Below     float64 `json:"below_seconds"`
	Quality   string  `json:"quality"`
	Seed      uint64  `json:"seed"`
}

// stateVersion is that of a state's file and of the evolution: both must be those of this program.
const stateVersion = 1

// StateError is a file that is not the state of this search.
type StateError struct{ File, Reason string }

func (e *StateError) Error() string {
	return fmt.Sprintf("%s %s; name another -o, or remove it", e.File, e.Reason)
}

// ErrRunning is another process that writes the state.
var ErrRunning = errors.New("another search writes it")

// State is a file from which a killed search goes on. Its first line says which search it is of.
// Of a program's answers each has a line, which is written before the next is asked for: the evolution is
// repeated with them, which takes a microsecond an answer. Where a quality costs nothing, the second line is
// the evolution itself, and the file is replaced now and then.
type State struct {
	path    string
	header  stateHeader
	evolved *evolve.State
	answers map[string]float64
	file    *os.File // of answers
}

type stateHeader struct {
	Version int `json:"search_state_version"`
	Identity
}

// stateLine is any other line.
type stateLine struct {
	Evolved *evolve.State `json:"evolved,omitempty"`
	Indices string        `json:"indices,omitempty"`
	Quality *float64      `json:"quality,omitempty"`
}

// OpenState reads a file's state, if it exists. Where answers are kept, the file is made, and no second
// process may open it until this one ends (ErrRunning).
func OpenState(path string, id Identity, answers bool) (*State, error) {
	s := &State{path: path, header: stateHeader{stateVersion, id}, answers: map[string]float64{}}
	if !answers {
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return s, nil
		}
		if err != nil {
			return nil, err
		}
		_, err = s.read(data)
		return s, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := s.resume(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.file = f
	return s, nil
}

// resume reads the answers and makes the file end behind the last whole line.
func (s *State) resume(f *os.File) error {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("%s: %w", s.path, ErrRunning)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	whole, err := s.read(data)
	if err != nil {
		return err
	}
	if err := f.Truncate(int64(whole)); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil || whole > 0 {
		return err
	}
	return writeLine(f, s.header)
}

// read returns how many bytes of the file are whole lines: a kill may have cut the last.
func (s *State) read(data []byte) (whole int, err error) {
	for n := 1; ; n++ {
		end := bytes.IndexByte(data[whole:], '\n')
		if end < 0 {
			if n == 1 && len(data) > 0 && !bytes.HasPrefix(data, []byte(`{"search_state_version"`)) {
				return 0, &StateError{s.path, "is not the state of a search"}
			}
			return whole, nil
		}
		line := data[whole : whole+end]
		if n == 1 {
			err = s.checkHeader(line)
		} else {
			err = s.line(line, n)
		}
		if err != nil {
			return 0, err
		}
		whole += end + 1
	}
}

func (s *State) checkHeader(line []byte) error {
	var h stateHeader
	if json.Unmarshal(line, &h) != nil || h.Version == 0 {
		return &StateError{s.path, "is not the state of a search"}
	}
	was, is := h.Identity, s.header.Identity
	switch {
	case h.Version != stateVersion:
		return &StateError{s.path, fmt.Sprintf("is of version %d, this program continues %d", h.Version, stateVersion)}
	case was.Space != is.Space || was.CostModel != is.CostModel:
		return &StateError{s.path, "is of a search with another cost model"}
	case was.Below != is.Below:
		return &StateError{s.path, fmt.Sprintf("is of a search below %v s, not below %v s", was.Below, is.Below)}
	case was.Quality != is.Quality:
		return &StateError{s.path, fmt.Sprintf("is of a search with --quality %q, not %q", was.Quality, is.Quality)}
	case was.Seed != is.Seed:
		return &StateError{s.path, fmt.Sprintf("is of a search with --seed %d, not %d", was.Seed, is.Seed)}
	}
	return nil
}

func (s *State) line(line []byte, n int) error {
	var l stateLine
	if err := json.Unmarshal(line, &l); err != nil || l.Evolved == nil && l.Quality == nil {
		return &StateError{s.path, fmt.Sprintf("is damaged on line %d", n)}
	}
	if l.Evolved != nil {
		s.evolved = l.Evolved
	} else {
		s.answers[l.Indices] = *l.Quality
	}
	return nil
}

// answer keeps an answer.
func (s *State) answer(indices string, quality float64) error {
	s.answers[indices] = quality
	if s.file == nil {
		return nil
	}
	return writeLine(s.file, stateLine{Indices: indices, Quality: &quality})
}

// save replaces the file by one with the evolution.
func (s *State) save(e *evolve.Search) error {
	st, err := e.State()
	if err != nil {
		return err
	}
	return atomicfile.Write(s.path, func(w io.Writer) error {
		return errors.Join(writeLine(w, s.header), writeLine(w, stateLine{Evolved: &st}))
	})
}

func writeLine(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// Close keeps the file. A program's answers may have taken days, and a search of more candidates begins with them.
func (s *State) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
