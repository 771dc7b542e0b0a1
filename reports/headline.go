package reports

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
)

// Headline answers what broke, when, and whom it hurt, each in a sentence.
type Headline struct {
	What, Why, When, Whom string
}

// Focus is the stretch of a play at which to look first. Claim is the place of the claim that broke
// then; below zero: none did.
type Focus struct {
	From, Until Seconds
	Claim       int
	any         bool
}

// gravest are the claims that are told first, whatever else broke: what lets data go two ways.
var gravest = []string{"software_sound", "no_dual_writers", "single_address_owner"}

// gravity is less for what is to be told first. What was lost is the harm; what let it be lost
// comes before it.
func (r *Run) gravity(b *Breach) int {
	n := slices.Index(gravest, r.Claims[b.Claim].Name)
	switch {
	case b.Loss:
		return len(gravest) + 1
	case n < 0:
		return len(gravest)
	}
	return n
}

// Focus finds the first breach of the gravest sort.
func (r *Run) Focus() Focus {
	best := Focus{Claim: r.headlineClaim()}
	least := 0
	for i := range r.Breaches {
		b := &r.Breaches[i]
		if b.Claim < 0 || b.Claim >= len(r.Claims) || !r.tells(&r.Claims[b.Claim]) {
			continue
		}
		if g := r.gravity(b); !best.any || g < least || g == least && b.From < best.From {
			best, least = Focus{b.From, b.Until, b.Claim, true}, g
		}
	}
	if best.any && least > len(gravest) {
		return r.lossFocus(best)
	}
	if best.any || r.Verdict == expect.Pass {
		return best
	}
	for _, h := range r.Hazards {
		if !best.any || h.From < best.From {
			best.From, best.Until, best.any = h.From, h.Until, true
		}
	}
	return best
}

// tells reports whether the claim is one of those that made the verdict. That a hazard was not
// expected makes it too, but what people want to know is what the hazard did.
func (r *Run) tells(c *Claim) bool {
	if r.Verdict == expect.Violation && slices.ContainsFunc(r.Claims, unexpected) {
		return c.Name != "hazard" && (c.Verdict == expect.Violation || c.Verdict == expect.HazardSeen)
	}
	return c.Verdict == r.Verdict
}

// unexpected reports whether the claim is that of a hazard which the scenario does not expect.
func unexpected(c Claim) bool { return c.Name == "hazard" && c.Verdict == expect.Violation }

// lossFocus is where to look for what lost writes: at the first fault that was injected after the
// first of them was acknowledged, until somebody took a role. Without such a fault it is the breach
// itself.
func (r *Run) lossFocus(f Focus) Focus {
	for i := range r.Faults {
		if fault := &r.Faults[i]; !fault.undoing() && fault.From >= f.From {
			f.From, f.Until = fault.From, r.VirtualSeconds
			break
		}
	}
	for _, m := range r.Machines {
		for _, role := range m.Role {
			if role.From > f.From && role.From < f.Until {
				f.Until = role.From
			}
		}
	}
	return f
}

// headlineClaim is the claim that is told where no breach says which; below zero: none is worth it.
func (r *Run) headlineClaim() int {
	found := -1
	for i, c := range r.Claims {
		if c.Verdict != r.Verdict || r.Verdict == expect.Pass {
			continue
		}
		if c.Name != "hazard" && c.Name != "lost_writes" && len(c.Evidence) > 0 {
			return i
		}
		if found < 0 {
			found = i
		}
	}
	return found
}

// Headline is the play in three sentences.
func (r *Run) Headline() Headline {
	f := r.Focus()
	h := Headline{Whom: r.whom(), When: r.when(f)}
	switch {
	case r.Error != "":
		h.What, _, _ = strings.Cut(r.Error, "\n")
		h.Why = "a fault of firedrill itself, or code that no run can go on with"
	case r.Doubt != "":
		h.What = "Nothing was shown: " + r.Doubt
	case r.Verdict == expect.Pass:
		h.What = fmt.Sprintf("Nothing broke: %s held", number(r.judged(), "claim"))
	case f.Claim >= 0:
		c := r.Claims[f.Claim]
		h.What, h.Why = c.Text, string(c.Verdict)+" of "+c.Text
		if len(c.Evidence) > 0 {
			h.What = firstClause(c.Evidence[0])
		}
		if all := r.everybody(); c.Name == "lost_writes" && all.Lost > 0 {
			h.What = fmt.Sprintf("%d of %d acknowledged writes are lost", all.Lost, all.Acknowledged)
		}
	case len(r.Missed) > 0:
		h.What = "Nothing was shown: " + r.Missed[0]
	default:
		h.What = string(r.Verdict)
	}
	if n := slices.IndexFunc(r.Claims, unexpected); n >= 0 && len(r.Claims[n].Evidence) > 0 {
		h.Why = r.Claims[n].Evidence[0]
	}
	if r.Verdict == expect.HazardSeen {
		var ids []string
		for _, z := range r.Hazards {
			if !slices.Contains(ids, z.ID) {
				ids = append(ids, z.ID)
			}
		}
		h.Why = "documented behaviour, which the scenario expects: " + strings.Join(ids, ", ")
	}
	h.What = readable(h.What)
	return h
}

// judged counts the claims that had something to judge.
func (r *Run) judged() int {
	n := 0
	for _, c := range r.Claims {
		if c.Verdict != expect.Idle {
			n++
		}
	}
	return n
}

// cause is the last fault that was injected before a time; nil: none was.
func (r *Run) cause(at Seconds) *Fault {
	var last *Fault
	for i := range r.Faults {
		if f := &r.Faults[i]; f.From <= at && !f.undoing() {
			last = f
		}
	}
	return last
}

// undoing reports whether the entry only put something right.
func (f *Fault) undoing() bool { return f.Until != nil && *f.Until == f.From && f.Receipt == "nothing" }

func (r *Run) when(f Focus) string {
	if !f.any {
		faults := 0
		for i := range r.Faults {
			if !r.Faults[i].undoing() {
				faults++
			}
		}
		return fmt.Sprintf("%s in %s", number(faults, "fault"), brief(r.VirtualSeconds))
	}
	text := fmt.Sprintf("from %s to %s", brief(f.From), brief(f.Until))
	if f.Until >= r.VirtualSeconds {
		text = fmt.Sprintf("from %s to the end", brief(f.From))
	}
	if f.Until <= f.From {
		text = "at " + brief(f.From)
	}
	if c := r.cause(f.From); c != nil && c.From == f.From {
		text += ", with " + c.Text
	} else if c != nil {
		text += fmt.Sprintf(", %s after %s", brief(f.From-c.From), c.Text)
	}
	return text
}

// everybody is all groups of clients together.
func (r *Run) everybody() Clients {
	var all Clients
	for _, c := range r.Clients {
		all.Acknowledged += c.Acknowledged
		all.Lost += c.Lost
		all.LostBytes += c.LostBytes
	}
	return all
}

// whom says what it meant for clients.
func (r *Run) whom() string {
	all := r.everybody()
	var hurt []string
	for _, c := range r.Clients {
		if c.Lost+c.Operations.Failed+c.Operations.Unknown > 0 && c.Group != "" {
			hurt = append(hurt, c.Group)
		}
	}
	who := ""
	if len(hurt) > 0 {
		who = strings.Join(hurt, ", ") + ": "
	}
	var parts []string
	if all.Lost > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d acknowledged writes lost (%s)", all.Lost, all.Acknowledged,
			bytesText(float64(all.LostBytes))))
	} else if all.Acknowledged > 0 {
		parts = append(parts, fmt.Sprintf("no loss among %s", number(all.Acknowledged, "acknowledged write")))
	}
	if n := r.Operations.Failed; n > 0 {
		parts = append(parts, number(n, "operation")+" failed")
	}
	if n := r.Operations.Unknown; n > 0 {
		parts = append(parts, fmt.Sprintf("%d without an answer", n))
	}
	if len(parts) == 0 {
		return "nobody: no client asked for anything"
	}
	return who + strings.Join(parts, ", ")
}

// firstClause is as much of a sentence as a headline has room for.
func firstClause(s string) string {
	for _, end := range []string{": ", "; "} {
		if head, _, found := strings.Cut(s, end); found && len(head) > 20 {
			s = head
		}
	}
	return s
}

var fine = regexp.MustCompile(`(?:[0-9]+[hm])*[0-9]+\.[0-9]+m?s\b`)

// readable shortens the times in a sentence to what a headline needs.
func readable(s string) string { return shorten(s, about) }

// evident cuts the times in a line of evidence off after the millisecond, as Moment.clock does, and those below 100 ms after the
// third digit. The files for programs have all of them.
func evident(s string) string {
	return shorten(s, func(d time.Duration) time.Duration {
		digit := time.Millisecond
		for d < 100*digit && digit > time.Microsecond {
			digit /= 10
		}
		return d.Truncate(digit)
	})
}

// shorten replaces the times in a sentence by rounder ones.
func shorten(s string, to func(time.Duration) time.Duration) string {
	return fine.ReplaceAllStringFunc(s, func(text string) string {
		d, err := time.ParseDuration(text)
		if err != nil || to(d) == d {
			return text
		}
		return nodes.FormatDuration(to(d))
	})
}

// brief is a time to about three digits: 4m22s, 1.43s, 20ms.
func brief(s Seconds) string { return nodes.FormatDuration(about(time.Duration(s))) }

// about rounds a time to about three digits.
func about(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d
}
