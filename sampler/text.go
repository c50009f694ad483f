package sampler

import "latlab/internal/text"

// Clip is text.Clip.
func Clip(s string) string { return text.Clip(s) }

// Nearest is text.Nearest.
func Nearest(word string, candidates []string) string { return text.Nearest(word, candidates) }
