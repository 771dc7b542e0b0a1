package faults

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Resolve returns a copy of the fault in which every word that may name machines is replaced by what machines returns for it:
// a role by whoever has it now. Where one machine is meant, the word has to mean exactly one. A word that a field takes as it is
// (`heal: all`) stays.
func Resolve(f Fault, machines func(word string) ([]string, error)) (Fault, error) {
	old := reflect.ValueOf(f)
	copied := reflect.New(old.Type().Elem())
	copied.Elem().Set(old.Elem())
	for _, field := range Fields(copied.Interface()) {
		if !slices.Contains(field.Refs, "machine") || field.Value.IsZero() {
			continue
		}
		if err := resolve(field, machines); err != nil {
			return nil, err
		}
	}
	resolved := copied.Interface().(Fault)
	if c, ok := resolved.(Checker); ok {
		if err := c.Check(); err != nil {
			return nil, fmt.Errorf("%s: %w", resolved, err)
		}
	}
	return resolved, nil
}

func resolve(field Field, machines func(string) ([]string, error)) error {
	if field.Value.Kind() == reflect.String {
		word := field.Value.String()
		if slices.Contains(field.Refs, word) {
			return nil
		}
		names, err := machines(word)
		if err != nil {
			return err
		}
		if len(names) != 1 {
			return fmt.Errorf("%s: %s is to mean one machine, and means %s", field.Key, word, several(names))
		}
		field.Value.SetString(names[0])
		return nil
	}
	if groups, nested := field.Value.Interface().([][]string); nested {
		resolved := make([][]string, len(groups))
		for i, group := range groups {
			names, err := each(field.Key, group, machines)
			if err != nil {
				return err
			}
			resolved[i] = names
		}
		field.Value.Set(reflect.ValueOf(resolved))
		return nil
	}
	all, err := each(field.Key, field.Value.Interface().([]string), machines)
	if err != nil {
		return err
	}
	field.Value.Set(reflect.ValueOf(all))
	return nil
}

// each are the machines that words mean, every one once.
func each(key string, words []string, machines func(string) ([]string, error)) ([]string, error) {
	var all []string
	for _, word := range words {
		names, err := machines(word)
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			return nil, fmt.Errorf("%s: %s means nobody", key, word)
		}
		for _, name := range names {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all, nil
}

func several(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	return fmt.Sprintf("%d: %s", len(names), strings.Join(names, ", "))
}
