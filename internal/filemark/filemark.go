// Package filemark says whether a file is still the one whose bytes were read before, without reading it again.
//
// A Mark is what the kernel changes whenever a file is written, replaced, renamed or linked. The time of
// modification alone will not do, because any program may set it; the time of the last change of the inode
// is the kernel's own. Times are as fine as the kernel's tick or the file system's step, so a Mark that is
// Recent proves nothing, unless its folder is Exact: the file may be written again within the step. A write
// through a shared mapping is dated when its page is first touched, and on tmpfs never: it may go unseen.
//
// The package reads no content and decides nothing. sampler/model and cmd/latlab-agent hash a file once and
// keep its Mark.
package filemark

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Mark identifies a file's content for as long as nobody changes it.
type Mark struct {
	dev, ino          uint64
	size              int64
	modified, changed int64 // in ns since 1970
}

// Of is the mark of the file of a path; links are followed.
func Of(path string) (Mark, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return Mark{}, err
	}
	return mark(&st), nil
}

// OfOpen is the mark of an open file.
func OfOpen(fd uintptr) (Mark, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(fd), &st); err != nil {
		return Mark{}, err
	}
	return mark(&st), nil
}

func mark(st *unix.Stat_t) Mark {
	return Mark{uint64(st.Dev), st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()} //nolint:unconvert // Dev's width differs between machines
}

// step is longer than the coarsest step in which file systems keep times, the two seconds of FAT.
const step = 3 * time.Second

// Recent reports whether the file may have been changed once more without another mark. So is a file with a
// time in the future, after a clock was set back.
func (m Mark) Recent(now time.Time) bool {
	return now.Sub(time.Unix(0, max(m.changed, m.modified))) < step
}

// Exact reports whether the file system of a folder gives a change that follows a Mark a later time, however
// soon it follows. Then a Mark proves its file even if it is Recent. Linux does so since 6.13 on ext4, XFS,
// Btrfs and tmpfs. Exact tries it with a file without a name, because a kernel's version says nothing of its patches.
//
// Source: Linux Documentation/filesystems/multigrain-ts.rst.
func Exact(dir string) bool {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var seen Mark
	// A step might end between two of the writes, which take microseconds, but not between all of them.
	for range 10 {
		if _, err := unix.Pwrite(fd, []byte{0}, 0); err != nil {
			return false
		}
		now, err := OfOpen(uintptr(fd))
		if err != nil || now == seen {
			return false
		}
		seen = now
	}
	return true
}

// Modified is the time of the last modification, as any program may have set it.
func (m Mark) Modified() time.Time { return time.Unix(0, m.modified) }

// String is a text of the mark; two marks are equal if their texts are.
func (m Mark) String() string {
	return fmt.Sprintf("%x-%x-%d-%d-%d", m.dev, m.ino, m.size, m.modified, m.changed)
}
