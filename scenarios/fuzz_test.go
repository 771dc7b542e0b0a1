package scenarios

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
)

// sane checks what holds of any text: there is no panic, and every mistake has a place in the file and words. What is right can
// be made into scenarios, or an error says why not.
func sane(text []byte) string {
	f, err := Parse("sane.yaml", text, testCatalogue())
	if err == nil {
		for _, c := range f.Cases {
			if _, err := c.Scenario(7); err != nil && !errors.As(err, new(*Mistakes)) {
				return "want mistakes, have " + err.Error()
			}
		}
		return ""
	}
	var m *Mistakes
	if !errors.As(err, &m) || len(m.List) == 0 {
		return "want mistakes, have " + err.Error()
	}
	lines := strings.Split(lineBreaks.Replace(string(text)), "\n")
	for i, mistake := range m.List {
		switch {
		case mistake.Line < 1 || mistake.Column < 1 || mistake.Line > len(lines)+1 || mistake.Message == "":
			return "want a place in the file and a message, have " + err.Error()
		case i > 0 && mistake.Line < m.List[i-1].Line:
			return "want the mistakes in the order of the file, have " + err.Error()
		}
	}
	if !utf8.ValidString(err.Error()) {
		return "want valid UTF-8 in the message"
	}
	return ""
}

// seeds are the files of the tests.
func examples(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	var texts []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

func FuzzParse(f *testing.F) {
	for _, text := range examples(f) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if problem := sane(text); problem != "" {
			t.Error(problem)
		}
	})
}

// TestMutations breaks right files at random: words are exchanged, lines moved, signs dropped.
func TestMutations(t *testing.T) {
	texts := examples(t)
	parameters := gopter.DefaultTestParametersWithSeed(1)
	parameters.MinSuccessfulTests = 1500
	properties := gopter.NewProperties(parameters)
	words := []string{"", "{", "}", "[", "]", ":", ",", "nas-a", "lan", "5", "10s", "..", "A..B", "-1h", "1..2", "null", "on", "skip", "steps", "each",
		"variants", "only", "timeline", "{}", "[]", "{a: {b: c}}", "\n", "  ", "- ", "99999999999999999999", "%", "\"", "'", "#", "|", "é"}
	properties.Property("parsing any text ends in cases or in mistakes with places", prop.ForAll(
		func(file int, at []int, what []int) bool {
			pieces := split(texts[file%len(texts)])
			for i, where := range at {
				where %= len(pieces)
				switch n := what[i%len(what)] % (len(words) + 2); {
				case n < len(words):
					pieces[where] = words[n]
				case n == len(words):
					other := what[0] % len(pieces)
					pieces[where], pieces[other] = pieces[other], pieces[where]
				default:
					pieces[where] += pieces[where]
				}
			}
			problem := sane([]byte(strings.Join(pieces, "")))
			if problem != "" {
				t.Log(problem)
			}
			return problem == ""
		},
		gen.IntRange(0, 1<<20), gen.SliceOfN(4, gen.IntRange(0, 1<<20)), gen.SliceOfN(4, gen.IntRange(0, 1<<20))))
	properties.TestingRun(t)
}

// split cuts a text into words and signs, blanks with the word that they follow.
func split(text string) []string {
	var pieces []string
	start := 0
	for i, r := range text {
		if strings.ContainsRune("{}[],:\n", r) {
			pieces = append(pieces, text[start:i], string(r))
			start = i + len(string(r))
		}
	}
	return append(pieces, text[start:])
}
