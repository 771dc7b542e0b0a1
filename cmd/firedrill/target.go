package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"firedrill/nodes"
	"firedrill/scenarios"
	"firedrill/scenarios/library"
)

// selection is a scenario and the cases of it that are meant.
type selection struct {
	file  *scenarios.File
	cases []*scenarios.Case
	// target is what `firedrill run` takes for the file: a shipped scenario's name, or a path.
	target string
	named  bool // an argument means this one, and not the folder or the library that it lies in
}

// shippedNames lists the scenarios of the library, by name, with where each lies in it.
func shippedNames() (names []string, place map[string]string, err error) {
	place = map[string]string{}
	err = fs.WalkDir(library.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if scenario, found := strings.CutSuffix(path.Base(name), ".yaml"); err == nil && found {
			names = append(names, scenario)
			place[scenario] = name
		}
		return err
	})
	slices.Sort(names)
	return names, place, err
}

// shipped reads one scenario of the library. A mistake in it is ours.
func shipped(place string) (selection, error) {
	text, err := fs.ReadFile(library.Files, place)
	if err != nil {
		return selection{}, &exit{statusFault, err}
	}
	f, err := scenarios.Parse(path.Join("library", place), text, catalogue())
	if err != nil {
		return selection{}, &exit{statusFault, err}
	}
	return selection{file: f, cases: f.Cases, target: f.Name}, nil
}

// resolve finds what the arguments name: FILE, DIR, NAME, or FILE or NAME with /VALUE/.. behind it.
// Without arguments it is the whole library. A shipped scenario goes before a file of its name;
// ./NAME is the file. All mistakes are in the error.
func resolve(args []string) ([]selection, error) {
	names, place, err := shippedNames()
	if err != nil {
		return nil, &exit{statusFault, err}
	}
	every := len(args) == 0
	if every {
		args = names
	}
	var list []selection
	var wrong []error
	for _, arg := range args {
		name, values, _ := strings.Cut(arg, "/")
		var found []selection
		if at := place[name]; at != "" {
			var s selection
			if s, err = shipped(at); err == nil {
				s.named = !every
				found, err = s.narrow(values)
			}
		} else {
			found, err = resolvePath(arg, names)
		}
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		for _, s := range found {
			if list, err = merge(list, s); err != nil {
				wrong = append(wrong, err)
			}
		}
	}
	return list, errors.Join(wrong...)
}

// resolvePath finds a file or a directory. The names are those of shipped scenarios: one of them may have been meant.
func resolvePath(arg string, names []string) ([]selection, error) {
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.IsDir():
		files, err := scenarios.LoadDir(arg, catalogue())
		list := make([]selection, len(files))
		for i, f := range files {
			list[i] = selection{file: f, cases: f.Cases, target: f.Path}
		}
		return list, err
	case err == nil:
		return load(arg, "")
	}
	if file, values, found := strings.Cut(arg, ".yaml/"); found {
		return load(file+".yaml", values)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	name, _, _ := strings.Cut(arg, "/")
	return nil, fmt.Errorf("no shipped scenario, file or directory %q; the scenarios are %s", arg, choices(name, names))
}

// load reads a file, and the cases of it that have these values.
func load(file, values string) ([]selection, error) {
	f, err := scenarios.Load(file, catalogue())
	if err != nil {
		return nil, err
	}
	return (selection{file: f, target: file, named: true}).narrow(values)
}

// narrow selects the cases that have these values.
func (s selection) narrow(values string) ([]selection, error) {
	cases, err := s.file.Select(values)
	s.cases = cases
	return []selection{s}, err
}

// merge adds a selection to the list. A case that is named twice is played once, in the order of the file.
func merge(list []selection, s selection) ([]selection, error) {
	for i := range list {
		have := &list[i]
		if have.file.Name != s.file.Name {
			continue
		}
		if filepath.Clean(have.target) != filepath.Clean(s.target) {
			return list, fmt.Errorf("%s and %s are both called %s", have.target, s.target, s.file.Name)
		}
		all := s.file.Cases
		both := slices.Concat(have.cases, s.cases)
		have.file, have.cases, have.named = s.file, nil, have.named || s.named
		for _, c := range all {
			if slices.ContainsFunc(both, func(b *scenarios.Case) bool { return b.Name == c.Name }) {
				have.cases = append(have.cases, c)
			}
		}
		return list, nil
	}
	return append(list, s), nil
}

// completeTargets offers shipped scenarios and, once a name is there, its cases. Files are left to the shell.
func completeTargets(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	names, place, err := shippedNames()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var words []string
	for _, name := range names {
		if !strings.HasPrefix(name, word) && !strings.HasPrefix(word, name+"/") {
			continue
		}
		s, err := shipped(place[name])
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		if strings.HasPrefix(name, word) {
			words = append(words, name+"\t"+firstSentence(s.file.Doc))
			continue
		}
		for _, c := range s.cases {
			if strings.HasPrefix(c.Name, word) {
				words = append(words, c.Name)
			}
		}
	}
	if len(words) == 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// fit keeps the cases that can be played in a world. Of what no argument names, skipped is told the names of the rest.
func fit(list []selection, world string) (kept []selection, skipped []string, err error) {
	var wrong []error
	for _, s := range list {
		here := slices.DeleteFunc(slices.Clone(s.cases), func(c *scenarios.Case) bool { return !slices.Contains(c.Worlds, world) })
		switch {
		case len(here) > 0:
			s.cases = here
			kept = append(kept, s)
		case s.named:
			wrong = append(wrong, fmt.Errorf("%s is not played in the %s world; %s", s.target, world, wayOn(s)))
		default:
			skipped = append(skipped, s.file.Name)
		}
	}
	if len(kept) == 0 && len(wrong) == 0 && len(list) > 0 {
		wrong = append(wrong, fmt.Errorf("none of these is played in the %s world: %s; try --world %s", world,
			strings.Join(skipped, ", "), list[0].cases[0].Worlds[0]))
	}
	return kept, skipped, errors.Join(wrong...)
}

// wayOn says how a scenario that is not for a world is played: in its own, or in that one too, where its file is the user's and
// says so.
func wayOn(s selection) string {
	c := s.cases[0]
	text := "try --world " + c.Worlds[0]
	drawn, err := c.Scenario(c.Seeds.First)
	if err != nil || s.target == s.file.Name || len(drawn.Programs()) > 0 {
		return text
	}
	return text + ", or let it say `world: [virtual, kernel]`" + timeScale(drawn)
}

// timeScale is advice for a scenario of the virtual world that is to be played on real kernels, where a play takes its time; "":
// it has a scale already.
func timeScale(s *scenarios.Scenario) string {
	if s.World != scenarios.WorldVirtual || s.TimeScale != 1 {
		return ""
	}
	return fmt.Sprintf(", and a time_scale: a play would take %s of real time", nodes.FormatDuration(s.Stop+s.Settle))
}
