package pair

import (
	"slices"
	"time"

	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// EraseAfterPairing claims that a unit is erased if and only if it was paired as standby. Every erasure has behind it
// an operator's apply as standby to this unit, which was not refused, and an acknowledged apply as active to the unit
// that it names, with the same code, while these two fit each other: firmware, volume size, one RAID volume, no
// service in the way. No image is committed onto a unit that was not erased for that pairing. A unit that was never
// paired has on its disk what it had from the start.
//
// Vacuous where no operator applied to any unit as standby.
//
// Source: D-INV-3, D-24, D-25, D-26; D-02..D-08.
type EraseAfterPairing struct {
	All string `yaml:"erase_after_pairing" choices:"all" doc:"all"`
}

// Name implements expect.Claim.
func (c *EraseAfterPairing) Name() string { return "erase_after_pairing" }

// Judge implements expect.Claim.
func (c *EraseAfterPairing) Judge(r *expect.Run) expect.Finding {
	u := &ruling{run: r}
	for i := range r.Steps {
		if s := &r.Steps[i]; s.Verb == "apply" && s.With.Get("role") == pair.RoleStandby {
			u.tried++
		}
	}
	for _, n := range r.Named(pair.FactErased) {
		e := &r.Events[n]
		if why := eraseForbidden(r, e); why != "" {
			u.breach(expect.Breach{From: e.At, Machines: []string{e.Machine}, Events: []int{e.Seq}, Firm: true},
				"%s was erased at %s, though %s", e.Machine, told(e.At), why)
		}
	}
	for _, image := range r.Images().Committed {
		s := lastApply(r, image.To, pair.RoleStandby, image.Committed)
		if s != nil && !erasedSince(r, image.To, s.At, image.Committed) {
			u.breach(expect.Breach{From: image.Committed, Machines: []string{image.To}, Events: []int{image.Event},
				Firm: true},
				"%s committed image %s at %s, though nothing was erased there since it was set up at %s",
				image.To, image.ID, told(image.Committed), told(s.At))
		}
	}
	for i := range r.Machines {
		u.untouched(&r.Machines[i])
	}
	return u.finding("no operator set up a standby")
}

// untouched looks at the disk of a unit that ran and was neither erased nor a standby.
func (u *ruling) untouched(m *expect.Machine) {
	config, ours := m.Config.(*pair.Config)
	ran := len(u.run.Timeline().Lane(m.Name).Phase) > 0
	if !ours || !ran || config.Data == 0 || m.Damage != nil || len(m.Contents) > 0 ||
		erasedSince(u.run, m.Name, 0, u.run.End) {
		return
	}
	u.breach(expect.Breach{From: u.run.End, Machines: []string{m.Name}, Firm: true},
		"the disk of %s is empty at the end, and it was never erased by its own word", m.Name)
}

func erasedSince(r *expect.Run, machine string, from, until time.Duration) bool {
	return slices.ContainsFunc(r.Named(pair.FactErased), func(n int) bool {
		e := &r.Events[n]
		return e.Machine == machine && from <= e.At && e.At <= until
	})
}

// eraseForbidden says why a unit should not have been erased; "": it was to be.
func eraseForbidden(r *expect.Run, e *sim.Event) string {
	before := time.Duration(-1) // Each erasure needs a set-up of its own.
	for _, n := range r.Named(pair.FactErased) {
		if other := &r.Events[n]; other.Machine == e.Machine && other.Seq < e.Seq {
			before = other.At
		}
	}
	join := lastApply(r, e.Machine, pair.RoleStandby, e.At)
	switch {
	case join == nil || join.At <= before:
		return "nobody had set it up as standby"
	case refusedStep(join):
		return "its pairing failed: " + join.Answer.Field("reason")
	}
	active, _ := ownerOf(r, join.With.Get("pair_ip"))
	lead := lastApply(r, active, pair.RoleActive, e.At)
	switch {
	case active == "":
		return "no unit has the address " + join.With.Get("pair_ip")
	case lead == nil || refusedStep(lead):
		return active + " was not set up as active"
	case lead.With.Get("pair_code") != join.With.Get("pair_code"):
		return "its pair code was not that of " + active
	}
	return mismatch(r, active, e.Machine)
}

// lastApply is the newest apply with this role to the machine that was made by then, one that was refused only if
// there is no other; nil: there is none.
func lastApply(r *expect.Run, machine, role string, at time.Duration) *expect.Fired {
	var refused *expect.Fired
	for i := len(r.Steps) - 1; i >= 0; i-- {
		s := &r.Steps[i]
		if s.Verb != "apply" || s.Machine != machine || s.At > at || s.With.Get("role") != role {
			continue
		}
		if !refusedStep(s) {
			return s
		}
		refused = s
	}
	return refused
}

// mismatch says in what two units do not fit each other, by the scenario; "": they do, or an operator has changed
// something about them.
func mismatch(r *expect.Run, active, standby string) string {
	for i := range r.Steps {
		for _, verb := range []string{"upgrade", "change-raid", "enable-service", "disable-service"} {
			if answeredOK(&r.Steps[i], verb) {
				return ""
			}
		}
	}
	a, ours := r.Machine(active).Config.(*pair.Config)
	b, too := r.Machine(standby).Config.(*pair.Config)
	switch {
	case !ours || !too:
	case a.Firmware != b.Firmware:
		return "the firmware of the two differs"
	case b.Volume < a.Volume:
		return "its volume is smaller than that of " + active
	case a.RaidVolumes != 1 || b.RaidVolumes != 1:
		return "not both have one RAID volume"
	case len(a.Services)+len(b.Services) > 0:
		return "a service is on that excludes failover"
	}
	return ""
}
