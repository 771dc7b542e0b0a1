package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"firedrill/faults"
	"firedrill/scenarios"
	"firedrill/scenarios/library"
)

// TestReadme keeps the README true: its scenario is played and its output compared, its tables are
// those of the code, its node is the one of the Example test, and its programs are those of a shipped scenario.
func TestReadme(t *testing.T) {
	readme, err := filepath.Abs("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("../../scenarios/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if node := block(t, string(text), "go"); !strings.Contains(string(example), node) {
		t.Errorf("the node is not in scenarios/example_test.go any more:\n%s", node)
	}
	_, rest, _ := strings.Cut(string(text), "## The kernel world")
	shippedPair, err := fs.ReadFile(library.Files, "program/keepalived-pair.yaml")
	if part := block(t, rest, "yaml"); err != nil || !strings.Contains(string(shippedPair), part) {
		t.Errorf("the programs are not those of keepalived-pair any more: %v\n%s", err, part)
	}
	want := string(text)
	tables := catalogue().ScenarioReference()
	want = replaceBetween(t, want, "file", wordTable("key", tables[:1]))
	want = replaceBetween(t, want, "requests", requestTable(tables))
	want = replaceBetween(t, want, "faults", faultTable())
	want = replaceBetween(t, want, "checks", checkTable())
	want = replaceConsole(t, want)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(readme, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(withoutSpeed(want), withoutSpeed(string(text))); diff != "" {
		t.Errorf("README.md is not what the code says (-code +README); `make golden` rewrites it:\n%s", diff)
	}
}

// block returns the first fenced block of a language.
func block(t *testing.T, text, language string) string {
	_, rest, found := strings.Cut(text, "\n```"+language+"\n")
	body, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed {
		t.Fatalf("no ```%s block", language)
	}
	return body + "\n"
}

// replaceBetween puts a text between <!-- NAME --> and <!-- /NAME -->.
func replaceBetween(t *testing.T, text, name, with string) string {
	before, rest, found := strings.Cut(text, "<!-- "+name+" -->\n")
	_, after, closed := strings.Cut(rest, "<!-- /"+name+" -->\n")
	if !found || !closed {
		t.Fatalf("no <!-- %s --> in the README", name)
	}
	return before + "<!-- " + name + " -->\n" + with + "<!-- /" + name + " -->\n" + after
}

// replaceConsole plays the commands of the first console block, in a folder that holds the first
// yaml block, and puts what they print below them.
func replaceConsole(t *testing.T, text string) string {
	scenario, console := block(t, text, "yaml"), block(t, text, "console")
	t.Chdir(t.TempDir())
	if err := os.WriteFile("cable.yaml", []byte(scenario), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for line := range strings.Lines(console) {
		if command, found := strings.CutPrefix(line, "$ firedrill "); found {
			out.WriteString(line)
			firedrill(strings.Fields(command), &out, &out)
		}
	}
	return strings.Replace(text, console, out.String(), 1)
}

var speed = regexp.MustCompile(`[0-9.,]+x life|plays? in [0-9.]+s`)

// withoutSpeed leaves out what differs with the machine and the hour.
func withoutSpeed(text string) string { return speed.ReplaceAllString(text, "SPEED") }

func faultTable() string {
	var b strings.Builder
	b.WriteString("| word | what it does |\n|---|---|\n")
	for _, v := range faults.All() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", v.Verb, v.Doc)
	}
	return b.String()
}

// wordTable is a table of the reference with a row for every word.
func wordTable(head string, tables []scenarios.Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | what it is |\n|---|---|\n", head)
	for _, t := range tables {
		for _, e := range t.Entries {
			fmt.Fprintf(&b, "| `%s` | %s |\n", e.Word, docOf(e))
		}
	}
	return b.String()
}

// requestTable has a row for every verb of a step that is no fault: the tables of the reference that begin with their title.
func requestTable(tables []scenarios.Table) string {
	verbs := scenarios.Table{}
	for _, t := range tables {
		if len(t.Entries) > 0 && t.Entries[0].Word == t.Title {
			verbs.Entries = append(verbs.Entries, scenarios.Entry{Word: t.Title, Doc: t.Doc})
		}
	}
	return wordTable("verb", []scenarios.Table{verbs})
}

func checkTable() string {
	var b strings.Builder
	b.WriteString("| claim | what it says | judged unasked |\n|---|---|---|\n")
	for _, f := range catalogue().Claims {
		standing := ""
		if f.Standing != nil {
			standing = "yes"
		}
		if f.Kinds != nil {
			standing = strings.TrimSpace(standing + " (" + strings.Join(f.Kinds, ", ") + ")")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, f.Doc, standing)
	}
	return b.String()
}
