package scenarios

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/scenarios/expect"
)

// Facts about procedures. Their scope is the procedure's name.
const (
	FactProcedureDone    = "procedure-done"
	FactProcedureStopped = "procedure-stopped" // value: the step that was refused
)

// Procedure is a runbook: its steps run one after the other, beside the timeline, each when the answer to the one above is there.
type Procedure struct {
	Name  string
	Steps []Step
}

// Run lets somebody work through procedures, one after the other.
type Run struct {
	Procedures []string      `yaml:"run" ref:"procedure" doc:"the procedures, one after the other, beside the timeline"`
	Pace       time.Duration `yaml:"pace" doc:"how long whoever works takes from an answer to the next step (0s)"`
	IfRefused  string        `yaml:"if_refused" choices:"stop go-on" doc:"what to do when an answer is not as wanted (stop)"`
	// With is gone when a scenario is played: its values are in the steps. See withRunbooks.
	With nodes.Values `yaml:"with" doc:"what the runbooks of a kind ask for: see help KIND"`
}

// Check finds values that no runbook has taken.
func (r *Run) Check() error {
	if r.With != nil {
		return errors.New("with is for runbooks that come with a kind, in the timeline itself; a procedure of the file has its " +
			"values in its steps, and a case changes them there: steps: {STEP: {with: {..}}}")
	}
	return nil
}

// The choices of IfRefused.
const (
	ifRefusedStop = "stop"
	ifRefusedGoOn = "go-on"
)

// sequence is steps that fire in their order, each armed by the one above: the timeline, or a procedure under way.
type sequence struct {
	steps []Step
	next  int           // the step that waits for its time
	since moment        // when the step above it fired
	due   time.Duration // when the step above it was to fire: where time is real it fires a little later
	wait  wait          // what it waits for
	run   *running
}

// running is a procedure under way.
type running struct {
	*Run
	place int // of the procedure in the list
}

// procedure returns the scenario's procedure of this name, or nil.
func (s *Scenario) procedure(name string) *Procedure {
	i := slices.IndexFunc(s.Procedures, func(p Procedure) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Procedures[i]
}

// begin starts the procedures of a step.
func (p *play) begin(r *Run, fired *expect.Fired) error {
	p.report(fired, faults.Print(r))
	return p.proceed(r, 0)
}

// proceed starts one procedure of a list.
func (p *play) proceed(r *Run, place int) error {
	if place == len(r.Procedures) {
		return nil
	}
	procedure := p.procedure(r.Procedures[place])
	if procedure == nil {
		return fmt.Errorf("no procedure %q", r.Procedures[place])
	}
	q := &sequence{steps: procedure.Steps, run: &running{r, place}}
	p.sequences = append(p.sequences, q)
	p.arm(q, 0)
	return nil
}

// name is that of the procedure.
func (r *running) name() string { return r.Procedures[r.place] }

// goesOn reports whether an answer that was not wanted is no reason to stop.
func (r *running) goesOn() bool { return r.IfRefused == ifRefusedGoOn }

// taken goes on with a procedure after one of its steps, whose answer is there if it has one: as wanted, or not.
func (p *play) taken(q *sequence, i int, met bool) {
	if p.ended {
		return
	}
	if !met && !q.run.goesOn() {
		p.leave(q)
		p.world.Note(nodes.Fact{Name: FactProcedureStopped, Scope: q.run.name(), Value: q.steps[i].Name})
		p.missed = append(p.missed, fmt.Sprintf("procedure %s stopped at step %s: its answer was not as wanted", q.run.name(),
			q.steps[i].Name))
		return
	}
	if i+1 < len(q.steps) {
		p.at(p.world.Now()+q.run.Pace, func() {
			if !p.ended {
				p.arm(q, i+1)
			}
		})
		return
	}
	p.leave(q)
	p.world.Note(nodes.Fact{Name: FactProcedureDone, Scope: q.run.name()})
	if q.run.place+1 < len(q.run.Procedures) {
		p.at(p.world.Now()+q.run.Pace, func() {
			if !p.ended {
				_ = p.proceed(q.run.Run, q.run.place+1) // Whoever read the file knows all of them.
			}
		})
	}
}

// leave forgets a sequence that is over.
func (p *play) leave(q *sequence) {
	p.sequences = slices.DeleteFunc(slices.Clone(p.sequences), func(other *sequence) bool { return other == q })
}

// abandon says which procedures were not finished when the drill ended.
func (p *play) abandon() {
	for _, q := range p.sequences {
		if q.run != nil {
			p.missed = append(p.missed, fmt.Sprintf("procedure %s was at step %s when the drill ended", q.run.name(),
				q.steps[min(q.next, len(q.steps)-1)].Name))
		}
	}
}

// readProcedures reads the runbooks. Their steps may mean any of the timeline's: they run beside it.
func (b *builder) readProcedures() {
	b.step = len(b.steps)
	for _, e := range b.section("procedures").named() {
		p := Procedure{Name: e.key}
		if !namePattern.MatchString(e.key) {
			b.fault(e.at, "want a procedure's name of small letters, digits and hyphens, 64 at most, have %q", e.key)
		}
		if b.procedureNamed(e.key) {
			b.fault(e.at, "%q is a machine, a role or a step; call the procedure otherwise", e.key)
		}
		for _, item := range e.value.list() {
			if item.shape != mapping {
				b.fault(item.at, "want a step such as {step: stop, do: stop-service, machine: nas-a}, have %s", item.shape)
				continue
			}
			b.inProcedure = e.key
			step := b.readStep(item)
			b.inProcedure = ""
			switch step.Act.(type) {
			case *Run, *End:
				b.fault(item.at, "%q belongs into the timeline", verbOf(item))
			}
			p.Steps = append(p.Steps, step)
			b.acts = append(b.acts, lineOf{item, step.Act})
		}
		if len(p.Steps) == 0 {
			b.fault(e.value.at, "want at least one step in procedure %s", e.key)
		}
		b.s.Procedures = append(b.s.Procedures, p)
	}
}

// procedureNamed reports whether a name means something else where a procedure may stand too.
func (b *builder) procedureNamed(name string) bool {
	return b.machine(name) != nil || slices.Contains(b.roles(), name) || slices.Contains(b.steps, name)
}

// nameProcedures finds the names of all steps of procedures. A step of the timeline may mean any of them.
func (b *builder) nameProcedures(line map[string]int) {
	for _, e := range b.section("procedures").named() {
		for _, item := range e.value.list() {
			if item.shape != mapping {
				continue
			}
			if item.get("step") == nil {
				b.fault(item.at, "want a name for every step of a procedure, such as step: stop-service")
				continue
			}
			b.nameStep(item, line)
			b.manual = append(b.manual, stepName(item))
		}
	}
}
