package scenarios

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
)

// decoder reads trees into structs, by the tags that nodes.Kind.Config describes. One decoder reads
// one case with one seed.
type decoder struct {
	m    *notes
	refs references
	draw draw
	// partial: what is read need not be a whole, and what is wrong with keys that do not stand in it is not told.
	partial bool
}

// keyDoc is a key that is read by code of its own and not by a struct's tags, with what it is for.
type keyDoc struct{ key, doc string }

func keysOfDocs(docs []keyDoc) []string {
	keys := make([]string, len(docs))
	for i, d := range docs {
		keys[i] = d.key
	}
	return keys
}

// references tells what a word refers to: `ref:"machine"`.
type references interface {
	// refer returns "" where the word names such a thing, and otherwise what is wrong.
	refer(kinds []string, word string) string
}

// fault notes a mistake.
func (d *decoder) fault(at place, format string, args ...any) { d.m.addf(at, format, args...) }

// fields reads a map into the structs, each of which knows some of its keys. What names the map in
// messages: `machine nas-a`. More are keys that somebody else reads. It reports whether all was
// well.
func (d *decoder) fields(n *node, path, what string, more []string, targets ...any) bool {
	if n.shape != mapping {
		d.fault(n.at, "want %s as a map {KEY: VALUE, ..}, have %s", what, n.shape)
		return false
	}
	before := d.m.told
	var all []faults.Field
	for _, t := range targets {
		all = append(all, faults.Fields(t)...)
	}
	var misread []string
	for _, e := range n.entries {
		i, sofar := slices.IndexFunc(all, func(f faults.Field) bool { return f.Key == e.key }), d.m.told
		switch {
		case i >= 0:
			d.value(all[i].Value, e.value, path+"/"+e.key, all[i])
		case slices.Contains(more, e.key):
		default:
			d.unknown(e, what, all, more)
		}
		if d.m.told > sofar || e.value.spoilt() {
			misread = append(misread, e.key)
		}
	}
	spoilt := d.m.told > before || misread != nil || n.lost
	for _, t := range targets {
		if checker, can := t.(faults.Checker); can {
			d.check(n, checker, misread, spoilt)
			spoilt = spoilt || d.m.told > before
		}
	}
	return !spoilt
}

// check notes what is wrong with a struct as a whole, or with keys of it that were read. Where something else is wrong, only the
// latter can be told from its consequences.
func (d *decoder) check(n *node, c faults.Checker, misread []string, spoilt bool) {
	for _, err := range parts(c.Check()) {
		key := new(nodes.KeyError)
		if !errors.As(err, &key) {
			if !spoilt {
				d.fault(n.at, "%s", err)
			}
			continue
		}
		at, known, found := n.at, n, 0
		for _, k := range key.Keys {
			if e := known.entry(k); e != nil {
				at, known, found = e.at, e.value, found+1
			}
		}
		if whole := found == len(key.Keys) || !d.partial; whole && !slices.Contains(misread, key.Keys[0]) {
			d.fault(at, "%s", key.Problem)
		}
	}
}

// parts are the errors that errors.Join made one of.
func parts(err error) []error {
	if all, several := err.(interface{ Unwrap() []error }); several {
		return all.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// unknown notes a key that nobody reads.
func (d *decoder) unknown(e entry, what string, fields []faults.Field, more []string) {
	if later(e.key, what) {
		d.fault(e.at, "%q is not supported yet", e.key)
		return
	}
	var keys []string
	for _, f := range fields {
		keys = append(keys, f.Key)
	}
	keys = append(keys, more...)
	if len(keys) == 0 {
		d.fault(e.at, "unknown key %q of %s; it has none", e.key, what)
		return
	}
	d.fault(e.at, "unknown key %q of %s; want %s", e.key, what, oneOf(e.key, keys))
}

// value reads one value. The path of keys names the stream from which a range is drawn.
func (d *decoder) value(v reflect.Value, n *node, path string, f faults.Field) {
	if n.wrong {
		return
	}
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		d.value(p.Elem(), n, path, f)
		v.Set(p)
		return
	}
	if with, ok := v.Addr().Interface().(*nodes.Values); ok {
		*with = d.with(n, f.Key, f.Nested)
		return
	}
	if _, text := v.Addr().Interface().(encoding.TextUnmarshaler); !text {
		switch v.Kind() {
		case reflect.Slice:
			d.slice(v, n, path, f)
			return
		case reflect.Map:
			d.maps(v, n, path, f)
			return
		case reflect.Struct:
			d.fields(n, path, fmt.Sprintf("%q", f.Key), nil, v.Addr().Interface())
			return
		}
	}
	if n.shape != scalar {
		d.fault(n.at, "want one word for %q, have %s", f.Key, n.shape)
		return
	}
	d.scalar(v, n, path, f)
}

func (d *decoder) scalar(v reflect.Value, n *node, path string, f faults.Field) {
	switch p := v.Addr().Interface().(type) {
	case *time.Time:
		t, err := time.Parse(time.RFC3339, n.text)
		if err != nil || t.Location() != time.UTC {
			d.fault(n.at, "want a time in UTC such as 2026-01-05T00:00:00Z, have %q", n.text)
		}
		*p = t
		return
	case *netip.Addr:
		a, err := netip.ParseAddr(n.text)
		if err != nil || !a.Is4() {
			d.fault(n.at, "want an address such as 10.0.0.7, have %q", n.text)
		}
		*p = a
		return
	case *netip.Prefix:
		a, err := netip.ParsePrefix(n.text)
		if err != nil || !a.Addr().Is4() {
			d.fault(n.at, "want an IPv4 subnet such as 10.0.0.0/24, have %q", n.text)
			return
		}
		*p = a
		return
	}
	if q, ok := quantityOf(v); ok {
		d.quantity(q, n, path, f.Key)
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(n.text)); err != nil {
			d.fault(n.at, "%s", err)
		}
		return
	}
	if v.Kind() != reflect.String {
		panic(fmt.Sprintf("key %q is a %s; a key is an integer, a string, a duration, an address, a quantity, or a list, map or "+
			"struct of these", f.Key, v.Type()))
	}
	if problem := d.word(n.text, f); problem != "" {
		d.fault(n.at, "%s", problem)
	}
	v.SetString(n.text)
}

// word checks a word against the choices and references of its key.
func (d *decoder) word(word string, f faults.Field) string {
	if slices.Contains(f.Choices, word) {
		return ""
	}
	switch {
	case len(f.Refs) > 0:
		return d.refs.refer(f.Refs, word)
	case len(f.Choices) > 0:
		return fmt.Sprintf("want %s for %q, have %q", oneOf(word, f.Choices), f.Key, word)
	}
	return ""
}

// slice reads a list, or one value that stands for a list of one.
func (d *decoder) slice(v reflect.Value, n *node, path string, f faults.Field) {
	items := n.list()
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		d.value(out.Index(i), item, fmt.Sprintf("%s/%d", path, i), f)
	}
	v.Set(out)
}

// maps reads NAME: VALUE.
func (d *decoder) maps(v reflect.Value, n *node, path string, f faults.Field) {
	if n.shape != mapping {
		d.fault(n.at, "want a map {NAME: VALUE, ..} for %q, have %s", f.Key, n.shape)
		return
	}
	out := reflect.MakeMap(v.Type())
	for i := v.MapRange(); i.Next(); { // What it holds already: maps merge.
		out.SetMapIndex(i.Key(), i.Value())
	}
	for _, e := range n.entries {
		value := reflect.New(v.Type().Elem()).Elem()
		inner := f
		inner.Key = e.key
		d.value(value, e.value, path+"/"+e.key, inner)
		out.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), value)
	}
	v.Set(out)
}

// with reads a `with` map: its values are sent as they were written. Nested: they may be maps.
func (d *decoder) with(n *node, key string, nested bool) nodes.Values {
	if n.shape != mapping {
		d.fault(n.at, "want a map {KEY: VALUE, ..} for %q, have %s", key, n.shape)
		return nil
	}
	var values nodes.Values
	for _, e := range n.entries {
		value := nodes.Value{Key: e.key}
		switch {
		case e.value.shape == scalar:
			value.Text = e.value.text
		case e.value.shape == list:
			value.List = []string{}
			for _, item := range e.value.items {
				if item.shape != scalar {
					d.fault(item.at, "want words in the list %q, have %s", e.key, item.shape)
					continue
				}
				value.List = append(value.List, item.text)
			}
		case nested:
			value.Map = append(nodes.Values{}, d.with(e.value, e.key, nested)...)
		default:
			d.fault(e.value.at, "want a word or a list for %q, have a map", e.key)
		}
		values = append(values, value)
	}
	return values
}

// integer reads a bare number.
func integer(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("want a whole number of at most %d, have %q", math.MaxInt64, s)
	}
	if err != nil || strings.HasPrefix(s, "+") {
		return 0, fmt.Errorf("want a whole number, have %q", s)
	}
	return n, nil
}
