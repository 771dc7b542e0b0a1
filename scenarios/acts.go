package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
)

// request is a verb that is no fault. Where its struct has no key of the verb's name, the subject is a path.
type request struct {
	verb, doc string
	keys      func() any // a pointer to an empty struct
}

var requests = []request{
	{"do", "an operator asks something of a machine", func() any { return &doKeys{} }},
	{"probe", "something is really tried, outside the ledger of writes", func() any { return &probeKeys{} }},
	{"get", "a client reads a path", func() any { return &accessKeys{} }},
	{"put", "a client writes a path", func() any { return &accessKeys{} }},
	{"delete", "a client deletes a path", func() any { return &accessKeys{} }},
	{"tell", "clients move: they ask somebody else from now on", func() any { return &Tell{} }},
	{"run", "somebody works through procedures, beside the timeline", func() any { return &Run{} }},
	{"end", "the drill ends before its stop, and the quiet phase begins", func() any { return &End{} }},
}

// requestVerbs are the verbs that are not faults.
var requestVerbs = func() []string {
	var verbs []string
	for _, r := range requests {
		verbs = append(verbs, r.verb)
	}
	return verbs
}()

// isVerb reports whether a key of a step is a verb, one that comes later included.
func isVerb(key string) bool {
	return slices.Contains(requestVerbs, key) || faultForms[key] != nil || later(key, "verb")
}

// faultForm is a fault's verb with the keys of its struct.
type faultForm struct {
	*faults.Verb
	keys []string
}

// faultForms are the verbs that are faults: made once, since every key of every step of every case
// is looked up here.
var faultForms = func() map[string]*faultForm {
	forms := map[string]*faultForm{}
	for _, v := range faults.All() {
		forms[v.Verb] = &faultForm{&v, keysOfStruct(v.New())}
	}
	return forms
}()

func keysOfStruct(v any) []string {
	var keys []string
	for _, f := range faults.Fields(v) {
		keys = append(keys, f.Key)
	}
	return keys
}

// verbNames are all verbs that can be played.
func verbNames() []string {
	names := slices.Clone(requestVerbs)
	for _, v := range faults.All() {
		names = append(names, v.Verb)
	}
	return names
}

// verbHas reports whether a key belongs to a verb.
func verbHas(verb, key string) bool {
	f := faultForms[verb]
	return f != nil && slices.Contains(f.keys, key)
}

type doKeys struct {
	Verb    string        `yaml:"do" doc:"what the operator asks of the machine"`
	Machine string        `yaml:"machine" ref:"machine" doc:"which machine is asked"`
	With    nodes.Values  `yaml:"with" doc:"what goes with the request; wrong values are sent as they are"`
	Retry   time.Duration `yaml:"retry" doc:"asks again so often until the answer is as wanted"`
}

type probeKeys struct {
	What    string       `yaml:"probe" doc:"what is really tried"`
	Machine string       `yaml:"machine" ref:"machine" doc:"the machine that is probed"`
	With    nodes.Values `yaml:"with" doc:"what goes with the question"`
}

type accessKeys struct {
	Path string       `yaml:"-"`
	From string       `yaml:"from" ref:"clients" doc:"the clients of whom one sends it"`
	To   string       `yaml:"to" doc:"whom it asks, if not whom the clients ask"`
	Via  string       `yaml:"via" doc:"where it connects to, if not to that"`
	Size nodes.Size   `yaml:"size" doc:"of what is put"`
	With nodes.Values `yaml:"with" doc:"what goes with the request beside the path, where the kind takes anything: see help kinds"`
}

// readAct reads the verb of a step with what belongs to it, and the keys that all steps have.
func (b *builder) readAct(n *node, verb entry, path string, more []string, keys *endKeys) any {
	if f := faultForms[verb.key]; f != nil {
		fault := f.New()
		if b.fields(n, path, fmt.Sprintf("%q", verb.key), more, fault, keys) {
			b.checkForPrograms(n, verb, fault)
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
	for _, a := range []any{&Tell{}, &Run{}, &End{}} {
		if keysOfStruct(a)[0] == verb.key {
			b.fields(n, path, fmt.Sprintf("%q", verb.key), more, a, keys)
			return a
		}
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
	if m := b.machine(k.Machine); m != nil && unspoken(m.Kind) {
		b.checkSpoken(n.get("machine"), k.Machine)
		return nil
	}
	var names []string
	for _, kind := range b.kindsOf(k.Machine) {
		for i := range kind.Verbs {
			v := &kind.Verbs[i]
			if v.Name == k.Verb {
				b.checkAsked(n, k.Machine)
				b.checkArgs(n, k.With, v.Args, fmt.Sprintf("%q", v.Name))
				return &Do{Verb: v, Machine: k.Machine, With: k.With, Retry: k.Retry}
			}
			names = append(names, v.Name)
		}
	}
	if !b.blind {
		b.fault(n.get("do").at, "%s", no("verb", k.Verb, names))
	}
	return nil
}

// checkAsked checks that operators reach a machine.
func (b *builder) checkAsked(n *node, machine string) {
	if b.segment(b.s.Operator) == nil {
		return
	}
	for _, segment := range beside(b.s.Segments, b.s.Operator) {
		if b.on(machine, segment) {
			return
		}
	}
	b.fault(n.get("machine").at, "%s is not on segment %s, where the operator is%s", machine, b.s.Operator, b.orJoined(b.s.Operator))
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
		if !slices.Contains(names, v.Key) && !b.blind {
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
	{Name: "access", Doc: "what a write that is tried shows", Choices: []string{"read-write", "read-only", "none"},
		Args: []nodes.Arg{{Name: "address", Doc: "where it is asked"}}},
	{Name: "owner", Doc: "which machine answers ARP for an address: MACHINE, nobody or several",
		Args: []nodes.Arg{{Name: "address", Doc: "which address", Required: true}}},
	{Name: "up", Doc: "whether the software answers at all", Choices: []string{"up", "down"}},
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
			if k.What != "owner" {
				b.checkSpoken(n.get("machine"), k.Machine)
			}
			b.checkArgs(n, k.With, p.Args, fmt.Sprintf("%q", p.Name))
			b.checkProbedAddress(n, k.What == "owner")
			return &Probe{What: k.What, Machine: k.Machine, With: k.With}
		}
	}
	var names []string
	for _, p := range probes {
		if m := b.machine(k.Machine); m == nil || !unspoken(m.Kind) || p.Name == "owner" {
			names = append(names, p.Name)
		}
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
				} else {
					b.checkAsked(n, k.Machine)
				}
				b.checkArgs(n, k.With, p.Args, fmt.Sprintf("%q", p.Name))
				return &Probe{What: k.What, Kind: p, Machine: k.Machine, With: k.With}
			}
			names = append(names, kind.Probes[i].Name)
		}
	}
	if !b.blind {
		b.fault(n.get("probe").at, "%s", no("probe", k.What, names))
	}
	return nil
}

// checkProbedAddress checks that somebody could own the address that is probed, and that the prober
// can ask there.
func (b *builder) checkProbedAddress(n *node, asked bool) {
	address := n.get("with").get("address")
	if address == nil || address.shape != scalar {
		return
	}
	if problem := b.refer([]string{"address"}, address.text); problem != "" {
		b.fault(address.at, "%s", problem)
	} else if asked {
		b.asked = append(b.asked, address)
	}
}

// checkFault checks what a fault's own type cannot know: whether there is anything in its scope.
func (b *builder) checkFault(n *node, fault faults.Fault) {
	fields := faults.Fields(fault)
	subject := n.get(fields[0].Key)
	if subject == nil {
		return
	}
	if subject.shape == list && len(subject.items) == 0 {
		b.fault(subject.at, "want at least one %s for %q, have none", alternatives(fields[0].Refs), fields[0].Key)
		return
	}
	if b.boots(n, fault) || subject.shape != scalar || !slices.Contains(fields[0].Refs, "segment") {
		return
	}
	segment := b.segment(subject.text)
	switch {
	case segment == nil:
		return
	case segment.Joins != nil:
		b.checkPathFault(n, segment, fault)
		return
	case !segment.Subnet.IsValid():
		return
	}
	if n := b.population(segment.Name); n < 2 && b.settled() {
		b.fault(subject.at, "segment %s has no link: want at least two machines or clients on it, have %d", segment.Name, n)
	}
	for _, f := range fields[1:] {
		if !slices.Contains(f.Refs, "machine") {
			continue
		}
		for _, word := range n.get(f.Key).words() {
			if !b.on(word.text, segment.Name) {
				b.fault(word.at, "%s is not on segment %s, so there is no link", word.text, segment.Name)
			}
		}
	}
}

// settled reports whether it is known on which segments all machines and clients are.
func (b *builder) settled() bool {
	clients := b.root.get("clients")
	return !b.blind && !slices.Contains(slices.Collect(maps.Values(b.adrift)), true) && (clients == nil || !clients.spoilt())
}

// population is how many machines and clients are on a segment. The operator counts, and who routes to
// other segments; the prober elsewhere does not.
func (b *builder) population(segment string) int {
	n := len(b.machinesOn(segment))
	for _, c := range b.s.Clients {
		if c.Net == segment {
			n += c.Count
		}
	}
	if segment == b.s.Operator {
		n++
	}
	if len(beside(b.s.Segments, segment)) > 1 {
		n++
	}
	return n
}

// on reports whether a machine, or some machine that can have a role, is on a segment.
func (b *builder) on(machine, segment string) bool {
	if b.blind && b.machine(machine) == nil || b.adrift[machine] {
		return true
	}
	for _, c := range b.s.Clients {
		if c.Name == machine {
			return c.Net == segment
		}
	}
	on := b.machinesOn(segment)
	kinds := b.kindsOf(machine)
	for _, m := range b.s.Machines { // It may be who has the role.
		if b.adrift[m.Name] {
			on = append(on, m.Name)
		}
	}
	return slices.ContainsFunc(on, func(name string) bool {
		return name == machine || b.machine(machine) == nil && slices.Contains(kinds, b.machine(name).Kind)
	})
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

// boots reads the configuration with which a step boots or restarts machines: the declared one with
// `with` laid over it.
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
		if m == nil && slices.Contains(b.roles(), name) {
			b.fault(with.at, "want machines by their names where with changes their configuration, have the role %q", name)
		}
		if m == nil || m.Kind.Config == nil {
			continue
		}
		made := m.Kind.Config()
		declared := b.declared(m)
		quiet := decoder{m: &notes{}, refs: b.refs, draw: b.draw}
		quiet.fields(declared, "machines/"+name, "", keysOfStruct(machineKeys{}), made)
		b.partial = quiet.m.told > 0 // What is wrong with the declared one was told where it stands.
		b.fields(with, "timeline/"+stepName(n)+"/with", "a machine of kind "+m.Kind.Name, nil, made)
		b.partial = false
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
