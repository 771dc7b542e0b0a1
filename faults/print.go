package faults

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"firedrill/nodes"
)

// Field is one key of a struct that YAML is read into.
type Field struct {
	Key     string
	Refs    []string // what its words refer to
	Choices []string // the words that it may hold; empty: any
	Nested  bool     // its Values may hold maps
	Doc     string
	Value   reflect.Value // settable where Fields was given a pointer
}

// Fields are the keys of a struct, or of a pointer to one, in the order in which they are printed. The keys of an inline
// field stand in its place.
func Fields(v any) []Field {
	value := reflect.ValueOf(v)
	if value.Kind() == reflect.Pointer {
		value = value.Elem()
	}
	return fields(value)
}

func fields(value reflect.Value) []Field {
	var all []Field
	for i := range value.NumField() {
		tag := value.Type().Field(i).Tag
		key, option, _ := strings.Cut(tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			all = append(all, fields(value.Field(i))...)
		case key != "" && key != "-":
			all = append(all, Field{Key: key, Refs: strings.Fields(tag.Get("ref")), Choices: strings.Fields(tag.Get("choices")),
				Nested: tag.Get("nested") != "", Doc: tag.Get("doc"), Value: value.Field(i)})
		}
	}
	return all
}

// Print is a struct that YAML was read into, as the user writes it: `cut: heartbeat, from: nas-a`. Keys that hold nothing are
// left out, but for the first.
func Print(v any) string {
	var parts []string
	for i, f := range Fields(v) {
		if i == 0 || !f.Value.IsZero() {
			parts = append(parts, f.Key+": "+text(f.Value))
		}
	}
	return strings.Join(parts, ", ")
}

// Text is the value of a key, as Print writes it.
func Text(v reflect.Value) string { return text(v) }

// text is a value in YAML's flow form.
func text(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		return text(v.Elem())
	}
	switch value := v.Interface().(type) {
	case time.Duration:
		return nodes.FormatDuration(value)
	case nodes.Values:
		return values(value)
	case encoding.TextMarshaler:
		if t, err := value.MarshalText(); err == nil {
			return scalar(string(t))
		}
	case fmt.Stringer:
		return scalar(value.String())
	}
	switch v.Kind() {
	case reflect.String:
		return scalar(v.String())
	case reflect.Slice:
		if v.Len() == 1 && v.Type().Elem().Kind() != reflect.Slice {
			return text(v.Index(0))
		}
		items := make([]string, v.Len())
		for i := range items {
			items[i] = text(v.Index(i))
			if v.Index(i).Kind() == reflect.Slice && v.Index(i).Len() == 1 {
				items[i] = "[" + items[i] + "]" // Of lists in a list the brackets tell where one ends.
			}
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Map:
		var entries []string
		for _, key := range v.MapKeys() {
			entries = append(entries, text(key)+": "+text(v.MapIndex(key)))
		}
		slices.Sort(entries)
		return "{" + strings.Join(entries, ", ") + "}"
	case reflect.Struct:
		return "{" + Print(v.Interface()) + "}"
	}
	return scalar(fmt.Sprint(v.Interface()))
}

// values prints a `with` map in the order in which it was written.
func values(with nodes.Values) string {
	entries := make([]string, len(with))
	for i, v := range with {
		value := scalar(v.Text)
		if v.Map != nil {
			value = values(v.Map)
		}
		if v.List != nil {
			items := make([]string, len(v.List))
			for i, item := range v.List {
				items[i] = scalar(item)
			}
			value = "[" + strings.Join(items, ", ") + "]"
		}
		entries[i] = scalar(v.Key) + ": " + value
	}
	return "{" + strings.Join(entries, ", ") + "}"
}

// plain are the words that need no quotes in flow form; a blank or a colon in the middle is harmless where the other signs are
// left out.
var (
	plain   = regexp.MustCompile(`^[A-Za-z0-9_./+~-]([A-Za-z0-9_./+~%:-]|[ ][A-Za-z0-9_./+~%(-])*$`)
	special = regexp.MustCompile(`^(?i:~|null|true|false|yes|no|on|off|y|n|-|---.*|\.\.\..*)$|^- |:$|: `)
)

// scalar prints a word, in quotes where YAML would take it for something else.
func scalar(s string) string {
	if plain.MatchString(s) && !special.MatchString(s) {
		return s
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b) // Its strings are YAML's double-quoted ones.
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return strconv.Quote(s)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
