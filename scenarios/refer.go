package scenarios

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"firedrill/nodes"
	"firedrill/sim"
)

// worldFacts are those that a world or every kind notes of a machine, and the harness of its steps.
var worldFacts = []nodes.FactKind{
	{Name: sim.FactBooted, Doc: "the machine was powered on and its software runs"},
	{Name: sim.FactPoweredOff, Doc: "the machine is off"},
	{Name: sim.FactStopped, Doc: "the software ended by itself; value: the error, if any"},
	{Name: sim.FactCrashed, Doc: "a fault ended the software"},
	{Name: sim.FactPanicked, Doc: "the software ended itself by a panic; value: the panic"},
	{Name: sim.FactPaused, Doc: "the software or the machine stands still; value: paused, frozen or suspended"},
	{Name: sim.FactResumed, Doc: "it goes on; value: what ended"},
	{Name: sim.FactAddressBound, Doc: "the machine has taken an address; value: the address"},
	{Name: sim.FactAddressReleased, Doc: "it has given an address up; value: the address"},
	{Name: sim.FactDiskSync, Doc: "a file or a directory was synced; value: its path"},
	{Name: sim.FactLogLine, Doc: "the software has logged something; value: the text"},
	{Name: sim.FactServed, Doc: "the machine has served a client; value: the verb and the path"},
	{Name: nodes.FactReady, Doc: "the service is set up, with all the redundancy that it is to have"},
	{Name: nodes.FactSync, Doc: "something is being copied; done tells how far"},
	{Name: nodes.FactRole, Doc: "the software has changed its role; value: the role"},
	{Name: nodes.FactAccess, Doc: "what clients may do has changed; value: read-write, read-only or none"},
	{Name: nodes.FactPhase, Doc: "the software has entered a state; value: the state"},
	{Name: nodes.FactServing, Doc: "clients are served at an address; value: the address"},
	{Name: "answered", Doc: "the answer to a step is there; of: the step"},
	{Name: FactProcedureDone, Doc: "every step of a procedure was taken"},
	{Name: FactProcedureStopped, Doc: "a procedure was left, since an answer was not as wanted; value: the step"},
}

// facts are all that a step can wait for: those of the world, and what the kinds of the case's
// machines note.
func (b *builder) facts() []string { return factsOf(b.kinds) }

func factsOf(kinds []*nodes.Kind) []string {
	var all []string
	for _, f := range worldFacts {
		all = append(all, f.Name)
	}
	for _, k := range kinds {
		all = append(all, k.States...)
		for _, f := range k.Facts {
			all = append(all, f.Name)
		}
		all = append(all, k.Roles...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// roles are those that machines of the case can have.
func (b *builder) roles() []string {
	var all []string
	for _, k := range b.kinds {
		for _, r := range k.Roles {
			if !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	return all
}

// kindsOf are the kinds of a machine, or of all machines that can have a role.
func (b *builder) kindsOf(machine string) []*nodes.Kind {
	if m := b.machine(machine); m != nil {
		return []*nodes.Kind{m.Kind}
	}
	return slices.DeleteFunc(slices.Clone(b.kinds), func(k *nodes.Kind) bool { return !slices.Contains(k.Roles, machine) })
}

// names are all words that a reference of this kind may be.
func (b *builder) names(kind string) []string {
	var names []string
	switch kind {
	case "segment":
		for _, s := range b.s.Segments {
			names = append(names, s.Name)
		}
	case "machine":
		names = append(b.machineNames(), b.roles()...)
	case "clients":
		for _, c := range b.s.Clients {
			names = append(names, c.Name)
		}
	case "step":
		names = slices.DeleteFunc(slices.Clone(b.steps[:b.step]), func(s string) bool { return s == "" || numbered.MatchString(s) })
		names = append(names, b.manual...)
	case "procedure":
		for _, e := range b.root.get("procedures").named() {
			names = append(names, e.key)
		}
	case "measure":
		for _, e := range b.root.get("measure").named() {
			names = append(names, e.key)
		}
	case "fact":
		names = b.facts()
	case "hazard":
		for _, h := range b.cat.Hazards {
			names = append(names, h.ID)
		}
	case "claim":
		for _, f := range b.cat.Claims {
			names = append(names, f.Name)
		}
	case "all":
		names = []string{"all"}
	case "address":
	default:
		panic(fmt.Sprintf("ref %q is none of segment, machine, clients, step, procedure, measure, fact, hazard, claim, address, all",
			kind))
	}
	return names
}

// namers are the sections of a file in which things get their names, with what these are. Machines are apart: see blind.
var namers = map[string]string{"segments": "segment", "clients": "clients", "procedures": "procedure", "measure": "measure"}

// refer implements references.
func (b *builder) refer(kinds []string, word string) string {
	var names, called []string
	for _, kind := range kinds {
		of := b.names(kind)
		if slices.Contains(of, word) || kind == "step" && slices.Contains(b.steps[:b.step], word) {
			return ""
		}
		if kind == "address" {
			a, err := netip.ParseAddr(word)
			if err == nil {
				return b.inSomeSubnet(a)
			}
		}
		names = append(names, of...)
		if kind != "all" {
			called = append(called, kind)
		}
	}
	if b.blind && (slices.Contains(kinds, "machine") || slices.Contains(kinds, "fact")) {
		return "" // It may be a role or a fact of the kind that is not known.
	}
	for section, kind := range namers {
		if n := b.root.get(section); n != nil && (n.lost || n.shape != mapping) && slices.Contains(kinds, kind) {
			return "" // It may be what could not be read there.
		}
	}
	if len(b.roles()) > 0 && slices.Contains(kinds, "machine") {
		called = append(called, "role")
	}
	switch what := alternatives(called); {
	case slices.Equal(kinds, []string{"address"}):
		return fmt.Sprintf("want an address such as 10.0.0.7, have %q", word)
	case slices.Contains(kinds, "step") && slices.Contains(b.steps, word):
		return fmt.Sprintf("step %q comes later; a step can only refer to one above it", word)
	case slices.Contains(kinds, "step") && slices.Contains(b.lost, word):
		return fmt.Sprintf("step %q is left out in some case in which this stands; use only or except", word)
	default:
		return no(what, word, names)
	}
}

func (b *builder) inSomeSubnet(a netip.Addr) string {
	var subnets []string
	for _, s := range b.s.Segments {
		if s.Subnet.IsValid() && s.Subnet.Contains(a) {
			return ""
		}
		if s.Subnet.IsValid() {
			subnets = append(subnets, s.Subnet.String())
		}
	}
	return fmt.Sprintf("address %s is in no subnet; there are %s", a, strings.Join(subnets, ", "))
}

// later reports whether a word belongs to the language but cannot be played yet. Where is what it
// would be: a verb, a kind, a claim, a fact, or the map in which it stands as a key.
func later(word, where string) bool {
	where, _, _ = strings.Cut(where, " ")
	return slices.Contains(laterWords[where], word)
}

var laterWords = map[string][]string{
	"verb":    {"resolve"},
	"kind":    {"dns", "resolver", "licence-server", "backup-source"},
	"claim":   {"routing"},
	"the":     {"may"}, // The file.
	"clients": {"resolver", "name_cache"},
}
