package expect

import (
	"strings"

	"firedrill/sim"
)

// SoftwareSound claims that no node panics, spins or starts goroutines of its own, and that programs can be started and do not
// break: a signal such as SIGSEGV ends none. A machine that a fault crashed is none of these, and neither is a program that ends.
//
// It is judged on every run and is never vacuous.
//
// Source: DESIGN 2.
type SoftwareSound struct {
	All string `yaml:"software_sound" choices:"all" doc:"all"`
}

// Name implements Claim.
func (c *SoftwareSound) Name() string { return "software_sound" }

// Judge implements Claim.
func (c *SoftwareSound) Judge(r *Run) Finding {
	f := Finding{Verdict: Pass, Subject: "all"}
	for i := range r.Events {
		e := &r.Events[i]
		unsound := e.Name == sim.FactPanicked
		if e.Name == sim.FactStopped {
			unsound = strings.HasPrefix(e.Value, sim.CannotStart) || strings.HasPrefix(e.Value, sim.Broke)
		}
		if !unsound {
			continue
		}
		f.Breaches = append(f.Breaches, arrival(e))
	}
	if r.Failure != nil {
		f.Breaches = append(f.Breaches, Breach{From: r.End, Until: r.End, Text: r.Failure.Error()})
	}
	f = f.broken(r)
	for i := range r.Events { // The stack is for whoever wrote the node, below what happened.
		if e := &r.Events[i]; e.Name == sim.FactPanicked {
			for _, l := range strings.Split(strings.TrimRight(e.Attr("stack"), "\n"), "\n") {
				f.Evidence = append(f.Evidence, "  "+l)
			}
		}
	}
	return f
}
