package library_test

import (
	"slices"
	"testing"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios"
	"firedrill/scenarios/expect"
	expectpair "firedrill/scenarios/expect/pair"
	"firedrill/scenarios/library"
	"firedrill/sim/virtual"
)

var catalogue = &scenarios.Catalogue{
	Kinds:   []*nodes.Kind{pair.Kind()},
	Claims:  slices.Concat(expect.Forms(), expectpair.Forms()),
	Hazards: expectpair.Hazards(),
}

// TestLibrary reads every scenario and plays the first case of each, with its first seed: it passes, or shows a hazard
// that it expects. `make drill` plays the rest.
func TestLibrary(t *testing.T) {
	files, err := scenarios.LoadFS(library.Files, ".", catalogue)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range files {
		if names[f.Name] {
			t.Errorf("two scenarios are called %s", f.Name)
		}
		names[f.Name] = true
		if len(f.Covers) == 0 {
			t.Errorf("%s says nowhere what it covers", f.Name)
		}
		c := f.Cases[0]
		s, err := c.Scenario(c.Seeds.First)
		if err != nil {
			t.Fatal(err)
		}
		o := s.Play(virtual.New(c.Seeds.First), catalogue)
		if o.Err != nil || o.Verdict != expect.Pass && o.Verdict != expect.HazardSeen {
			t.Errorf("%s: %s, %v, missed %v", c.Name, o.Verdict, o.Err, o.Misses)
			for _, claim := range o.Claims {
				if claim.Verdict != expect.Pass && claim.Verdict != expect.Idle {
					t.Logf("%s: %s %v", claim.Text, claim.Verdict, claim.Evidence)
				}
			}
		}
	}
	if !names["healthy"] {
		t.Errorf("want the library read, have %v", names)
	}
}
