package text

import "strconv"

// Nearest returns the first candidate with the smallest distance to the word, or "" where none is
// near. The distance counts letters that are inserted, deleted or replaced, and neighbours that are
// exchanged (optimal string alignment). It may be at most a third of the word's length, but always 2,
// or 1 for words of less than four letters.
func Nearest(word string, candidates []string) string {
	if len(word) > 256 {
		return ""
	}
	limit := max(2, len(word)/3)
	if len(word) < 4 {
		limit = 1
	}
	best, bestDistance := "", limit+1
	for _, c := range candidates {
		if d := distance([]rune(word), []rune(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

func distance(a, b []rune) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replaced := d[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

// DidYouMean is the end of an error about an unknown word: `; did you mean "stride"?`, or "" where no
// candidate is near.
func DidYouMean(word string, candidates []string) string {
	near := Nearest(word, candidates)
	if near == "" {
		return ""
	}
	return "; did you mean " + strconv.Quote(near) + "?"
}
