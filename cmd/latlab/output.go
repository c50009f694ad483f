package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// prefixJSON marshals v, an object, with one more field in front. Embedding v would do,
// were it not that an embedded MarshalJSON hides the outer fields.
func prefixJSON(name, value string, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	field, err := json.Marshal(map[string]string{name: value})
	if err != nil {
		return nil, err
	}
	return append(append(field[:len(field)-1], ','), body[1:]...), nil
}

// writeError names the file that was asked for, where the error is about a temporary one.
func writeError(path string, err error) error {
	var where *fs.PathError
	switch {
	case !errors.As(err, &where):
		return err
	case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("cannot write %s: the disk is full; what was there before is kept", path)
	}
	return fmt.Errorf("cannot write %s: %w", path, where.Err)
}
