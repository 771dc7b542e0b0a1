package pair

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"firedrill/faults"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
)

// ServedConfiguration claims that after a takeover the unit shows operators the system configuration that the active had at
// the snapshot instant of the image it took over with, with what operators have changed there since: an image is of data
// and configuration (served_image compares the data). What is compared is who is told of alarms. Services are part of an
// image too, but all of them forbid pairing, so that no unit in service has any.
//
// Vacuous where nobody took over, where no operator has set anything, or where nobody looked. A unit that had another disk
// in it is left out.
//
// Source: IDEAL-4; D-INV-2, D-28, D-30, D-49.
type ServedConfiguration struct {
	All string `yaml:"served_configuration" choices:"all" doc:"all"`
}

// Name implements expect.Claim.
func (c *ServedConfiguration) Name() string { return "served_configuration" }

// Judge implements expect.Claim.
func (c *ServedConfiguration) Judge(r *expect.Run) expect.Finding {
	u := &ruling{run: r}
	if !slices.ContainsFunc(r.Steps, func(s expect.Fired) bool { return answeredOK(&s, "set-notification") }) {
		return u.finding("no operator has changed the system configuration")
	}
	for i := range r.Images().Restores {
		x := &r.Images().Restores[i]
		if x.Image == nil || otherDisk(r, x.Machine) || otherDisk(r, x.Image.From) {
			continue
		}
		for n := range r.Steps {
			s := &r.Steps[n]
			if !answeredOK(s, "view-status") || s.Machine != x.Machine || s.At < x.At || s.Done > x.Over {
				continue
			}
			u.tried++
			have, want := s.Answer.Field("notification"), notified(r, s.Machine, s.At, s.Done)
			if !slices.Contains(want, have) {
				u.breach(expect.Breach{From: x.At, Until: s.Done, Machines: []string{x.Machine}, Events: []int{x.Event}, Firm: true},
					"%s took over with image %s of %s, and shows at %s that %q is told of alarms; want %s",
					x.Machine, x.Image.ID, told(x.Image.Snapshot), told(s.Done), have, strings.Join(quoted(want), " or "))
			}
		}
	}
	return u.finding("nobody looked at a unit that had taken over")
}

// notified is who may be told of alarms by a unit at some instant of from..until, by what operators had acknowledged, by
// when it was erased, and by the images with which it took over.
func notified(r *expect.Run, unit string, from, until time.Duration) []string {
	values, begin := []string{""}, time.Duration(-1)
	for _, n := range r.Named(pair.FactErased) {
		if e := &r.Events[n]; e.Machine == unit && e.At <= from {
			begin = e.At
		}
	}
	for _, x := range r.Images().Restores {
		if x.Machine == unit && x.Image != nil && begin < x.At && x.At <= from {
			values, begin = notified(r, x.Image.From, x.Image.Snapshot, x.Image.Snapshot), x.At
		}
	}
	for i := range r.Steps {
		s := &r.Steps[i]
		if s.Verb != "set-notification" || s.Machine != unit || s.At < begin || s.At > until || refusedStep(s) {
			continue
		}
		if value := s.With.Get("mail"); answeredOK(s, s.Verb) && s.Done <= from {
			values = []string{value}
		} else {
			values = append(values, value) // Under way, or without an answer: it may have come about, or may not.
		}
	}
	return values
}

// otherDisk reports whether a disk was put into the unit.
func otherDisk(r *expect.Run, unit string) bool {
	return slices.ContainsFunc(r.Faults, func(e *faults.Entry) bool {
		f, ok := e.Fault.(*faults.ReplaceDisk)
		return ok && f.Machine == unit && e.Hit()
	})
}

func quoted(words []string) []string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = fmt.Sprintf("%q", w)
	}
	return all
}
