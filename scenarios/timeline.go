package scenarios

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
)

// The verbs that are not faults.
var requestVerbs = []string{"do", "probe", "get", "put", "delete"}

// isVerb reports whether a key of a step is a verb, one that comes later included.
func isVerb(key string) bool {
	return slices.Contains(requestVerbs, key) || faultVerb(key) != nil || later(key, "verb")
}

func verbNames() []string {
	names := slices.Clone(requestVerbs)
	for _, v := range faults.All() {
		names = append(names, v.Verb)
	}
	return names
}

func faultVerb(word string) *faults.Verb {
	all := faults.All()
	for i := range all {
		if all[i].Verb == word {
			return &all[i]
		}
	}
	return nil
}

// stepKeys are the keys that steps with any verb have; what belongs to the time comes first.
type stepKeys struct {
	At    *time.Duration `yaml:"at"`
	Then  *time.Duration `yaml:"then"`
	After string         `yaml:"after" ref:"fact"`
	Of    string         `yaml:"of"`
	Nth   int            `yaml:"nth"`
	Done  nodes.Share    `yaml:"done"`
	Like  string         `yaml:"like"`
	Plus  time.Duration  `yaml:"plus"`

	For    time.Duration `yaml:"for"`
	Within time.Duration `yaml:"within"`
	Every  time.Duration `yaml:"every"`
	Times  int           `yaml:"times"`
	Step   string        `yaml:"step"`
	Covers []string      `yaml:"covers"`
}

type doKeys struct {
	Verb    string        `yaml:"do"`
	Machine string        `yaml:"machine" ref:"machine"`
	With    nodes.Values  `yaml:"with"`
	Retry   time.Duration `yaml:"retry"`
}

type probeKeys struct {
	What    string       `yaml:"probe"`
	Machine string       `yaml:"machine" ref:"machine"`
	With    nodes.Values `yaml:"with"`
}

type accessKeys struct {
	Path string       `yaml:"-"`
	From string       `yaml:"from" ref:"clients"`
	To   string       `yaml:"to"`
	Via  string       `yaml:"via"`
	Size nodes.Size   `yaml:"size"`
	With nodes.Values `yaml:"with"`
}

func (b *builder) readTimeline() {
	n := b.root.get("timeline")
	if n == nil {
		return
	}
	if n.shape != list {
		b.fault(n.at, "want timeline as a list of steps, have %s", n.shape)
		return
	}
	b.nameSteps(n)
	var clock timekeeper
	for i, item := range n.items {
		if item.shape != mapping {
			b.fault(item.at, "want a step such as {at: 10s, cut: lan}, have %s", item.shape)
			continue
		}
		b.step = i
		b.s.Timeline = append(b.s.Timeline, b.readStep(item))
		clock.check(b, item)
	}
}

// nameSteps finds the names of all steps, so that a step can tell a later one from none.
func (b *builder) nameSteps(timeline *node) {
	line := map[string]int{}
	for _, item := range timeline.items {
		name := stepName(item)
		b.steps = append(b.steps, name)
		n := item.get("step")
		switch {
		case name == "":
		case !stepPattern.MatchString(name):
			b.fault(n.at, "want a step's name of small letters, digits and hyphens, 64 at most, have %q", name)
		case line[name] != 0:
			b.fault(n.at, "step %q is named in line %d already", name, line[name])
		}
		if n != nil && line[name] == 0 {
			line[name] = n.at.line
		}
	}
}

func (b *builder) readStep(n *node) Step {
	keys := stepKeys{Nth: 1}
	var verbs []entry
	for _, e := range n.entries {
		if isVerb(e.key) {
			verbs = append(verbs, e)
		}
	}
	if len(verbs) > 1 {
		b.fault(verbs[1].at, "a step has one verb, have %s and %s; write two steps", verbs[0].key, verbs[1].key)
		return Step{Name: stepName(n)}
	}
	path := "timeline/" + stepName(n)
	b.checkCovers(n)
	step := Step{Name: stepName(n), Line: n.at.line}
	more := []string{"want", "only", "except"}
	if len(verbs) == 0 {
		b.unknownVerb(n, &keys)
		b.fields(n, path, "a step", append(more, verbNames()...), &keys)
	} else {
		step.Act = b.readAct(n, verbs[0], path, more, &keys)
	}
	b.checkTime(n, &keys)
	b.checkRest(n, &keys, step.Act)
	step.When = When{At: keys.At, Then: keys.Then, After: keys.After, Of: keys.Of, Nth: keys.Nth, Done: keys.Done,
		Like: keys.Like, Plus: keys.Plus}
	step.For, step.Within, step.Every, step.Times = keys.For, keys.Within, keys.Every, keys.Times
	step.Want = b.readWant(n, step.Act)
	b.s.Covers = union(b.s.Covers, keys.Covers)
	return step
}

// unknownVerb notes, in a step without a verb, the key that must be meant for one.
func (b *builder) unknownVerb(n *node, keys *stepKeys) {
	for _, key := range []string{"want", "for", "every", "times", "within"} {
		if e := n.entry(key); e != nil {
			b.fault(e.at, "%q without a verb: a step without one only waits", key)
		}
	}
}

// readAct reads the verb of a step with what belongs to it, and the keys that all steps have.
func (b *builder) readAct(n *node, verb entry, path string, more []string, keys *stepKeys) any {
	if later(verb.key, "verb") {
		b.fault(verb.at, "%q is not supported yet", verb.key)
		return nil
	}
	if f := faultVerb(verb.key); f != nil {
		fault := f.New()
		if b.fields(n, path, fmt.Sprintf("%q", verb.key), more, fault, keys) {
			b.checkFault(n, fault)
		}
		return fault
	}
	switch verb.key {
	case "do":
		k := doKeys{}
		if b.fields(n, path, `"do"`, more, &k, keys) {
			return b.readDo(n, &k)
		}
		return nil
	case "probe":
		k := probeKeys{}
		if b.fields(n, path, `"probe"`, more, &k, keys) {
			return b.readProbe(n, &k)
		}
		return nil
	}
	k := accessKeys{Size: 4096}
	ok := b.fields(n, path, fmt.Sprintf("%q", verb.key), append(more, verb.key), &k, keys)
	if !strings.HasPrefix(verb.value.text, "/") {
		b.fault(verb.value.at, "want a path such as /data/x, have %q", verb.value.text)
	}
	if k.From == "" && ok {
		b.fault(n.at, "want from: the clients of whom one sends it")
	}
	return &Access{Verb: verb.key, Path: verb.value.text, From: k.From, To: k.To, Via: k.Via, Size: k.Size, With: k.With}
}

func (b *builder) readDo(n *node, k *doKeys) any {
	if k.Machine == "" {
		b.fault(n.at, "want a machine that is asked to %s", k.Verb)
		return nil
	}
	if k.Retry < 0 {
		b.fault(n.get("retry").at, "want a retry of at least 0s, have %s", nodes.FormatDuration(k.Retry))
	}
	var names []string
	for _, kind := range b.kindsOf(k.Machine) {
		for i := range kind.Verbs {
			v := &kind.Verbs[i]
			if v.Name == k.Verb {
				b.checkArgs(n, k.With, v.Args, fmt.Sprintf("%q", v.Name))
				return &Do{Verb: v, Machine: k.Machine, With: k.With, Retry: k.Retry}
			}
			names = append(names, v.Name)
		}
	}
	b.fault(n.get("do").at, "%s", no("verb", k.Verb, names))
	return nil
}

// checkArgs checks the keys of `with`. Wrong values are sent as they are.
func (b *builder) checkArgs(n *node, with nodes.Values, args []nodes.Arg, what string) {
	var names []string
	for _, a := range args {
		names = append(names, a.Name)
		if a.Required && !slices.ContainsFunc(with, func(v nodes.Value) bool { return v.Key == a.Name }) {
			at := n.at
			if w := n.entry("with"); w != nil {
				at = w.at
			}
			b.fault(at, "%s wants %q in with", what, a.Name)
		}
	}
	for _, v := range with {
		if !slices.Contains(names, v.Key) {
			if len(names) == 0 {
				b.fault(n.get("with").entry(v.Key).at, "unknown key %q; %s takes no with", v.Key, what)
				continue
			}
			b.fault(n.get("with").entry(v.Key).at, "unknown key %q for %s; want %s", v.Key, what, oneOf(v.Key, names))
		}
	}
}

// The probes that all kinds have, with what they may find.
var probes = []nodes.Probe{
	{Name: "access", Choices: []string{"read-write", "read-only", "none"}},
	{Name: "owner", Args: []nodes.Arg{{Name: "address", Required: true}}},
	{Name: "up", Choices: []string{"up", "down"}},
}

func (b *builder) readProbe(n *node, k *probeKeys) any {
	if n.get("want") == nil {
		b.fault(n.at, "want what the probe is to find, such as want: up")
	}
	for i := range probes {
		if p := &probes[i]; p.Name == k.What {
			if k.What != "owner" && k.Machine == "" {
				b.fault(n.at, "want a machine to probe for %s", k.What)
			}
			if k.What == "owner" {
				b.checkArgs(n, k.With, p.Args, `"owner"`)
				b.checkOwnerAddress(n)
			}
			return &Probe{What: k.What, Machine: k.Machine, With: k.With}
		}
	}
	var names []string
	for _, p := range probes {
		names = append(names, p.Name)
	}
	kinds := b.kinds
	if k.Machine != "" {
		kinds = b.kindsOf(k.Machine)
	}
	for _, kind := range kinds {
		for i := range kind.Probes {
			if p := &kind.Probes[i]; p.Name == k.What {
				if k.Machine == "" {
					b.fault(n.at, "want a machine to probe for %s", k.What)
				}
				b.checkArgs(n, k.With, p.Args, fmt.Sprintf("%q", p.Name))
				return &Probe{What: k.What, Kind: p, Machine: k.Machine, With: k.With}
			}
			names = append(names, kind.Probes[i].Name)
		}
	}
	b.fault(n.get("probe").at, "%s", no("probe", k.What, names))
	return nil
}

// checkOwnerAddress checks that somebody could own the address: it is in the subnet of a segment.
func (b *builder) checkOwnerAddress(n *node) {
	address := n.get("with").get("address")
	if address == nil || address.shape != scalar {
		return
	}
	if problem := b.refer([]string{"address"}, address.text); problem != "" {
		b.fault(address.at, "%s", problem)
	}
}

// checkTime checks the time of a step.
func (b *builder) checkTime(n *node, k *stepKeys) {
	var times []*entry
	for _, key := range wholeTimes {
		if e := n.entry(key); e != nil {
			times = append(times, e)
		}
	}
	if len(times) == 0 {
		b.fault(n.at, "want a time: at, then or after")
		return
	}
	if len(times) > 1 {
		b.fault(times[1].at, "a step has one time, have %s and %s", times[0].key, times[1].key)
		return
	}
	for _, key := range timeKeys[3:] {
		if e := n.entry(key); e != nil && times[0].key != "after" {
			b.fault(e.at, "%q goes with after only", key)
		}
	}
	for _, d := range []struct {
		key string
		ok  bool
	}{
		{"at", k.At == nil || *k.At >= 0}, {"then", k.Then == nil || *k.Then >= 0}, {"plus", k.Plus >= 0},
		{"for", k.For >= 0}, {"within", k.Within >= 0}, {"every", k.Every >= 0},
	} {
		if e := n.entry(d.key); e != nil && !d.ok {
			b.fault(e.value.at, "want %s of at least 0s, have %s", d.key, e.value.text)
		}
	}
	if e := n.entry("nth"); e != nil && k.Nth < 1 {
		b.fault(e.value.at, "nth counts from 1, have %s", e.value.text)
	}
	b.checkOf(n, k)
}

// checkOf checks of whom a fact is awaited.
func (b *builder) checkOf(n *node, k *stepKeys) {
	of := n.get("of")
	switch {
	case of == nil && k.After == "answered":
		b.fault(n.get("after").at, "want of: the step that is answered")
	case of == nil || of.shape != scalar:
	case k.After == "answered":
		if problem := b.refer([]string{"step"}, k.Of); problem != "" {
			b.fault(of.at, "%s", problem)
		}
	default:
		if problem := b.refer([]string{"machine"}, k.Of); problem != "" {
			b.fault(of.at, "%s", problem)
		}
	}
}

// checkRest checks which of the rest goes with which verb.
func (b *builder) checkRest(n *node, k *stepKeys, act any) {
	_, isProbe := act.(*Probe)
	_, isFault := act.(faults.Fault)
	if e := n.entry("within"); e != nil && act != nil && !isProbe {
		b.fault(e.at, "within is for probes: what is found by then")
	}
	if e := n.entry("for"); e != nil && act != nil && !isProbe && !isFault {
		b.fault(e.at, "for is for faults and probes: how long it lasts")
	}
	if e := n.entry("want"); e != nil && isFault {
		b.fault(e.at, "want is for requests and probes; a fault has no answer")
	}
	if e := n.entry("times"); e != nil {
		switch {
		case k.Times < 1:
			b.fault(e.value.at, "want at least 1 time, have %s", e.value.text)
		case n.get("every") == nil:
			b.fault(e.at, "want every beside times: how far apart they are")
		}
	}
	if e := n.entry("every"); e != nil && n.get("times") == nil {
		b.fault(e.at, "want times beside every: how often")
	}
}

// checkFault checks what a fault's own type cannot know: whether there is anything in its scope.
func (b *builder) checkFault(n *node, fault faults.Fault) {
	fields := faults.Fields(fault)
	subject := n.get(fields[0].Key)
	if subject == nil {
		return
	}
	if b.boots(n, fault) || subject.shape != scalar || !slices.Contains(fields[0].Refs, "segment") {
		return
	}
	segment := b.segment(subject.text)
	if segment == nil {
		return
	}
	on := b.machinesOn(segment.Name)
	for _, f := range fields[1:] {
		if !slices.Contains(f.Refs, "machine") {
			continue
		}
		for _, word := range n.get(f.Key).list() {
			if m := b.machine(word.text); m != nil && !slices.Contains(on, m.Name) {
				b.fault(word.at, "machine %s is not on segment %s, so this hits no link", m.Name, segment.Name)
			}
		}
	}
}

// machinesOn are the machines that have an interface on a segment.
func (b *builder) machinesOn(segment string) []string {
	var names []string
	for _, m := range b.s.Machines {
		for _, i := range m.Nets {
			if i.Segment == segment {
				names = append(names, m.Name)
			}
		}
	}
	return names
}

// boots reads the configuration with which a step boots or restarts machines: the declared one with `with` laid over it.
func (b *builder) boots(n *node, fault faults.Fault) bool {
	var config *faults.Config
	var names []string
	switch f := fault.(type) {
	case *faults.Boot:
		config, names = &f.Config, f.Machines
	case *faults.Restart:
		config, names = &f.Config, f.Machines
	default:
		return false
	}
	with := n.get("with")
	if with == nil || with.shape != mapping {
		return true
	}
	config.Configs = map[string]any{}
	for _, name := range names {
		m := b.machine(name)
		if m == nil {
			b.fault(with.at, "want machines by their names where with changes their configuration, have the role %q", name)
			continue
		}
		made := m.Kind.Config()
		declared := b.declared(m)
		quiet := decoder{m: &notes{}, refs: b.refs, draw: b.draw}
		quiet.fields(declared, "machines/"+name, "", faultKeys(machineKeys{}), made)
		b.fields(with, "timeline/"+stepName(n)+"/with", "machine "+name, nil, made)
		config.Configs[name] = made
	}
	return true
}

// declared is the map in which a machine is declared, with its kind's defaults.
func (b *builder) declared(m *Machine) *node {
	machines := b.root.get("machines")
	n := machines.get(m.Name)
	if n == nil { // One of several: NAME-2 stands under NAME.
		n = machines.get(m.Name[:strings.LastIndexByte(m.Name, '-')])
	}
	if d := b.root.get("defaults").get(m.Kind.Name); d != nil && d.shape == mapping {
		n = merge(d, n)
	}
	return n
}

func faultKeys(v any) []string {
	var keys []string
	for _, f := range faults.Fields(v) {
		keys = append(keys, f.Key)
	}
	return keys
}

// timekeeper knows the earliest time at which a step can fire, and whether that is the only one.
type timekeeper struct {
	earliest time.Duration
	text     string
}

// check checks that a step can still come after those above it, whatever is drawn.
func (t *timekeeper) check(b *builder, step *node) {
	low, high, key := time.Duration(0), time.Duration(0), ""
	for _, k := range []string{"at", "then", "plus"} {
		if n := step.get(k); n != nil && n.shape == scalar {
			var ok bool
			if low, high, ok = durations(n.text); !ok {
				return
			}
			key = k
		}
	}
	at := step.get(key)
	switch key {
	case "at":
		if low < t.earliest {
			b.fault(at.at, "step at %s comes after one at %s; keep the timeline in order of time", at.text,
				nodes.FormatDuration(t.earliest))
			return
		}
		t.earliest = high
	case "then", "plus":
		if t.earliest > math.MaxInt64-high {
			return
		}
		t.earliest += high
	}
	if stop := b.root.get("stop"); stop != nil && key != "" && b.s.Stop > 0 && t.earliest > b.s.Stop {
		b.fault(at.at, "step at %s comes after the stop at %s", nodes.FormatDuration(t.earliest), nodes.FormatDuration(b.s.Stop))
	}
}

// durations are the ends of a duration or a range of them.
func durations(text string) (low, high time.Duration, ok bool) {
	a, b, isRange := strings.Cut(text, "..")
	low, err := nodes.ParseDuration(a)
	high = low
	if err == nil && isRange {
		high, err = nodes.ParseDuration(b)
	}
	return low, high, err == nil && low >= 0 && low <= high
}
