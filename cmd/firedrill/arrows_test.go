package main

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestImportArrows plants imports in modules of this one's shape and lets the linter judge them by
// this project's rules: what points down is let through, what points up or sideways is named.
func TestImportArrows(t *testing.T) {
	t.Parallel()
	linters, err := filepath.Glob("../../.bin/golangci-lint-*")
	if err != nil || len(linters) == 0 {
		t.Skip("SKIPPED: no linter in .bin; `make lint` fetches it")
	}
	linter, err := filepath.Abs(linters[len(linters)-1])
	if err != nil {
		t.Fatal(err)
	}
	arrows := []struct {
		from, to string
		allowed  bool
	}{
		{"cmd/firedrill", "sim/virtual", true},
		{"cmd/firedrill", "scenarios/library", true},
		{"reports", "scenarios", true},
		{"reports", "sim/virtual", false},
		{"reports", "nodes/pair", false},
		{"scenarios/explore", "scenarios", true},
		{"scenarios/explore", "reports", false},
		{"scenarios", "scenarios/expect", true},
		{"scenarios", "nodes/client", true},
		{"scenarios", "nodes/pair", false},
		{"scenarios", "sim/virtual", false},
		{"scenarios", "scenarios/library", false},
		{"scenarios", "scenarios/expect/pair", false},
		{"scenarios/library", "nodes", false},
		{"scenarios/expect/pair", "nodes/pair", true},
		{"scenarios/expect/pair", "scenarios", false},
		{"scenarios/expect", "faults", true},
		{"scenarios/expect", "nodes/pair", false},
		{"faults", "sim", true},
		{"faults", "scenarios/expect", false},
		{"sim/virtual", "sim", true},
		{"sim/virtual", "sim/kernel", false},
		{"sim/virtual", "faults", false},
		{"sim/kernel", "sim/kernel/door", true},
		{"sim/kernel", "sim/virtual", false},
		{"sim/kernel/door", "sim/kernel/room", true},
		{"sim/kernel/door", "sim/kernel", false},
		{"sim/kernel/supervisor", "sim/kernel/door", false},
		{"sim/kernel/room", "sim", false},
		{"sim", "nodes", true},
		{"sim", "sim/virtual", false},
		{"nodes/pair", "nodes/web", true},
		{"nodes/pair", "nodes/cluster", false},
		{"nodes/pair", "sim", false},
		{"nodes/program", "nodes", true},
		{"nodes/program", "sim", false},
		{"nodes/program", "nodes/pair", false},
		{"nodes/client", "nodes/web", true},
		{"nodes/web", "nodes/pair", false},
		{"nodes/web", "sim", false},
		{"nodes", "sim", false},
		{"nodes", "nodes/web", false},
	}
	rules, err := os.ReadFile("../../.golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range arrows {
		t.Run(a.from+" to "+a.to, func(t *testing.T) {
			t.Parallel()
			arrow := fmt.Sprintf("package %s\n\nimport _ %q\n", path.Base(a.from), "firedrill/"+a.to)
			files := txtar.Archive{Files: []txtar.File{
				{Name: ".golangci.yml", Data: rules},
				{Name: "go.mod", Data: []byte("module firedrill\n\ngo 1.26.0\n")},
				{Name: a.from + "/arrow.go", Data: []byte(arrow)},
				{Name: a.to + "/doc.go", Data: []byte("package " + path.Base(a.to) + "\n")},
			}}
			dir := t.TempDir()
			if err := txtar.Write(&files, dir); err != nil {
				t.Fatal(err)
			}
			lint := exec.Command(linter, "run", "--allow-parallel-runners", "--enable-only", "depguard", "./...")
			lint.Dir = dir
			out, _ := lint.CombinedOutput() // Its status says that there are findings, and there may have to be.
			refused := strings.Contains(string(out), a.from+"/arrow.go:3:8: import 'firedrill/"+a.to+"' is not allowed")
			passed := strings.HasPrefix(string(out), "0 issues.")
			if refused == a.allowed || passed != a.allowed {
				t.Errorf("want allowed %t, have\n%s", a.allowed, out)
			}
		})
	}
}
