package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is a bug and how it must die.
type mutant struct {
	bug     string
	plays   []string // what stands after `firedrill run`
	kills   []string // claims, with a subject where only that one is meant
	tests   []string // what stands after `go test`
	in      []string // the claims and hazards that the bug itself is in
	changes []change
}

// change is one hunk of a patch: text that stands once in a file, and what takes its place.
type change struct {
	file          string
	before, after string
}

// readMutant reads a patch and its header.
func readMutant(path string) (*mutant, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m := new(mutant)
	lines := strings.SplitAfter(string(text), "\n")
	n := 0
	for ; n < len(lines) && !strings.HasPrefix(lines[n], "--- "); n++ {
		if err := m.header(strings.TrimSpace(lines[n])); err != nil {
			return m, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	switch {
	case m.bug == "":
		return m, fmt.Errorf("no line `# bug: ...` says what the bug is")
	case len(m.plays) == 0 && len(m.tests) == 0:
		return m, fmt.Errorf("want `# play:` and `# kills:`, or `# test:`")
	case len(m.plays) > 0 != (len(m.kills) > 0):
		return m, fmt.Errorf("`# play:` and `# kills:` come together")
	}
	m.changes, err = hunks(lines[n:])
	return m, err
}

// header reads one line above the patch. Lines that git writes there say nothing to us.
func (m *mutant) header(line string) error {
	line, ours := strings.CutPrefix(line, "# ")
	if !ours {
		return nil
	}
	key, value, _ := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch key {
	case "bug":
		m.bug = value
	case "play":
		m.plays = append(m.plays, value)
	case "kills":
		m.kills = append(m.kills, words(value)...)
	case "test":
		m.tests = append(m.tests, value)
	case "in":
		m.in = append(m.in, words(value)...)
	default:
		return fmt.Errorf("want `# bug:`, `# play:`, `# kills:`, `# test:` or `# in:`, have %q", key)
	}
	return nil
}

// words are the parts of a list with commas.
func words(list string) []string {
	all := strings.Split(list, ",")
	for n := range all {
		all[n] = strings.TrimSpace(all[n])
	}
	return all
}

// hunks reads a unified diff. Line numbers are not read: the text of a hunk has to say where it belongs.
func hunks(lines []string) ([]change, error) {
	var changes []change
	file := ""
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "--- ") && i+1 < len(lines) && strings.HasPrefix(lines[i+1], "+++ "):
			file = ""
		case strings.HasPrefix(line, "+++ ") && file == "":
			name, _, _ := strings.Cut(strings.TrimSpace(line[4:]), "\t")
			file = strings.TrimPrefix(name, "b/")
		case strings.HasPrefix(line, "@@ "):
			changes = append(changes, change{file: file})
		case len(changes) == 0 || line == "" || strings.HasPrefix(line, `\`):
		default:
			c, rest := &changes[len(changes)-1], line[1:]
			switch line[0] {
			case ' ':
				c.before, c.after = c.before+rest, c.after+rest
			case '\n': // An empty line whose leading space an editor has taken.
				c.before, c.after = c.before+line, c.after+line
			case '-':
				c.before += rest
			case '+':
				c.after += rest
			}
		}
	}
	if len(changes) == 0 {
		return nil, fmt.Errorf("no hunk in the patch")
	}
	return changes, nil
}

// apply returns the patched text of each file below root. A patch applies only where the text of
// its hunks stands exactly once.
func apply(root string, changes []change) (map[string]string, error) {
	patched := map[string]string{}
	for _, c := range changes {
		name := filepath.Join(root, filepath.FromSlash(c.file))
		text, known := patched[name]
		if !known {
			b, err := os.ReadFile(name)
			if err != nil {
				return nil, fmt.Errorf("the patch no longer applies: %w", err)
			}
			text = string(b)
		}
		if n := strings.Count(text, c.before); n != 1 || c.before == "" {
			first := strings.TrimSpace(slices.Collect(strings.Lines(c.before + "\n"))[0])
			return nil, fmt.Errorf("the patch no longer applies: the hunk that begins with %q stands %d times in %s, want once",
				first, n, c.file)
		}
		patched[name] = strings.Replace(text, c.before, c.after, 1)
	}
	return patched, nil
}
