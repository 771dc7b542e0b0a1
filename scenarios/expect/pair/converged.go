package pair

import (
	"fmt"
	"slices"
	"time"

	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// Converged claims that after the drill, when everything is healed, every pair that stands is whole again: one unit
// is active and the other its standby, each can hear the other, the standby has an image, and what it holds is what
// the active held at the instant of that image's snapshot. Without `within` this has to be so at the end of the quiet
// phase.
//
// A pair stands from its set-up until it is disconnected. One of which a unit is off at the end cannot be whole, and
// is left out. Vacuous where no pair stands; inconclusive where the run ended before the time was up.
//
// Source: spec 1, converged for D; D-INV-2, D-28, D-60; HZ-D7, HZ-D8.
type Converged struct {
	All    string       `yaml:"converged" choices:"all" doc:"all"`
	Within expect.Bound `yaml:"within" doc:"of the end of the drill; without it, by the end of the quiet phase"`
}

// Name implements expect.Claim.
func (c *Converged) Name() string { return converged }

// Judge implements expect.Claim.
func (c *Converged) Judge(r *expect.Run) expect.Finding {
	u := &ruling{run: r}
	deadline := r.End
	if c.Within.Given {
		deadline = r.Quiet + c.Within.Time + r.Slack
	}
	if deadline > r.End {
		return expect.Finding{Verdict: expect.Inconclusive, Subject: "all", Evidence: []string{fmt.Sprintf(
			"the run ended at %s, before %s had passed since %s", told(r.End), c.Within, told(r.Quiet))}}
	}
	for _, p := range pairings(r) {
		if p.Until < r.End || !p.erasedOnce() || u.off(p.Active) || u.off(p.Standby) || p.left() {
			continue
		}
		u.tried++
		if why := p.parted(deadline); why != "" {
			b := expect.Breach{From: deadline, Until: r.End, Machines: []string{p.Active, p.Standby}}
			if t, _ := p.takeover(); t >= 0 {
				b.From = t // It has not been whole since.
			} else if died := p.diedEarly(); died >= 0 {
				b.From = died
			} else {
				b.Firm = true // What an earlier set-up went through is no excuse for this one.
			}
			u.breach(b, "%s and %s are not redundant at %s: %s", p.Active, p.Standby, told(deadline), why)
			continue
		}
		image := p.imageAt(r.End)
		u.notes = append(u.notes, fmt.Sprintf("%s and %s are redundant, with image %s of %s",
			p.Active, p.Standby, image.ID, told(image.Snapshot)))
		if wrong, count, of := p.differences(image); count > 0 {
			u.breach(expect.Breach{From: image.Committed, Until: r.End, Machines: []string{p.Standby},
				Events: []int{image.Event}, Firm: true},
				"image %s on %s is not what %s held at %s: %d of %d files differ, the first %s",
				image.ID, p.Standby, p.Active, told(image.Snapshot), count, of, wrong)
		}
	}
	return u.finding("no pair stands at the end with both of its units on")
}

// off reports whether the unit has no power at the end. Software that has stopped by itself is no excuse.
func (u *ruling) off(unit string) bool {
	return u.run.Timeline().Lane(unit).State(u.run.End) == sim.StateOff
}

// erasedOnce reports whether the set-up came about: the standby was erased for it.
func (p *pairing) erasedOnce() bool {
	return len(p.facts(pair.FactErased, p.Standby, p.From, p.Until)) > 0
}

// left reports whether an operator has told a unit of the pairing to leave it, though the answer may have been lost.
func (p *pairing) left() bool {
	return slices.ContainsFunc(p.run.Steps, func(s expect.Fired) bool {
		return s.Verb == "disconnect" && p.has(s.Machine) && s.At >= p.From && !refusedStep(&s)
	})
}

// diedEarly is when the active died before the standby had its first image; below zero: it did not.
func (p *pairing) diedEarly() time.Duration {
	for _, i := range diedInFirstSync(p.run) {
		if i.Machines[0] == p.Active && i.From >= p.From && i.From < p.Until {
			return i.From
		}
	}
	return -1
}

// parted says what keeps the pair from being redundant from then to the end; "": nothing.
func (p *pairing) parted(at time.Duration) string {
	end := p.run.End - 1
	for _, x := range []struct{ unit, role string }{{p.Active, pair.RoleActive}, {p.Standby, pair.RoleStandby}} {
		i, any := expect.At(p.lane(x.unit).Role, end)
		switch {
		case !any || i.Value != x.role:
			return fmt.Sprintf("%s is %s, and was set up as %s", x.unit, named(i.Value), x.role)
		case i.From > at:
			return fmt.Sprintf("%s became %s only at %s", x.unit, x.role, told(i.From))
		}
	}
	if apart := expect.Within(p.cuts(), at-1, p.run.End); len(apart) > 0 {
		return fmt.Sprintf("%s was cut at %s", p.Heartbeat, told(apart[0].From))
	}
	if p.imageAt(min(at, end)) == nil {
		return p.Standby + " has no image"
	}
	return ""
}

// differences holds the standby's disk against what the active may have held at the snapshot instant: path by path
// where clients wrote, and otherwise against the active's own disk.
func (p *pairing) differences(image *expect.Image) (first string, count, of int) {
	a, b := p.run.Machine(p.Active), p.run.Machine(p.Standby)
	if a.Damage != nil || b.Damage != nil || len(b.Contents) == 0 && len(a.Contents) == 0 {
		return "", 0, 0
	}
	have, theirs := shelf(b), shelf(a)
	note := func(path string, same bool) {
		of++
		if same {
			return
		}
		if count++; count == 1 {
			first = path
		}
	}
	written := map[string]bool{}
	for _, path := range p.run.Holdings().Paths() {
		written[path] = true
		note(path, p.run.Holdings().At(p.Active, path, image.Snapshot, image.Snapshot).Allows(have[path]))
	}
	for _, item := range a.Contents {
		if item.Place == "" && !written[item.Path] {
			note(item.Path, have[item.Path] == item.Hash)
		}
	}
	for _, item := range b.Contents {
		if _, there := theirs[item.Path]; !there && !written[item.Path] {
			note(item.Path, false)
		}
	}
	return first, count, of
}

// shelf is what a disk holds by path, an image's files or the unit's own.
func shelf(m *expect.Machine) map[string]uint64 {
	have := map[string]uint64{}
	for _, item := range m.Contents {
		have[item.Path] = item.Hash
	}
	return have
}
