package pair

import (
	"fmt"
	"slices"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// NoSilentMerge claims that from a takeover until the units are set up again no image is committed between them and
// neither is erased: after a heal neither side goes over the other.
//
// Vacuous where nobody took over.
//
// Source: D-66, D-60; HZ-D1, what is still required.
type NoSilentMerge struct {
	All string `yaml:"no_silent_merge" choices:"all" doc:"all"`
}

// Name implements expect.Claim.
func (c *NoSilentMerge) Name() string { return "no_silent_merge" }

// Judge implements expect.Claim.
func (c *NoSilentMerge) Judge(r *expect.Run) expect.Finding {
	f := expect.Finding{Verdict: expect.Vacuous, Subject: "all", Evidence: []string{"nobody took over"}}
	for _, p := range pairings(r) {
		t, _ := p.takeover()
		if t < 0 {
			continue
		}
		if f.Verdict == expect.Vacuous {
			f.Verdict, f.Evidence = expect.Pass, nil
		}
		var merges []*sim.Event
		for _, m := range []string{p.Active, p.Standby} {
			for _, name := range []string{pair.FactImageCommitted, pair.FactErased} {
				merges = append(merges, p.facts(name, m, t+1, p.Until)...)
			}
		}
		slices.SortFunc(merges, func(a, b *sim.Event) int { return a.Seq - b.Seq })
		for _, e := range merges {
			f.Verdict = expect.Violation
			b := expect.Breach{From: e.At, Until: e.At, Machines: []string{e.Machine}, Events: []int{e.Seq}, Firm: true,
				Text: fmt.Sprintf("%s noted %s %s after %s took over, though the pair was not set up again",
					e.Machine, e.Name, nodes.FormatDuration(e.At-t), p.Standby)}
			f.Breaches = append(f.Breaches, b)
			f.Evidence = append(f.Evidence, b.Text)
		}
	}
	return f
}
