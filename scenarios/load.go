package scenarios

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Load reads and checks one file. What is wrong in it is a *Mistakes.
func Load(file string, cat *Catalogue) (*File, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(f, file, cat)
}

// read reads no more of a file than a scenario can hold: it may be a device without end.
func read(r io.Reader, file string, cat *Catalogue) (*File, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	return Parse(file, text, cat)
}

// LoadDir reads and checks all scenarios of a directory and of those below it, in the order of
// their paths. The error joins what is wrong in each file; the files that are right are returned
// beside it. A directory without scenarios is an error.
func LoadDir(dir string, cat *Catalogue) ([]*File, error) {
	return LoadFS(os.DirFS(dir), dir, cat)
}

// LoadFS is LoadDir for any file system. Files are named below dir in messages.
func LoadFS(fsys fs.FS, dir string, cat *Catalogue) ([]*File, error) {
	var files []*File
	var wrong []error
	found := false
	at := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		found = true
		full := filepath.Join(dir, filepath.FromSlash(name))
		switch i, err := fs.Stat(fsys, name); {
		case err != nil:
			return err
		case !i.Mode().IsRegular(): // Nobody may ever write to a pipe, and a device never ends.
			wrong = append(wrong, fmt.Errorf("%s: want a plain file, have %s", full, i.Mode()))
			return nil
		}
		f, err := fsys.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		file, err := read(f, full, cat)
		switch {
		case err != nil:
			wrong = append(wrong, err)
		case at[file.Name] != "":
			wrong = append(wrong, fmt.Errorf("%s: scenario %q is in %s already", full, file.Name, at[file.Name]))
		default:
			at[file.Name] = full
			files = append(files, file)
		}
		return nil
	})
	if at := new(fs.PathError); errors.As(err, &at) {
		at.Path = filepath.Join(dir, filepath.FromSlash(at.Path)) // As its reader names it.
	}
	if err != nil {
		wrong = append(wrong, err)
	} else if !found {
		wrong = append(wrong, fmt.Errorf("no scenarios in %s: want files that end in .yaml", dir))
	}
	return files, errors.Join(wrong...)
}

// enough is after how many mistakes no further case is checked.
const enough = 500

// Parse reads and checks the text of a scenario. The path is for messages; the scenario's name has
// to be the file's name, unless the path does not end in .yaml. What is wrong is a *Mistakes.
func Parse(file string, text []byte, cat *Catalogue) (*File, error) {
	if err := cat.Check(); err != nil {
		return nil, fmt.Errorf("the catalogue: %w", err)
	}
	m := &notes{path: file, text: string(text)}
	root := parseTree(m)
	if root == nil {
		return nil, m.err()
	}
	f := &File{Path: file, Doc: doc(m.text)}
	if f.Doc == "" {
		m.addf(place{}, "want a first comment: # and why the scenario exists")
	}
	checkName(m, root, file)
	root = withRunbooks(m, root, cat)
	family := newFamily(m, root)
	family.checkSlips(cat)
	if t := root.get("timeline"); t != nil && t.shape == list {
		for _, step := range t.items {
			checkOrder(m, step)
		}
	}
	for _, p := range root.get("procedures").named() {
		for _, step := range p.value.list() {
			if step.shape == mapping {
				checkOrder(m, step.with("step", nil)) // Its name stands first, or where that of others does.
			}
		}
	}
	f.Axes = family.shown()
	for _, c := range family.members() {
		if len(m.list) > enough {
			break
		}
		f.Cases = append(f.Cases, check(m, cat, f, family, c))
	}
	if err := m.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// checkName checks that a scenario is called as its file is.
func checkName(m *notes, root *node, file string) {
	base, isFile := strings.CutSuffix(filepath.Base(file), ".yaml")
	name := root.get("name")
	if !isFile || name == nil || name.shape != scalar || !namePattern.MatchString(name.text) || name.text == base {
		return
	}
	m.addf(name.at, "want the file's name %q, have %q", base, name.text)
}

// check finds the mistakes of one case in each of its worlds, at both ends of every range.
func check(m *notes, cat *Catalogue, f *File, family *family, c member) *Case {
	one := &Case{File: f, Values: c.values, cat: cat, trees: c.trees}
	for _, t := range c.trees {
		lost := family.leftOut(t.tree)
		ranges := 0
		d := draw{end: lowEnd, world: t.world, ranges: &ranges}
		s, keys := build(m, cat, t.tree, lost, d)
		if ranges > 0 {
			d.end = highEnd
			build(m, cat, t.tree, lost, d)
		}
		f.Name, f.Covers = keys.Name, union(f.Covers, s.Covers)
		one.Name = strings.Join(append([]string{keys.Name}, c.values...), "/")
		one.Seeds, one.Worlds = keys.Seeds, append(one.Worlds, t.world)
	}
	return one
}

// leftOut are the steps of the file that a case does without.
func (f *family) leftOut(tree *node) []string {
	kept := map[string]bool{}
	for _, step := range tree.get("timeline").list() {
		kept[stepName(step)] = true
	}
	for _, p := range tree.get("procedures").named() {
		for _, step := range p.value.list() {
			kept[stepName(step)] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(f.steps), func(name string) bool { return kept[name] })
}

// Select returns the cases that have all the values of VALUE/VALUE. The empty path is every case.
func (f *File) Select(path string) ([]*Case, error) {
	if path == "" {
		return f.Cases, nil
	}
	values := strings.Split(path, "/")
	var known []string
	for _, c := range f.Cases {
		for _, v := range c.Values {
			if !slices.Contains(known, v) {
				known = append(known, v)
			}
		}
	}
	for _, v := range values {
		if !slices.Contains(known, v) {
			return nil, errors.New(no("value", v, known) + " in " + f.Name)
		}
	}
	var cases []*Case
	for _, c := range f.Cases {
		if (variantPath{values: values}).covers(c.Values) {
			cases = append(cases, c)
		}
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("no case of %s has %s", f.Name, strings.Join(values, " and "))
	}
	return cases, nil
}

// Scenario makes the scenario of a seed for the first of its worlds: every range is drawn. The error is for what no end of a
// range showed, such as a config that is wrong only in the middle.
func (c *Case) Scenario(seed uint64) (*Scenario, error) { return c.ScenarioIn(c.Worlds[0], seed) }

// ScenarioIn is Scenario for one of the worlds in which the case can be played.
func (c *Case) ScenarioIn(world string, seed uint64) (*Scenario, error) {
	i := slices.IndexFunc(c.trees, func(t worldTree) bool { return t.world == world })
	if i < 0 {
		return nil, fmt.Errorf("%s is not played in the %s world; it is in the %s world", c.Name, world,
			strings.Join(c.Worlds, " and the "))
	}
	m := &notes{path: c.File.Path}
	ranges := 0
	s, _ := build(m, c.cat, c.trees[i].tree, nil, draw{end: bySeed, seed: seed, world: world, ranges: &ranges})
	s.Case, s.Axes = c.Name, c.File.Axes
	if err := m.err(); err != nil {
		return nil, fmt.Errorf("%s, seed %d: %w", c.Name, seed, err)
	}
	s.Slips, s.Usual = c.trees[i].slips, c.trees[i].usual
	return s, nil
}
