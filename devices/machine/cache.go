package machine

import (
	"sync"
	"time"
)

// maxStaged bounds how many models are staged, however small they are: a folder of a million
// files is slow on a phone.
const maxStaged = 1000

// cache knows which models are staged, how large they are, who uses them and which was used
// longest ago. It is the bookkeeping only: Machine moves the files.
type cache struct {
	mu     sync.Mutex
	budget int64
	clock  int64
	files  map[string]*stagedModel // by name there
	// trash are names that may be there and are no longer in the cache: the wire broke before
	// it was known.
	trash map[string]bool
}

// stagedModel is a staged model.
type stagedModel struct {
	name    string
	size    int64
	sha256  string
	modTime time.Time // there, when it was verified
	users   int
	used    int64 // of the cache's clock
}

func newCache(budget int64) *cache {
	return &cache{budget: budget, files: map[string]*stagedModel{}, trash: map[string]bool{}}
}

// get is the model of a name, nil where it is not staged.
func (s *cache) get(name string) *stagedModel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files[name]
}

// put adds a model that nobody uses yet.
func (s *cache) put(f *stagedModel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	f.used = s.clock
	s.files[f.name] = f
	delete(s.trash, f.name)
}

// use counts a user of a model, and returns what ends the use.
func (s *cache) use(f *stagedModel) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.users++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.clock++
		f.users, f.used = f.users-1, s.clock
	})
}

// room takes models out of the cache, those used longest ago first, until size more bytes fit
// the budget. It reports false, and takes none, where those in use leave no room.
func (s *cache) room(size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var inUse, users int64
	for _, f := range s.files {
		if f.users > 0 {
			inUse += f.size
			users++
		}
	}
	if size > s.budget-inUse || users >= maxStaged {
		return false
	}
	for s.total()+size > s.budget || len(s.files) >= maxStaged {
		s.drop(s.oldest())
	}
	return true
}

// dropOldest takes the model used longest ago out of the cache, false where all are in use.
func (s *cache) dropOldest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.oldest()
	if f == nil {
		return false
	}
	s.drop(f)
	return true
}

// lose takes a model out of the cache that is not there, or not as it was.
func (s *cache) lose(f *stagedModel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(f)
}

// discard notes a name that may be there.
func (s *cache) discard(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trash[name] = true
}

func (s *cache) drop(f *stagedModel) {
	delete(s.files, f.name)
	s.trash[f.name] = true
}

func (s *cache) oldest() *stagedModel {
	var oldest *stagedModel
	for _, f := range s.files {
		if f.users == 0 && (oldest == nil || f.used < oldest.used) {
			oldest = f
		}
	}
	return oldest
}

func (s *cache) total() int64 {
	var sum int64
	for _, f := range s.files {
		sum += f.size
	}
	return sum
}

// rubbish is what is to be removed.
func (s *cache) rubbish() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.trash {
		names = append(names, name)
	}
	return names
}

// removed forgets rubbish that is gone.
func (s *cache) removed(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		delete(s.trash, name)
	}
}
