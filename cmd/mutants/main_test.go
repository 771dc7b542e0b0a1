package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

const checksPatch = `--- a/nodes/pair/pair.go
+++ b/nodes/pair/pair.go
@@ -3,3 +3,3 @@
 // Checks is how many checks fail before a takeover.
-const Checks = 2
+const Checks = NEW

`

// TestHunt plants bugs of every fate in a small module: those that are caught as they should be,
// and all the ways in which a bug can only seem to be.
func TestHunt(t *testing.T) {
	t.Parallel()
	module, err := txtar.ParseFile("testdata/module.txtar")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := txtar.Write(module, root); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, header, checks string
		want                 string
	}{
		{"claim", "# play: heartbeat-cut\n# kills: takeover", "1", "killed *by takeover in heartbeat-cut, seed 7"},
		{"test", "# test: ./nodes/pair -run TestChecks", "1", "killed *by go test ./nodes/pair -run TestChecks"},
		{"nothing changed", "# play: heartbeat-cut\n# kills: takeover", "1 + 1", "ALIVE *no claim turned red; want takeover"},
		{"nothing tested", "# test: ./nodes/pair -run TestChecks", "1 + 1", "ALIVE *TestChecks` passes"},
		{"other claim", "# play: heartbeat-cut\n# kills: single_address_owner", "1",
			"ALIVE *want single_address_owner red, have hazard: HZ-D1, takeover"},
		{"one of two claims", "# play: heartbeat-cut\n# kills: takeover, single_address_owner", "1",
			"ALIVE *want single_address_owner red, have hazard: HZ-D1, takeover"},
		{"claim and subject", "# play: heartbeat-cut\n# kills: hazard: HZ-D1", "1", "killed *by hazard: HZ-D1 in heartbeat-cut, seed 7"},
		{"other subject", "# play: heartbeat-cut\n# kills: hazard: HZ-D2", "1",
			"ALIVE *want hazard: HZ-D2 red, have hazard: HZ-D1, takeover"},
		{"red without it", "# play: red-anyway\n# kills: converged", "1",
			"ALIVE *converged is red in `red-anyway` without the bug"},
		{"crash", "# play: heartbeat-cut\n# kills: takeover", "99",
			"ALIVE *it dies by another cause, with status 2: panic: the bug"},
		{"crash of a node", "# play: heartbeat-cut\n# kills: takeover", "96",
			"ALIVE *it dies by another cause: software_sound in heartbeat-cut, seed 7"},
		{"crash that is meant", "# play: heartbeat-cut\n# kills: software_sound", "96", "killed *by software_sound"},
		{"fault of firedrill", "# play: heartbeat-cut\n# kills: takeover", "98",
			"ALIVE *it dies by another cause, in heartbeat-cut, seed 7: the world stood still"},
		{"panic in a test", "# test: ./nodes/pair -run TestChecks", "97",
			"ALIVE *it dies by another cause: --- FAIL: TestChecks"},
		{"no such test", "# test: ./nodes/pair -run TestNothing", "1", "ALIVE *runs no test"},
		{"no build", "# play: heartbeat-cut\n# kills: takeover", `"one"`, "ALIVE *it does not build"},
		{"no claim", "# play: heartbeat-cut", "1", "ALIVE *`# play:` and `# kills:` come together"},
		{"no play", "", "1", "ALIVE *want `# play:` and `# kills:`, or `# test:`"},
		{"misspelt", "# kill: takeover", "1", "ALIVE *have \"kill\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "# bug: " + c.name + "\n" + c.header + "\n" + strings.ReplaceAll(checksPatch, "NEW", c.checks)
			patch := filepath.Join(t.TempDir(), "bug.patch")
			if err := os.WriteFile(patch, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			expectHunt(t, root, patch, c.want)
		})
	}
	t.Run("stale", func(t *testing.T) {
		patch := filepath.Join(t.TempDir(), "stale.patch")
		text := "# bug: stale\n# play: x\n# kills: y\n" + strings.ReplaceAll(checksPatch, "Checks = 2", "Checks = 3")
		if err := os.WriteFile(patch, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		expectHunt(t, root, patch, "ALIVE *the patch no longer applies")
	})
}

// expectHunt wants the words before and after the star in what hunt prints, and its count to agree.
func expectHunt(t *testing.T, root, patch, want string) {
	t.Helper()
	var out strings.Builder
	alive, err := hunt(root, []string{patch}, &out)
	if err != nil {
		t.Fatal(err)
	}
	fate, reason, _ := strings.Cut(want, " *")
	if !strings.HasPrefix(out.String(), fate) || !strings.Contains(out.String(), reason) {
		t.Errorf("want %s ... %s, have\n%s", fate, reason, out.String())
	}
	if wantAlive := fate == "ALIVE"; (alive == 1) != wantAlive {
		t.Errorf("want alive %t, have %d", wantAlive, alive)
	}
}

func TestPatchesAreFound(t *testing.T) {
	root := t.TempDir()
	if _, err := findPatches(root); err == nil {
		t.Error("want an error where there are none: nothing planted is nothing shown")
	}
	for _, name := range []string{
		"nodes/pair/testdata/mutants/b.patch", "sim/testdata/mutants/a.patch", "nodes/pair/testdata/c.patch",
	} {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := "nodes/pair/testdata/mutants/b.patch sim/testdata/mutants/a.patch"
	if have, err := findPatches(root); strings.Join(have, " ") != want || err != nil {
		t.Errorf("want %s, have %v, %v", want, have, err)
	}
}
