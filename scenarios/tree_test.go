package scenarios

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml/lexer"
)

// tree parses text, and returns its mistakes as one line each.
func tree(text string) (*node, string) {
	m := &notes{path: "t", text: text}
	root := parseTree(m)
	var b strings.Builder
	for _, mistake := range m.list {
		fmt.Fprintf(&b, "%d:%d %s\n", mistake.Line, mistake.Column, mistake.Message)
	}
	return root, b.String()
}

func wantTree(t *testing.T, text string) *node {
	t.Helper()
	root, said := tree(text)
	if said != "" || root == nil {
		t.Fatalf("want no mistake, have %s", said)
	}
	return root
}

func wantMistake(t *testing.T, text, want string) {
	t.Helper()
	if _, said := tree(text); !strings.Contains(said, want) {
		t.Fatalf("want %q, have %q", want, said)
	}
}

func TestBytes(t *testing.T) {
	text := small + "# "
	text += strings.Repeat("x", MaxBytes-len(text))
	if _, err := Parse("small.yaml", []byte(text), testCatalogue()); err != nil {
		t.Error(err)
	}
	_, err := Parse("small.yaml", []byte(text+"x"), testCatalogue())
	if err == nil || !strings.Contains(err.Error(), "larger than 256 KiB") {
		t.Errorf("want the size refused, have %v", err)
	}
}

// small is a scenario with as little as there can be.
const small = `# The smallest one.
name: small
stop: 1m
segments: {lan: {subnet: 10.0.0.0/24}}
machines: {nas-a: {kind: pair, nets: {lan: auto}}}
timeline: [{at: 1s, power_off: nas-a}]
`

func TestUTF8(t *testing.T) {
	wantTree(t, "é: ü")
	wantMistake(t, "a: b\nc: \xff", "2:4 want UTF-8")
	if root := wantTree(t, "\uFEFFa: b"); root.get("a") == nil {
		t.Error("want a byte order mark passed over")
	}
}

func TestDepth(t *testing.T) {
	flow := func(n int) string { return "a: " + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) }
	maps := func(n int) string { return strings.Repeat("{a: ", n) + "b" + strings.Repeat("}", n) }
	block := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		return strings.TrimSuffix(b.String(), "\n") + " b"
	}
	compact := func(n int) string { // Lists in the columns of their keys: two deep a turn.
		var b strings.Builder
		for i := range n / 2 {
			b.WriteString("a:\n" + strings.Repeat("  ", i) + "- ")
		}
		if n%2 == 1 {
			return b.String() + "a: b"
		}
		return b.String() + "b"
	}
	lists := func(n int) string { return strings.Repeat("- ", n) + "b" }
	for name, nested := range map[string]func(int) string{"flow": flow, "maps": maps, "block": block, "compact": compact} {
		t.Run(name, func(t *testing.T) {
			wantTree(t, nested(MaxDepth))
			wantMistake(t, nested(MaxDepth+1), "nested more than 16 deep")
		})
	}
	wantMistake(t, lists(MaxDepth), "want a map of keys") // It is parsed, and no scenario.
	wantMistake(t, lists(MaxDepth+1), "nested more than 16 deep")
	// A list in the column of its key nests, and the next key does not.
	wantTree(t, strings.Repeat("a:\n- b\n- c\n", 1)+"d:\n- e\n")
}

func TestTokens(t *testing.T) {
	text := func(tokens int) string {
		s := "a: [" + strings.Repeat("x, ", (tokens-5)/2) + "x]"
		if n := len(lexer.Tokenize(s)); n < tokens {
			s += strings.Repeat("\n#", tokens-n)
		}
		return s
	}
	if n := len(lexer.Tokenize(text(MaxTokens))); n != MaxTokens {
		t.Fatalf("the test makes %d tokens, wants %d", n, MaxTokens)
	}
	wantTree(t, text(MaxTokens))
	wantMistake(t, text(MaxTokens+1), "more than 40000 words and signs")
}

// TestHostile reads what parsers are known to choke on, in less than a second and 100 MB.
func TestHostile(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, MaxBytes/len(s)) }
	for name, text := range map[string]string{
		"brackets": strings.Repeat("[", 64<<10), "all brackets": fill("["), "braces": fill("{"), "keys": fill("a: "),
		"lists": fill("- "), "questions": fill("? "), "quotes": fill(`"`), "bars": fill("|\n"), "comments": fill("#\n"),
		"lines": fill("a\n"), "blanks": fill(" "), "tabs": fill("\t"), "anchors": fill("&a "), "aliases": fill("*a "),
		"tags": fill("!a "), "documents": fill("---\n"), "colons": fill(":"), "commas": "[" + fill(",")[1:],
		"open maps": fill("a: {"), "wide": "a: [" + strings.Repeat("x,", 19_990) + "x]",
		"block lists": "a:\n" + strings.Repeat("- x\n", 19_990), "long word": "a: " + fill("x")[3:],
		"one quote": `a: "` + strings.Repeat("\n", MaxBytes-4), "many keys": manyKeys(13_000),
		"most keys": manyKeys(MaxKeys), "flow keys": "{" + strings.Repeat("k: x, ", 9_990) + "}",
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			m := &notes{path: "t", text: text}
			root := parseTree(m)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if root == nil && len(m.list) == 0 {
				t.Error("want a tree or a mistake, have neither")
			}
			if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb >= 100 {
				t.Errorf("it took %d MB; want less than 100", mb)
			}
			t.Log(took)
			if err := m.err(); err != nil && len(err.Error()) > 64<<10 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: x\n", i)
	}
	return b.String()
}

// TestLeftOut are the parts of YAML that the language leaves out, each beside what is meant instead.
func TestLeftOut(t *testing.T) {
	for _, c := range []struct{ wrong, said, right string }{
		{"a: &x b", "1:4 no anchors", `a: "&x b"`},
		{"a: *x", "1:4 no anchors", `a: "*x"`},
		{"a: !!str b", "1:4 no tags", `a: "!!str b"`},
		{"<<: {a: b}", "1:1 no merge keys", `"<<": {a: b}`},
		{"a: b\n---\nc: d", "2:1 one scenario a file", "---\na: b\nc: d"},
		{"a: b\n...\nc: d", "2:1 one scenario a file", "a: b\nc: d"},
		{"%YAML 1.1\n---\na: b", "1:1 no directives", "a: b"},
		{"? a\n: b", "1:1 no keys with a question mark", "a: b"},
		{"a: null", `1:4 no null`, `a: "null"`},
		{"a: ~", `1:4 no null`, `a: "~"`},
		{"a:", `1:1 want a value for "a"`, `a: ""`},
		{"a: {b}", `1:5 want a value for "b"`, `a: {b: c}`},
		{"a: [b, ~]", "1:8 no null", "a: [b]"},
		{"a:\n- b\n-", "3:3 want a value here", "a:\n- b"},
		{"a: b\na: c", `2:1 key "a" is repeated; it stands in line 1 already`, "a: b\nb: c"},
		{"a: {b: c, b: d}", `1:11 key "b" is repeated`, "a: {b: c, c: d}"},
		{"[a]", "1:1 want a map of keys", "a: b"},
		{"a", "1:1 want a map of keys", "a: b"},
		{"a: [b", "1:4 want YAML:", "a: [b]"},
		{"a: b: c", "want YAML:", `a: "b: c"`},
		{"\ta: b", "want YAML:", " a: b"},
	} {
		wantMistake(t, c.wrong, c.said)
		wantTree(t, c.right)
	}
	for _, word := range []string{"y", "n", "Y", "N", "yes", "No", "on", "ON", "off", "Off", "true", "False"} {
		wantMistake(t, "a: "+word, "is a boolean to some readers of YAML")
		wantMistake(t, word+": a", "is a boolean to some readers of YAML")
		if root := wantTree(t, fmt.Sprintf("a: '%s'", word)); root.get("a").text != word {
			t.Errorf("want %q as it is, have %q", word, root.get("a").text)
		}
	}
}

// TestSourceText checks that a scalar is its source text.
func TestSourceText(t *testing.T) {
	for _, text := range []string{"9.10", "0x10", "010", "1e3", ".inf", "1_000", "5.03.02", "2026-01-05T00:00:00Z", "12:30", "0b1",
		"9007199254740993", "-1h", "50%", "a b", "10.0.0.1:80", "http://x"} {
		if have := wantTree(t, "a: "+text).get("a").text; have != text {
			t.Errorf("want %q, have %q", text, have)
		}
		if have := wantTree(t, "a: {b: "+text+", c: d}").get("a").get("b").text; have != text {
			t.Errorf("in a map: want %q, have %q", text, have)
		}
		if have := wantTree(t, "a: {b: ["+text+", e], c: d}").get("a").get("b").items[0].text; have != text {
			t.Errorf("in a list: want %q, have %q", text, have)
		}
		if have := wantTree(t, "a: b\r\nc: "+text+"\r\n").get("c").text; have != text {
			t.Errorf("with carriage returns: want %q, have %q", text, have)
		}
	}
	root := wantTree(t, "a: |\n  one\n   two\nb: 'it''s'\nc: \"x\\ty\"\n")
	for key, want := range map[string]string{"a": "one\n two\n", "b": "it's", "c": "x\ty"} {
		if have := root.get(key).text; have != want {
			t.Errorf("%s: want %q, have %q", key, want, have)
		}
	}
}

// TestPlaces checks that every word stands where the tree says.
func TestPlaces(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"odd": "# é\n\né: {ü: [ä, ö],\n   x: \"é\", y: z} # é\na:\n- b\n-   c: d\n    e: 'f'\n  \ng: |\n  h\n\n  i\nj: k\n"}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(text)
	}
	checked := 0
	for name, text := range texts {
		root, _ := tree(text)
		if root == nil {
			continue
		}
		lines := strings.Split(text, "\n")
		var walk func(n *node)
		check := func(at place, word string, quoted bool) {
			checked++
			rest := string([]rune(lines[at.line-1])[at.column-1:])
			if quoted && strings.ContainsAny(rest[:1], `"'|>`) {
				return
			}
			if quoted || !strings.HasPrefix(rest, word) {
				t.Errorf("%s:%d:%d: want %q here, have %q", name, at.line, at.column, word, rest)
			}
		}
		walk = func(n *node) {
			if n.shape == scalar && !n.wrong {
				check(n.at, n.text, n.quoted)
			}
			for _, e := range n.entries {
				if !strings.Contains(lines[e.at.line-1], `"`) {
					check(e.at, e.key, false)
				}
				walk(e.value)
			}
			for _, item := range n.items {
				walk(item)
			}
		}
		walk(root)
	}
	if checked < 2000 {
		t.Errorf("only %d words were checked", checked)
	}
}

func TestDoc(t *testing.T) {
	for text, want := range map[string]string{
		"# one\n# two\na: b\n# three": "one\ntwo",
		"\n\n#one\n\n# two\na: b":     "one",
		"a: b\n# one":                 "",
		"#\na: b":                     "",
		"---\n# one\na: b":            "",
		"# yaml-language-server: $schema=x.json\n# one\na: b": "one",
		"# yaml-language-server: $schema=x.json\na: b":        "",
	} {
		if have := doc(text); have != want {
			t.Errorf("%q: want %q, have %q", text, want, have)
		}
	}
}

// TestManyMistakes checks that a file with very many mistakes does not flood a terminal.
func TestManyMistakes(t *testing.T) {
	_, err := Parse("many.yaml", []byte("# Many.\n"+manyKeys(200)), testCatalogue())
	var m *Mistakes
	if !errors.As(err, &m) {
		t.Fatal(err)
	}
	text := err.Error()
	if len(m.List) < 200 || strings.Count(text, "unknown key") > shownMistakes {
		t.Errorf("want all of 200 mistakes kept and %d shown, have %d, %d", shownMistakes, len(m.List), strings.Count(text, "unknown key"))
	}
	if want := fmt.Sprintf("and %d more mistakes in many.yaml", len(m.List)-shownMistakes); !strings.HasSuffix(text, want) {
		t.Errorf("want %q at the end", want)
	}
}

// TestTerminal checks that what a file holds cannot move the cursor of the terminal on which its mistakes are shown.
func TestTerminal(t *testing.T) {
	_, err := Parse("t.yaml", []byte("# A.\nname: \"\x1b[2J\"\nstopp: \x1b[2J\n"), testCatalogue())
	if err == nil || strings.ContainsRune(err.Error(), '\x1b') {
		t.Errorf("want no escape character in %q", err)
	}
}

// What cannot be seen is refused in words only: in quotes, in the text of blocks and in comments it is meant.
func TestUnseen(t *testing.T) {
	wantMistake(t, "a: b\nc: d\u00a0e", `2:5 want a word that can be read, have '\u00a0'`)
	wantMistake(t, "a\u200b: b", `1:2 want a word that can be read, have '\u200b'`)
	for about, text := range map[string]string{"quotes": "a: \"b\u00a0c\"", "block": "a: |\n  b\u00a0c\n", "block behind a comment": "a: > # why\n  b\u00a0c\n",
		"comment": "a: b # c\u00a0d", "tab in a block": "a: |\n  b\tc\n", "letters with marks": "a: e\u0301 \u4e2d"} {
		if root := wantTree(t, text); root.get("a") == nil {
			t.Errorf("%s: nothing is read", about)
		}
	}
}
