package faults

import (
	"errors"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// Degrade makes a segment slower or worse than it should be. Keys that are not set stay as they are.
type Degrade struct {
	Segment   string `yaml:"degrade" ref:"segment" doc:"the segment that gets worse"`
	Scope     `yaml:",inline"`
	Latency   *time.Duration   `yaml:"latency" doc:"what a frame takes"`
	Jitter    *time.Duration   `yaml:"jitter" doc:"up to so much more, evenly"`
	Loss      *nodes.Share     `yaml:"loss" doc:"frames that are lost"`
	Duplicate *nodes.Share     `yaml:"duplicate" doc:"frames that come twice"`
	Reorder   *nodes.Share     `yaml:"reorder" doc:"frames that overtake others"`
	Corrupt   *nodes.Share     `yaml:"corrupt" doc:"frames that arrive damaged"`
	Bandwidth *nodes.Bandwidth `yaml:"bandwidth" doc:"bits per second"`
}

func (f *Degrade) String() string { return Print(f) }

// Check finds what cannot be meant together, and a fault that would change nothing.
func (f *Degrade) Check() error {
	if f.Latency == nil && f.Jitter == nil && f.Loss == nil && f.Duplicate == nil && f.Reorder == nil && f.Corrupt == nil &&
		f.Bandwidth == nil {
		return errors.New("degrade wants at least one of latency, jitter, loss, duplicate, reorder, corrupt, bandwidth")
	}
	for _, d := range []*time.Duration{f.Latency, f.Jitter} {
		if d != nil && *d < 0 {
			return errors.New("want a latency and a jitter of at least 0s, have " + nodes.FormatDuration(*d))
		}
	}
	return f.Scope.Check()
}

// Inject lays the keys over those of the segment until it is undone.
func (f *Degrade) Inject(b *Board) Effect {
	effect := f.impose(b, f.Segment, sim.Condition{Latency: f.Latency, Jitter: f.Jitter, Loss: f.Loss, Duplicate: f.Duplicate,
		Reorder: f.Reorder, Corrupt: f.Corrupt, Bandwidth: f.Bandwidth})
	certain := f.Latency != nil || f.Jitter != nil || f.Bandwidth != nil
	for _, s := range []*nodes.Share{f.Loss, f.Duplicate, f.Reorder, f.Corrupt} {
		certain = certain || s != nil && *s == nodes.ShareAll
	}
	effect.Chance = !certain
	return effect
}
