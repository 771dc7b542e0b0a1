package scenarios

import (
	"fmt"
	"slices"
	"strings"
)

// Nearest returns the choices, the one most like what somebody wrote first. Equally unlike ones
// keep their order.
func Nearest(have string, choices []string) []string {
	sorted := slices.Clone(choices)
	slices.SortStableFunc(sorted, func(a, b string) int { return distance(have, a) - distance(have, b) })
	return sorted
}

// Up to allChoices choices are listed in a message; of more, the nearest ones.
const (
	allChoices     = 8
	nearestChoices = 4
)

// oneOf lists the choices for a message, the nearest first: `a, b or c`.
func oneOf(have string, choices []string) string {
	sorted := Nearest(have, choices)
	if len(sorted) > allChoices {
		return fmt.Sprintf("%s or one of %d more", strings.Join(sorted[:nearestChoices], ", "), len(sorted)-nearestChoices)
	}
	return alternatives(sorted)
}

// alternatives joins words: `a, b or c`.
func alternatives(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// no says that there is no such thing, and what there is instead: `no machine "nas-c"; the machines
// are nas-a, nas-b`.
func no(what, have string, choices []string) string {
	switch sorted := Nearest(have, choices); {
	case len(sorted) == 0:
		return fmt.Sprintf("no %s %q; there is none", what, have)
	case len(sorted) == 1:
		return fmt.Sprintf("no %s %q; the only one is %s", what, have, sorted[0])
	case len(sorted) > allChoices:
		nearest := strings.Join(sorted[:nearestChoices], ", ")
		return fmt.Sprintf("no %s %q; the nearest of %d are %s", what, have, len(sorted), nearest)
	default:
		return fmt.Sprintf("no %s %q; there are %s", what, have, strings.Join(sorted, ", "))
	}
}

// distance is how many letters have to be changed, added, dropped or swapped with their neighbour
// to get from a to b.
func distance(a, b string) int {
	const longest = 64 // Nobody names anything like this; a huge word must not cost a huge table.
	a, b = a[:min(len(a), longest)], b[:min(len(b), longest)]
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := above[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, above[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
