package pair

import (
	"slices"
	"strings"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
)

// MovesWithRole claims that after a takeover the service has all that it had before: the modules that were installed
// on the active and the devices that were attached to it are on the unit that took over too. System D moves neither
// (HZ-D6). Where a unit nevertheless shows an operator a module or device that it does not have, or answers a client
// for it, that is a breach which no hazard accounts for.
//
// Vacuous where nobody took over from a unit with modules or devices.
//
// Source: IDEAL-6; D-53, D-54; HZ-D6.
type MovesWithRole struct {
	All string `yaml:"moves_with_role" choices:"all" doc:"all"`
}

// Name implements expect.Claim.
func (c *MovesWithRole) Name() string { return movesWithRole }

// Judge implements expect.Claim.
func (c *MovesWithRole) Judge(r *expect.Run) expect.Finding {
	u := &ruling{run: r}
	for _, t := range takeovers(r) {
		from, to := t.config(t.Active, t.At), t.config(t.Standby, t.At)
		if from == nil || to == nil || len(from.Modules)+len(from.Peripherals) == 0 {
			continue
		}
		u.tried++
		if missing := t.missing(); len(missing) > 0 {
			u.breach(expect.Breach{From: t.At, Until: t.Over, Machines: []string{t.Active, t.Standby}},
				"%s took over at %s, and %s stayed with %s", t.Standby, told(t.At), strings.Join(missing, ", "), t.Active)
		}
		u.conjured(t, to)
		u.answeredFor(t, to)
	}
	return u.finding("nobody took over from a unit with modules or devices")
}

// conjured finds answers in which the unit that took over shows what it does not have.
func (u *ruling) conjured(t *taken, config *pair.Config) {
	for i := range u.run.Steps {
		s := &u.run.Steps[i]
		if s.Answer == nil || s.Machine != t.Standby || s.At < t.At || s.Done > t.Over {
			continue
		}
		for _, list := range []struct {
			field string
			have  []string
		}{{"modules", config.Modules}, {"peripherals", config.Peripherals}} {
			for _, f := range s.Answer.Fields {
				if f.Key != list.field {
					continue
				}
				if extra := lacking(words(f.Value), list.have); len(extra) > 0 {
					u.breach(expect.Breach{From: s.Done, Machines: []string{t.Standby}, Firm: true},
						"%s shows %s at %s, which it does not have", t.Standby, strings.Join(extra, ", "), told(s.Done))
				}
			}
		}
	}
}

// answeredFor finds clients that the unit which took over served with what it does not have.
func (u *ruling) answeredFor(t *taken, config *pair.Config) {
	for i := range u.run.History {
		if op := &u.run.History[i]; t.conjured(op, config) {
			u.breach(expect.Breach{From: op.Sent, Until: op.Done, Machines: []string{t.Standby}, Firm: true,
				Operations: []uint64{op.ID}}, "%s answered for %s at %s, which it does not have",
				t.Standby, op.Path, told(op.Done))
		}
	}
}

// conjured reports whether the unit that took over served a client with a module or device that it does not have.
func (t *taken) conjured(op *nodes.Operation, config *pair.Config) bool {
	if op.ServedBy != t.Standby || op.Status != 200 || op.Sent < t.At || op.Done > t.Over {
		return false
	}
	module, isModule := strings.CutPrefix(op.Path, "/modules/")
	device, isDevice := strings.CutPrefix(op.Path, "/devices/")
	return isModule && !slices.Contains(config.Modules, module) || isDevice && !slices.Contains(config.Peripherals, device)
}

// missing are the modules and devices of the old active that the unit which took over has not.
func (t *taken) missing() []string {
	from, to := t.config(t.Active, t.At), t.config(t.Standby, t.At)
	if from == nil || to == nil {
		return nil
	}
	return append(lacking(from.Modules, to.Modules), lacking(from.Peripherals, to.Peripherals)...)
}

// words are the members of a list as an answer's field prints it.
func words(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(`[]", `, c) })
}

// lacking are the words of the first list that the second has not.
func lacking(want, have []string) []string {
	return slices.DeleteFunc(slices.Clone(want), func(w string) bool { return slices.Contains(have, w) })
}
