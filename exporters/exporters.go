// Package exporters has the code that the formats share; each format is a package below it.
// An exporter takes a CostModel or rows of measurements and writes them unchanged: it never
// fits, corrects or rounds, touches no devices and opens no stores.
package exporters

import (
	"io"

	"latlab/regress"
)

// WriteFile writes a file atomically; see regress.WriteFile.
func WriteFile(path string, write func(io.Writer) error) error {
	return regress.WriteFile(path, write)
}
