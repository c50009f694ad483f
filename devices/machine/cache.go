package machine

import (
	"sync"
	"time"
)

// maxStaged limits the number of staged models, however small: a folder of a million files is
// slow on a phone.
const maxStaged = 1000

// cache records which models are staged, their sizes, their users and the order of last use.
// It is only the bookkeeping: Machine moves the files.
type cache struct {
	mu     sync.Mutex
	budget int64
	clock  int64
	files  map[string]*stagedModel // by name on the machine
	// trash are names of files that may exist and are not in the cache, for example after a
	// push that was cut off.
	trash map[string]bool
}

// stagedModel is a staged model.
type stagedModel struct {
	name    string
	size    int64
	sha256  string
	modTime time.Time // on the machine, when it was verified
	users   int
	used    int64 // last use, by the cache's clock
}

func newCache(budget int64) *cache {
	return &cache{budget: budget, files: map[string]*stagedModel{}, trash: map[string]bool{}}
}

// get returns the model of a name, or nil if it is not staged.
func (s *cache) get(name string) *stagedModel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files[name]
}

// put adds a model that has no users yet.
func (s *cache) put(f *stagedModel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	f.used = s.clock
	s.files[f.name] = f
	delete(s.trash, f.name)
}

// use adds a user to a model, and returns the function that removes the user.
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

// room removes the least recently used models from the cache until size more bytes fit the
// budget. If the models in use leave too little room, it removes none and returns false.
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

// dropOldest removes the least recently used model from the cache; false if all are in use.
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

// lose removes a model from the cache whose file is missing or has changed.
func (s *cache) lose(f *stagedModel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(f)
}

// discard records the name of a file that may exist.
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

// toRemove returns the names to remove.
func (s *cache) toRemove() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.trash {
		names = append(names, name)
	}
	return names
}

// removed forgets names that were removed.
func (s *cache) removed(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		delete(s.trash, name)
	}
}
