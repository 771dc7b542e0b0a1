package scenarios

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/nodes/program"
	"firedrill/scenarios/expect"
	pairclaims "firedrill/scenarios/expect/pair"
	"firedrill/scenarios/library"
)

func shippedCatalogue() *Catalogue {
	return &Catalogue{Kinds: []*nodes.Kind{pair.Kind(), program.Kind()}, Claims: append(expect.Forms(), pairclaims.Forms()...),
		Hazards: pairclaims.Hazards()}
}

// compiled is the schema of a catalogue, as a validator reads it.
func compiled(t *testing.T, cat *Catalogue) *jsonschema.Schema {
	t.Helper()
	text, err := cat.Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	if err := c.AddResource("scenario.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("scenario.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asRead is a file as the loader reads it: every scalar is its text.
func asRead(n *node) any {
	switch n.shape {
	case list:
		items := []any{}
		for _, item := range n.items {
			items = append(items, asRead(item))
		}
		return items
	case mapping:
		entries := map[string]any{}
		for _, e := range n.entries {
			entries[e.key] = asRead(e.value)
		}
		return entries
	}
	return n.text
}

// bothWays are a file as the loader reads it and as an editor does, with numbers.
func bothWays(t *testing.T, text string) map[string]any {
	t.Helper()
	m := &notes{text: text}
	root := parseTree(m)
	if root == nil {
		t.Fatal(m.err())
	}
	var edited any
	if err := yaml.Unmarshal([]byte(text), &edited); err != nil {
		t.Fatal(err)
	}
	return map[string]any{"read by the loader": asRead(root), "read by an editor": edited}
}

// TestSchemaTakesWhatIsRight: every scenario that ships, and every right one of the tests, keeps the schema.
func TestSchemaTakesWhatIsRight(t *testing.T) {
	texts := map[string]string{}
	err := fs.WalkDir(library.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var text []byte
			text, err = fs.ReadFile(library.Files, path)
			texts[path] = string(text)
		}
		return err
	})
	if err != nil || len(texts) < 10 {
		t.Fatal("no scenarios", err)
	}
	s := compiled(t, shippedCatalogue())
	for path, text := range texts {
		for how, v := range bothWays(t, text) {
			if err := s.Validate(v); err != nil {
				t.Errorf("%s, %s: %v", path, how, err)
			}
		}
	}
	files, err := filepath.Glob("testdata/right/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	s = compiled(t, testCatalogue())
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for how, v := range bothWays(t, string(text)) {
			if err := s.Validate(v); err != nil {
				t.Errorf("%s, %s: %v", file, how, err)
			}
		}
	}
}

// schemaScenario is one that the wrong ones below are made of: each changes one thing in it.
const schemaScenario = `# A file of the tests.
name: small
covers: [SD-07]
seeds: 1..3
stop: 30m
segments:
  lan:  {subnet: 10.0.0.0/24, latency: 1ms..2ms, loss: 0.1%}
  wire: {subnet: 10.0.1.0/24}
defaults:
  pair: {volume: 4TB}
machines:
  nas-a: {kind: pair, nets: {lan: 10.0.0.1, wire: auto}, clock: {offset: -1s, drift: 20ppm}}
  nas-b: {kind: pair, nets: {lan: 10.0.0.2, wire: auto}, services: [snmp]}
clients:
  office: {count: 2, net: lan, to: 10.0.0.40, rate: 5/s, put: 60%, get: 40%, size: 1KiB..4KiB}
timeline:
  - {at: 10s, do: change-settings, machine: nas-a, with: {interval: 5s}, want: [ok, {status: 403}], step: change}
  - {after: ready, of: active, plus: 5m, cut: lan, from: nas-a, for: 10s}
  - {then: 1m, break_disk: nas-a, how: eio, operations: [read], nth: 2, only: long}
  - {then: 1m, probe: owner, with: {address: 10.0.0.40}, want: nobody, within: 5s, step: look}
  - {then: 1m, put: /x, from: office, want: refused}
  - {then: 1m, run: goodbye}
  - {then: 1m}
expect:
  - {takeover: nas-b, since: change, within: 1m}
  - no_dual_writers
  - {lost_writes: none, covers: SD-03}
  - {slips: named}
  - {slips: harmless, only: skip-wait}
  - {measured: wire, at_most: 64MiB, only: long}
measure:
  wire: {bytes: lan, from: change, to: goodbye, only: long}
variants:
  outage:
    long:  {steps: {look: skip}}
    short: {stop: 10m, machines: {nas-a: {volume: 5TB}}, steps: {change: {with: {checks: 3}, want: refused}}}
  checks: {each: {steps: {change: {with: {checks: [1, 2]}}}}}
  slips: {each_step_of: goodbye, is: skip}
cases:
  - {only: long/checks-1, settle: 1m}
except: short/checks-2
procedures:
  goodbye:
    - {step: ask, do: shutdown, machine: nas-b, want: ok}
    - {step: wait, then: 1m}
`

// TestSchemaRefusesWhatIsWrong changes one thing at a time: the schema and the loader refuse it, and neither the scenario without
// the change.
func TestSchemaRefusesWhatIsWrong(t *testing.T) {
	s, cat := compiled(t, shippedCatalogue()), shippedCatalogue()
	if _, err := Parse("small.yaml", []byte(schemaScenario), cat); err != nil {
		t.Fatal(err)
	}
	for how, v := range bothWays(t, schemaScenario) {
		if err := s.Validate(v); err != nil {
			t.Fatal(how, err)
		}
	}
	for _, c := range []struct{ what, right, wrong string }{
		{"a key that the file has not", "stop: 30m", "stop: 30m\nstopp: 30m"},
		{"no stop", "stop: 30m\n", ""},
		{"a name that no file has", "name: small", "name: Small"},
		{"an id that is none", "[SD-07]", "[sd-7]"},
		{"seeds without an end", "1..3", "1.."},
		{"a boolean", "stop: 30m", "stop: true"},
		{"a time without a unit", "stop: 30m", "stop: 30"},
		{"a negative time", "latency: 1ms..2ms", "latency: -1ms"},
		{"a share without a sign", "loss: 0.1%", "loss: 0.1"},
		{"a key that segments have not", "latency: 1ms", "latncy: 1ms"},
		{"a map of segments that is a list", "  lan:  {subnet: 10.0.0.0/24, latency: 1ms..2ms, loss: 0.1%}\n  wire: {subnet: 10.0.1.0/24}",
			"  - {subnet: 10.0.0.0/24}"},
		{"a name that is too long", "  wire: {", "  wire-and-wire-and-wire: {"},
		{"a kind that is none", "{kind: pair, nets: {lan: 10.0.0.1", "{kind: peer, nets: {lan: 10.0.0.1"},
		{"no kind", "{kind: pair, nets: {lan: 10.0.0.1", "{nets: {lan: 10.0.0.1"},
		{"a key that the kind has not", "services: [snmp]", "service: [snmp]"},
		{"a choice that is none", "services: [snmp]", "services: [snmpd]"},
		{"a size without a unit", "pair: {volume: 4TB}", "pair: {volume: 4}"},
		{"a key of every machine in a map of its own", "drift: 20ppm", "drfit: 20ppm"},
		{"an address that is none", "lan: 10.0.0.1,", "lan: here,"},
		{"a list where a word is wanted", "net: lan", "net: [lan]"},
		{"a rate without a time", "rate: 5/s", "rate: 5"},
		{"a count that is a word", "count: 2", "count: two"},
		{"a step with two verbs", "{then: 1m, put: /x", "{then: 1m, cut: lan, put: /x"},
		{"a step with two times", "{then: 1m}", "{then: 1m, at: 20m}"},
		{"a step without a time", "{then: 1m}", "{step: x}"},
		{"a verb that is none", "cut: lan", "cutt: lan"},
		{"a key that the verb has not", "from: nas-a, for", "form: nas-a, for"},
		{"a detail of a time that has none", "{then: 1m}", "{then: 1m, plus: 1s}"},
		{"a fact that is none", "after: ready", "after: redy"},
		{"a choice of a fault that is none", "how: eio", "how: eoi"},
		{"every without times", "for: 10s", "every: 10s"},
		{"a fault with a want", "for: 10s", "want: ok"},
		{"a request with a for", "want: refused}", "for: 10s}"},
		{"a path that is none", "put: /x", "put: x"},
		{"a verb that no kind has", "do: change-settings", "do: change-setting"},
		{"an argument that the verb has not", "{interval: 5s}", "{intervall: 5s}"},
		{"an argument that is missing", "do: change-settings, machine: nas-a, with: {interval: 5s}",
			"do: apply, machine: nas-a, with: {role: active}"},
		{"an answer that is none", "office, want: refused}", "office, want: refuse}"},
		{"a status that is none", "status: 403", "status: 4O3"},
		{"a probe that is none", "probe: owner", "probe: owns"},
		{"a probe that wants nothing", "want: nobody, ", ""},
		{"a value that the probe never finds", "probe: owner, with: {address: 10.0.0.40}, want: nobody",
			"probe: up, machine: nas-a, want: gone"},
		{"a probe without a machine", "probe: owner, with: {address: 10.0.0.40}, want: nobody", "probe: up, want: up"},
		{"a claim that is none", "- no_dual_writers", "- no_writers"},
		{"a claim that cannot stand alone", "- no_dual_writers", "- never"},
		{"a key that the claim has not", "since: change", "snice: change"},
		{"a loss that is none", "lost_writes: none", "lost_writes: some"},
		{"a word that says nothing of slips", "slips: named", "slips: some"},
		{"a range where a claim has a bound", "within: 1m", "within: 1m..2m"},
		{"a key that measures have not", "{bytes: lan", "{byte: lan"},
		{"a bound without a unit", "at_most: 64MiB", "at_most: 64XB"},
		{"an overlay of what none can change", "long:  {steps", "long:  {name: x, steps"},
		{"a word that no overlay says of a step", "look: skip", "look: skipp"},
		{"an overlay of a step's name", "want: refused}}}", "want: refused, step: x}}}"},
		{"an overlay with a key that no verb has", "want: refused}}}", "colour: red}}}"},
		{"an overlay with a key that no kind has", "{nas-a: {volume: 5TB}}", "{nas-a: {volum: 5TB}}"},
		{"a key beside each", "checks: {each:", "checks: {other: {}, each:"},
		{"a case without only", "{only: long/checks-1, settle", "{settle"},
		{"a slip that is none", "is: skip", "is: skipped"},
		{"steps of no procedure", "each_step_of: goodbye, ", ""},
		{"a step of a procedure without a name", "{step: ask, ", "{"},
		{"a step of a procedure at a time of its own", "{step: ask, ", "{step: ask, at: 1m, "},
		{"an axis whose name is none", "  outage:", "  Outage:"},
	} {
		text := strings.Replace(schemaScenario, c.right, c.wrong, 1)
		if text == schemaScenario {
			t.Fatalf("%s: %q is not in the scenario", c.what, c.right)
		}
		for how, v := range bothWays(t, text) {
			if s.Validate(v) == nil {
				t.Errorf("%s, %s: the schema takes it", c.what, how)
			}
		}
		if _, err := Parse("small.yaml", []byte(text), cat); err == nil {
			t.Errorf("%s: the loader takes it", c.what)
		}
	}
}

// TestSchemaOfPrograms changes one thing of a program at a time, as TestSchemaRefusesWhatIsWrong does.
func TestSchemaOfPrograms(t *testing.T) {
	const right = `# A file of the tests.
name: small
world: kernel
stop: 30m
segments:
  lan: {subnet: 10.0.0.0/24}
defaults:
  program: {ready: {port: 80}, files: {/etc/motd: hello}}
machines:
  tool: {kind: program, nets: {lan: auto}, command: [sh, -c, "true", 0.2, 9], environment: {A: 1, B: c}, stop_signal: INT}
timeline:
  - {at: 1s, power_off: tool}
  - {then: 1s, boot: tool, with: {files: {/etc/motd: again}, ready: {log: x}, command: ping}}
`
	s, cat := compiled(t, shippedCatalogue()), shippedCatalogue()
	for _, c := range []struct{ what, right, wrong string }{
		{"nothing", "ready: {log: x}, ", ""},
		{"a key that programs have not", "stop_signal: INT", "signal: INT"},
		{"a signal that is none", "stop_signal: INT", "stop_signal: KILL"},
		{"a command that is a map", "command: ping", "command: {a: b}"},
		{"a variable that is a list", "A: 1", "A: [1]"},
		{"files that are a list", "files: {/etc/motd: hello}", "files: [/etc/motd]"},
		{"a port that is a word", "port: 80", "port: http"},
		{"a way to be ready that is none", "port: 80", "socket: 80"},
		{"another config with a key that programs have not", "command: ping", "volume: 4TB"},
	} {
		text := strings.Replace(right, c.right, c.wrong, 1)
		_, err := Parse("small.yaml", []byte(text), cat)
		if text == right || (err == nil) != (c.what == "nothing") {
			t.Errorf("%s: the loader says %v", c.what, err)
		}
		for how, v := range bothWays(t, text) {
			if err := s.Validate(v); (err == nil) != (c.what == "nothing") {
				t.Errorf("%s, %s: the schema says %v", c.what, how, err)
			}
		}
	}
}

// TestKeysOfEveryMachineAreNoKeysOfAKind: a kind's config stands beside the keys that every machine has, so none may be both.
func TestKeysOfEveryMachineAreNoKeysOfAKind(t *testing.T) {
	for _, k := range shippedCatalogue().Kinds {
		for _, own := range keysOfStruct(k.Config()) {
			for _, common := range keysOfStruct(machineKeys{}) {
				if own == common {
					t.Errorf("key %q is one of kind %s and one of every machine", own, k.Name)
				}
			}
		}
	}
	clash := &nodes.Kind{Name: "clash", Config: func() any {
		return &struct {
			Disk string `yaml:"disk" doc:"x"`
		}{}
	}}
	if _, err := (&Catalogue{Kinds: []*nodes.Kind{clash}}).Schema(); err == nil || !strings.Contains(err.Error(), `key "disk" is taken`) {
		t.Errorf("want the key refused, have %v", err)
	}
}

// TestWhatGoesWithAVerb: the schema allows beside each verb what the loader allows.
func TestWhatGoesWithAVerb(t *testing.T) {
	acts := map[string]any{"do": &Do{}, "probe": &Probe{}, "get": &Access{}, "put": &Access{}, "delete": &Access{}}
	for _, form := range verbForms() {
		act, special := acts[form.verb]
		if !special {
			act = form.keys
		}
		for _, key := range restKeys {
			at := place{1, 1}
			step := &node{shape: mapping, entries: []entry{{form.verb, at, scalarf(at, "x")}, {key, at, scalarf(at, "1")}}}
			if key == "times" {
				step = step.with("every", scalarf(at, "1s"))
			} else if key == "every" && !verbHas(form.verb, "every") {
				step = step.with("times", scalarf(at, "1"))
			}
			b := builder{decoder: decoder{m: &notes{}}}
			b.checkEnd(step, &endKeys{Times: 1}, act)
			if loader := len(b.m.list) == 0; loader != goesWith(key, form.verb) {
				t.Errorf("%s with %q: the loader says %t, the schema %t: %v", form.verb, key, loader, !loader, b.m.list)
			}
		}
	}
}

// TestEveryKeyIsExplained: what the reference and the schema say of a key stands in its tag.
func TestEveryKeyIsExplained(t *testing.T) {
	structs := map[string]any{"file": newFileKeys(), "segment": newSegmentKeys(), "machine": newMachineKeys(), "clock": clockKeys{},
		"disk": diskKeys{}, "clients": Clients{}, "time": whenKeys{}, "step": endKeys{}, "claim": claimKeys{}}
	for _, form := range verbForms() {
		structs[form.verb] = form.keys
	}
	cat := shippedCatalogue()
	for _, form := range cat.Claims {
		structs["claim "+form.Name] = form.New()
	}
	for _, k := range cat.Kinds {
		structs["kind "+k.Name] = k.Config()
	}
	for where, v := range structs {
		for _, f := range faults.Fields(v) {
			if f.Doc == "" {
				t.Errorf("key %q of %s has no doc", f.Key, where)
			}
		}
	}
	for _, d := range append(append(sectionDocs, stepDocs...), cat.docs()...) {
		if d.doc == "" {
			t.Errorf("%q has no doc", d.key)
		}
	}
}

// docs are the words of a catalogue with what they mean.
func (c *Catalogue) docs() []keyDoc {
	var docs []keyDoc
	for _, k := range c.Kinds {
		docs = append(docs, keyDoc{k.Name, k.Doc})
		for _, v := range k.Verbs {
			docs = append(docs, keyDoc{k.Name + " " + v.Name, v.Doc})
			for _, a := range v.Args {
				docs = append(docs, keyDoc{v.Name + " " + a.Name, a.Doc})
			}
		}
		for _, p := range append(k.Probes, probes...) {
			docs = append(docs, keyDoc{k.Name + " " + p.Name, p.Doc})
			for _, a := range p.Args {
				docs = append(docs, keyDoc{p.Name + " " + a.Name, a.Doc})
			}
		}
		for _, f := range append(k.Facts, worldFacts...) {
			docs = append(docs, keyDoc{f.Name, f.Doc})
		}
	}
	for _, f := range c.Claims {
		docs = append(docs, keyDoc{f.Name, f.Doc})
	}
	for _, h := range c.Hazards {
		docs = append(docs, keyDoc{h.ID, h.Doc})
	}
	return docs
}
