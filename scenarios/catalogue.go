package scenarios

import (
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
)

// Check finds what no scenario could be read with: two kinds or claims of one name, a key of a kind
// that every machine has, a field of a type that is not read. Whoever brings a kind of their own
// learns it from the first file that they parse.
func (c *Catalogue) Check() error {
	var wrong []error
	kinds, claims := map[string]bool{}, map[string]bool{}
	for _, k := range c.Kinds {
		if !namePattern.MatchString(k.Name) || kinds[k.Name] {
			wrong = append(wrong, fmt.Errorf("kind %q: want a name of its own, of small letters, digits and hyphens", k.Name))
		}
		kinds[k.Name] = true
		wrong = append(wrong, checkKind(k)...)
	}
	for _, f := range c.Claims {
		fields := faults.Fields(f.New())
		if claims[f.Name] || len(fields) == 0 || fields[0].Key != f.Name {
			wrong = append(wrong, fmt.Errorf("claim %q: want a name of its own, which is the first key of its struct", f.Name))
		}
		claims[f.Name] = true
		wrong = append(wrong, checkFields("claim "+f.Name, f.New(), keysOfStruct(claimKeys{}))...)
	}
	return errors.Join(wrong...)
}

func checkKind(k *nodes.Kind) []error {
	if k.Config == nil || reflect.ValueOf(k.Config()).Kind() != reflect.Pointer ||
		reflect.ValueOf(k.Config()).Elem().Kind() != reflect.Struct {
		return []error{fmt.Errorf("kind %s: want a Config that returns a pointer to a struct", k.Name)}
	}
	if k.New != nil && k.Program != nil {
		return []error{fmt.Errorf("kind %s: want New or Program, have both", k.Name)}
	}
	wrong := checkFields("kind "+k.Name, k.Config(), keysOfStruct(machineKeys{}))
	for _, p := range k.Probes {
		if slices.ContainsFunc(probes, func(q nodes.Probe) bool { return q.Name == p.Name }) {
			wrong = append(wrong, fmt.Errorf("kind %s: probe %q is one that every kind has", k.Name, p.Name))
		}
	}
	for i := range k.Procedures {
		if err := checkRunbook(&k.Procedures[i]); err != nil {
			wrong = append(wrong, fmt.Errorf("kind %s: %w", k.Name, err))
		}
	}
	for _, r := range k.Roles {
		if slices.Contains(reserved, r) {
			wrong = append(wrong, fmt.Errorf("kind %s: role %q means something else in a step", k.Name, r))
		}
	}
	return wrong
}

// checkFields checks the keys of a struct that YAML is read into.
func checkFields(whose string, v any, taken []string) []error {
	var wrong []error
	for _, f := range faults.Fields(v) {
		if slices.Contains(taken, f.Key) {
			wrong = append(wrong, fmt.Errorf("%s: key %q is taken", whose, f.Key))
		}
		taken = append(taken, f.Key)
		if t := f.Value.Type(); !readable(t) {
			wrong = append(wrong, fmt.Errorf("%s: key %q is a %s; want an integer, a string, a duration, an address, a quantity, or a "+
				"list, map or struct of these", whose, f.Key, t))
		}
	}
	return wrong
}

// readable reports whether the decoder reads values of a type.
func readable(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[time.Time](), reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.Prefix](),
		reflect.TypeFor[nodes.Values]():
		return true
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return true
	}
	switch kind := t.Kind(); kind {
	case reflect.String:
		return true
	case reflect.Pointer, reflect.Slice:
		return readable(t.Elem())
	case reflect.Map:
		return t.Key().Kind() == reflect.String && readable(t.Elem())
	case reflect.Struct:
		return checkFields("", reflect.New(t).Interface(), nil) == nil
	default:
		return kind >= reflect.Int && kind <= reflect.Uint64
	}
}
