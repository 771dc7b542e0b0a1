package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryCheckHasABug: each claim and each hazard that ships turns red for at least one planted bug.
func TestEveryCheckHasABug(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	patches, err := findPatches(root)
	if err != nil {
		t.Fatal(err)
	}
	all, err := checks(root, patches)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 30 {
		t.Errorf("want the whole catalogue, have %d checks", len(all))
	}
	for _, c := range all {
		bugs := c.catches
		if c.name == "choices" { // It claims nothing and is never red, but others rest on what it marks.
			bugs = c.within
		}
		if len(bugs) == 0 {
			t.Errorf("%s has never been seen to fail; plant a bug that it must catch", c.name)
		}
	}
}

// TestList: a subject is a check of its own where it is a hazard, a claim is told from its namesakes, and nobody is blind unseen.
func TestList(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	plant := func(name, header string) {
		t.Helper()
		folder := filepath.Join(root, "nodes", "testdata", "mutants")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		text := "# bug: " + name + "\n" + header + "\n" + checksPatch
		if err := os.WriteFile(filepath.Join(folder, name+".patch"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	plant("early", "# play: x\n# kills: takeover, hazard: HZ-D1")
	plant("blind", "# test: ./x\n# in: takeover")
	var out strings.Builder
	if err := list(root, &out); err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	check := ""
	for line := range strings.Lines(out.String()) {
		words := strings.Fields(line)
		if !strings.HasPrefix(line, " ") {
			check, words = words[0], words[1:]
		}
		have[check] += strings.Join(words, " ") + "; "
	}
	for name, want := range map[string]string{
		"takeover": "catches early; planted in it blind; ", "hazard": "catches early; ", "HZ-D1": "catches early; ",
		"HZ-D2": "catches none; ", "serving": "catches none; ",
	} {
		if have[name] != want {
			t.Errorf("%s %q, want %q", name, have[name], want)
		}
	}
	plant("stray", "# play: x\n# kills: take_over")
	if err := list(root, &out); err == nil || !strings.Contains(err.Error(), `no claim and no hazard is called "take_over"`) {
		t.Errorf("want an error that names the stray claim, have %v", err)
	}
}
