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

// over is when the quiet phase ends.
func (p *play) over() time.Duration { return p.quiet + p.Settle }
