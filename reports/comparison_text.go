package reports

import (
	"fmt"
	"strings"
	"time"

	"firedrill/scenarios/expect"
)

// Comparison writes how a case compares: its line, then claim by claim and time by time.
func (t *Text) Comparison(c *Comparison) {
	line := fmt.Sprintf("%s  %s  %s, %s at %s", c.Agreement, c.Case, number(c.Virtual, "virtual seed"),
		number(c.Kernel, "kernel play"), c.TimeScale)
	if 0 < c.Differing && c.Differing < c.Kernel {
		line += fmt.Sprintf(", %d differing", c.Differing)
	}
	if head := string(c.Agreement) + "  " + c.Case; len(line) > width {
		line = head + "\n" + indent + strings.TrimPrefix(line, head+"  ")
	}
	fmt.Fprintln(t.out, t.paint(c.Agreement.verdict(), string(c.Agreement))+line[len(c.Agreement):])
	for _, why := range c.Doubts {
		t.wrapped("  ", "not believed: "+Printable(why))
	}
	if c.Kernel > 0 {
		t.aspects(c)
		t.timings(c)
	}
	if len(c.Again) > 0 {
		fmt.Fprintf(t.out, "%sagain:  %s\n%sand:    %s\n", indent, c.Again[0], indent, c.Again[1])
	}
	fmt.Fprintln(t.out)
}

// aspects writes a line for each thing that a play comes to, as the kernel world has it, and what it is in the virtual one where
// that is not the same in all seeds.
func (t *Text) aspects(c *Comparison) {
	idle := 0
	for _, a := range c.Aspects {
		if a.idle() {
			idle++
			continue
		}
		line := fmt.Sprintf("%-12s  %s", among(a.Kernel), Printable(a.What))
		if len(a.Virtual) > 1 || a.Agreement == Differs {
			line += "; virtual: " + shares(a.Virtual, c.Virtual)
		}
		t.wrapped("  ", c.mark(a.Agreement)+line)
		for _, e := range a.Evidence {
			t.wrapped(indent, Printable(evident(e)))
		}
	}
	if idle > 0 {
		t.wrapped("  ", fmt.Sprintf("%-12s  %s in both worlds", expect.Idle, number(idle, "more claim")))
	}
}

// among is `pass`, or `pass, idle`, each once.
func among(verdicts []expect.Verdict) string {
	var words []string
	known := map[expect.Verdict]bool{}
	for _, v := range verdicts {
		if !known[v] {
			words = append(words, string(v))
		}
		known[v] = true
	}
	return strings.Join(words, ", ")
}

// shares is `hazard`, or `hazard in 88 of 100, pass in 12`.
func shares(list []Share, plays int) string {
	if len(list) == 1 {
		return fmt.Sprintf("%s in all %d", list[0].Verdict, plays)
	}
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = fmt.Sprintf("%s in %d", s.Verdict, s.Plays)
	}
	words[0] += fmt.Sprintf(" of %d", plays)
	return strings.Join(words, ", ")
}

// timings writes the table of times.
func (t *Text) timings(c *Comparison) {
	if len(c.Timings) == 0 {
		return
	}
	rows := [][]string{{"time", "virtual", "kernel", ""}}
	for _, one := range c.Timings {
		rows = append(rows, []string{one.Name, one.virtual(), one.samples(), one.distance(c)})
	}
	t.columns("  ", rows)
}

func (m *Timing) virtual() string {
	least, most := figure(m.Least, "s"), figure(m.Most, "s")
	switch {
	case m.Seeds == 0:
		return "-"
	case least == most:
		return least
	}
	return least + " to " + most
}

func (m *Timing) samples() string {
	if len(m.Kernel) == 0 {
		return "-"
	}
	words := make([]string, len(m.Kernel))
	for i, v := range m.Kernel {
		words[i] = figure(v, "s")
	}
	return strings.Join(words, " ")
}

// distance says where the samples lie, and where they may.
func (m *Timing) distance(c *Comparison) string {
	text := "within"
	switch {
	case m.Seeds == 0:
		text = "in no virtual seed"
	case m.Seeds < c.Virtual && len(m.Kernel) == 0:
		return fmt.Sprintf("in %d virtual seeds", m.Seeds)
	case m.Seeds == c.Virtual && len(m.Kernel) < c.Kernel:
		text = fmt.Sprintf("in all %d virtual seeds", m.Seeds)
	case m.Beyond > 0:
		text = fmt.Sprintf("%s above, of %s", figure(m.Beyond, "s"), figure(m.Margin, "s"))
	case m.Beyond < 0:
		text = fmt.Sprintf("%s below, of %s", figure(-m.Beyond, "s"), figure(m.Margin, "s"))
	}
	return c.mark(m.Agreement) + text
}

// mark shouts where something differs. What most plays do not bear out is no cause for alarm.
func (c *Comparison) mark(a Agreement) string {
	switch {
	case a != Differs:
		return ""
	case c.Agreement == Differs:
		return "DIFFERS: "
	}
	return "once: "
}

// verdict is the one that looks like it.
func (a Agreement) verdict() expect.Verdict {
	switch a {
	case Differs:
		return expect.Violation
	case Undecided:
		return expect.Inconclusive
	}
	return expect.Pass
}

// fewReasons are as many as there is room for behind the name of a case.
const fewReasons = 3

// whyNot is in a few words what the worlds do not agree in, or why it cannot be said.
func (c *Comparison) whyNot() string {
	var words []string
	for _, a := range c.Aspects {
		if a.Agreement == Differs {
			words = append(words, fmt.Sprintf("%s of %s", among(a.Kernel), Printable(a.What)))
		}
	}
	for _, m := range c.Timings {
		if m.Agreement == Differs {
			words = append(words, fmt.Sprintf("%s %s", m.Name, strings.TrimPrefix(m.distance(c), c.mark(Differs))))
		}
	}
	for _, why := range c.Doubts {
		if c.Agreement == Undecided {
			words = append(words, Printable(why))
		}
	}
	if more := len(words) - fewReasons; more > 0 {
		words = append(words[:fewReasons], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, "; ")
}

// Compared writes what all cases came to: a line of each that does not agree, and the last line.
func (t *Text) Compared(all []*Comparison, took time.Duration, interrupted bool) {
	tally := map[Agreement]int{}
	for _, c := range all {
		if tally[c.Agreement]++; c.Agreement != Agrees {
			t.wrapped("", fmt.Sprintf("%s  %s: %s", c.Agreement, c.Case, c.whyNot()))
		}
	}
	var words []string
	for _, a := range agreements {
		if n := tally[a]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, a))
		}
	}
	end := ""
	if interrupted {
		end = ", interrupted"
	}
	if len(words) > 0 {
		end += ": " + strings.Join(words, ", ")
	}
	fmt.Fprintf(t.out, "%s compared in %.1fs%s\n", number(len(all), "case"), took.Seconds(), end)
}
