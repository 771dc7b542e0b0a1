package scenarios

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"firedrill/nodes"
)

// sameScenario compares what a play depends on.
var sameScenario = cmp.Options{
	cmpopts.IgnoreFields(Scenario{}, "Case", "Axes"),
	cmpopts.IgnoreFields(Step{}, "Line"),
	cmpopts.IgnoreFields(Scenario{}, "Slips", "Usual"), // Of a plain file nobody knows what is missing in it.
	cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}, netip.AddrPort{}),
	cmp.Comparer(func(a, b *nodes.Kind) bool { return a == b }),
	cmp.Comparer(func(a, b *nodes.Verb) bool { return a == b }),
	cmp.Comparer(func(a, b *nodes.Probe) bool { return a == b }),
	cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() }),
	cmp.AllowUnexported(takeoverClaim{}, hazardClaim{}, lossClaim{}, neverClaim{}, happensClaim{}, writersClaim{}, ownerClaim{},
		servingClaim{}, imageClaim{}, optionClaim{}, claimBase{}),
}

// TestPlainFile prints every case of every right file, and reads it back as the same scenario.
func TestPlainFile(t *testing.T) {
	files, err := filepath.Glob("testdata/right/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	printed := 0
	for _, file := range files {
		f, err := Load(file, testCatalogue())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range f.Cases {
			printed++
			plain, err := Parse(file, []byte(c.YAML()), testCatalogue())
			if err != nil {
				t.Errorf("%s:\n%s\n%v", c.Name, c.YAML(), err)
				continue
			}
			for seed := range uint64(3) {
				want, err := c.Scenario(seed)
				if err != nil {
					t.Fatal(err)
				}
				have, err := plain.Cases[0].Scenario(seed)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, have, sameScenario); diff != "" || len(plain.Cases) != 1 || plain.Cases[0].Seeds != c.Seeds {
					t.Errorf("%s (-case +printed):\n%s", c.Name, diff)
				}
			}
		}
	}
	if printed < 100 {
		t.Errorf("only %d cases were printed", printed)
	}
}

func TestPrintedForm(t *testing.T) {
	f, err := Load("testdata/right/ranges.yaml", testCatalogue())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/right/ranges.golden", f.Cases[len(f.Cases)-1].YAML())
}

// TestWordsSurvive prints trees of any words, and reads them back.
func TestWordsSurvive(t *testing.T) {
	parameters := gopter.DefaultTestParametersWithSeed(1)
	parameters.MinSuccessfulTests = 2000
	properties := gopter.NewProperties(parameters)
	word := gen.OneGenOf(gen.AnyString(), gen.AlphaString(), gen.RegexMatch(`[-a-z0-9 :#{}\[\],&*!|>'"%@\\?~.]{0,8}`),
		gen.OneConstOf("on", "null", "~", "", "-", "---", "...", "<<", "a: b", "a #b", "\n", "\t", "'", `"`, "\u2028", "é", "1e3", "=", "- a"))
	properties.Property("read(print(words)) is the words", prop.ForAll(func(key, a, b string) bool {
		key, a, b = strings.ToValidUTF8(key, ""), strings.ToValidUTF8(a, ""), strings.ToValidUTF8(b, "")
		if strings.ContainsAny(key+a+b, "\r\uFEFF\x00") {
			return true // A line of a file ends there, or no file holds it.
		}
		text := "k: " + flow(&node{shape: mapping, entries: []entry{{key: key, value: &node{shape: list, items: []*node{{text: a}, {text: b}}}}}})
		root, said := tree(text)
		if root == nil || said != "" {
			t.Logf("%q: %s", text, said)
			return false
		}
		e := root.get("k").entries[0]
		ok := e.key == key && len(e.value.items) == 2 && e.value.items[0].text == a && e.value.items[1].text == b
		if !ok {
			t.Logf("%q", text)
		}
		return ok
	}, word, word, word))
	properties.TestingRun(t)
}
