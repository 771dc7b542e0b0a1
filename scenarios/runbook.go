package scenarios

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"firedrill/nodes"
)

// blankPattern is a word in a step of a kind's procedure that stands for the value of that name.
var blankPattern = regexp.MustCompile(`^\$[a-z0-9_]+$`)

// withRunbooks adds to a file those procedures of the kinds of its machines that it runs by name and does not bring along.
// Whoever runs one says what it asks for: `run: set-up, with: {active: nas-a}`. The values go into its steps, so that the tree is
// then that of a file which brings the procedure along.
func withRunbooks(m *notes, root *node, cat *Catalogue) *node {
	s := shelf{m: m, root: root, books: booksOf(root, cat)}
	if timeline := root.get("timeline"); timeline != nil && timeline.shape == list {
		steps := *timeline
		steps.items = slices.Clone(timeline.items)
		for i, step := range steps.items {
			steps.items[i] = s.runBy(step)
		}
		s.root = s.root.with("timeline", &steps)
	}
	for _, axis := range root.get("variants").named() {
		for _, name := range axis.value.get("each_step_of").list() {
			s.take(name, nil)
		}
	}
	return s.root
}

// shelf holds the procedures that a file can run without bringing them along.
type shelf struct {
	m     *notes
	root  *node
	books []nodes.Procedure
	taken []string // the names of those that are in the file now
}

// booksOf are the procedures of the kinds of a file's machines, without those whose names the file's own have.
func booksOf(root *node, cat *Catalogue) []nodes.Procedure {
	var kinds []string
	for _, e := range root.get("machines").named() {
		if k := e.value.get("kind"); k != nil {
			kinds = append(kinds, k.text)
		}
	}
	var books []nodes.Procedure
	for _, k := range cat.Kinds {
		for _, p := range k.Procedures {
			if slices.Contains(kinds, k.Name) && root.get("procedures").get(p.Name) == nil {
				books = append(books, p)
			}
		}
	}
	return books
}

// book is the procedure of a kind that a word names, or nil.
func (s *shelf) book(name *node) *nodes.Procedure {
	i := slices.IndexFunc(s.books, func(p nodes.Procedure) bool { return name.shape == scalar && p.Name == name.text })
	if i < 0 {
		return nil
	}
	return &s.books[i]
}

// runBy adds the runbooks that a step runs, and returns the step without the values for them.
func (s *shelf) runBy(step *node) *node {
	with := step.get("with")
	var known []string
	for _, name := range step.get("run").list() {
		if p := s.book(name); p != nil {
			for _, a := range p.Args {
				known = append(known, a.Name)
			}
			if with != nil && slices.Contains(s.taken, p.Name) {
				s.m.addf(with.at, "procedure %s is run further up, with what it asks for", p.Name)
			}
			s.take(name, with)
		}
	}
	if with == nil || known == nil {
		return step // Run.Check says what is to be said of a `with` that is left over.
	}
	for _, e := range with.named() {
		switch {
		case !slices.Contains(known, e.key):
			s.m.addf(e.at, "unknown key %q of %q; want %s", e.key, "with", oneOf(e.key, known))
		case e.value.shape == mapping:
			s.m.lastf(e.value.at, "want a word or a list for %q, have a map", e.key)
		}
	}
	return step.with("with", nil)
}

// take adds a procedure of a kind to the file, once. What is wrong in it is told where the file names it.
func (s *shelf) take(name, with *node) {
	p := s.book(name)
	procedures := s.root.get("procedures")
	if p == nil || slices.Contains(s.taken, p.Name) || procedures != nil && procedures.shape != mapping {
		return
	}
	s.taken = append(s.taken, p.Name)
	var missing []string
	for _, a := range p.Args {
		if a.Required && with.get(a.Name) == nil {
			missing = append(missing, a.Name)
		}
	}
	switch { // What is wrong with steps that have blanks would be a consequence.
	case with != nil && with.shape != mapping:
		s.m.lastf(name.at, "want with as a map {KEY: VALUE, ..} for procedure %s, have %s", p.Name, with.shape)
	case missing != nil:
		s.m.lastf(name.at, "procedure %s asks for %s; want with: {%s: .., ..} where it is run", p.Name,
			strings.Join(missing, ", "), missing[0])
	}
	steps, err := stepsOf(p)
	if err != nil {
		s.m.addf(name.at, "procedure %s of the kind: %s", p.Name, err)
		return
	}
	if procedures == nil {
		procedures = &node{shape: mapping, at: name.at}
	}
	s.root = s.root.with("procedures", procedures.with(p.Name, steps.filled(name.at, with)))
}

// stepsOf reads the steps of a kind's procedure.
func stepsOf(p *nodes.Procedure) (*node, error) {
	text := notes{path: p.Name, text: "steps:\n  - " + strings.Join(p.Steps, "\n  - ") + "\n"}
	root := parseTree(&text)
	if err := text.err(); err != nil {
		return nil, fmt.Errorf("%s", text.list[0].Message)
	}
	return root.get("steps"), nil
}

// filled is a tree of which every part stands at one place, with values in place of the blanks. A blank without a value is left
// out, with its key.
func (n *node) filled(at place, with *node) *node {
	if name, blank := n.blank(); blank {
		return with.get(name)
	}
	c := *n
	c.at, c.items, c.entries = at, nil, nil
	for _, item := range n.items {
		if item := item.filled(at, with); item != nil {
			c.items = append(c.items, item)
		}
	}
	for _, e := range n.entries {
		if value := e.value.filled(at, with); value != nil {
			c.entries = append(c.entries, entry{key: e.key, at: at, value: value})
		}
	}
	return &c
}

// blank returns the name of the value for which a word stands.
func (n *node) blank() (name string, is bool) {
	if n.shape == scalar && blankPattern.MatchString(n.text) {
		return n.text[1:], true
	}
	return "", false
}

// checkRunbook finds blanks that nothing asks for, and questions whose answers go nowhere.
func checkRunbook(p *nodes.Procedure) error {
	steps, err := stepsOf(p)
	if err != nil {
		return fmt.Errorf("procedure %s: %w", p.Name, err)
	}
	blanks := steps.blanks()
	for _, name := range blanks {
		if !slices.ContainsFunc(p.Args, func(a nodes.Arg) bool { return a.Name == name }) {
			return fmt.Errorf("procedure %s: a step has $%s, for which it does not ask", p.Name, name)
		}
	}
	for _, a := range p.Args {
		if !slices.Contains(blanks, a.Name) {
			return fmt.Errorf("procedure %s: no step has $%s, for which it asks", p.Name, a.Name)
		}
	}
	return nil
}

// blanks are the names of all blanks of a tree.
func (n *node) blanks() []string {
	var names []string
	if name, is := n.blank(); is {
		names = append(names, name)
	}
	for _, item := range n.items {
		names = append(names, item.blanks()...)
	}
	for _, e := range n.entries {
		names = append(names, e.value.blanks()...)
	}
	return names
}
