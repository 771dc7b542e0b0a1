package scenarios

import (
	"fmt"
	"strings"
	"testing"

	"firedrill/faults"
)

// A case is another scenario in each of its worlds: the steps and overlays for one are not there in the other.
func TestWorlds(t *testing.T) {
	f, err := Load("testdata/right/worlds.yaml", testCatalogue())
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, c := range f.Cases {
		for _, world := range c.Worlds {
			s, err := c.ScenarioIn(world, 1)
			if err != nil {
				t.Fatal(err)
			}
			line := fmt.Sprintf("%s in %s, %s, until %v:", s.Case, s.World, s.TimeScale, s.Stop)
			for _, step := range s.Timeline {
				line += " " + faults.Print(step.Act)
				if step.When.Then != nil {
					line += " after " + step.When.Then.String()
				}
			}
			have = append(have, line)
		}
	}
	want := []string{
		"worlds/short in virtual, 1x, until 30m0s: unplug: lan, machine: nas-a plug: lan, machine: nas-a after 1m0s",
		"worlds/short in kernel, 60x, until 20m0s: unplug: lan, machine: nas-a plug: lan, machine: nas-a after 2m0s",
		"worlds/long in virtual, 1x, until 30m0s: unplug: lan, machine: nas-a plug: lan, machine: nas-a after 1m0s",
		"worlds/long in kernel, 60x, until 20m0s: unplug: lan, machine: nas-a plug: lan, machine: nas-a after 3m0s",
		"worlds/forever in virtual, 1x, until 192h0m0s: unplug: lan, machine: nas-a plug: lan, machine: nas-a after 1m0s",
	}
	if a, b := strings.Join(have, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("have\n%s\nwant\n%s", a, b)
	}
	forever := f.Cases[2]
	if _, err := forever.ScenarioIn(WorldKernel, 1); err == nil || !strings.Contains(err.Error(), "it is in the virtual world") {
		t.Errorf("want an error that says where the exception is played, have %v", err)
	}
	if plain, err := Parse("", []byte(forever.YAML()), testCatalogue()); err != nil || len(plain.Cases[0].Worlds) != 1 {
		t.Errorf("the plain file of a case that is in one world alone is for that one: %v\n%s", err, forever.YAML())
	}
	if s, err := f.Cases[0].Scenario(1); err != nil || s.World != WorldVirtual {
		t.Errorf("without a word, want the first of the file's worlds, have %v, %v", s.World, err)
	}
	plain, err := Parse("", []byte(f.Cases[1].YAML()), testCatalogue())
	if err != nil || len(plain.Cases[0].Worlds) != 1 {
		t.Fatalf("the plain file of a case that differs between worlds is for one of them: %v\n%s", err, f.Cases[1].YAML())
	}
	if _, err := plain.Cases[0].ScenarioIn(WorldKernel, 1); err == nil || !strings.Contains(err.Error(), "it is in the virtual world") {
		t.Errorf("want an error that says in which world it is played, have %v", err)
	}
}
