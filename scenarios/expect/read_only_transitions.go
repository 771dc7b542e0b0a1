package expect

import (
	"fmt"

	"firedrill/nodes"
)

// ReadOnlyTransitions claims that a machine keeps to the access that it has declared: while it says read-only or none
// it acknowledges no write, and while it says none it serves no read either. An operation that was under way when the
// access changed may have been carried out on either side.
//
// Vacuous where no client's operation reached a machine that had declared read-only or none.
//
// Source: DESIGN 6, role timeline; D-INV-4, D-64.
type ReadOnlyTransitions struct {
	All string `yaml:"read_only_transitions" choices:"all" doc:"all"`
}

// Name implements Claim.
func (c *ReadOnlyTransitions) Name() string { return "read_only_transitions" }

// Judge implements Claim.
func (c *ReadOnlyTransitions) Judge(r *Run) Finding {
	f := Finding{Verdict: Vacuous, Subject: "all",
		Evidence: []string{"no operation reached a machine that was not open for it"}}
	tried := 0
	for _, l := range r.Timeline().Lanes {
		var shut []Interval
		for _, i := range l.Access {
			if i.Value != AccessReadWrite {
				shut = append(shut, i)
			}
		}
		if shut == nil {
			continue
		}
		for _, scope := range scopes(shut) {
			if len(scopes(l.Access)) > 1 {
				continue // Which of several namespaces an operation was for only the kind's own claims know.
			}
			for _, i := range ofScope(shut, scope) {
				reached, wrong := r.againstAccess(i)
				tried += reached
				if wrong != nil {
					f.Breaches = append(f.Breaches, tookThough(i, wrong))
				}
			}
		}
	}
	if tried > 0 {
		f.Verdict = Pass
		f.Evidence = []string{fmt.Sprintf("%d operations reached a machine that was not open for them", tried)}
	}
	return f.broken(r)
}

// againstAccess are the operations that reached the machine wholly within the interval, though its access was not for
// them, and those of them that were carried out.
func (r *Run) againstAccess(i Interval) (reached int, wrong []*nodes.Operation) {
	for n := range r.History {
		op := &r.History[n]
		if op.ServedBy != i.Machine || op.Sent < i.From || op.Done >= i.Until ||
			op.Verb == "get" && i.Value == AccessReadOnly {
			continue
		}
		reached++
		if op.Result == nodes.ResultOK {
			wrong = append(wrong, op)
		}
	}
	return reached, wrong
}

func tookThough(i Interval, wrong []*nodes.Operation) Breach {
	first := wrong[0]
	return Breach{
		From: first.Sent, Until: wrong[len(wrong)-1].Done, Machines: []string{i.Machine}, Events: EventsOf(i),
		Operations: idsOf(wrong),
		Text: fmt.Sprintf("%s carried out %d operations while its access was %s, from %s to %s; the first was %s %s at %s",
			i.Machine, len(wrong), i.Value, clock(i.From), clock(i.Until), first.Verb, first.Path, about(first.Done)),
	}
}
