package store

import (
	"io"
	"os"
)

// IsDatabase reports whether a file is of SQLite. It looks at the first bytes only. The mark of latlab's own stores lies behind them, but
// of a store that its first sweep still writes it is in the log beside the file.
func IsDatabase(path string) bool {
	const magic = "SQLite format 3\x00"
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(magic))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == magic
}
