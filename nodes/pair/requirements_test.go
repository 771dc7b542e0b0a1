package pair_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestRequirements: each requirement of system D that testdata/requirements.txt lists is named by the declaration that
// meets it, in its doc comment; by a test, in its; and by a shipped scenario, under covers of the file, a step or a
// claim. A name that is not in the list is a slip of the pen.
func TestRequirements(t *testing.T) {
	text, err := os.ReadFile("testdata/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	wanted := strings.Fields(string(text))
	if len(wanted) != 68+12 {
		t.Errorf("want 68 requirements and 12 properties, have %d", len(wanted))
	}
	code, tests := documented(t)
	covered := covers(t, filepath.Join("..", "..", "scenarios", "library", "pair", "*.yaml"))
	for _, place := range []struct {
		what string
		by   map[string][]string
	}{{"declaration", code}, {"test", tests}, {"scenario", covered}} {
		for _, id := range wanted {
			if len(place.by[id]) == 0 {
				t.Errorf("no %s names %s", place.what, id)
			}
		}
		for _, id := range slices.Sorted(maps.Keys(place.by)) {
			if !slices.Contains(wanted, id) {
				t.Errorf("%s is no requirement, but is named by the %s %s", id, place.what, place.by[id][0])
			}
		}
	}
}

// documented returns who names which requirement in a doc comment: declarations of the package, and tests.
func documented(t *testing.T) (code, tests map[string][]string) {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	code, tests = map[string][]string{}, map[string][]string{}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		isTest := strings.HasSuffix(path, "_test.go")
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if isTest && strings.HasPrefix(d.Name.Name, "Test") {
					collect(tests, d.Name.Name, d.Doc.Text())
				} else if !isTest {
					collect(code, d.Name.Name, d.Doc.Text())
				}
			case *ast.GenDecl:
				if isTest {
					continue
				}
				collect(code, path, d.Doc.Text())
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.ValueSpec); ok {
						collect(code, s.Names[0].Name, s.Doc.Text())
					}
				}
			}
		}
	}
	return code, tests
}

// covers returns which scenario says that it covers which requirement.
func covers(t *testing.T, pattern string) map[string][]string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("want scenarios at %s, have %d: %v", pattern, len(paths), err)
	}
	found := map[string][]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Covers           []string
			Timeline, Expect []any
		}
		if err := yaml.Unmarshal(text, &file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		collect(found, path, strings.Join(file.Covers, " "))
		for _, item := range append(file.Timeline, file.Expect...) {
			if m, ok := item.(map[string]any); ok {
				collect(found, path, fmt.Sprint(m["covers"]))
			}
		}
	}
	return found
}

var mention = regexp.MustCompile(`\b(D-(?:INV-|LIV-)?)(\d+)\b(?:\.\.D-(?:INV-|LIV-)?(\d+)\b)?`)

// collect notes that somebody names the requirements in the text, D-02..D-04 being three of them. D-Q1 and its like are
// questions that the vendor leaves open, and HZ-D1 is a hazard.
func collect(by map[string][]string, who, text string) {
	for _, m := range mention.FindAllStringSubmatchIndex(text, -1) {
		if m[0] >= 2 && text[m[0]-1] == '-' { // Of another word.
			continue
		}
		prefix := text[m[2]:m[3]]
		first, _ := strconv.Atoi(text[m[4]:m[5]])
		last := first
		if m[6] >= 0 {
			last, _ = strconv.Atoi(text[m[6]:m[7]])
		}
		for n := first; n <= last; n++ {
			id := fmt.Sprintf("%s%02d", prefix, n)
			if prefix != "D-" {
				id = fmt.Sprintf("%s%d", prefix, n)
			}
			by[id] = append(by[id], who)
		}
	}
}

// TestMentions: ranges are all that lies in them, and what only looks like a requirement is none.
func TestMentions(t *testing.T) {
	by := map[string][]string{}
	collect(by, "somebody", "see D-04..D-06, D-INV-3 and D-LIV-1..D-LIV-2; not HZ-D1, SD-03, D-Q1 or FM-05")
	have := strings.Join(slices.Sorted(maps.Keys(by)), " ")
	if want := "D-04 D-05 D-06 D-INV-3 D-LIV-1 D-LIV-2"; have != want {
		t.Errorf("want %s, have %s", want, have)
	}
}
