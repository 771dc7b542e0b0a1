package scenarios

import (
	"maps"
	"net/netip"
	"slices"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/sim"
)

// What nobody can do to a program that was not written for it is refused when the file is read: its clock is that of this system,
// it is under way in real time, and what it speaks is its own affair.

// isProgram reports whether a word is a machine whose software is a program.
func (b *builder) isProgram(word string) bool {
	m := b.machine(word)
	return m != nil && m.Kind.Program != nil
}

// checkProgram checks the keys that every machine has where the software is a program.
func (b *builder) checkProgram(name string, whole *node) {
	if e := whole.entry("clock"); e != nil {
		b.fault(e.at, "%s is a program, whose clock is that of this system; its zone is TZ in its environment", name)
	}
}

// checkPace checks that time goes as it does for programs.
func (b *builder) checkPace(scale Scale) {
	i := slices.IndexFunc(b.s.Machines, func(m Machine) bool { return m.Kind.Program != nil })
	if e := b.root.entry("time_scale"); e != nil && i >= 0 && scale != 1 {
		b.fault(e.value.at, "%s is a program, which knows nothing of time_scale: leave it out", b.s.Machines[i].Name)
	}
}

// notForPrograms are the verbs of faults that need more of a machine than a program gives, with what that is.
var notForPrograms = map[string]string{
	"step_clock":  "whose clock is that of this system",
	"drift_clock": "whose clock is that of this system",
	"suspend":     "whose uptime cannot stand still: freeze does the rest",
	"wake":        "which cannot be suspended",
}

// checkForPrograms checks that a fault can be done to the programs that it is about.
func (b *builder) checkForPrograms(n *node, verb entry, fault faults.Fault) {
	if why := notForPrograms[verb.key]; why != "" {
		for _, word := range verb.value.words() {
			if b.isProgram(word.text) {
				b.fault(word.at, "%s is a program, %s", word.text, why)
			}
		}
	}
	d, disturbs := fault.(*faults.Disturb)
	if !disturbs {
		return
	}
	for _, word := range n.get("with").words() {
		if why := notForPrograms[word.text]; why != "" {
			b.checkDisturbed(d, word, why)
		}
	}
}

// checkDisturbed checks that a fault that may be drawn can be done to all on whom it may come.
func (b *builder) checkDisturbed(d *faults.Disturb, word *node, why string) {
	for _, m := range b.s.Machines {
		meant := slices.Contains(d.Targets, "all") || slices.ContainsFunc(m.Nets, func(i sim.Interface) bool {
			return slices.Contains(d.Targets, i.Segment)
		})
		if meant && m.Kind.Program != nil {
			b.fault(word.at, "no %s here: %s is a program, %s", word.text, m.Name, why)
			return
		}
	}
}

// unspoken reports whether a kind is a program with which nothing of ours can speak.
func unspoken(k *nodes.Kind) bool { return k.Program != nil && k.Dialect == nil }

// checkSpoken checks that somebody can ask a machine as clients and operators do.
func (b *builder) checkSpoken(n *node, machine string) {
	if m := b.machine(machine); m != nil && unspoken(m.Kind) {
		b.fault(n.at, "%s is a program, and nobody knows how to ask it; probe owner, or wait for what it notes", machine)
	}
}

// checkDialled checks that clients can speak with whoever may be at the address that they connect to.
func (b *builder) checkDialled(n *node, dial netip.AddrPort) {
	if !dial.IsValid() {
		return
	}
	at := n.get("via")
	if at == nil {
		at = n.get("to")
	}
	near := "" // A program that may take the address.
	others := false
	for _, m := range b.s.Machines {
		for _, i := range m.Nets {
			switch {
			case !i.Address.Masked().Contains(dial.Addr()):
			case !unspoken(m.Kind):
				others = true
			case i.Address.Addr() == dial.Addr():
				b.fault(at.at, "%s is a program, and clients do not know how to speak with it; let another program be its client", m.Name)
				return
			case near == "":
				near = m.Name
			}
		}
	}
	if near != "" && !others {
		b.fault(at.at, "only a program such as %s could have %s, and clients do not know how to speak with one; "+
			"let another program be its client", near, dial.Addr())
	}
}

// Programs are those with which the machines of a scenario are declared, and those with which steps boot or restart them.
func (s *Scenario) Programs() []nodes.Program {
	var all []nodes.Program
	add := func(machine string, config any) {
		if m := s.machine(machine); m != nil && m.Kind != nil && m.Kind.Program != nil {
			all = append(all, m.Kind.Program(config))
		}
	}
	for _, m := range s.Machines {
		add(m.Name, m.Config)
	}
	for _, step := range s.allSteps() {
		changed := map[string]any{}
		switch f := step.Act.(type) {
		case *faults.Boot:
			changed = f.Configs
		case *faults.Restart:
			changed = f.Configs
		}
		for _, machine := range slices.Sorted(maps.Keys(changed)) {
			add(machine, changed[machine])
		}
	}
	return all
}
