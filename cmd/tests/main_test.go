package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// What go test says of a module with packages of every fate, by cause: each line is there, or not.
func TestTests(t *testing.T) {
	t.Parallel()
	module, err := txtar.ParseFile("testdata/module.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := txtar.Write(module, dir); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, pattern string
		status        int
		want          []string // patterns of lines, in this order
		never         []string
	}{
		{"passes", "./good", 0, []string{"^ok  \tm/good\t"}, []string{"chatter", "skipped", "=== ", "PASS"}},
		{"skips", "./skips", 0, []string{"^ok  \tm/skips\t", "^skipped:$",
			"^  m/skips TestNever: skips_test.go:[0-9]+: there is no moon$",
			"^  m/skips TestSome/one: skips_test.go:[0-9]+: not this one$"}, []string{"TestSome/two", "--- "}},
		{"skips all", "./none", 0, []string{"^ok  \tm/none\t", "^skipped:$", "^  m/none: there is no sun$"}, []string{"chatter"}},
		{"has no tests", "./bare", 0, []string{`^\?   \tm/bare\t\[no test files\]`}, nil},
		{"fails", "./bad", 1, []string{"bad_test.go:[0-9]+: the reason$", "^--- FAIL: TestBad", "^FAIL$", "^FAIL\tm/bad\t"},
			[]string{"chatter of another", "--- PASS"}},
		{"panics", "./panics", 1, []string{"^panic: the end", "goroutine", "^FAIL\tm/panics\t"}, nil},
		{"exits", "./exits", 1, []string{"last words", "^FAIL\tm/exits\t"}, nil},
		{"does not build", "./broken", 1, []string{"undefined: nothing", `^FAIL\tm/broken \[build failed\]`}, nil},
		{"one of two", "./good ./bad", 1, []string{"^--- FAIL: TestBad", "^FAIL\tm/bad\t"}, nil},
		{"is not there", "./nowhere", 1, []string{"nowhere"}, []string{"^ok"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			status, err := tests(dir, append([]string{"-count=1"}, strings.Fields(c.pattern)...), &out, &out)
			if status != c.status || err != nil {
				t.Errorf("want status %d, have %d, %v", c.status, status, err)
			}
			rest := out.String()
			for _, want := range c.want {
				place := regexp.MustCompile("(?m)" + want).FindStringIndex(rest)
				if place == nil {
					t.Fatalf("no %q in what is left of\n%s", want, &out)
				}
				rest = rest[place[1]:]
			}
			for _, never := range c.never {
				if regexp.MustCompile("(?m)" + never).MatchString(out.String()) {
					t.Errorf("%q in\n%s", never, &out)
				}
			}
		})
	}
}
