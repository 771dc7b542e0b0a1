package faults

import (
	"errors"
	"fmt"
	"slices"

	"firedrill/sim"
)

// Split parts a segment: machines of different groups do not hear each other. A machine that is in no group hears everybody and
// is heard, as a client does that sits beside the switches between which a cable broke.
type Split struct {
	Segment string     `yaml:"split" ref:"segment" doc:"the segment that falls apart"`
	Into    [][]string `yaml:"into" ref:"machine clients" doc:"groups of machines or clients; who is in none hears all"`
}

func (f *Split) String() string { return Print(f) }

// Check finds groups that are none.
func (f *Split) Check() error {
	if len(f.Into) < 2 {
		return errors.New("split wants at least two groups: `into: [[nas-a], [nas-b, office]]`")
	}
	var all []string
	for _, group := range f.Into {
		if len(group) == 0 {
			return errors.New("split wants somebody in every group")
		}
		for _, name := range group {
			if slices.Contains(all, name) {
				return fmt.Errorf("%s is in two groups, or twice in one", name)
			}
			all = append(all, name)
		}
	}
	return nil
}

// group is the number of a machine's group, counted from 1; 0: it is in none.
func (f *Split) group(machine string) int {
	return 1 + slices.IndexFunc(f.Into, func(group []string) bool { return slices.Contains(group, machine) })
}

// Inject cuts the paths between the groups until it is undone.
func (f *Split) Inject(b *Board) Effect {
	effect := b.impose(f.Segment, sim.Condition{Cut: true}, func(l *sim.Link) bool {
		from, to := f.group(l.From), f.group(l.To)
		return from > 0 && to > 0 && from != to
	})
	effect.Machines = slices.Concat(f.Into...)
	return effect
}
