package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"firedrill/scenarios/expect"
	"firedrill/scenarios/expect/pair"
)

// check is a claim or a hazard that ships, and what is known of its eyesight.
type check struct {
	name    string    // a claim's, or a hazard's id
	catches []*mutant // bugs that turn it red; a hazard is red where it is not shown, or shown and not expected
	within  []*mutant // bugs in it, which tests catch
}

// checks are the claims and then the hazards that ship, each with the bugs of these patches.
func checks(root string, patches []string) ([]check, error) {
	var all []check
	for _, f := range slices.Concat(expect.Forms(), pair.Forms()) {
		all = append(all, check{name: f.Name})
	}
	for _, h := range pair.Hazards() {
		all = append(all, check{name: h.ID})
	}
	for _, patch := range patches {
		m, err := readMutant(filepath.Join(root, patch))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", patch, err)
		}
		for n := range all {
			c := &all[n]
			if slices.ContainsFunc(m.kills, c.is) {
				c.catches = append(c.catches, m)
			}
			if slices.ContainsFunc(m.in, c.is) {
				c.within = append(c.within, m)
			}
		}
		for _, word := range slices.Concat(m.kills, m.in) {
			if !slices.ContainsFunc(all, func(c check) bool { return c.is(word) }) {
				return nil, fmt.Errorf("%s: no claim and no hazard is called %q", patch, word)
			}
		}
	}
	return all, nil
}

// is reports whether a patch means this check. Of a claim's subject only a hazard is a check by itself.
func (c *check) is(named string) bool {
	claim, subject, _ := strings.Cut(named, ": ")
	return c.name == claim || c.name == subject
}

// list prints, for each check of the module at root, the bugs that it catches and those that were planted in it.
func list(root string, w io.Writer) error {
	patches, err := findPatches(root)
	if err != nil {
		return err
	}
	all, err := checks(root, patches)
	if err != nil {
		return err
	}
	var rows strings.Builder
	for _, c := range all {
		name := c.name
		for _, bugs := range []struct {
			word  string
			there []*mutant
		}{{"catches", c.catches}, {"planted in it", c.within}} {
			for _, m := range bugs.there {
				fmt.Fprintf(&rows, "%s\t%s\t%s\n", name, bugs.word, m.bug)
				name = ""
			}
		}
		if name != "" {
			fmt.Fprintf(&rows, "%s\tcatches\tnone\n", name)
		}
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, rows.String()); err != nil {
		return err
	}
	return table.Flush()
}
