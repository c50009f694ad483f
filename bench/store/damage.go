package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// hasRemains reports whether a file that SQLite does not take for a latlab store was one: it holds the
// store's schema, which SQLite keeps on the page of the header, or a log lies beside it.
func hasRemains(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	page, err := io.ReadAll(io.LimitReader(f, 64<<10)) // the largest page
	return err == nil && (hasLog(file) || bytes.Contains(page, []byte("CREATE TABLE sweeps (\n\tnum ")))
}

// checkLog returns what is wrong with a store's log that SQLite would ignore or delete without a word: a
// reader deletes the log of an empty file. Zeros are a log that a power loss cut short, whose blocks were not
// yet kept. A damaged frame cannot be told from what an earlier use of the log left behind its end.
func checkLog(file string) error {
	log := file + "-wal"
	if info, err := os.Stat(file); err == nil && info.Size() == 0 && hasLog(file) {
		return fmt.Errorf("it is empty and its log %s is not", log)
	}
	for range 2 { // a writer may have been writing it
		f, err := os.Open(log)
		if err != nil {
			return nil //nolint:nilerr // no log, or SQLite says why
		}
		head := make([]byte, walHeader)
		_, err = io.ReadFull(f, head)
		_ = f.Close()
		if err != nil || validLog(head) || bytes.Equal(head, make([]byte, walHeader)) {
			return nil //nolint:nilerr // a shorter log has no frames
		}
	}
	return fmt.Errorf("its log %s has a damaged header", log)
}

const walHeader = 32

// validLog checks the mark and the checksum of a log's header.
// Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
func validLog(head []byte) bool {
	const mark = 0x377f0682 // the last bit is the order of the checksum's words
	first := binary.BigEndian.Uint32(head)
	var order binary.ByteOrder = binary.LittleEndian
	if first&1 == 1 {
		order = binary.BigEndian
	}
	var a, b uint32
	for w := head[:24]; len(w) > 0; w = w[8:] {
		a += order.Uint32(w) + b
		b += order.Uint32(w[4:]) + a
	}
	return first&^1 == mark && a == binary.BigEndian.Uint32(head[24:]) && b == binary.BigEndian.Uint32(head[28:])
}
