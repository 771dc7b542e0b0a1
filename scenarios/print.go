package scenarios

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// YAML prints the case as a plain file, after all overlays: without variants, every step with its
// name. It reads back as the same scenario. Where worlds make a difference it is as in the first of them.
func (c *Case) YAML() string {
	var b strings.Builder
	for _, line := range strings.Split(c.File.Doc, "\n") {
		b.WriteString(strings.TrimRight("# "+line, " ") + "\n")
	}
	if len(c.Values) > 0 {
		fmt.Fprintf(&b, "# This is its case %s.\n", strings.Join(c.Values, "/"))
	}
	tree := c.trees[0].tree
	if c.differs() {
		at := tree.entry("world").value.at
		tree = tree.with("world", &node{shape: scalar, text: c.trees[0].world, at: at})
		if c.trees[0].world == WorldVirtual {
			tree = tree.with("time_scale", nil)
		}
	}
	for _, e := range tree.entries {
		printSection(&b, e)
	}
	return b.String()
}

// differs reports whether the case is another one, or none, in some world of its file.
func (c *Case) differs() bool {
	tree := c.trees[0].tree
	return len(c.trees) < len(worldsOf(tree)) ||
		slices.ContainsFunc(c.trees[1:], func(other worldTree) bool { return flow(other.tree) != flow(tree) })
}

// printSection prints a key of the file: its members one a line. A claim about slips is left out: of a plain file nobody knows
// which step is missing in it.
func printSection(b *strings.Builder, e entry) {
	if e.key == "expect" && e.value.shape == list {
		claims := *e.value
		claims.items = slices.DeleteFunc(slices.Clone(claims.items), isSlips)
		e.value = &claims
	}
	switch {
	case e.value.shape == mapping && len(e.value.entries) > 0:
		fmt.Fprintf(b, "\n%s:\n", flowWord(e.key, false))
		for _, member := range e.value.entries {
			fmt.Fprintf(b, "  %s: %s\n", flowWord(member.key, false), flow(member.value))
		}
	case e.value.shape == list && slices.Contains(sections, e.key) && len(e.value.items) > 0:
		fmt.Fprintf(b, "\n%s:\n", flowWord(e.key, false))
		for _, item := range e.value.items {
			fmt.Fprintf(b, "  - %s\n", flow(item))
		}
	default:
		fmt.Fprintf(b, "%s: %s\n", flowWord(e.key, false), flow(e.value))
	}
}

// flow prints a value on one line.
func flow(n *node) string {
	switch n.shape {
	case list:
		items := make([]string, len(n.items))
		for i, item := range n.items {
			items[i] = flow(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case mapping:
		entries := make([]string, len(n.entries))
		for i, e := range n.entries {
			entries[i] = flowWord(e.key, false) + ": " + flow(e.value)
		}
		return "{" + strings.Join(entries, ", ") + "}"
	}
	return flowWord(n.text, n.quoted)
}

// bare are the words that mean themselves without quotes.
var bare = regexp.MustCompile(`^-?[A-Za-z0-9_/.$][A-Za-z0-9_/.+%-]*(:[A-Za-z0-9_/.+%-]+)*$`)

// flowWord prints a word, in quotes where it had them, or where a reader would take it for
// something else.
func flowWord(s string, quoted bool) string {
	if !quoted && bare.MatchString(s) && !isNull(s) && !isBoolean(s) && s != "..." {
		return s
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b) // Its strings are strings of YAML too.
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		panic("a string that JSON cannot hold: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}
