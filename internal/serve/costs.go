package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"latlab/exporters/prom"
	"latlab/exporters/web"
	"latlab/regress"
)

// costLookEvery is the minimum time between two checks of the files.
const costLookEvery = time.Second

// liveCosts are the cost models of --cost, reloaded when their files change, because a lab may fit
// new ones each night while serve runs. Files are checked on scrapes and predictions. inotify was
// rejected: it does not see what a different machine writes to a shared disk.
type liveCosts struct {
	files []*liveCost
	log   *slog.Logger

	looking sync.Mutex // held while files are checked; only tried, never waited for
	looked  time.Time
	now     atomic.Pointer[costsNow]
}

// costsNow is an immutable snapshot.
type costsNow struct {
	predict []web.CostModel
	metrics []prom.CostModel
}

// liveCost is one file and its last valid content. It is guarded by liveCosts.looking.
type liveCost struct {
	name, path string
	file       os.FileInfo // read last, with or without an error; nil = read it again
	err        error       // of the last reading
	logged     string      // the last error in the log
	failures   int

	model    web.CostModel
	cost     *regress.CostModel
	modified time.Time // time of the file with the model
}

// openCosts reads the cost models of --cost, all or none. Requests name each by its file name
// without folder and extension.
func openCosts(paths []string, log *slog.Logger) (*liveCosts, error) {
	l := &liveCosts{log: log, looked: time.Now()}
	taken := map[string]string{}
	for _, path := range paths {
		f := &liveCost{path: path, name: costName(path)}
		if other, is := taken[f.name]; is {
			return nil, &OptionError{fmt.Sprintf("cost models %s and %s would both be called %q; rename one", other, path, f.name)}
		}
		taken[f.name] = path
		// Stat comes before reading: a replacement in between is found by the next check.
		f.file, _ = os.Stat(path)
		if err := f.read(); err != nil {
			return nil, err
		}
		l.files = append(l.files, f)
	}
	l.publish()
	return l, nil
}

// costName is valid UTF-8, as requests and labels must be.
func costName(path string) string {
	return strings.ToValidUTF8(strings.TrimSuffix(filepath.Base(path), ".json"), "\uFFFD")
}

func (l *liveCosts) predictors() []web.CostModel { return l.current().predict }

func (l *liveCosts) metrics() []prom.CostModel { return l.current().metrics }

// current checks the files if that is due. Concurrent callers get the last snapshot without waiting,
// because a large table takes a while to read.
func (l *liveCosts) current() *costsNow {
	if l.looking.TryLock() {
		defer l.looking.Unlock()
		if time.Since(l.looked) >= costLookEvery {
			l.look()
			l.looked = time.Now()
		}
	}
	return l.now.Load()
}

func (l *liveCosts) look() {
	changed := false
	for _, f := range l.files {
		before := f.cost
		err := f.look()
		changed = changed || err != nil || f.cost != before
		if err == nil {
			f.logged = ""
			continue
		}
		f.failures++
		if text := err.Error(); text != f.logged {
			f.logged = text
			l.log.Warn("a cost model cannot be reloaded; the previous one is still served", "cost_model", f.name, "err", err)
		}
	}
	if changed {
		l.publish()
	}
}

func (l *liveCosts) publish() {
	now := &costsNow{}
	for _, f := range l.files {
		now.predict = append(now.predict, f.model)
		now.metrics = append(now.metrics, prom.CostModel{Name: f.name, Model: f.cost, Modified: f.modified, Failures: f.failures})
	}
	l.now.Store(now)
}

// look reads the file if it changed. A cost model that was read from a pipe is never reloaded, and
// a pipe in a file's place is not opened, because that would wait for a writer.
func (f *liveCost) look() error {
	if f.file != nil && !f.file.Mode().IsRegular() {
		return nil
	}
	file, err := os.Stat(f.path)
	switch {
	case err != nil:
		return err
	case !file.Mode().IsRegular():
		return &fs.PathError{Op: "read", Path: f.path, Err: errors.New("no longer a regular file")}
	case f.file != nil && sameContent(file, f.file):
		return f.err
	}
	f.file = file
	f.err = f.read()
	_, broken := errors.AsType[*regress.FileError](f.err)
	_, newer := errors.AsType[*regress.VersionError](f.err)
	if f.err != nil && !broken && !newer {
		f.file = nil // e.g. wrong permissions: fixing them does not change the file
	}
	return f.err
}

// sameContent compares without reading: a replaced file has a different inode, and writing changes
// its time.
func sameContent(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// read loads the file. After an error nothing is changed.
func (f *liveCost) read() error {
	m, sp, err := regress.Load(f.path)
	if err != nil {
		return err
	}
	p, err := regress.NewPredictor(m, sp)
	if err != nil {
		return err
	}
	f.cost, f.modified = m, time.Time{}
	if f.file != nil {
		f.modified = f.file.ModTime()
	}
	f.model = web.CostModel{
		Name: f.name, Space: sp, Predictor: p, Method: m.Method, Device: m.Device, Kind: m.Kind,
		Precision: m.Precision, MeasuredUntil: m.MeasuredUntil, Figures: m.Figures,
	}
	return nil
}
