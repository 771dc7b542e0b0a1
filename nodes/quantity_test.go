package nodes

import (
	"encoding"
	"math/rand"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// pieces are what quantities are made of, and what people write instead.
var pieces = []string{"0", "5", "59", "100", ".", ".9", "-", "+", "%", "ppm", "/", "ns", "us", "ms", "s", "m", "h", "d", "B", "kB", "KB",
	"KiB", "MB", "MiB", "GB", "GiB", "TB", "TiB", "bit", "kbit", "mbit", "gbit", "/s", "/m", " ", "x", "µs", "e3"}

// TestNotations: whatever a quantity reads has its pattern, its example is one, and what people write without a unit, with a blank
// or with a wrong unit is not.
func TestNotations(t *testing.T) {
	parsers := map[string]func(string) error{"duration": func(s string) error { _, err := ParseDuration(s); return err }}
	notations := map[string]Notation{"duration": DurationNotation()}
	for name, empty := range map[string]interface {
		encoding.TextUnmarshaler
		Notation() Notation
	}{"size": new(Size), "bandwidth": new(Bandwidth), "share": new(Share), "drift": new(Drift), "rate": new(Rate)} {
		notations[name] = empty.Notation()
		parsers[name] = func(s string) error {
			fresh := reflect.New(reflect.TypeOf(empty).Elem()).Interface().(encoding.TextUnmarshaler)
			return fresh.UnmarshalText([]byte(s))
		}
	}
	r := rand.New(rand.NewSource(1))
	for name, n := range notations {
		pattern, read := regexp.MustCompile("^("+n.Pattern+")$"), 0
		if err := parsers[name](n.Example); err != nil {
			t.Errorf("the example of a %s: %v", name, err)
		}
		for range 200_000 {
			var b strings.Builder
			for range 1 + r.Intn(4) {
				b.WriteString(pieces[r.Intn(len(pieces))])
			}
			if parsers[name](b.String()) != nil {
				continue
			}
			read++
			if !pattern.MatchString(b.String()) {
				t.Fatalf("%q is a %s, and does not match %s", b.String(), name, n.Pattern)
			}
		}
		if read < 100 {
			t.Errorf("only %d texts of 200,000 are a %s; the test proves little", read, name)
		}
		for _, wrong := range []string{"", "5", "5 s", "s", "5parsecs", "50x", ".5s", "5.s", "100MBit", "a5%"} {
			if pattern.MatchString(wrong) {
				t.Errorf("%q matches the pattern of a %s", wrong, name)
			}
		}
	}
}
