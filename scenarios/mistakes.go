package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Mistake is one thing that is wrong in a scenario file, and where. Lines and columns count from 1;
// columns count characters.
type Mistake struct {
	Line, Column int
	Message      string
}

// Mistakes is all that is wrong in one file, in the order of the file. It is an error.
type Mistakes struct {
	Path string // the file as its reader named it
	List []Mistake

	lines []string
}

// longestMessage bounds what a message quotes of the file, in bytes.
const longestMessage = 500

// shownMistakes is how many mistakes Error shows; it counts the rest.
const shownMistakes = 50

// Error shows each mistake as `file:line:column: message`, and the lines of the file with a caret
// below them.
func (m *Mistakes) Error() string {
	var b strings.Builder
	for i, mistake := range m.List {
		if i == shownMistakes {
			fmt.Fprintf(&b, "\nand %d more mistakes in %s", len(m.List)-i, m.Path)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s:%d:%d: %s", m.Path, mistake.Line, mistake.Column, mistake.Message)
		m.excerpt(&b, mistake)
	}
	return b.String()
}

// excerpt writes the line of the mistake, the two above it, and a caret.
func (m *Mistakes) excerpt(b *strings.Builder, at Mistake) {
	if at.Line > len(m.lines) {
		return
	}
	width := len(fmt.Sprint(at.Line))
	before := width + len(">  | ")
	room := excerptWidth - before
	skip, caret := window(m.lines[at.Line-1], at.Column, room)
	first := max(1, at.Line-2)
	if skip > 0 {
		first = at.Line // The lines above would be cut in the middle too.
	}
	for n := first; n <= at.Line; n++ {
		mark := " "
		if n == at.Line {
			mark = ">"
		}
		line := fmt.Sprintf("%s %*d | %s", mark, width, n, clip(m.lines[n-1], skip, room))
		b.WriteString("\n" + strings.TrimRight(line, " "))
	}
	b.WriteString("\n" + strings.Repeat(" ", before+caret) + "^")
}

// excerptWidth is how many columns an excerpt takes: a caret below a line that a terminal has folded points to nothing.
const excerptWidth = 80

// window tells how many characters of a long line to leave out before what is shown, and where in
// the rest a column is.
func window(line string, column, room int) (skip, caret int) {
	long := len([]rune(line))
	caret = min(column, long+1) - 1
	if caret >= room-10 {
		skip = max(0, min(caret-room/2, long-room))
	}
	return skip, caret - skip
}

// clip cuts a line down to what there is room for, with dots where something is left out. A file is data: a control character in
// it must not reach the terminal.
func clip(line string, skip, room int) string {
	const dots = ".."
	runes := []rune(line)
	runes = runes[min(skip, len(runes)):]
	if len(runes) > room {
		runes = append(runes[:room-len(dots):room-len(dots)], []rune(dots)...)
	}
	if skip > 0 && len(runes) > len(dots) {
		copy(runes, []rune(dots))
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\r':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, string(runes))
}

// place is where something stands in a file.
type place struct{ line, column int }

// notes collects the mistakes of a file. Cases share most of their text, so the same mistake is
// found again and again: it is kept once.
type notes struct {
	path string
	text string
	list []Mistake
	told int // mistakes, those that are known already included
	seen map[Mistake]bool
	done map[place]bool // nothing more is to be said of these places
}

// lastf is addf, after which what else is wrong in the same place is not told: it would be a
// consequence.
func (m *notes) lastf(at place, format string, args ...any) {
	m.addf(at, format, args...)
	if m.done == nil {
		m.done = map[place]bool{}
	}
	m.done[at] = true
}

func (m *notes) addf(at place, format string, args ...any) {
	m.told++
	message := fmt.Sprintf(format, args...)
	if len(message) > longestMessage {
		message = strings.ToValidUTF8(message[:longestMessage], "") + " .."
	}
	mistake := Mistake{Line: max(1, at.line), Column: max(1, at.column), Message: message}
	if m.done[at] {
		return
	}
	if m.seen == nil {
		m.seen = map[Mistake]bool{}
	}
	if !m.seen[mistake] {
		m.seen[mistake] = true
		m.list = append(m.list, mistake)
	}
}

// err is nil, or *Mistakes in the order of the file.
func (m *notes) err() error {
	if len(m.list) == 0 {
		return nil
	}
	slices.SortStableFunc(m.list, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Mistakes{Path: m.path, List: m.list, lines: strings.Split(m.text, "\n")}
}
