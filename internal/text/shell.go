package text

import "strings"

// ShellQuote makes a word of text for a POSIX shell, whatever it holds: quotes, $(), newlines. A zero
// byte, which no program can be given, is its caller's to refuse.
func ShellQuote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// ShellWord is a word as a person would type it: bare where every shell takes it as it is, else quoted.
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
