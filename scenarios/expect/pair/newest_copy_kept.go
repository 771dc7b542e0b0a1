package pair

import (
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
)

// NewestCopyKept claims that setting up again destroys no newest copy: the unit that is erased is not the one that
// last served the pair. Where operators choose it all the same, which the product lets them do (HZ-D5), its answer has
// at least to warn them; without the warning no hazard accounts for it.
//
// Vacuous where no unit was set up as standby after a takeover.
//
// Source: IDEAL-7; D-61, D-62; HZ-D5.
type NewestCopyKept struct {
	All string `yaml:"newest_copy_kept" choices:"all" doc:"all"`
}

// Name implements expect.Claim.
func (c *NewestCopyKept) Name() string { return newestCopy }

// Judge implements expect.Claim.
func (c *NewestCopyKept) Judge(r *expect.Run) expect.Finding {
	u := &ruling{run: r}
	for _, t := range takeovers(r) {
		for _, p := range pairings(r) {
			if p.From <= t.At || !p.has(t.Active) || !p.has(t.Standby) {
				continue
			}
			erased := t.facts(pair.FactErased, p.Standby, p.From, p.Until)
			if len(erased) == 0 {
				continue
			}
			u.tried++
			if p.Standby == t.Standby {
				u.destroyed(t, p, erased[0].Seq)
			}
			break // The next set-up is another pair's history.
		}
	}
	return u.finding("no pair was set up again after a takeover")
}

// destroyed is the survivor erased at its new set-up.
func (u *ruling) destroyed(t *taken, p *pairing, seq int) {
	e := &u.run.Events[seq]
	b := expect.Breach{From: e.At, Machines: []string{t.Standby}, Events: []int{t.eventAt(), seq}}
	ops := u.run.WritesIn(t.Standby, t.At, e.At)
	b.Operations = ids(ops)
	join := lastApply(u.run, t.Standby, pair.RoleStandby, e.At)
	if join != nil && join.Answer != nil && join.Answer.Status != 0 && join.Answer.Field("warning") == "" {
		b.Firm = true
		u.breach(b, "%s, which had served since %s, was erased at %s without a warning to the operator",
			t.Standby, told(t.Serving), told(e.At))
		return
	}
	u.breach(b, "%s had served since %s, and was erased at %s as standby of %s: it had acknowledged %s",
		t.Standby, told(t.Serving), told(e.At), p.Active, expect.Told(ops))
}

// eventAt is the event that first showed the takeover, or -1.
func (t *taken) eventAt() int {
	for _, i := range t.lane(t.Standby).Phase {
		if i.From == t.At && i.Begun >= 0 {
			return i.Begun
		}
	}
	return -1
}
