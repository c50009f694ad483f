package sampler

import (
	"strings"

	"latlab/internal/text"
)

// Clip is text.Clip.
func Clip(s string) string { return text.Clip(s) }

// Nearest is text.Nearest.
func Nearest(word string, candidates []string) string { return text.Nearest(word, candidates) }

// didYouMean is the end of an error about an unknown word: the nearest candidate, or all
// of them where none is near.
func didYouMean(word string, candidates []string) string {
	if near := text.DidYouMean(word, candidates); near != "" {
		return near
	}
	return "; known: " + strings.Join(candidates, ", ")
}
