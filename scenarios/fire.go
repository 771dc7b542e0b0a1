package scenarios

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// Facts that the harness itself notes: what was done, in the words of the scenario.
const (
	FactStep     = "step"            // scope: the step's name; value: the step, roles resolved
	FactAnswered = "answered"        // scope: the step's name; value: the answer
	FactUndone   = faults.FactUndone // scope: the step's name; value: the fault that its `for` undid
	FactMissed   = "missed"          // scope: the step's name; value: why it hit nothing
	FactDrillEnd = "drill-end"
)

// wait is what the next step of the timeline waits for.
type wait struct {
	fact  bool // its `after`; otherwise a time
	count int  // how many such facts came so far
}

// arm lets step i of a sequence wait for its time; the step above has just fired. Steps fire in the order of the file, since each
// is armed by the one above. A step that is due at once fires at once, inside the fact that fired the one above.
func (p *play) arm(q *sequence, i int) {
	q.next, q.since, q.wait = i, p.moment(), wait{}
	if i == len(q.steps) {
		return
	}
	now := p.world.Now()
	switch s := &q.steps[i]; {
	case s.When.At != nil && *s.When.At < q.due:
		p.miss(s, fmt.Sprintf("at %s has passed: the step above fired at %s", nodes.FormatDuration(*s.When.At),
			nodes.FormatDuration(now)))
		p.fireNext(q, i)
	case s.When.At != nil:
		p.fireAt(*s.When.At, q, i)
	case s.When.Then != nil:
		p.fireAt(now+*s.When.Then, q, i)
	case s.When.After == "": // Of a procedure.
		p.fireNext(q, i)
	default:
		q.wait.fact = true
	}
}

func (p *play) moment() moment { return moment{p.world.Now(), len(p.world.Trace().Events())} }

// fireAt fires step i of a sequence at a time, or at once if that is reached.
func (p *play) fireAt(t time.Duration, q *sequence, i int) {
	q.due = t
	if t <= p.world.Now() && (i > 0 || q.run != nil) {
		p.fireNext(q, i)
		return
	}
	p.at(t, func() { p.fireNext(q, i) })
}

// at calls act at a time. The world calls it from wherever it is, where nobody else would catch what goes wrong in it.
func (p *play) at(t time.Duration, act func()) {
	p.world.At(t, func() {
		defer p.catch()
		act()
	})
}

// catch keeps a panic of the harness, or of what a kind brings along for it, to its own run.
func (p *play) catch() {
	if r := recover(); r != nil {
		p.ended = true
		p.fault = fmt.Errorf("panic at %s: %v\n%s", nodes.FormatDuration(p.world.Now()), r, debug.Stack())
	}
}

// fireNext fires step i of a sequence and arms the one below; in a procedure that waits for the answer.
func (p *play) fireNext(q *sequence, i int) {
	if p.ended {
		return
	}
	q.wait.fact = false
	if q.run == nil {
		p.fire(&q.steps[i], 1)
		p.arm(q, i+1)
		return
	}
	fired, acted := p.fire(&q.steps[i], 1)
	for n := range p.open {
		if p.open[n].fired == fired {
			p.open[n].lenient = q.run.goesOn()
			p.open[n].then = func(met bool) { p.taken(q, i, met) }
			return
		}
	}
	p.taken(q, i, acted)
}

// concerns reports whether the play has to see a fact before whoever noted it goes on.
func (p *play) concerns(e sim.Event) bool {
	return p.roles.concerns(&e) || p.done.concerns(&e) || p.weighs(&e) ||
		slices.ContainsFunc(p.sequences, func(q *sequence) bool { return p.awaits(q, &e) })
}

// observe keeps the books about roles and progress, and fires the steps that waited for the fact.
func (p *play) observe(e sim.Event) {
	defer p.catch()
	before := p.done.see(&e)
	p.roles.see(&e)
	p.weigh(moment{e.At, e.Seq}, func(word string) bool { return p.marks(word, &e) })
	for _, q := range slices.Clone(p.sequences) {
		p.advance(q, &e, before)
	}
}

// advance fires the next step of a sequence if it waited for the fact.
func (p *play) advance(q *sequence, e *sim.Event, before nodes.Share) {
	if !p.awaits(q, e) || !p.matches(&q.steps[q.next].When, e, before) {
		return
	}
	i := q.next
	when := &q.steps[i].When
	if q.wait.count++; q.wait.count < max(when.Nth, 1) {
		return
	}
	q.wait.fact = false
	q.due = p.world.Now()
	if when.Plus > 0 {
		p.fireAt(q.due+when.Plus, q, i)
		return
	}
	p.fireNext(q, i)
}

// awaits reports whether the next step of a sequence waits for a fact of this name.
func (p *play) awaits(q *sequence, e *sim.Event) bool {
	return q.wait.fact && !p.ended && p.names(q.steps[q.next].When.After, e)
}

// names reports whether the event is what a word means: a fact by its name, a state that was entered, or, where no kind has
// such a state, a role that was taken.
func (p *play) names(word string, e *sim.Event) bool {
	switch {
	case e.Name == word:
		return true
	case e.Value != word:
		return false
	case e.Name == nodes.FactPhase:
		return true
	}
	return e.Name == nodes.FactRole && !slices.ContainsFunc(p.Machines, func(m Machine) bool {
		return m.Kind != nil && slices.Contains(m.Kind.States, word)
	})
}

// matches reports whether the event is the one that is meant. Before is how far the activity was when last heard of.
func (p *play) matches(w *When, e *sim.Event, before nodes.Share) bool {
	if w.Of != "" && !p.isOf(w.Of, e) {
		return false
	}
	if w.Like != "" && !strings.Contains(e.Value, w.Like) {
		return false
	}
	if w.Done > 0 {
		// The one that passes the mark: an activity that is beyond it already is not meant.
		now, ok := share(e)
		return ok && before < w.Done && now >= w.Done
	}
	return true
}

// isOf reports whether the event is of a machine, of whoever has a role now, or of a step.
func (p *play) isOf(word string, e *sim.Event) bool {
	switch {
	case e.Machine == "":
		return e.Scope == word
	case e.Machine == word:
		return true
	case p.machine(word) != nil:
		return false
	}
	return slices.Contains(p.roles.holders(p.world, word), e.Machine)
}

// fire acts out a step, and reports whether it could be done. Round counts its repetitions from 1.
func (p *play) fire(s *Step, round int) (fired *expect.Fired, acted bool) {
	if s.Every > 0 && (s.Times == 0 || round < s.Times) {
		p.at(p.world.Now()+s.Every, func() {
			if !p.ended {
				p.fire(s, round+1)
			}
		})
	}
	if slices.Contains(p.copied, s.Name) {
		p.board.Copy(s.Name, p.machineNames())
	}
	fired = &expect.Fired{Name: s.Name, At: p.world.Now(), Done: p.world.Now(), Seq: len(p.world.Trace().Events())}
	var err error
	switch act := s.Act.(type) {
	case nil:
		p.report(fired, s.When.String())
	case faults.Fault:
		err = p.inject(s, act, fired)
	case *Do:
		err = p.do(s, act, fired)
	case *Probe:
		err = p.probe(s, act, fired)
	case *Access:
		err = p.access(s, act, fired)
	case *Tell:
		err = p.tell(act, fired)
	case *End:
		err = p.end(fired)
	case *Run:
		err = p.begin(act, fired)
	default:
		err = fmt.Errorf("nobody knows how to do a %T", act)
	}
	if err != nil {
		p.miss(s, err.Error())
	}
	return fired, err == nil
}

// report notes that a step acts, in the words of the scenario.
func (p *play) report(fired *expect.Fired, text string, meant ...nodes.Attr) {
	fired.Text = text
	p.fired = append(p.fired, fired)
	p.weigh(moment{fired.At, fired.Seq}, func(word string) bool { return word == fired.Name })
	p.world.Note(nodes.Fact{Name: FactStep, Scope: fired.Name, Value: text, Attrs: meant})
}

// miss makes the run vacuous: a step did not do what it was there for.
func (p *play) miss(s *Step, why string) {
	p.missed = append(p.missed, "step "+s.Name+": "+why)
	p.world.Note(nodes.Fact{Name: FactMissed, Scope: s.Name, Value: why})
}

// inject lets a fault happen.
func (p *play) inject(s *Step, f faults.Fault, fired *expect.Fired) error {
	var meant []nodes.Attr
	resolved, err := faults.Resolve(f, func(word string) ([]string, error) {
		names, err := p.resolve(word)
		if err == nil {
			meant = append(meant, meaning(word, names...)...)
		}
		return names, err
	})
	if err != nil {
		return err
	}
	fired.Machine = subject(resolved)
	p.report(fired, resolved.String(), meant...)
	entry := p.board.Inject(s.Name, resolved)
	if s.For > 0 {
		p.at(p.world.Now()+s.For, func() { p.undo(entry) })
	}
	return nil
}

// undo ends a fault by its step's `for`, unless something else did before. With the end of the drill it is too late: what is
// powered off then stays off.
func (p *play) undo(entry *faults.Entry) {
	if entry.Until >= 0 || p.ended {
		return
	}
	p.world.Note(nodes.Fact{Name: FactUndone, Scope: entry.Step, Value: entry.Fault.String()})
	p.board.Undo(entry)
}

// subject is the one machine that a fault is about, or "".
func subject(f faults.Fault) string {
	first := faults.Fields(f)[0]
	if !slices.Contains(first.Refs, "machine") {
		return ""
	}
	switch v := first.Value.Interface().(type) {
	case string:
		return v
	case []string:
		if len(v) == 1 {
			return v[0]
		}
	}
	return ""
}

// endDrill disarms the timeline, says which steps never fired, and undoes every fault.
func (p *play) endDrill() {
	p.ended = true
	if now := p.world.Now(); now < p.quiet {
		p.quiet = now
		p.callLast()
	}
	if next := p.timeline.next; next < len(p.Timeline) {
		p.miss(&p.Timeline[next], p.whyNot())
		for _, s := range p.Timeline[next+1:] {
			p.miss(&s, "never fired: no step fires before the one above it")
		}
	}
	p.abandon()
	p.world.Note(nodes.Fact{Name: FactDrillEnd})
	p.board.HealAll()
}

// whyNot says why the next step never fired.
func (p *play) whyNot() string {
	q := p.timeline
	when := &q.steps[q.next].When
	stop := nodes.FormatDuration(p.Stop)
	switch {
	case when.After == "":
		return "never fired: it was due after the stop at " + stop
	case !q.wait.fact:
		return fmt.Sprintf("never fired: %s came, but plus %s is after the stop at %s", when.fact(),
			nodes.FormatDuration(when.Plus), stop)
	}
	armed := nodes.FormatDuration(q.since.at)
	if q.wait.count > 0 {
		return fmt.Sprintf("never fired: %s came only %d of %d times since the step above fired at %s", when.fact(),
			q.wait.count, when.Nth, armed)
	}
	if last := p.lastBefore(when); last != nil {
		return fmt.Sprintf("never fired: %s came last at %s, before the step above fired at %s; for a time after that step, write then",
			when.fact(), nodes.FormatDuration(last.At), armed)
	}
	return fmt.Sprintf("never fired: %s did not come between the step above, at %s, and the stop at %s", when.fact(), armed, stop)
}

// lastBefore is the last such fact that was too old for the step, or nil. Roles are left out of account here: who had one
// then is not known any more.
func (p *play) lastBefore(w *When) *sim.Event {
	events := p.world.Trace().Events()
	for i := min(p.timeline.since.seq, len(events)) - 1; i >= 0; i-- {
		e := &events[i]
		of := w.Of == "" || e.Machine == w.Of || e.Scope == w.Of || e.Machine != "" && p.machine(w.Of) == nil
		if p.names(w.After, e) && of && strings.Contains(e.Value, w.Like) {
			return e
		}
	}
	return nil
}

// fact is what a step waits for, for people.
func (w *When) fact() string {
	text := w.After
	if w.Of != "" {
		text += " of " + w.Of
	}
	if w.Done > 0 {
		text += " done " + w.Done.String()
	}
	if w.Like != "" {
		text += fmt.Sprintf(" like %q", w.Like)
	}
	return text
}

// String is the time as the user writes it: `after: sync, of: active, done: 50%`.
func (w When) String() string {
	switch {
	case w.At != nil:
		return "at: " + nodes.FormatDuration(*w.At)
	case w.Then != nil:
		return "then: " + nodes.FormatDuration(*w.Then)
	case w.After == "":
		return "next" // In a procedure.
	}
	if w.Nth == 1 {
		w.Nth = 0
	}
	return faults.Print(struct {
		After string        `yaml:"after"`
		Of    string        `yaml:"of"`
		Nth   int           `yaml:"nth"`
		Done  nodes.Share   `yaml:"done"`
		Like  string        `yaml:"like"`
		Plus  time.Duration `yaml:"plus"`
	}{w.After, w.Of, w.Nth, w.Done, w.Like, w.Plus})
}
