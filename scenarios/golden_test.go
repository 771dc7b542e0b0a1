package scenarios_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/nodes/program"
	"firedrill/scenarios"
	"firedrill/scenarios/expect"
	pairclaims "firedrill/scenarios/expect/pair"
	"firedrill/scenarios/library"
	"firedrill/sim"
	"firedrill/sim/virtual"
)

func shipped() *scenarios.Catalogue {
	return &scenarios.Catalogue{
		Kinds:   []*nodes.Kind{pair.Kind(), program.Kind()},
		Claims:  append(expect.Forms(), pairclaims.Forms()...),
		Hazards: pairclaims.Hazards(),
	}
}

// TestTranscripts plays every shipped scenario, its first case with its first seed, twice: the two have to be the same, and the
// same as the transcript in testdata. A change of the engine, or of a node, shows as a difference. UPDATE_GOLDEN=1 writes them
// anew.
func TestTranscripts(t *testing.T) {
	cat := shipped()
	files, err := scenarios.LoadFS(library.Files, "library", cat)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		c := f.Cases[0]
		if !slices.Contains(c.Worlds, scenarios.WorldVirtual) {
			continue // In the kernel world no two plays are the same.
		}
		t.Run(f.Name, func(t *testing.T) {
			s, err := c.Scenario(c.Seeds.First)
			if err != nil {
				t.Fatal(err)
			}
			o := s.Play(virtual.New(s.Seed), cat)
			have := transcript(o)
			if again := s.Play(virtual.New(s.Seed), cat); transcript(again) != have || again.Hash != o.Hash {
				t.Errorf("played twice: hash %016x, then %016x\n%s", o.Hash, again.Hash, cmp.Diff(have, transcript(again)))
			}
			path := filepath.Join("testdata", "transcripts", f.Name+".golden")
			names = append(names, f.Name+".golden")
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(path, []byte(have), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want, []byte(have)) {
				t.Errorf("UPDATE_GOLDEN=1 writes it anew; %s", cmp.Diff(strings.Split(string(want), "\n"), strings.Split(have, "\n")))
			}
		})
	}
	there, err := filepath.Glob(filepath.Join("testdata", "transcripts", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range there {
		if !slices.Contains(names, filepath.Base(path)) {
			t.Errorf("%s is the transcript of no shipped scenario", path)
		}
	}
}

// frequent are the facts that would drown the others.
var frequent = []string{sim.FactLogLine, nodes.FactSync, pair.FactCheckSent, pair.FactCheckAnswered}

// transcript is what happened in a play, and what was made of it.
func transcript(o *scenarios.Outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, seed %d: %s\n\n", o.Scenario.Case, o.Scenario.Seed, o.Verdict)
	for _, e := range o.Run.Events {
		if slices.Contains(frequent, e.Name) || o.Run.Machine(e.Machine) != nil && o.Run.Machine(e.Machine).Kind == nil {
			continue
		}
		who := e.Machine
		if who == "" {
			who = "~"
		}
		line := fmt.Sprintf("%11.3fs  %s %s", e.At.Seconds(), who, e.Name)
		if e.Scope != "" {
			line += " [" + e.Scope + "]"
		}
		if e.Value != "" {
			line += ": " + e.Value
		}
		for _, a := range e.Attrs {
			line += fmt.Sprintf(", %s %s", a.Key, a.Value)
		}
		b.WriteString(line + "\n")
	}
	b.WriteString("\n")
	for _, f := range o.Run.Faults {
		if !f.Undoing {
			fmt.Fprintf(&b, "%s: %s\n", f.Fault, f.Receipt)
		}
	}
	count := map[nodes.Result]int{}
	for _, op := range o.Run.History {
		count[op.Result]++
	}
	fmt.Fprintf(&b, "operations: %d ok, %d failed, %d unknown\n\n",
		count[nodes.ResultOK], count[nodes.ResultFailed], count[nodes.ResultUnknown])
	for _, c := range o.Claims {
		fmt.Fprintf(&b, "%-9s %s\n", c.Verdict, c.Text)
		if c.Verdict != expect.Pass && c.Verdict != expect.Idle {
			for _, line := range c.Evidence {
				fmt.Fprintf(&b, "          %s\n", line)
			}
		}
	}
	for _, m := range o.Misses {
		fmt.Fprintf(&b, "missed    %s\n", m)
	}
	for _, u := range o.Undocumented {
		fmt.Fprintf(&b, "silent    %s\n", u)
	}
	return b.String()
}
