package pair

import (
	"time"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// Choices marks the choices that the run exercised where the vendor is silent: `return` when a unit that was
// replaced starts again, `sync` when a takeover met a sync under way, `boot_grace` when a standby that had just
// started could not hear its active. That of `check_semantics` is marked by takeover. It claims nothing, and never
// fails.
//
// Vacuous where none was exercised.
//
// Source: D-Q1..D-Q3, D-63, D-67.
type Choices struct {
	All string `yaml:"choices" choices:"all" doc:"all"`
}

// Name implements expect.Claim.
func (c *Choices) Name() string { return "choices" }

// Judge implements expect.Claim.
func (c *Choices) Judge(r *expect.Run) expect.Finding {
	f := expect.Finding{Verdict: expect.Vacuous, Subject: "all"}
	for _, p := range pairings(r) {
		t, _ := p.takeover()
		for _, i := range p.starts(p.Active) {
			if config := p.config(p.Active, i); config != nil && t >= 0 && i > t {
				f.Marks = append(f.Marks, "return="+config.Return)
			}
		}
		if config := p.config(p.Standby, t); t >= 0 && config != nil && p.syncing(t) {
			f.Marks = append(f.Marks, "sync="+config.Sync)
		}
		for _, s := range p.allSilences() {
			at := s.From
			if booted := p.facts(sim.FactBooted, p.Standby, s.From, s.Until); len(booted) > 0 {
				at = booted[0].At
			}
			if p.graceAt(at) > 0 {
				f.Marks = append(f.Marks, "boot_grace="+nodes.FormatDuration(p.config(p.Standby, at).BootGrace))
			}
		}
	}
	if f.Marks == nil {
		f.Evidence = []string{"no choice of ours was exercised"}
		return f
	}
	f.Verdict = expect.Pass
	f.Evidence = append(f.Evidence, f.Marks...)
	return f
}

// syncing reports whether a sync was under way at t: begun, and neither committed nor aborted.
func (p *pairing) syncing(t time.Duration) bool {
	var begun *sim.Event
	for _, e := range p.facts(pair.FactSyncBegun, p.Active, p.From, t) {
		begun = e
	}
	if begun == nil {
		return false
	}
	for _, name := range []string{pair.FactSyncCommitted, pair.FactSyncAborted} {
		if len(p.facts(name, p.Active, begun.At, t)) > 0 {
			return false
		}
	}
	for _, e := range p.facts(pair.FactImageCommitted, p.Standby, begun.At, t) {
		if e.Value == begun.Value {
			return false
		}
	}
	return true
}
