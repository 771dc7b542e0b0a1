package expect

import (
	"fmt"
	"slices"
	"time"

	"firedrill/nodes"
)

// NoDualWriters claims that at no instant two machines of one service would both acknowledge a write: each holds a
// role of the service and read-write access, and runs. What a machine really acknowledged counts for more than what
// it says: one that accepts a write without having said that it may is a writer at that moment. Two stand-alone
// units are two services.
//
// Vacuous where no machine of a service of at least two was ever a writer.
//
// Source: IDEAL-1; spec 8.5, dual-writer interval; D-INV-4.
type NoDualWriters struct {
	Service Service `yaml:"no_dual_writers" doc:"all, or the service behind an address"`
	Since   string  `yaml:"since" ref:"step" doc:"only what is so after this step"`
}

// Name implements Claim.
func (c *NoDualWriters) Name() string { return "no_dual_writers" }

// Judge implements Claim.
func (c *NoDualWriters) Judge(r *Run) Finding {
	since, missing := r.from(c.Since)
	if missing != nil {
		return *missing
	}
	f := Finding{Verdict: Vacuous, Subject: c.Service.String()}
	var length time.Duration
	for _, service := range r.Services().Names {
		members := r.Services().Members(service)
		if len(members) < 2 || c.Service.Address.IsValid() && r.Services().at[c.Service.String()] != service {
			continue
		}
		for n, a := range members {
			held := r.Writers(a)
			if len(held) > 0 && f.Verdict == Vacuous {
				f.Verdict = Pass
			}
			for _, b := range members[n+1:] {
				for _, clash := range r.WriterClashes(a, b, since.at) {
					f.Breaches = append(f.Breaches, r.dualWriters(clash))
					length += clash.Length
				}
			}
		}
		f.Breaches = append(f.Breaches, r.unsaid(members, since)...)
	}
	if f.Verdict == Vacuous {
		f.Evidence = []string{"no machine of a service of two held a role and gave read-write access"}
	}
	return f.broken(r, Measure{Name: "dual_writer_time", Value: length.Seconds(), Unit: "s"})
}

// broken turns a finding with breaches into a violation with their evidence; the measures belong to that.
func (f Finding) broken(r *Run, measures ...Measure) Finding {
	if len(f.Breaches) == 0 {
		return f
	}
	f.Verdict, f.Measures = Violation, measures
	for _, b := range f.Breaches {
		f.Evidence = append(append(f.Evidence, b.Text), r.Lines(b.Events)...)
	}
	return f
}

// WriterClashes compares what two machines held of the same thing: a link or a namespace, where roles are of these.
func (r *Run) WriterClashes(a, b string, from time.Duration) []Clash {
	lanes, heldA, heldB := r.Timeline(), r.Writers(a), r.Writers(b)
	var found []Clash
	for _, scope := range scopes(heldA) {
		found = append(found, clashes(ofScope(heldA, scope), ofScope(heldB, scope),
			lanes.Lane(a).Runs(), lanes.Lane(b).Runs(), from)...)
	}
	return found
}

// Writers are the stretches in which a machine held a role of a service with read-write access and was alive, scope
// by scope.
func (r *Run) Writers(machine string) []Interval {
	l := r.Timeline().Lane(machine)
	var held []Interval
	for _, scope := range scopes(l.Role) {
		access := ofScope(l.Access, scope)
		access = slices.DeleteFunc(access, func(i Interval) bool { return i.Value != AccessReadWrite })
		held = append(held, Clip(merge(Clip(ofScope(l.Role, scope), access)), l.Lives())...)
	}
	return held
}

// Values of the fact access.
const (
	AccessReadWrite = "read-write"
	AccessReadOnly  = "read-only"
	AccessNone      = "none"
)

func scopes(intervals []Interval) []string {
	var found []string
	for _, i := range intervals {
		if !slices.Contains(found, i.Scope) {
			found = append(found, i.Scope)
		}
	}
	return found
}

func ofScope(intervals []Interval, scope string) []Interval {
	var found []Interval
	for _, i := range intervals {
		if i.Scope == scope {
			found = append(found, i)
		}
	}
	return found
}

func (r *Run) dualWriters(c Clash) Breach {
	a, b := r.WritesIn(c.A.Machine, c.From, c.Until), r.WritesIn(c.B.Machine, c.From, c.Until)
	return Breach{
		From: c.From, Until: c.Until, Machines: []string{c.A.Machine, c.B.Machine}, Events: EventsOf(c.A, c.B),
		Operations: append(idsOf(a), idsOf(b)...),
		Text: fmt.Sprintf("%s and %s were both writers for %s: %s as %s from %s to %s, which acknowledged %s; "+
			"%s as %s from %s to %s, which acknowledged %s",
			c.A.Machine, c.B.Machine, clock(c.Length),
			c.A.Machine, c.A.Value, clock(c.A.From), clock(c.A.Until), Told(a),
			c.B.Machine, c.B.Value, clock(c.B.From), clock(c.B.Until), Told(b)),
	}
}

// unsaid finds writes that a machine with a role acknowledged without being a writer by its own word, while
// another one was.
func (r *Run) unsaid(members []string, since since) []Breach {
	var breaches []Breach
	for _, m := range members {
		for _, other := range members {
			if other == m {
				continue
			}
			for _, i := range r.Writers(other) {
				wrong := r.unsaidWrites(m, i, since)
				if wrong == nil {
					continue
				}
				breaches = append(breaches, Breach{
					From: wrong[0].Sent, Until: wrong[len(wrong)-1].Done, Machines: []string{m, other},
					Operations: idsOf(wrong), Events: EventsOf(i),
					Text: fmt.Sprintf("%s acknowledged %s without saying that it may write, while %s was the writer",
						m, Told(wrong), other),
				})
			}
		}
	}
	return breaches
}

// unsaidWrites are those that the machine took from beginning to end while another one was the writer.
func (r *Run) unsaidWrites(machine string, writer Interval, since since) []*nodes.Operation {
	held := Union(r.Writers(machine))
	var wrong []*nodes.Operation
	for _, op := range r.WritesIn(machine, writer.From, writer.Until) {
		during := op.Sent >= max(since.at, writer.From) && op.Done < writer.Until
		if during && len(around(held, op.Sent, op.Done+1)) == 0 && r.hadRole(op) {
			wrong = append(wrong, op)
		}
	}
	return wrong
}

// hadRole reports whether the machine that served the operation had a role meanwhile.
func (r *Run) hadRole(op *nodes.Operation) bool {
	for _, i := range r.Timeline().Lane(op.ServedBy).Role {
		if i.From <= op.Done && op.Sent < i.Until {
			return true
		}
	}
	return false
}
