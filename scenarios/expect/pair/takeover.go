package pair

import (
	"fmt"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// Takeover claims that a standby takes over in the window of D-46, neither too early nor too late: what it shows
// first may not come before the lower bound, and the address, the role and read-write access have to be there by
// the upper one. Both ends count. Interval and number of checks are those that operators had acknowledged, timeout,
// work and the reading of check_semantics those of the standby's configuration.
//
// The window is counted from the step, or else from the last death of an active. It is widened by the standby's
// drift, by one round trip at the lower end where the failure was signalled and not timed out, and by the world's
// slack. A bound of the scenario's own replaces that end of it and is widened by slack alone. The lower bound needs
// that the last check before was answered; where the network itself explains why it was not, or the standby stood still, it is
// waived. Where the standby's software ends in the middle of a takeover and it starts again as a standby, the window counts anew
// from then. The upper bound counts from when the standby ran, with a disk that takes its new role.
//
// Vacuous where the step never acted, no active died, or no pair was set up; inconclusive where the run ended
// before the upper bound.
//
// Source: D-44..D-47, D-LIV-1; spec 5.4.
type Takeover struct {
	Machine   string       `yaml:"takeover" ref:"machine" doc:"who takes over; without it, whoever stands by"`
	Since     string       `yaml:"since" ref:"step" doc:"counted from this step, or from the last death of an active"`
	NotBefore expect.Bound `yaml:"not_before" doc:"the lower bound; without it, that of D-46"`
	Within    expect.Bound `yaml:"within" doc:"the upper bound; without it, that of D-46"`
}

// Name implements expect.Claim.
func (c *Takeover) Name() string { return "takeover" }

// Check finds what is wrong with the claim as a whole.
func (c *Takeover) Check() error {
	if c.NotBefore.Given && c.Within.Given && c.NotBefore.Time > c.Within.Time {
		return fmt.Errorf("want a within of at least not_before, have %s and %s", c.Within, c.NotBefore)
	}
	return nil
}

// Judge implements expect.Claim.
func (c *Takeover) Judge(r *expect.Run) expect.Finding {
	start, why := c.start(r)
	if why != "" {
		return c.vacuous(why)
	}
	p := pairingAt(r, start)
	if p == nil {
		return c.vacuous("no pair was set up by then")
	}
	machine := p.Standby
	if c.Machine != "" {
		who := r.Who(c.Machine, max(0, start-1)) // A takeover at the very instant changes the role.
		if len(who) != 1 {
			return c.vacuous(fmt.Sprintf("%s meant %d machines at %s",
				c.Machine, len(who), nodes.FormatDuration(start)))
		}
		machine = who[0]
	}
	b, err := p.bounds(start)
	if err != nil {
		return c.vacuous(err.Error())
	}
	b.override(c.NotBefore, c.Within, r.Slack)
	return p.judge(machine, b)
}

func (c *Takeover) vacuous(why string) expect.Finding {
	return expect.Finding{Verdict: expect.Vacuous, Subject: c.Machine, Evidence: []string{why}}
}

// start is when the window begins to count; why says why it never does.
func (c *Takeover) start(r *expect.Run) (start time.Duration, why string) {
	if c.Since != "" {
		s := r.Step(c.Since)
		if s == nil {
			return 0, fmt.Sprintf("step %s never acted", c.Since)
		}
		return s.At, ""
	}
	start = -1
	for _, p := range pairings(r) {
		for _, i := range p.lane(p.Active).States {
			switch sim.State(i.Value) {
			case sim.StateOff, sim.StateCrashed, sim.StateStopped:
				if p.From <= i.From && i.From < p.Until {
					start = max(start, i.From)
				}
			}
		}
	}
	if start < 0 {
		return 0, "no active of a pair died"
	}
	return start, ""
}

// pairingAt is the newest pairing that was set up by then, or nil.
func pairingAt(r *expect.Run, at time.Duration) *pairing {
	var found *pairing
	for _, p := range pairings(r) {
		if p.From <= at {
			found = p
		}
	}
	return found
}

// bounds is a window in true time.
type bounds struct {
	Start        time.Duration
	Lower, Upper time.Duration // both included
	Heard        time.Duration // when the active can be heard again, so that no takeover is wanted; below zero: one is
	Shown        time.Duration // until when signs count; 0: to the end
	Fixed        bool          // an end of it is the scenario's own
	Waived       string        // why there is no lower bound; "": there is one
	Checking     checking
	Why          string // for people: what the window is
}

// bounds is the window of D-46 for an active that fell silent at start.
func (p *pairing) bounds(start time.Duration) (bounds, error) {
	c := p.checking(start)
	w, err := c.window()
	if err != nil {
		return bounds{}, err
	}
	why := fmt.Sprintf("check_semantics %s, interval %s, checks %d, timeout %s, work %s: %s after %s",
		c.Semantics, nodes.FormatDuration(c.Interval), c.Checks, nodes.FormatDuration(c.Timeout),
		nodes.FormatDuration(c.Work), w, nodes.FormatDuration(start))
	w = w.widened(p.drift())
	b := bounds{Start: start, Checking: c, Why: why, Heard: -1,
		Lower: start + w.Lower - p.run.Slack, Upper: p.writable(p.awake(start, w, p.run.End).from, w) + w.Upper + p.run.Slack}
	first := p.signs(p.Standby, start, p.run.End+1).First
	if first < 0 {
		first = p.run.End
	}
	if before := p.awake(start, w, first); before.booted {
		b.Lower = max(b.Lower, before.from+w.Lower-p.run.Slack) // D-67: failures of the time before do not count.
	}
	if p.signalled(start) {
		b.Lower -= p.roundTrip()
	}
	if b.Waived = p.unansweredBefore(start, c); b.Waived == "" {
		b.Waived = p.stoodStill(start-c.Interval, first)
	}
	return b, nil
}

// drift is the strongest that the standby's clock ever had.
func (p *pairing) drift() nodes.Drift {
	drift := p.run.Machine(p.Standby).Clock.Drift
	for _, e := range p.run.Faults {
		if f, ok := e.Fault.(*faults.DriftClock); ok && f.Machine == p.Standby && size(f.Drift) > size(drift) {
			drift = f.Drift
		}
	}
	return drift
}

func size(d nodes.Drift) nodes.Drift { return max(d, -d) }

// override puts the scenario's own bounds in place of the kind's.
func (b *bounds) override(notBefore, within expect.Bound, slack time.Duration) {
	if notBefore.Given {
		b.Lower, b.Waived = b.Start+notBefore.Time-slack, ""
	}
	if within.Given {
		b.Upper = b.Start + within.Time + slack
	}
	if b.Fixed = notBefore.Given || within.Given; b.Fixed {
		b.Why = fmt.Sprintf("%s to %s after %s, as the scenario has it", nodes.FormatDuration(b.Lower-b.Start),
			nodes.FormatDuration(b.Upper-b.Start), nodes.FormatDuration(b.Start))
	}
}

// stoodStill says when the standby stood still between two times; "": it did not. The checks of a unit that goes on do not lie an
// interval apart: those that fell due meanwhile fail at once.
func (p *pairing) stoodStill(from, until time.Duration) string {
	for _, i := range p.lane(p.Standby).States {
		switch sim.State(i.Value) {
		case sim.StatePaused, sim.StateFrozen, sim.StateSuspended:
			if i.From < until && i.Until > from {
				return fmt.Sprintf("%s was %s from %s to %s", p.Standby, i.Value, nodes.FormatDuration(i.From), nodes.FormatDuration(i.Until))
			}
		}
	}
	return ""
}

// awake is from when the standby could count failed checks: not before it ran, and after a boot of the machine not before
// the grace of D-67. Software that is started again on a machine that was up has none.
type awake struct {
	from   time.Duration
	booted bool // whatever it had counted before is gone
}

// awake looks at what befell the standby before the time until: what came after it had begun to take over made it later,
// and not too early.
func (p *pairing) awake(start time.Duration, w window, until time.Duration) awake {
	a := awake{from: start}
	for _, i := range p.lane(p.Standby).States {
		if i.From > a.from+w.Upper || i.From >= until {
			break
		}
		if i.Until <= start || sim.State(i.Value) == sim.StateUp {
			continue
		}
		a.from = max(a.from, i.Until)
		a.booted = false
		switch sim.State(i.Value) {
		case sim.StateOff, sim.StateCrashed, sim.StateStopped:
			a.from, a.booted = max(a.from, p.graceAt(i.Until)), true
		}
	}
	if grace := p.graceAt(start); grace > a.from {
		a.from, a.booted = grace, true
	}
	return a
}

// diskLooks is how often a unit that booted on a disk it cannot use looks whether it can now.
const diskLooks = 10 * time.Second

// slowed is how many operations on its disk a takeover may wait for, one after the other: it writes its role and syncs it, and
// after a boot reads what it is first.
const slowed = 10

// writable is from when a standby that was ready at from had a disk that takes its new role: not before the end of the faults
// on it that began before the window was over. A slow disk takes it too, some operations later.
func (p *pairing) writable(from time.Duration, w window) time.Duration {
	for _, e := range p.run.Faults {
		if !stalls(e, p.Standby) {
			continue
		}
		until := e.Until
		if until < 0 {
			until = p.run.End
		}
		if phase, any := expect.At(p.lane(p.Standby).Phase, until); any && phase.Value == string(pair.DiskFailed) {
			until += diskLooks
		}
		if f := e.Fault.(*faults.BreakDisk); f.How == "slow" {
			until = min(until, from+slowed*f.Latency)
		}
		if e.From <= from+w.Upper && until > from {
			from = until
		}
	}
	return from
}

// graceAt is the end of the grace of the standby's last boot by then; 0: it has passed, or it has not booted as a standby.
func (p *pairing) graceAt(at time.Duration) time.Duration {
	erased := p.facts(pair.FactErased, p.Standby, p.From, at)
	if len(erased) == 0 {
		return 0
	}
	booted := p.facts(sim.FactBooted, p.Standby, erased[0].At, at)
	if len(booted) == 0 {
		return 0
	}
	last := booted[len(booted)-1].At
	if config := p.config(p.Standby, last); config != nil && last+config.BootGrace > at {
		return last + config.BootGrace
	}
	return 0
}

// signalled reports whether failed checks were answered with an error instead of silence: the active's kernel was
// alive without its software, or the network refused them.
func (p *pairing) signalled(start time.Duration) bool {
	switch p.lane(p.Active).State(start) {
	case sim.StateCrashed, sim.StateStopped:
		return true
	}
	e := p.faultOn(p.Heartbeat, start, start)
	if e == nil {
		return false
	}
	_, refuses := e.Fault.(*faults.Refuse)
	return refuses
}

// roundTrip is there and back on the heartbeat path, at its slowest.
func (p *pairing) roundTrip() time.Duration {
	var d time.Duration = 100 * time.Microsecond // The latency of a segment that declares none.
	for _, s := range p.run.Segments {
		if s.Name != p.Heartbeat {
			continue
		}
		if s.Base.Latency != nil {
			d = *s.Base.Latency
		}
		if s.Base.Jitter != nil {
			d += *s.Base.Jitter
		}
	}
	return 2 * d
}

// unansweredBefore says why the standby's last check before start had failed, where the network explains it; "": it
// was answered, or nothing explains it. What the unit says of a failure counts only where the world may have caused
// it.
func (p *pairing) unansweredBefore(start time.Duration, c checking) string {
	failed := p.facts(pair.FactCheckFailed, p.Standby, p.From, start)
	if len(failed) == 0 {
		return ""
	}
	last := failed[len(failed)-1]
	if len(p.facts(pair.FactCheckAnswered, p.Standby, last.At, start)) > 0 || !p.disturbed(last.At-c.Timeout, last.At) {
		return ""
	}
	return fmt.Sprintf("the check that failed at %s was the network's doing", nodes.FormatDuration(last.At))
}
