package reports

import (
	"fmt"
	"slices"
	"time"

	"firedrill/nodes"
	"firedrill/scenarios"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// Moment is one line of a timeline for people.
type Moment struct {
	At   time.Duration
	Text string
}

// String is the moment as it is printed: `12.000s  ~ cut: heartbeat`.
func (m Moment) String() string { return m.clock() + "  " + m.Text }

// clock is the time in the units of the scenario language, to the millisecond: 12.000s, 6m02.036s, 1h00m00.000s.
func (m Moment) clock() string {
	at := m.At.Truncate(time.Millisecond)
	hours, minutes, rest := at/time.Hour, at%time.Hour/time.Minute, (at % time.Minute).Seconds()
	switch {
	case hours > 0:
		return fmt.Sprintf("%dh%02dm%06.3fs", hours, minutes, rest)
	case minutes > 0:
		return fmt.Sprintf("%dm%06.3fs", minutes, rest)
	}
	return fmt.Sprintf("%.3fs", rest)
}

// Timeline tells a run in the few lines that a person wants to read: what was done to it, how
// roles, access, phases, addresses and machines changed. Of the other events it has those in also,
// by their Seq.
func Timeline(run *expect.Run, also []int) []Moment {
	var moments []Moment
	steps := run.Steps
	undone := undoings(run)
	last := map[[3]string]string{} // Machine, fact and scope to the last value.
	for i, e := range run.Events {
		for len(steps) > 0 && steps[0].Seq <= i && steps[0].At <= e.At {
			moments = append(moments, Moment{steps[0].At, "~ " + Printable(steps[0].Text)})
			steps = steps[1:]
		}
		for len(undone) > 0 && undone[0].At < e.At {
			moments = append(moments, undone[0])
			undone = undone[1:]
		}
		key := [3]string{e.Machine, e.Name, e.Scope}
		before := last[key]
		last[key] = e.Value
		if text := tell(e, before); text != "" {
			moments = append(moments, Moment{e.At, text})
		} else if slices.Contains(also, e.Seq) && e.Name != scenarios.FactStep { // It has a line already.
			moments = append(moments, Moment{e.At, Describe(e)})
		}
	}
	for _, s := range steps {
		moments = append(moments, Moment{s.At, "~ " + Printable(s.Text)})
	}
	moments = append(moments, undone...)
	slices.SortStableFunc(moments, func(a, b Moment) int { return int(min(1, max(-1, a.At-b.At))) })
	return moments
}

// undoings are the faults that ended without a step of their own, by `for` or at the end of the drill.
func undoings(run *expect.Run) []Moment {
	var moments []Moment
	for _, e := range run.Faults {
		if e.Undoing || e.Until < 0 || slices.ContainsFunc(run.Steps, func(s expect.Fired) bool { return s.At == e.Until }) {
			continue
		}
		moments = append(moments, Moment{e.Until, "~ end of " + Printable(e.Fault.String())})
	}
	slices.SortStableFunc(moments, func(a, b Moment) int { return int(min(1, max(-1, a.At-b.At))) })
	return moments
}

// tell is an event that changes the picture, in words; "" for any other. Before is the value that the fact had.
func tell(e sim.Event, before string) string {
	switch e.Name {
	case nodes.FactRole, nodes.FactPhase, nodes.FactAccess, nodes.FactServing:
		if e.Value == before {
			return ""
		}
		return subject(e) + "  " + change(e, before)
	case sim.FactAddressBound:
		return fmt.Sprintf("%s  takes %s on %s", subject(e), Printable(e.Value), Printable(e.Scope))
	case sim.FactAddressReleased:
		return fmt.Sprintf("%s  gives up %s on %s", subject(e), Printable(e.Value), Printable(e.Scope))
	case sim.FactBooted, sim.FactPoweredOff, sim.FactStopped, sim.FactCrashed, sim.FactPanicked,
		sim.FactPaused, sim.FactResumed, nodes.FactReady:
		return Describe(e)
	}
	return ""
}

// change is `role standby -> active, epoch 4`.
func change(e sim.Event, before string) string {
	text := e.Name + " "
	if e.Scope != "" {
		text += "of " + e.Scope + " "
	}
	if before != "" {
		text += before + " "
	}
	after := e.Value
	if after == "" {
		after = "none"
	}
	text += "-> " + after
	if e.Epoch != 0 {
		text += fmt.Sprintf(", epoch %d", e.Epoch)
	}
	return Printable(text)
}

// Describe is any event in one line: where, what, and its details.
func Describe(e sim.Event) string {
	text := subject(e) + "  " + Printable(e.Name)
	if e.Scope != "" {
		text += " of " + Printable(e.Scope)
	}
	if e.Value != "" {
		text += " " + Printable(e.Value)
	}
	if e.Epoch != 0 {
		text += fmt.Sprintf(", epoch %d", e.Epoch)
	}
	for _, a := range e.Attrs {
		if a.Key != "stack" { // It is in the trace, and fills a screen.
			text += fmt.Sprintf(", %s %s", Printable(a.Key), Printable(a.Value))
		}
	}
	return text
}

func subject(e sim.Event) string {
	if e.Machine == "" {
		return "drill"
	}
	return Printable(e.Machine)
}
