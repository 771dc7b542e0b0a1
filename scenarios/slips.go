package scenarios

import (
	"cmp"
	"slices"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
)

// asWritten is the value of an axis of slips in which nobody slips.
const asWritten = "as-written"

// slips are what may happen to a step, beside coming late.
var slips = []string{"skip", "twice", "swap"}

// eachStep makes the values of `each_step_of: [PROCEDURE], is: [SLIP]`: nobody slips, or somebody does at one of the steps, in
// each of these ways.
func (f *family) eachStep(e entry) []variant {
	for _, inner := range e.value.entries {
		if inner.key != "each_step_of" && inner.key != "is" {
			f.m.addf(inner.at, "want nothing beside each_step_of and is, have %q", inner.key)
		}
	}
	is := e.value.get("is")
	if is == nil {
		f.m.addf(e.value.at, "want is: what becomes of each step, one of skip, twice, swap or how late it is")
		return nil
	}
	values := []variant{{e.key, asWritten, e.at, &node{shape: mapping, at: e.at}}}
	for _, n := range e.value.get("each_step_of").list() {
		for _, way := range is.list() {
			if slipOf(way) == "" {
				f.m.addf(way.at, "want skip, twice, swap or how late the step is, such as 10m, have %s", cmp.Or(way.text, way.shape.String()))
				f.blind = true
				continue
			}
			values = append(values, f.stepsThatSlip(e.key, n, way)...)
		}
	}
	return values
}

// stepsThatSlip makes a value for each step of a procedure to which this happens.
func (f *family) stepsThatSlip(axis string, procedure, is *node) []variant {
	procedures := f.root.get("procedures")
	steps := procedures.get(procedure.text)
	if procedure.shape != scalar || steps == nil {
		var names []string
		for _, p := range procedures.named() {
			names = append(names, p.key)
		}
		f.m.addf(procedure.at, "%s", no("procedure", procedure.text, names))
		f.blind = true
		return nil
	}
	if f.slips == nil {
		f.slips = map[string]expect.Slip{}
	}
	var values []variant
	all, slip := steps.list(), slipOf(is)
	for i, step := range all {
		if slip == "swap" && i+1 == len(all) || stepName(step) == "" {
			continue // There is no step to swap the last one with.
		}
		v := variant{axis, slip + "-" + stepName(step), procedure.at, slipped(procedure.at, step, slip, is)}
		values = append(values, v)
		late, _ := nodes.ParseDuration(is.text)
		f.slips[v.name] = expect.Slip{Procedure: procedure.text, Step: stepName(step), What: slip, Late: late}
	}
	return values
}

// slipsOf are what somebody gets wrong in a case, in a world, for the claim about them.
func (f *family) slipsOf(values []string, world string) []expect.Slip {
	var made []expect.Slip
	meant := append(slices.Clip(values), world)
	for _, v := range values {
		s, slips := f.slips[v]
		if !slips {
			continue
		}
		var names []string
		for _, step := range f.meant(f.root.get("procedures").get(s.Procedure).list(), meant) {
			names = append(names, stepName(step))
		}
		place := slices.Index(names, s.Step)
		switch {
		case place < 0: // The case has no such step anyway.
		case s.What == "skip":
			s.Passed = append(names[place+1:], s.Procedure)
		case s.What == "twice":
			s.Passed = []string{again(s.Step)}
		case s.What == "swap" && place+1 < len(names):
			s.Next = names[place+1]
			s.Passed = []string{s.Step}
		default:
			s.Passed = []string{s.Step}
		}
		made = append(made, s)
	}
	return made
}

// usual are the hazards that a case of slips is to show as it is written.
func (f *family) usual(values []string, world string) []string {
	values = append(slices.Clip(values), world)
	for i, v := range values {
		if _, slips := f.slips[v]; slips {
			values[i] = asWritten
		}
	}
	var hazards []string
	for _, claim := range f.meant(f.root.get("expect").list(), values) {
		if h := claim.get("hazard"); h != nil && h.shape == scalar {
			hazards = append(hazards, h.text)
		}
	}
	return hazards
}

// checkSlips checks that there are slips where a claim speaks of them.
func (f *family) checkSlips(cat *Catalogue) {
	known := slices.ContainsFunc(cat.Claims, func(form expect.Form) bool { return form.Name == slipsClaim })
	if len(f.slips) > 0 || f.blind || !known {
		return
	}
	for _, claim := range f.root.get("expect").list() {
		if isSlips(claim) {
			f.m.addf(claim.at, "%q is about a step that each_step_of leaves out, doubles, swaps or delays; no axis of the file does",
				slipsClaim)
		}
	}
}

// slipsClaim is the name of the claim about slips.
var slipsClaim = (&expect.Slips{}).Name()

func isSlips(claim *node) bool {
	return claim.get(slipsClaim) != nil || claim.shape == scalar && claim.text == slipsClaim
}

// slipOf is the word for a slip in the names of values: skip, twice, swap, late; "": it is none.
func slipOf(is *node) string {
	if is.shape != scalar {
		return ""
	}
	if slices.Contains(slips, is.text) {
		return is.text
	}
	if d, err := nodes.ParseDuration(is.text); err == nil && d > 0 {
		return "late"
	}
	return ""
}

// slipped is the overlay in which something happens to one step.
func slipped(at place, step *node, slip string, is *node) *node {
	what := scalarf(at, "%s", slip)
	if slip == "late" {
		late, _ := nodes.ParseDuration(is.text)
		key := "then"
		if step.get("after") != nil {
			key = "plus"
		}
		if n := step.get(key); n != nil && n.shape == scalar {
			if d, err := nodes.ParseDuration(n.text); err == nil {
				late += d
			}
		}
		what = one(at, key, scalarf(at, "%s", nodes.FormatDuration(late)))
	}
	return one(at, "steps", one(at, stepName(step), what))
}

// one is a map with one key.
func one(at place, key string, value *node) *node {
	return &node{shape: mapping, at: at, entries: []entry{{key: key, at: at, value: value}}}
}
