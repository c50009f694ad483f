package text

import "strings"

// ShellQuote quotes any text as one word for a POSIX shell, including quotes, $() and newlines. The
// caller must refuse a zero byte, which no program's arguments can contain.
func ShellQuote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// ShellWord quotes a word only where a shell needs it.
func ShellWord(word string) string {
	if word == "" || strings.ContainsFunc(word, needsQuotes) {
		return ShellQuote(word)
	}
	return word
}

func needsQuotes(r rune) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-"
	return !strings.ContainsRune(plain, r)
}
