package scenarios

import (
	"reflect"
	"slices"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/scenarios/expect"
)

// file is the schema of a whole file.
func (s *schemas) file() *schema {
	keys := s.keys("file", newFileKeys())
	for _, d := range sectionDocs {
		keys = append(keys, property{d.key, s.section(d.key)}.of(d.doc))
	}
	file := closed(keys)
	file.Required = requiredKeys
	return file
}

// section is the schema of a key of the file that is read on its own.
func (s *schemas) section(key string) *schema {
	switch key {
	case "defaults":
		var kinds properties
		for _, k := range s.cat.Kinds {
			kinds = append(kinds, property{k.Name, s.config(k)}.of(k.Doc))
		}
		return closed(kinds)
	case "segments":
		return named(s.define("segment", func() *schema { return closed(s.keys("segment", newSegmentKeys())) }))
	case "machines":
		return named(s.define("machine", func() *schema { return s.machine(true) }))
	case "clients":
		return named(s.define("clients", func() *schema {
			clients := newClients("")
			return closed(s.keys("clients", &clients))
		}))
	case "timeline":
		return listOf(s.define("step", s.step))
	case "procedures":
		return &schema{Type: []string{"object"}, Names: matching(unanchored(namePattern), ""),
			Others: orList(s.define("step of a procedure", s.ofProcedure))}
	case "measure":
		return &schema{Type: []string{"object"}, Names: matching(unanchored(namePattern), ""), Others: s.define("measure", s.measure)}
	case "expect":
		return listOf(s.define("claim", s.claim))
	case "variants":
		return &schema{Type: []string{"object"}, Names: matching(unanchored(axisPattern), ""), Others: s.define("axis", s.axis)}
	case "cases":
		return orList(s.define("override", func() *schema {
			override := s.overlay(property{"only", casePaths()}.of("the combinations of values for which it is"))
			override.Required = []string{"only"}
			return override
		}))
	case "except":
		return casePaths()
	}
	return &schema{}
}

// measure is the schema of a figure that the scenario wants to know.
func (s *schemas) measure() *schema {
	measure := closed(s.keys("measure", &expect.Gauge{}))
	for _, d := range stepDocs[1:] {
		measure.Properties = append(measure.Properties, property{d.key, casePaths()}.of(d.doc))
	}
	return measure
}

// casePaths are VALUE/VALUE, one or several.
func casePaths() *schema { return orList(word()) }

func listOf(item *schema) *schema { return &schema{Type: []string{"array"}, Items: item} }

// named is NAME: {..}, with the names of machines, clients and segments.
func named(one *schema) *schema {
	return &schema{Type: []string{"object"}, Names: matching(unanchored(shortPattern), ""), Others: one}
}

// config is the schema of what a kind has of its own.
func (s *schemas) config(k *nodes.Kind) *schema {
	return s.define("config "+k.Name, func() *schema { return closed(s.keys("config", k.Config())) })
}

// machine is the schema of a machine, one branch per kind. In an overlay it may be a part of one.
func (s *schemas) machine(whole bool) *schema {
	common := s.keys("machine", newMachineKeys())
	m := &schema{Type: []string{"object"}}
	every := slices.Clone(common)
	for _, p := range common {
		m.Properties = append(m.Properties, property{p.key, &schema{Description: p.value.Description}})
	}
	var unknown []*schema
	for _, k := range s.cat.Kinds {
		own := s.keys("config", k.Config())
		every = joined(every, own)
		isKind := has("kind", k.Name)
		unknown = append(unknown, isKind)
		branch := s.define("machine "+k.Name, func() *schema { return closed(slices.Concat(common, own)) })
		m.AllOf = append(m.AllOf, &schema{If: isKind, Then: branch})
	}
	m.AllOf = append(m.AllOf, &schema{If: &schema{Not: &schema{AnyOf: unknown}}, Then: closed(every)})
	if whole {
		m.Required = []string{"kind", "nets"}
	}
	return m
}

// has is the schema of what has a key with this value.
func has(key, value string) *schema {
	return &schema{Properties: properties{{key, &schema{Const: value}}}, Required: []string{key}}
}

// joined adds keys to others. A key that stands in both takes what either takes.
func joined(all, more properties) properties {
	all = slices.Clone(all)
	for _, p := range more {
		i := slices.IndexFunc(all, func(q property) bool { return q.key == p.key })
		if i < 0 {
			all = append(all, p)
			continue
		}
		if !same(all[i].value, p.value) {
			all[i].value = &schema{Description: all[i].value.Description, AnyOf: []*schema{all[i].value, p.value}}
		}
	}
	return all
}

// same reports whether two schemas take the same, whatever they say of it.
func same(a, b *schema) bool {
	x, y := *a, *b
	x.Description, x.Default, y.Description, y.Default = "", "", "", ""
	return reflect.DeepEqual(x, y)
}

// axis is {VALUE: OVERLAY}, {each: OVERLAY} with a list anywhere in it, or {each_step_of: PROCEDURES, is: SLIP}.
func (s *schemas) axis() *schema {
	var words []keyDoc
	for _, slip := range slips {
		words = append(words, keyDoc{slip, ""})
	}
	late := matching(nodes.DurationNotation().Pattern, nodes.DurationNotation().Example)
	slip := closed(properties{
		property{"each_step_of", orList(word())}.of("the procedures of which each step is a value, beside " + asWritten),
		property{"is", orList(&schema{AnyOf: []*schema{choice(words), late}})}.of("what becomes of the step, or how late it is"),
	})
	slip.Required = []string{"is"}
	var keys properties
	for _, key := range overlayKeys {
		keys = append(keys, property{key, &schema{}})
	}
	overlay := s.define("overlay", func() *schema { return s.overlay() })
	named := &schema{Names: matching(unanchored(valuePattern), ""), Others: overlay}
	each := closed(properties{property{"each", closed(keys)}.of("what differs, with one list in it: an item for every value")})
	return &schema{Type: []string{"object"}, MinKeys: 1,
		If: &schema{Required: []string{"each_step_of"}}, Then: slip,
		Else: &schema{If: &schema{Required: []string{"each"}}, Then: each, Else: named}}
}

// overlay is the schema of what differs in a case: parts of what stands under the same keys of the file.
func (s *schemas) overlay(more ...property) *schema {
	file := slices.Concat(s.keys("file", newFileKeys()), properties{})
	for _, d := range sectionDocs {
		file = append(file, property{d.key, &schema{}}.of(d.doc))
	}
	keys := properties(more)
	for _, key := range overlayKeys {
		switch key {
		case "steps":
			patch := &schema{AnyOf: []*schema{choice(patchDocs), s.define("patch", s.patch)}}
			steps := property{key, &schema{Type: []string{"object"}, Others: patch}}
			keys = append(keys, steps.of("STEP: skip, twice, swap or what differs in it"))
			continue
		case "machines":
			machine := s.define("part of a machine", func() *schema { return s.machine(false) })
			keys = append(keys, property{key, named(machine)}.of("NAME: what differs in it"))
			continue
		}
		for _, p := range file {
			if p.key != key {
				continue
			}
			if slices.Contains(sections, key) {
				p.value = property{key, s.section(key)}.of(p.value.Description).value
			}
			keys = append(keys, p)
		}
	}
	return closed(keys)
}

// claim is a claim's name, or {CLAIM: subject, ..}: one branch per claim.
func (s *schemas) claim() *schema {
	claim := &schema{Type: []string{"object"}}
	var bare []keyDoc
	var none []*schema
	for _, form := range s.cat.Claims {
		if alone(form.New()) {
			bare = append(bare, keyDoc{form.Name, form.Doc})
		}
		is := &schema{Required: []string{form.Name}}
		none = append(none, is)
		claim.Properties = append(claim.Properties, property{form.Name, &schema{}}.of(form.Doc))
		branch := s.define("claim "+form.Name, func() *schema {
			keys := append(s.keys("claim "+form.Name, form.New()), s.keys("claim", &claimKeys{})...)
			for _, d := range stepDocs {
				if d.key != "want" {
					keys = append(keys, property{d.key, casePaths()}.of(d.doc))
				}
			}
			return closed(keys)
		})
		claim.AllOf = append(claim.AllOf, &schema{If: is, Then: branch})
	}
	claim.AnyOf = none
	return &schema{AnyOf: []*schema{choice(bare), claim}}
}

// alone reports whether a claim may be its bare name.
func alone(claim any) bool {
	if first := faults.Fields(claim)[0]; slices.Contains(first.Choices, "all") {
		return true
	}
	checker, can := claim.(faults.Checker)
	return !can || checker.Check() == nil
}
