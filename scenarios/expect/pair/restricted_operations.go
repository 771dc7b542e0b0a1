package pair

import (
	"slices"
	"strings"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// RestrictedOperations claims that units in service refuse what the menu of their role leaves out, and that what was
// refused changes nothing. On the active no shutdown, reboot, upgrade, change of RAID volumes or service that excludes
// failover is acknowledged, and no other setting than interval, checks and schedule; on the standby nothing but
// viewing, notifications and disconnect. After a refusal the unit neither goes off nor boots, notes no other
// settings, and shows the firmware that it had.
//
// Who is in service is known from what operators had acknowledged, and beyond that from the states that the unit
// noted. Vacuous where nobody tried a restricted operation on a unit in service.
//
// Source: D-32..D-37, D-42.
type RestrictedOperations struct {
	All string `yaml:"restricted_operations" choices:"all" doc:"all"`
}

// Name implements expect.Claim.
func (c *RestrictedOperations) Name() string { return "restricted_operations" }

// Judge implements expect.Claim.
func (c *RestrictedOperations) Judge(r *expect.Run) expect.Finding {
	u := &ruling{run: r}
	for i := range r.Steps {
		s := &r.Steps[i]
		if s.Answer == nil || s.Answer.Status == 0 || !inService(r, s.Machine, s.At-1) || !restricted(r, s) {
			continue
		}
		u.tried++
		if s.Answer.Status/100 == 2 {
			u.breach(expect.Breach{From: s.At, Until: s.Done, Machines: []string{s.Machine}, Firm: true},
				"%s acknowledged %s at %s, as a unit in service", s.Machine, s.Verb, told(s.Done))
			continue
		}
		u.unchanged(s)
	}
	u.firmware()
	return u.finding("nobody tried a restricted operation on a unit in service")
}

// everRestricted are restricted in every state of a unit in service.
var everRestricted = []string{"shutdown", "reboot", "upgrade", "change-raid", "enable-service"}

// onStandby is all that a standby may be asked for.
var onStandby = []string{"view-status", "set-notification", "disconnect"}

// changeable are the settings that an active may be told while it serves.
var changeable = []string{"interval", "checks", "schedule"}

// restricted reports whether the menu of the unit's role leaves out what the step asked for. What only looks at the
// unit is not restricted.
func restricted(r *expect.Run, s *expect.Fired) bool {
	role := inRole(r, s.Machine, s.At-1) // At the very instant it may change already.
	switch {
	case slices.Contains(everRestricted, s.Verb):
		return true
	case strings.HasPrefix(s.Verb, "view-"):
		return false
	case s.Verb == "change-settings" && role == pair.RoleActive:
		return slices.ContainsFunc(s.With, func(v nodes.Value) bool { return !slices.Contains(changeable, v.Key) })
	}
	return role == pair.RoleStandby && !slices.Contains(onStandby, s.Verb)
}

// inRole is the role that the unit noted, or "".
func inRole(r *expect.Run, unit string, at time.Duration) string {
	i, _ := expect.At(r.Timeline().Lane(unit).Role, at)
	return i.Value
}

// inService reports whether the unit belonged to a pair that was set up or waited to be: an operator had that
// acknowledged and it was not disconnected since; or it noted such a state itself.
func inService(r *expect.Run, unit string, at time.Duration) bool {
	if phase, any := expect.At(r.Timeline().Lane(unit).Phase, at); any && phase.Value != string(pair.Standalone) {
		return true
	}
	for _, p := range pairings(r) {
		from, until := p.standsBy()
		switch {
		case from < 0: // Whether the window is over only the unit knows.
		case unit == p.Active && from <= at && at < until, unit == p.Standby && from <= at && at < until:
			return r.Timeline().Lane(unit).State(at) == sim.StateUp
		}
	}
	return false
}

// echo is how long after a refusal its effect may show: whoever is to shut down answers first.
const echo = 5 * time.Second

// unchanged looks for traces of what a unit refused to do.
func (u *ruling) unchanged(s *expect.Fired) {
	for i := s.Seq; i < len(u.run.Events) && u.run.Events[i].At <= s.Done+echo; i++ {
		e := &u.run.Events[i]
		if e.Machine != s.Machine {
			continue
		}
		switch e.Name {
		case pair.FactSettings:
			if e.At > s.Done || u.sameAsBefore(e) {
				continue
			}
		case sim.FactPoweredOff, sim.FactBooted, sim.FactStopped:
			if byFault(u.run, e) {
				continue
			}
		default:
			continue
		}
		u.breach(expect.Breach{From: e.At, Machines: []string{s.Machine}, Events: []int{e.Seq}, Firm: true},
			"%s refused %s at %s, and noted %s all the same", s.Machine, s.Verb, told(s.Done), e.Name)
		return
	}
}

// sameAsBefore reports whether the settings are those that the unit had: it may say them again.
func (u *ruling) sameAsBefore(e *sim.Event) bool {
	for n := e.Seq - 1; n >= 0; n-- {
		if old := &u.run.Events[n]; old.Machine == e.Machine && old.Name == pair.FactSettings {
			return slices.Equal(old.Attrs, e.Attrs)
		}
	}
	return false
}

// firmware holds what units show of their firmware against what operators had acknowledged.
func (u *ruling) firmware() {
	installed := map[string]string{}
	for i := range u.run.Steps {
		s := &u.run.Steps[i]
		if s.Answer == nil {
			continue
		}
		if answeredOK(s, "upgrade") {
			installed[s.Machine] = s.With.Get("firmware")
		}
		shown := s.Answer.Field("firmware")
		want := installed[s.Machine]
		if m := u.run.Machine(s.Machine); want == "" && m != nil {
			if config, ours := m.Config.(*pair.Config); ours {
				want = config.Firmware
			}
		}
		if shown != "" && want != "" && shown != want {
			u.breach(expect.Breach{From: s.Done, Machines: []string{s.Machine}, Firm: true},
				"%s shows firmware %s at %s, and what was installed is %s", s.Machine, shown, told(s.Done), want)
		}
	}
}

// byFault reports whether a fault cut the power just then, or may have drawn the moment itself.
func byFault(r *expect.Run, e *sim.Event) bool {
	return slices.ContainsFunc(r.Faults, func(f *faults.Entry) bool {
		switch fault := f.Fault.(type) {
		case *faults.PowerOff:
			return slices.Contains(fault.Machines, e.Machine) && f.From == e.At
		case *faults.BreakDisk:
			return fault.Machine == e.Machine && f.From <= e.At
		}
		return false
	})
}
