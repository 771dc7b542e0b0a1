package scenarios

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// An excerpt fits a terminal, wherever in a line the mistake is: folded, its caret would point to nothing.
func TestCaretPointsToItsPlace(t *testing.T) {
	for _, long := range []int{1, 60, 73, 74, 75, 81, 90, 200} {
		line := []rune(strings.Repeat("0123456789äöüßabcdefgh", 10))[:long]
		for column := 1; column <= len(line); column++ {
			m := notes{path: "x.yaml", text: strings.Repeat("\n", 11) + string(line)}
			m.addf(place{12, column}, "wrong")
			shown := strings.Split(m.err().Error(), "\n")
			last, caret := []rune(shown[len(shown)-2]), strings.IndexByte(shown[len(shown)-1], '^')
			for _, s := range shown {
				if n := utf8.RuneCountInString(s); n > 80 {
					t.Fatalf("%d of %d: %d columns: %s", column, long, n, s)
				}
			}
			if have, want := last[caret], line[column-1]; have != want {
				t.Fatalf("%d of %d: want the caret below %q, have it below %q in\n%s", column, long, want, have, strings.Join(shown, "\n"))
			}
			if cut := long > 80-len("> 12 | "); strings.Contains(string(last), "..") != cut {
				t.Fatalf("%d of %d: want dots %t in %s", column, long, cut, string(last))
			}
		}
	}
}
