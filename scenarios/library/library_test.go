package library_test

import (
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/nodes/program"
	"firedrill/scenarios"
	"firedrill/scenarios/expect"
	expectpair "firedrill/scenarios/expect/pair"
	"firedrill/scenarios/library"
	"firedrill/sim/virtual"
)

var catalogue = &scenarios.Catalogue{
	Kinds:   []*nodes.Kind{pair.Kind(), program.Kind()},
	Claims:  slices.Concat(expect.Forms(), expectpair.Forms()),
	Hazards: expectpair.Hazards(),
}

// TestLibrary reads every scenario and plays the first case of each that is for the virtual world, with its first seed: it passes,
// or shows a hazard that it expects. `make drill` plays the rest.
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
		if !slices.Contains(c.Worlds, scenarios.WorldVirtual) {
			continue // The command's tests play it.
		}
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

// TestCatalogue: the scenarios for pairs show each entry of the catalogue, each hazard and each failure mode from the
// field that has to do with pairs, and say so under covers of a file, a step or a claim.
func TestCatalogue(t *testing.T) {
	ofPairs, err := fs.Sub(library.Files, "pair")
	if err != nil {
		t.Fatal(err)
	}
	files, err := scenarios.LoadFS(ofPairs, "pair", catalogue)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, f := range files {
		for _, id := range f.Covers {
			shown[id] = true
		}
	}
	for series, numbers := range map[string][]int{
		"SD-%02d": {1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 14, 15, 16},
		"HZ-D%d":  {1, 2, 3, 4, 5, 6, 7, 8, 9},
		"FM-%02d": {5, 6, 10, 11, 13, 14, 15, 16, 17, 21, 24, 27},
	} {
		for _, n := range numbers {
			if id := fmt.Sprintf(series, n); !shown[id] {
				t.Errorf("no scenario for pairs covers %s", id)
			}
		}
	}
}

// TestRunbooks: each procedure that comes with a kind is run by a shipped scenario.
func TestRunbooks(t *testing.T) {
	files, err := scenarios.LoadFS(library.Files, ".", catalogue)
	if err != nil {
		t.Fatal(err)
	}
	var run []string
	for _, f := range files {
		for _, c := range f.Cases {
			s, err := c.Scenario(c.Seeds.First)
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range s.Timeline {
				if r, is := step.Act.(*scenarios.Run); is {
					run = append(run, r.Procedures...)
				}
			}
		}
	}
	for _, k := range catalogue.Kinds {
		for _, p := range k.Procedures {
			if !slices.Contains(run, p.Name) {
				t.Errorf("no scenario runs %s of kind %s", p.Name, k.Name)
			}
		}
	}
}

// TestKernelPace: what is for both worlds is over soon in the kernel world, and nobody there gives up waiting in less real time than
// a play may be late by and still be believed.
func TestKernelPace(t *testing.T) {
	files, err := scenarios.LoadFS(library.Files, "pair", catalogue)
	if err != nil {
		t.Fatal(err)
	}
	both := map[string]bool{}
	for _, f := range files {
		for _, c := range f.Cases {
			if len(c.Worlds) < len(scenarios.Worlds) {
				continue
			}
			both[f.Name] = true
			s, err := c.ScenarioIn(scenarios.WorldKernel, c.Seeds.First)
			if err != nil {
				t.Fatal(err)
			}
			scale := time.Duration(s.TimeScale)
			if took := (s.Stop + s.Settle) / scale; took > 30*time.Second {
				t.Errorf("%s takes %s at %s, want 30s at most", c.Name, took, s.TimeScale)
			}
			for _, g := range s.Clients {
				if patience := g.Timeout / scale; patience < 100*time.Millisecond {
					t.Errorf("clients %s of %s wait for %s at %s, want 100ms at least", g.Name, c.Name, patience, s.TimeScale)
				}
			}
		}
	}
	if len(both) < 8 {
		t.Errorf("%d scenarios of the pair are for both worlds, want 8 at least", len(both))
	}
}
