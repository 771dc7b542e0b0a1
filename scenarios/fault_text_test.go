package scenarios

import (
	"math/rand"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/prop"

	"firedrill/faults"
	"firedrill/nodes"
)

// oddWords are those that a printer of YAML is likely to get wrong.
var oddWords = []string{"nas-a", "active", "all", "/data/a b", "/a/*", "tcp/80", "9.10", "a: b", "a:", "null", "it's", `"q"`, "[x]",
	"-", "- a", "---", "#1", "a #b", "true", "Off", "é", "\u2028", "a\nb", "%", "@x", "&a", "*a", "!t", "a, b", "?", "0x1f", " a "}

// arbitraryFault fills a fault of any verb with values of every sort that its fields may hold.
func arbitraryFault(r *rand.Rand) faults.Fault {
	all := faults.All()
	f := all[r.Intn(len(all))].New()
	for i, field := range faults.Fields(f) {
		if i > 0 && r.Intn(2) == 0 {
			continue
		}
		value := field.Value
		if value.Kind() == reflect.Pointer {
			value.Set(reflect.New(value.Type().Elem()))
			value = value.Elem()
		}
		setArbitrary(r, value, func() string {
			if len(field.Choices) > 0 {
				return field.Choices[r.Intn(len(field.Choices))]
			}
			return oddWords[r.Intn(len(oddWords))]
		})
		if field.Nested {
			with := value.Addr().Interface().(*nodes.Values)
			*with = append(*with, nodes.Value{Key: "files", Map: nodes.Values{
				{Key: "/etc/motd", Text: oddWords[r.Intn(len(oddWords))]}, {Key: "none", Map: nodes.Values{}}}})
		}
	}
	return f
}

func setArbitrary(r *rand.Rand, value reflect.Value, word func() string) {
	switch value.Interface().(type) {
	case string:
		value.SetString(word())
	case []string:
		for range 1 + r.Intn(3) {
			value.Set(reflect.Append(value, reflect.ValueOf(word())))
		}
	case [][]string:
		for range 1 + r.Intn(3) {
			value.Set(reflect.Append(value, reflect.ValueOf([]string{word(), word()}[:1+r.Intn(2)])))
		}
	case nodes.Values:
		value.Set(reflect.ValueOf(nodes.Values{{Key: "role", Text: word()}, {Key: "ips", List: []string{word(), word()}},
			{Key: "one", List: []string{word()}}}))
	case nodes.Share:
		value.SetInt(r.Int63n(int64(nodes.ShareAll) + 1))
	case nodes.Bandwidth:
		value.SetInt(1 + r.Int63n(1e12))
	case nodes.Drift:
		value.SetInt(r.Int63n(1_500_001) - 500_000)
	case time.Duration:
		value.SetInt(1 + r.Int63n(1e15))
	case int:
		value.SetInt(1 + r.Int63n(1000))
	default:
		panic("no arbitrary " + value.Type().String())
	}
}

// anything lets every word refer to what it likes.
type anything struct{}

func (anything) refer([]string, string) string { return "" }

// uncheckedFault hides Check: an arbitrary fault need not make sense.
type uncheckedFault struct{ faults.Fault }

func TestAFaultIsReadAsItIsPrinted(t *testing.T) {
	parameters := gopter.DefaultTestParametersWithSeed(1)
	parameters.MinSuccessfulTests = 3000
	properties := gopter.NewProperties(parameters)
	properties.Property("read(print(f)) is f", prop.ForAll(func(one uncheckedFault) (string, error) {
		f := one.Fault
		m := &notes{text: "{" + f.String() + "}"}
		root := parseTree(m)
		if root == nil {
			return "", m.err()
		}
		again := reflect.New(reflect.TypeOf(f).Elem()).Interface()
		d := decoder{m: m, refs: anything{}}
		for _, field := range faults.Fields(again) {
			if n := root.get(field.Key); n != nil {
				d.value(field.Value, n, field.Key, field)
			}
		}
		if err := m.err(); err != nil {
			return "", err
		}
		return cmp.Diff(f, again), nil
	}, func(p *gopter.GenParameters) *gopter.GenResult {
		return gopter.NewGenResult(uncheckedFault{arbitraryFault(p.Rng)}, gopter.NoShrinker)
	}))
	properties.TestingRun(t)
}
