package pair

import (
	"fmt"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
)

// everyTakeover is the standing form of Takeover: each time a standby takes over it was silenced before, and for as
// long as D-46 wants; and no silence that outlasts the window passes without a takeover, where an image was there
// to serve from.
//
// It has nothing to judge where no standby was silenced and none took over.
//
// Source: D-44..D-47, D-52, D-INV-6, D-LIV-1.
type everyTakeover struct{}

// Name implements expect.Claim.
func (*everyTakeover) Name() string { return "takeover" }

// Judge implements expect.Claim.
func (*everyTakeover) Judge(r *expect.Run) expect.Finding {
	f := expect.Finding{Verdict: expect.Vacuous, Evidence: []string{"no standby was silenced, and none took over"}}
	for _, p := range pairings(r) {
		for _, found := range p.judgeAll() {
			if f.Verdict == expect.Vacuous {
				f = expect.Finding{Verdict: found.Verdict}
			}
			f.Verdict = expect.Worse(f.Verdict, found.Verdict)
			f.Evidence = append(f.Evidence, found.Evidence...)
			f.Breaches = append(f.Breaches, found.Breaches...)
			f.Measures = append(f.Measures, found.Measures...)
			f.Marks = append(f.Marks, found.Marks...)
		}
	}
	return f
}

// judgeAll judges the takeover of a pairing, if there was one, and the silences before it; and where it was given up since the
// active could be heard again, all that came later as well.
func (p *pairing) judgeAll() []expect.Finding {
	found, over := p.judgeFrom(p.From)
	for over >= 0 {
		var more []expect.Finding
		more, over = p.judgeFrom(over + 1)
		found = append(found, more...)
	}
	return found
}

// judgeFrom is judgeAll up to a takeover that was given up, and when that was; below zero: none was.
func (p *pairing) judgeFrom(start time.Duration) (found []expect.Finding, over time.Duration) {
	t, from := p.sign(start)
	over = p.givenUp(start, from)
	for n := range p.allSilences() {
		s := &p.silences[n]
		if t >= 0 && s.From > t {
			break
		}
		if t >= 0 && s == from || s.From < start && start > p.From {
			continue
		}
		b, err := p.bounds(s.From)
		if err == nil && p.redundant(s.From) && min(s.Until, p.Until) > b.Upper {
			found = append(found, p.judgeSilence(b, t))
		} else if err == nil && t < 0 {
			found = append(found, expect.Finding{Verdict: expect.Pass, Evidence: []string{fmt.Sprintf(
				"%s was silenced from %s to %s, and did not take over", p.Standby, nodes.FormatDuration(s.From),
				nodes.FormatDuration(s.Until))}})
		}
	}
	switch {
	case t < 0:
	case p.imageAt(t) == nil:
		found = append(found, p.notReady(t))
	case from == nil:
		found = append(found, p.uncalledFor(t))
	default:
		if b, err := p.bounds(from.From); err == nil {
			b.Heard = from.Until
			if over >= 0 {
				b.Shown = over
			}
			found = append(found, p.judge(p.Standby, b))
		}
	}
	return found, over
}

// givenUp is when the last of the tries that came of this silence was given up, where none of them succeeded and the active could
// be heard again before one was due; below zero: that is not what came about.
func (p *pairing) givenUp(start time.Duration, from *silence) time.Duration {
	if from == nil {
		return -1
	}
	if b, err := p.bounds(from.From); err != nil || from.Until > b.Upper {
		return -1
	}
	for over := time.Duration(-1); ; {
		again := p.gaveUp(p.Standby, p.signs(p.Standby, start, p.Until))
		if t, of := p.sign(start); t < 0 || of != from {
			return over
		}
		if again < 0 {
			return -1
		}
		over, start = again, again+1
	}
}

// judgeSilence is for one that outlasted the window without the takeover that should have come of it.
func (p *pairing) judgeSilence(b bounds, taken time.Duration) expect.Finding {
	f := p.judge(p.Standby, b)
	if taken >= 0 && f.Verdict == expect.Pass {
		f.Verdict = expect.Violation // What the judge has seen is a later takeover.
	}
	return f
}

// notReady is a takeover by a standby that had nothing to serve (D-52).
func (p *pairing) notReady(t time.Duration) expect.Finding {
	s := p.signs(p.Standby, t, p.run.End+1)
	b := expect.Breach{From: t, Until: t, Machines: []string{p.Standby}, Events: s.events, Firm: true,
		Text: fmt.Sprintf("%s took over at %s, though it had no image to serve", p.Standby, nodes.FormatDuration(t))}
	return p.refused(b, t)
}

// uncalledFor is a takeover though the world let the standby hear its active: D-47 says that it takes failed checks.
func (p *pairing) uncalledFor(t time.Duration) expect.Finding {
	s := p.signs(p.Standby, t, p.run.End+1)
	b := expect.Breach{From: t, Until: t, Machines: []string{p.Standby}, Events: s.events, Text: fmt.Sprintf(
		"%s took over at %s, though %s ran and could be heard over %s",
		p.Standby, nodes.FormatDuration(t), p.Active, p.Heartbeat)}
	return p.refused(b, t)
}

// refused is the finding for a takeover at t that should not have been.
func (p *pairing) refused(b expect.Breach, t time.Duration) expect.Finding {
	return expect.Finding{
		Verdict: expect.Violation, Breaches: []expect.Breach{b},
		Evidence: append([]string{b.Text}, p.run.Lines(b.Events)...),
		Marks:    []string{"check_semantics=" + p.checking(t).Semantics},
	}
}

// takeover is when the standby of the pairing first showed that it takes over, and the silence of which that came;
// below zero: it did not; nil: there was none. What broke off before it was durable, or was given up, so that the unit is a
// standby again, is none.
func (p *pairing) takeover() (time.Duration, *silence) {
	from := p.From
	for {
		s := p.signs(p.Standby, from, p.Until)
		if again := p.brokeOff(p.Standby, s); again >= 0 {
			from = again
		} else if again = p.gaveUp(p.Standby, s); again >= 0 {
			from = again + 1
		} else {
			return p.sign(from)
		}
	}
}

// sign is the first one of a takeover since then, and the silence of which it came, as takeover has them.
func (p *pairing) sign(from time.Duration) (time.Duration, *silence) {
	t := p.signs(p.Standby, from, p.Until).First
	if t < 0 {
		return t, nil
	}
	return t, p.silenceAt(t)
}

// silenceAt is the last silence of which a takeover that began at t can have come, or nil.
func (p *pairing) silenceAt(t time.Duration) *silence {
	c := p.checking(t)
	all := p.allSilences()
	for n := len(all) - 1; n >= 0; n-- {
		// The last check may have been lost just before the silence ended; what it takes to serve comes after that.
		if s := &all[n]; s.From <= t && t <= s.Until+p.starting(s.Until)+c.Timeout+c.Work+p.run.Slack {
			return s
		}
	}
	return nil
}

// startsIn is what an active may take from its start until it answers: it asks for the owner of its address first.
const startsIn = 5 * time.Second

// starting is how long an active that started at that time took to find out what it is, and startsIn at most; 0: none did.
func (p *pairing) starting(at time.Duration) time.Duration {
	for _, life := range p.lane(p.Active).Lives() {
		if life.From == at {
			return min(p.foundItself(life)-at, startsIn)
		}
	}
	return 0
}

// redundant reports whether a standby with an image stood by at t.
func (p *pairing) redundant(t time.Duration) bool {
	role, any := expect.At(p.lane(p.Standby).Role, t)
	if !any || role.Value != pair.RoleStandby {
		return false
	}
	return p.imageAt(t) != nil
}

// imageAt is the image that the standby holds at t, if it has committed it since it was set up; nil: none.
func (p *pairing) imageAt(t time.Duration) *expect.Image {
	if i := p.run.Images().Newest(p.Standby, t); i != nil && i.Committed >= p.From {
		return i
	}
	return nil
}
