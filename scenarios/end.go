package scenarios

import (
	"errors"
	"time"

	"firedrill/scenarios/expect"
)

// End ends the drill before its stop: the quiet phase begins.
type End struct {
	What string `yaml:"end" choices:"drill" doc:"what ends now"`
}

// drill lets the world go on until the drill ends: at the stop, or at the step that says so.
func (p *play) drill() error {
	stretch := p.Stop
	if p.endsEarly() {
		// The world does not stop in the middle of a stretch; one of this length reaches no further than the quiet phase will.
		stretch = max(p.Settle, time.Second)
		if p.keep != nil {
			stretch = p.blink() // It is to be held before the last call.
		}
	}
	for t := time.Duration(0); t < p.Stop && !p.ended; {
		t = min(t+stretch, p.Stop)
		if err := p.world.Run(t); err != nil {
			return err
		}
	}
	if !p.ended {
		p.endDrill()
	}
	return nil
}

// endsEarly reports whether a step ends the drill.
func (p *play) endsEarly() bool {
	for _, s := range p.Timeline {
		if _, ends := s.Act.(*End); ends {
			return true
		}
	}
	return false
}

// end ends the drill by a step.
func (p *play) end(fired *expect.Fired) error {
	p.report(fired, "end: drill")
	if p.timeline.next+1 < len(p.Timeline) {
		return errors.New("no step fires after the end of the drill")
	}
	p.timeline.next = len(p.Timeline)
	p.endDrill()
	return nil
}

// settle lets the quiet phase pass. A play that is held stays in it at the last call, for as long as somebody wants to look
// into it, and clients go on. The rest of the phase follows, so that what is judged had all the time that it has without.
func (p *play) settle() error {
	if p.keep != nil {
		since := p.lastCall()
		if err := p.world.Run(since); err != nil {
			return err
		}
		for p.keep(p.Scenario, p.world) {
			if err := p.world.Run(p.world.Now() + p.blink()); err != nil {
				return err
			}
		}
		p.held = max(0, p.world.Now()-since)
		p.at(p.lastCall(), p.stopClients)
	}
	return p.world.Run(p.over())
}

// blink is how long nobody asks whether a play is held still: a tenth of a second in life.
func (p *play) blink() time.Duration {
	return 100 * time.Millisecond * time.Duration(max(1, p.TimeScale))
}

// over is when the quiet phase ends.
func (p *play) over() time.Duration { return p.quiet + p.Settle + p.held }
