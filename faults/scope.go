package faults

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"firedrill/sim"
)

// Scope narrows a fault of a segment to some of its paths and frames. The zero value is all of them.
type Scope struct {
	From    string   `yaml:"from" ref:"machine" doc:"only frames from this machine"`
	To      string   `yaml:"to" ref:"machine" doc:"only frames to this machine"`
	Between []string `yaml:"between" ref:"machine" doc:"only frames between these two machines, both ways"`
	Frames  []string `yaml:"frames" doc:"only these frames: arp, gratuitous-arp, udp, tcp, tcp/PORT, udp/PORT, vrrp"`
}

// Check finds what cannot be meant together.
func (s *Scope) Check() error {
	if s.Between != nil && (s.From != "" || s.To != "") {
		return errors.New("want from and to (one way) or between (both ways), have both")
	}
	if s.Between != nil && (len(s.Between) != 2 || s.Between[0] == s.Between[1]) {
		return fmt.Errorf("between wants two machines, have [%s]", strings.Join(s.Between, ", "))
	}
	if s.From != "" && s.From == s.To {
		return fmt.Errorf("from and to are both %s; frames of a machine to itself never leave it", s.From)
	}
	for _, word := range s.Frames {
		if !frameWord(word) {
			return fmt.Errorf("frames are arp, gratuitous-arp, udp, tcp, tcp/PORT, udp/PORT or vrrp, have %q", word)
		}
	}
	return nil
}

func frameWord(word string) bool {
	switch sim.FrameClass(word) {
	case sim.FrameARP, sim.FrameGratuitousARP, sim.FrameUDP, sim.FrameTCP, sim.FrameVRRP:
		return true
	}
	proto, port, found := strings.Cut(word, "/")
	n, err := strconv.ParseUint(port, 10, 16)
	return found && (proto == "tcp" || proto == "udp") && err == nil && n > 0 && port[0] != '0'
}

// covers reports whether a path is meant.
func (s *Scope) covers(l *sim.Link) bool {
	if s.Between != nil {
		return slices.Contains(s.Between, l.From) && slices.Contains(s.Between, l.To)
	}
	return (s.From == "" || s.From == l.From) && (s.To == "" || s.To == l.To)
}

// machines are those that the scope names.
func (s *Scope) machines() []string {
	var names []string
	for _, name := range append([]string{s.From, s.To}, s.Between...) {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// impose puts one condition on all paths of the segment that the scope covers, so that one count tells what it did.
func (s *Scope) impose(b *Board, segment string, c sim.Condition) Effect {
	c.Frames = s.Frames
	effect := b.impose(segment, c, s.covers)
	effect.Machines = s.machines()
	return effect
}

// impose puts one condition on those paths of the segment that are meant.
func (b *Board) impose(segment string, c sim.Condition, meant func(*sim.Link) bool) Effect {
	imposition := &sim.Imposition{Condition: c}
	var on []*sim.Link
	for _, l := range b.World.Links(segment) {
		if meant(l) {
			l.Impose(imposition)
			on = append(on, l)
		}
	}
	return Effect{
		Segment: segment,
		Undo: func() {
			for _, l := range on {
				l.Lift(imposition)
			}
		},
		Lasts: func() bool {
			return slices.ContainsFunc(on, func(l *sim.Link) bool { return slices.Contains(l.Imposed(), imposition) })
		},
		Receipt: func() Receipt { return frames(imposition) },
	}
}

// frames is the receipt of an imposition.
func frames(i *sim.Imposition) Receipt {
	var r Receipt
	for _, c := range []Count{
		{N: i.Lost, What: "lost"}, {N: i.Held, What: "held"}, {N: i.Refused, What: "refused"},
		{N: i.Delayed, What: "delayed"}, {N: i.Duplicated, What: "duplicated"},
		{N: i.Overtaking, What: "overtaking"}, {N: i.Corrupted, What: "corrupted"},
	} {
		if c.N != 0 {
			r = append(r, count(int(c.N), "frame", "frames", c.What))
		}
	}
	return r
}
