package reports

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable is s with every character that a terminal might obey (control characters, overrides of
// the writing direction, bytes that are no UTF-8) written out as Go writes it in a string: \n,
// \x1b, \u202e.
func Printable(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if piece := s[i : i+n]; unprintable(r) || r == utf8.RuneError && n == 1 {
			quoted := strconv.QuoteToASCII(piece)
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(piece)
		}
		i += n
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
