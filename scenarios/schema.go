package scenarios

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"firedrill/faults"
	"firedrill/nodes"
)

// Schema is a JSON schema (draft 7, which editors know) of the scenario files that can be written with the catalogue, one branch
// per kind, verb and claim. It is made of the structs and tables that the loader decodes with. A file that breaks it is
// wrong; one that keeps it may still be, since a schema knows nothing of order, names and sums: Parse finds all.
func (c *Catalogue) Schema() ([]byte, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	s := &schemas{cat: c}
	root := s.file()
	root.Dialect, root.Title = "http://json-schema.org/draft-07/schema#", "firedrill scenario"
	root.Definitions = s.definitions
	return marshal(root, " ")
}

// schema is one schema, with the keywords that are used here. A library's type would bring five modules for these lines, and its
// reflector knows neither our tags nor lists of one, ranges and references.
type schema struct {
	Dialect      string              `json:"$schema,omitempty"`
	Title        string              `json:"title,omitempty"`
	Description  string              `json:"description,omitempty"`
	Ref          string              `json:"$ref,omitempty"`
	Type         types               `json:"type,omitempty"`
	Const        string              `json:"const,omitempty"`
	Enum         []string            `json:"enum,omitempty"`
	EnumDocs     []string            `json:"markdownEnumDescriptions,omitempty"` // Editors show them; validators ignore them.
	Pattern      string              `json:"pattern,omitempty"`
	Default      string              `json:"default,omitempty"`
	Examples     []string            `json:"examples,omitempty"`
	Items        *schema             `json:"items,omitempty"`
	MinItems     int                 `json:"minItems,omitempty"`
	MinKeys      int                 `json:"minProperties,omitempty"`
	Properties   properties          `json:"properties,omitempty"`
	Names        *schema             `json:"propertyNames,omitempty"`
	Others       any                 `json:"additionalProperties,omitempty"` // *schema or false
	Required     []string            `json:"required,omitempty"`
	Dependencies map[string][]string `json:"dependencies,omitempty"`
	If           *schema             `json:"if,omitempty"`
	Then         *schema             `json:"then,omitempty"`
	Else         *schema             `json:"else,omitempty"`
	Not          *schema             `json:"not,omitempty"`
	AnyOf        []*schema           `json:"anyOf,omitempty"`
	OneOf        []*schema           `json:"oneOf,omitempty"`
	AllOf        []*schema           `json:"allOf,omitempty"`
	Definitions  properties          `json:"definitions,omitempty"`
}

// types are those that a value may have.
type types []string

// MarshalJSON writes one type as a word.
func (t types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return marshal(t[0], "")
	}
	return marshal([]string(t), "")
}

// properties are schemas by key, in the order of the language.
type properties []property

type property struct {
	key   string
	value *schema
}

// MarshalJSON keeps the order.
func (p properties) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, each := range p {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		key, err := marshal(each.key, "")
		if err != nil {
			return nil, err
		}
		value, err := marshal(each.value, "")
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func marshal(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	err := encoder.Encode(v)
	return b.Bytes(), err
}

// schemas makes the schemas of a catalogue. What is used in several places is defined once.
type schemas struct {
	cat         *Catalogue
	definitions properties
}

// define returns a reference to a schema that is made once.
func (s *schemas) define(name string, made func() *schema) *schema {
	if !slices.ContainsFunc(s.definitions, func(p property) bool { return p.key == name }) {
		i := len(s.definitions)
		s.definitions = append(s.definitions, property{key: name}) // It may refer to itself.
		s.definitions[i].value = made()
	}
	return &schema{Ref: "#/definitions/" + strings.ReplaceAll(name, " ", "%20")}
}

// closed is a map with these keys and no others.
func closed(keys properties) *schema {
	return &schema{Type: []string{"object"}, Properties: keys, Others: false}
}

// orList is a value, or a list of such.
func orList(one *schema) *schema {
	return &schema{AnyOf: []*schema{one, {Type: []string{"array"}, Items: one}}}
}

// word is any scalar that is no boolean and no null. What looks like a number is a number to an editor.
func word() *schema { return &schema{Type: []string{"string", "number"}} }

// matching is a word with a pattern. A pattern that whole numbers match takes numbers too.
func matching(pattern, example string) *schema {
	p := &schema{Type: []string{"string"}, Pattern: "^(" + pattern + ")$"}
	if _, err := integer(example); regexp.MustCompile(p.Pattern).MatchString("7") || err == nil {
		p.Type = append(p.Type, "integer")
	}
	if example != "" {
		p.Examples = []string{example}
	}
	return p
}

// unanchored is the pattern of a regexp of the loader.
func unanchored(r *regexp.Regexp) string {
	return strings.TrimSuffix(strings.TrimPrefix(r.String(), "^"), "$")
}

// choice is one of some words, with what each means.
func choice(docs []keyDoc) *schema {
	e := &schema{Type: []string{"string"}}
	for _, d := range docs {
		e.Enum, e.EnumDocs = append(e.Enum, d.key), append(e.EnumDocs, d.doc)
	}
	if !slices.ContainsFunc(e.EnumDocs, func(doc string) bool { return doc != "" }) {
		e.EnumDocs = nil
	}
	return e
}

// of gives a schema the description of a key.
func (p property) of(doc string) property {
	described := *p.value
	described.Description = doc
	return property{p.key, &described}
}

// keys are the properties of a struct that the decoder reads. Where is the thing that has them, for keys that mean more than
// their types say.
func (s *schemas) keys(where string, v any) properties {
	var keys properties
	for _, f := range faults.Fields(v) {
		p := property{f.Key, s.special(where, f.Key)}
		if p.value == nil {
			p.value = s.value(f.Value, f)
		}
		p = p.of(f.Doc)
		p.value.Default = defaultOf(f)
		keys = append(keys, p)
	}
	return keys
}

// defaultOf is what a key holds if the file says nothing, as the user writes it; "": nothing.
func defaultOf(f faults.Field) string {
	if f.Value.IsZero() || f.Value.Kind() == reflect.Pointer && f.Value.IsNil() {
		return ""
	}
	return faults.Text(f.Value)
}

// special are the keys of which the loader checks more than the type.
func (s *schemas) special(where, key string) *schema {
	if key == "covers" && slices.Contains([]string{"file", "step", "claim"}, where) {
		return s.define("ids", func() *schema { return orList(matching(unanchored(idPattern), "SD-07")) })
	}
	switch where + "/" + key {
	case "file/name":
		return matching(unanchored(namePattern), "")
	case "step/step":
		return matching(unanchored(stepPattern), "")
	case "machine/kind":
		var kinds []keyDoc
		for _, k := range s.cat.Kinds {
			kinds = append(kinds, keyDoc{k.Name, k.Doc})
		}
		return choice(kinds)
	case "machine/nets":
		return &schema{Type: []string{"object"}, Others: matching("auto|"+addressPattern, "")}
	case "boot/with", "restart/with":
		var configs []*schema
		for _, k := range s.cat.Kinds {
			configs = append(configs, s.config(k))
		}
		return &schema{AnyOf: configs}
	}
	return nil
}

// value is the schema of what the decoder reads into a value; see decoder.value.
func (s *schemas) value(v reflect.Value, f faults.Field) *schema {
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		return s.value(reflect.New(t.Elem()).Elem(), f)
	}
	v = reflect.New(t).Elem()
	if _, with := v.Interface().(nodes.Values); with {
		return &schema{Type: []string{"object"}, Others: orList(word())}
	}
	if n, ok := notationOf(v, f.Key); ok {
		return matching(n.Pattern, n.Example)
	}
	switch t.Kind() {
	case reflect.Slice:
		return orList(s.value(reflect.New(t.Elem()).Elem(), f))
	case reflect.Map:
		return &schema{Type: []string{"object"}, Others: s.value(reflect.New(t.Elem()).Elem(), f)}
	case reflect.Struct:
		if !readsText(v) {
			return closed(s.keys(f.Key, v.Addr().Interface()))
		}
	}
	return s.word(f)
}

// word is the schema of a word with its choices and references; see decoder.word.
func (s *schemas) word(f faults.Field) *schema {
	if len(f.Choices) == 0 && slices.Equal(f.Refs, []string{"fact"}) {
		return s.define("fact", func() *schema { return choice(s.facts()) })
	}
	var known []keyDoc
	for _, choice := range f.Choices {
		known = append(known, keyDoc{choice, ""})
	}
	for _, ref := range f.Refs {
		switch ref {
		case "hazard":
			for _, h := range s.cat.Hazards {
				known = append(known, keyDoc{h.ID, h.Doc})
			}
		case "claim":
			for _, form := range s.cat.Claims {
				known = append(known, keyDoc{form.Name, form.Doc})
			}
		case "all":
			known = append(known, keyDoc{"all", ""})
		default:
			return word() // A name that the file gives.
		}
	}
	if known == nil {
		return word()
	}
	return choice(known)
}

// facts are those that a step can wait for, with what they mean. States and roles stand for themselves.
func (s *schemas) facts() []keyDoc {
	var docs []keyDoc
	for _, name := range factsOf(s.cat.Kinds) {
		docs = append(docs, keyDoc{name, factDoc(s.cat.Kinds, name)})
	}
	return docs
}

func factDoc(kinds []*nodes.Kind, name string) string {
	all := worldFacts
	for _, k := range kinds {
		all = append(slices.Clip(all), k.Facts...)
	}
	for _, f := range all {
		if f.Name == name {
			return f.Doc
		}
	}
	for _, k := range kinds {
		switch {
		case slices.Contains(k.States, name):
			return "a state that a machine of kind " + k.Name + " enters"
		case slices.Contains(k.Roles, name):
			return "a role that a machine of kind " + k.Name + " takes"
		}
	}
	return ""
}
