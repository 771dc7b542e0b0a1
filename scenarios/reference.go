package scenarios

import (
	"reflect"
	"slices"
	"strings"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/nodes/client"
	"firedrill/scenarios/expect"
)

// Table is one part of the reference: a thing of the language with its words. The tables are made of what the loader decodes
// with, so that they tell of every key that it reads and of no other.
type Table struct {
	Title, Doc string
	Entries    []Entry
}

// Entry is one word of a table.
type Entry struct {
	Word    string
	Value   string   // what is written after it: `T`, `[MACHINE]`; "": it is a word by itself
	Default string   // what holds without it
	Choices []string // the words that it may be
	Doc     string
}

// FaultReference tells of every fault and its undoing, in the order of faults.All.
func FaultReference() []Table {
	var tables []Table
	for _, v := range faults.All() {
		tables = append(tables, tableOf(v.Verb, v.Doc, v.New()))
	}
	return tables
}

// ClaimReference tells of every claim, and of the hazards that the claim `hazard` can name.
func (c *Catalogue) ClaimReference() []Table {
	var tables []Table
	for _, form := range c.Claims {
		doc := form.Doc
		if form.Kinds != nil {
			doc += "; of kind " + strings.Join(form.Kinds, ", ")
		}
		if form.Standing != nil {
			doc += "; judged unasked"
		}
		tables = append(tables, tableOf(form.Name, doc, form.New()))
	}
	tables = append(tables, Table{"any claim", "", slices.Concat(entriesOf(&claimKeys{}), conditionEntries())})
	hazards := Table{Title: "hazards", Doc: "what a modelled product does by its own documents, and breaks an ideal by"}
	for _, h := range c.Hazards {
		hazards.Entries = append(hazards.Entries, Entry{Word: h.ID, Doc: h.Doc})
	}
	return append(tables, hazards)
}

// ScenarioReference tells of the file, its parts, steps and variants, and of quantities and facts.
func (c *Catalogue) ScenarioReference() []Table {
	file := Table{"file", "", append(entriesOf(newFileKeys()), entriesOfDocs(sectionDocs)...)}
	for i := range file.Entries {
		if slices.Contains(requiredKeys, file.Entries[i].Word) {
			file.Entries[i].Doc += "; required"
		}
	}
	clients := newClients("")
	rest := Table{"rest of a step", "after the verb and what belongs to it",
		append(entriesOfDocs(stepDocs[:1]), slices.Concat(entriesOf(&endKeys{}), conditionEntries())...)}
	tables := []Table{file,
		{"segment", "a network; times and shares are per frame and direction", entriesOf(newSegmentKeys())},
		{"machine", "beside the keys of its kind: see help kinds", entriesOf(newMachineKeys())},
		{"clock of a machine", "", entriesOf(&clockKeys{})},
		{"disk of a machine", "", entriesOf(&diskKeys{})},
		{"clients", "", entriesOf(&clients)},
		{"time of a step", "a step is {time, verb, what belongs to the verb, the rest}, in this order; " +
			"none acts before the one above it", entriesOf(&whenKeys{})},
	}
	for _, r := range requests {
		tables = append(tables, tableOf(r.verb, r.doc, r.keys()))
	}
	measure := Table{"measure", "how long something takes, or how much happens meanwhile",
		append(entriesOf(&expect.Gauge{}), conditionEntries()...)}
	verbs := Table{Title: "faults", Doc: "the other verbs: see help faults"}
	for _, v := range faults.All() {
		verbs.Entries = append(verbs.Entries, Entry{Word: v.Verb, Doc: v.Doc})
	}
	axis := Table{"variants", "AXIS: {VALUE: {what differs}}, or one of", []Entry{
		{Word: "each", Value: "{what differs}", Doc: "with one list in it: each item is a value"},
		{Word: "each_step_of", Value: "[PROCEDURE]", Doc: "each step is a value, and " + asWritten + " is one"},
		{Word: "is", Value: "[SLIP or T]", Choices: slips, Doc: "with each_step_of: what becomes of the step, or how late it is"},
	}}
	differs := Table{"what differs", "maps merge, all else is replaced", []Entry{{Word: "steps", Value: "{STEP: ..}",
		Choices: keysOfDocs(patchDocs), Doc: "what differs in a step, or one of"}}}
	for _, key := range overlayKeys {
		if key != "steps" && slices.ContainsFunc(file.Entries, func(e Entry) bool { return e.Word == key }) {
			differs.Entries = append(differs.Entries, Entry{Word: key, Doc: "as in the file"})
		}
	}
	facts := Table{Title: "facts", Doc: "what after, never and happens can name, beside the states, roles and facts of the kinds"}
	for _, f := range worldFacts {
		facts.Entries = append(facts.Entries, Entry{Word: f.Name, Doc: f.Doc})
	}
	return append(tables, verbs, rest, answerTable(), probeTable("probes of every kind (of a program: owner)", probes),
		measure, axis, differs, quantityTable(), facts)
}

// KindReference tells of a kind: its keys of a machine, what operators may ask of it, what can be probed and awaited.
func KindReference(k *nodes.Kind) []Table {
	tables := append([]Table{{"machine of kind " + k.Name, k.Doc, entriesOf(k.Config())}}, innerTables(k.Config())...)
	for _, v := range k.Verbs {
		tables = append(tables, Table{"do: " + v.Name, v.Doc, argEntries(v.Args)})
	}
	for _, verb := range []string{client.VerbPut, client.VerbGet, client.VerbDelete} {
		if extras := extrasOf(k.Dialect, verb); len(extras) > 0 {
			tables = append(tables, Table{"with of " + verb, "what a request of clients can say beside the path", argEntries(extras)})
		}
	}
	if len(k.Probes) > 0 {
		tables = append(tables, probeTable("probes", k.Probes))
	}
	for i := range k.Procedures {
		tables = append(tables, procedureTable(&k.Procedures[i]))
	}
	words := Table{Title: "roles and states", Doc: "roles stand for whoever has them; both can be awaited by their names"}
	for _, role := range k.Roles {
		words.Entries = append(words.Entries, Entry{Word: role, Doc: "a role"})
	}
	for _, state := range k.States {
		words.Entries = append(words.Entries, Entry{Word: state, Doc: "a state"})
	}
	facts := Table{Title: "facts", Doc: "beside those of every kind: see help scenario"}
	for _, f := range k.Facts {
		facts.Entries = append(facts.Entries, Entry{Word: f.Name, Doc: f.Doc})
	}
	for _, t := range []Table{words, facts} {
		if len(t.Entries) > 0 {
			tables = append(tables, t)
		}
	}
	return tables
}

// innerTables are those of the maps in a config, each with the keys that it may have.
func innerTables(config any) []Table {
	var tables []Table
	for _, f := range faults.Fields(config) {
		v := reflect.New(f.Value.Type()).Elem()
		if _, written := notationOf(v, f.Key); v.Kind() == reflect.Struct && !written && !readsText(v) {
			tables = append(tables, Table{f.Key, f.Doc, entriesOf(v.Addr().Interface())})
		}
	}
	return tables
}

func answerTable() Table {
	return Table{"want", "an answer, {FIELD: VALUE}, or a list of these", entriesOfDocs(answerDocs)}
}

func probeTable(title string, probes []nodes.Probe) Table {
	t := Table{Title: title}
	for _, p := range probes {
		t.Entries = append(t.Entries, Entry{Word: p.Name, Doc: p.Doc, Choices: p.Choices})
		for _, a := range argEntries(p.Args) {
			a.Word = "with " + a.Word
			t.Entries = append(t.Entries, a)
		}
	}
	return t
}

// procedureTable tells what a runbook asks for, and its steps.
func procedureTable(p *nodes.Procedure) Table {
	t := Table{Title: "run: " + p.Name, Doc: p.Doc}
	for _, a := range argEntries(p.Args) {
		a.Word = "with " + a.Word
		t.Entries = append(t.Entries, a)
	}
	steps, err := stepsOf(p)
	if err != nil {
		return t // The catalogue's check says so.
	}
	for _, step := range steps.items {
		t.Entries = append(t.Entries, Entry{Word: stepName(step), Doc: "a step: " + flow(step.with("step", nil))})
	}
	return t
}

// quantityTable tells how quantities are written.
func quantityTable() Table {
	t := Table{Title: "quantities", Doc: "A..B is drawn once a seed"}
	for _, n := range []nodes.Notation{nodes.DurationNotation(), nodes.Size(0).Notation(), nodes.Rate{}.Notation(),
		nodes.Bandwidth(0).Notation(), nodes.Share(0).Notation(), nodes.Drift(0).Notation()} {
		t.Entries = append(t.Entries, Entry{Word: n.Word, Doc: "such as " + n.Example})
	}
	return t
}

func tableOf(word, doc string, v any) Table {
	t := Table{word, doc, entriesOf(v)}
	if len(t.Entries) == 0 || t.Entries[0].Word != word { // Its subject is read on its own.
		t.Entries = append([]Entry{{Word: word, Value: "PATH", Doc: "the path, such as /data/x"}}, t.Entries...)
	}
	return t
}

// entriesOf are the keys of a struct that the decoder reads.
func entriesOf(v any) []Entry {
	var entries []Entry
	for _, f := range faults.Fields(v) {
		entries = append(entries, Entry{Word: f.Key, Value: placeholder(f.Value, f), Default: defaultOf(f), Choices: f.Choices,
			Doc: f.Doc})
	}
	return entries
}

func entriesOfDocs(docs []keyDoc) []Entry {
	var entries []Entry
	for _, d := range docs {
		entries = append(entries, Entry{Word: d.key, Doc: d.doc})
	}
	return entries
}

// conditionEntries are the keys that tell for which cases a step or a claim is.
func conditionEntries() []Entry {
	entries := entriesOfDocs(stepDocs[1:])
	for i := range entries {
		entries[i].Value = "[VALUE/VALUE]"
	}
	return entries
}

func argEntries(args []nodes.Arg) []Entry {
	var entries []Entry
	for _, a := range args {
		e := Entry{Word: a.Name, Doc: a.Doc}
		if a.Required {
			e.Doc += "; required"
		}
		entries = append(entries, e)
	}
	return entries
}

// placeholder is a word for what a key's value is.
func placeholder(v reflect.Value, f faults.Field) string {
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		return placeholder(reflect.New(t.Elem()).Elem(), f)
	}
	v = reflect.New(t).Elem()
	if _, with := v.Interface().(nodes.Values); with {
		return "{KEY: VALUE}"
	}
	if n, ok := notationOf(v, f.Key); ok {
		return n.Word
	}
	switch {
	case readsText(v):
	case t.Kind() == reflect.Slice:
		return "[" + placeholder(reflect.New(t.Elem()).Elem(), f) + "]"
	case t.Kind() == reflect.Map:
		return "{NAME: " + placeholder(reflect.New(t.Elem()).Elem(), f) + "}"
	case t.Kind() == reflect.Struct:
		return "{KEY: VALUE}"
	}
	if len(f.Choices) == 1 && len(f.Refs) == 0 {
		return f.Choices[0]
	}
	words := make([]string, len(f.Refs))
	for i, ref := range f.Refs {
		if words[i] = strings.ToUpper(ref); ref == "all" {
			words[i] = ref
		}
	}
	if len(words) == 0 {
		return "WORD"
	}
	return strings.Join(words, " or ")
}
