package scenarios

import (
	"slices"

	"firedrill/faults"
	"firedrill/nodes"
)

// verbForm is a verb of a step with its struct.
type verbForm struct {
	verb, doc string
	keys      any
}

// verbForms are all verbs that can be played, requests first.
func verbForms() []verbForm {
	var forms []verbForm
	for _, r := range requests {
		forms = append(forms, verbForm{r.verb, r.doc, r.keys()})
	}
	for _, v := range faults.All() {
		forms = append(forms, verbForm{v.Verb, v.Doc, v.New()})
	}
	return forms
}

// step is the schema of a step, one branch per verb.
func (s *schemas) step() *schema {
	step := s.branches(false)
	for _, key := range wholeTimes {
		step.OneOf = append(step.OneOf, &schema{Required: []string{key}})
	}
	return step
}

// ofProcedure is the schema of a step of a procedure: it has a name, need not have a time, and neither runs nor ends anything.
func (s *schemas) ofProcedure() *schema {
	step := s.branches(false)
	step.Required = []string{"step"}
	step.Not = &schema{AnyOf: []*schema{{Required: []string{"at"}}, {Required: []string{"run"}}, {Required: []string{"end"}},
		{Required: []string{"then", "after"}}}}
	return step
}

// patch is the schema of what an overlay changes in a step: any of its keys but its name and its conditions.
func (s *schemas) patch() *schema { return s.branches(true) }

// branches are the branches of a step by its verb, and one for a step without. The verbs are named once more above them, so that
// an editor can propose them.
func (s *schemas) branches(patch bool) *schema {
	step := &schema{Type: []string{"object"}}
	for _, key := range timeKeys {
		step.Properties = append(step.Properties, property{key, &schema{}})
	}
	every := s.timeAndRest("", patch)
	var none []*schema
	for _, form := range verbForms() {
		step.Properties = append(step.Properties, property{form.verb, &schema{}}.of(form.doc))
		is := &schema{Required: []string{form.verb}}
		none = append(none, is)
		name := form.verb
		if patch {
			name = "patch " + name
		}
		branch := s.define(name, func() *schema { return s.verb(form, patch) })
		step.AllOf = append(step.AllOf, &schema{If: is, Then: branch})
		if patch {
			every = joined(every, s.timeAndRest(form.verb, patch))
			every = joined(every, slices.DeleteFunc(s.verbKeys(form), func(p property) bool { return p.key == form.verb }))
		}
	}
	alone := closed(every)
	if !patch {
		alone.Dependencies = needs(nil)
	}
	step.AllOf = append(step.AllOf, &schema{If: &schema{Not: &schema{AnyOf: none}}, Then: alone})
	return step
}

// timeAndRest are the keys of a step that do not belong to its verb.
func (s *schemas) timeAndRest(verb string, patch bool) properties {
	var all properties
	for _, p := range slices.Concat(s.keys("time", &whenKeys{}), s.keys("step", &endKeys{})) {
		if goesWith(p.key, verb) {
			all = append(all, p)
		}
	}
	for _, d := range stepDocs {
		switch {
		case d.key == "want" && goesWith(d.key, verb):
			all = append(all, property{d.key, s.want(nil)}.of(d.doc))
		case d.key != "want":
			all = append(all, property{d.key, casePaths()}.of(d.doc))
		}
	}
	if patch {
		all = slices.DeleteFunc(all, func(p property) bool { return slices.Contains(unpatched, p.key) })
	}
	return all
}

// verbKeys are the verb with its subject, and its adverbs.
func (s *schemas) verbKeys(form verbForm) properties {
	keys := s.keys(form.verb, form.keys)
	if !slices.ContainsFunc(keys, func(p property) bool { return p.key == form.verb }) {
		keys = append(properties{property{form.verb, matching("/.*", "/data/x")}.of(form.doc)}, keys...)
	}
	return keys
}

// verb is the branch of a verb.
func (s *schemas) verb(form verbForm, patch bool) *schema {
	own := s.verbKeys(form)
	branch := closed(joined(own, s.timeAndRest(form.verb, patch)))
	if !patch {
		branch.Dependencies = needs(own)
	}
	switch form.verb {
	case "do":
		s.verbsOfKinds(branch)
	case "probe":
		s.probes(branch, patch)
	case "run":
		s.runbooks(branch)
	}
	if _, answered := form.keys.(*accessKeys); answered {
		branch.set("want", s.want(answerDocs))
		branch.set("with", s.extras(form.verb))
	}
	return branch
}

// set gives a key another schema, which keeps its description.
func (s *schema) set(key string, value *schema) {
	for i, p := range s.Properties {
		if p.key == key {
			s.Properties[i] = property{key, value}.of(p.value.Description)
		}
	}
}

// needs are the keys without which others mean nothing: the details of a time go with `after`, and `every` with `times`.
// Where the verb itself has such a key, it may be the verb's.
func needs(own properties) map[string][]string {
	needs := map[string][]string{}
	for _, key := range timeKeys[len(wholeTimes):] {
		needs[key] = []string{"after"}
	}
	needs["every"], needs["times"] = []string{"times"}, []string{"every"}
	for _, p := range own {
		delete(needs, p.key)
	}
	return needs
}

// goesWith reports whether a key of the time or of the rest of a step means anything beside a verb; "" is a step that only waits.
// checkEnd says the same, with words.
func goesWith(key, verb string) bool {
	f := faultForms[verb]
	switch key {
	case "within":
		return verb == "probe"
	case "for":
		return verb == "probe" || f != nil && !f.Undoing
	case "want":
		return slices.Contains([]string{"do", "probe", "get", "put", "delete"}, verb)
	case "every":
		return verb != "" && verb != "end"
	case "times":
		return goesWith("every", verb) && !verbHas(verb, "every")
	}
	return true
}

// want is one of some words, or fields of the answer, or a list of these. Without words it is any.
func (s *schemas) want(words []keyDoc) *schema {
	one := word()
	if words != nil {
		one = choice(words)
	}
	fields := &schema{Type: []string{"object"}, MinKeys: 1, Others: word(),
		Properties: properties{{"status", matching("[1-5][0-9][0-9]", "403")}}}
	return orList(&schema{AnyOf: []*schema{one, fields}})
}

// verbsOfKinds lets `do` be a verb of some kind, with what belongs to it in `with`.
func (s *schemas) verbsOfKinds(branch *schema) {
	var known []keyDoc
	args := map[string][]nodes.Arg{}
	for _, k := range s.cat.Kinds {
		for _, v := range k.Verbs {
			if _, there := args[v.Name]; !there {
				known = append(known, keyDoc{v.Name, v.Doc})
			}
			args[v.Name] = append(args[v.Name], v.Args...)
		}
	}
	branch.set("do", choice(known))
	branch.set("want", s.want(answerDocs))
	for _, d := range known {
		branch.AllOf = append(branch.AllOf, &schema{If: has("do", d.key), Then: withArgs(args[d.key])})
	}
}

// runbooks lets the `with` of `run` be what the procedures of the kinds ask for. Which of them need it, only the names tell, and
// those may be procedures of the file.
func (s *schemas) runbooks(branch *schema) {
	with := closed(nil)
	for _, k := range s.cat.Kinds {
		for _, p := range k.Procedures {
			with.Properties = joined(with.Properties, withArgs(p.Args).Properties[0].value.Properties)
		}
	}
	branch.set("with", with)
}

// extras are what requests of clients can say beside the path, of any kind.
func (s *schemas) extras(verb string) *schema {
	with := closed(nil)
	for _, k := range s.cat.Kinds {
		for _, a := range extrasOf(k.Dialect, verb) {
			with.Properties = joined(with.Properties, properties{property{a.Name, orList(word())}.of(a.Doc)})
		}
	}
	return with
}

// withArgs is a step whose `with` has these keys. Values are sent as they are, so any will do.
func withArgs(args []nodes.Arg) *schema {
	with := closed(nil)
	then := &schema{Properties: properties{{"with", with}}}
	for _, a := range args {
		p := property{a.Name, orList(word())}.of(a.Doc)
		with.Properties = joined(with.Properties, properties{p})
		if a.Required && !slices.Contains(with.Required, a.Name) {
			with.Required, then.Required = append(with.Required, a.Name), []string{"with"}
		}
	}
	return then
}

// probes lets `probe` be what every kind or some kind can be asked, with what it may find in `want`.
func (s *schemas) probes(branch *schema, patch bool) {
	var known []keyDoc
	byName := map[string]*nodes.Probe{}
	every := [][]nodes.Probe{probes}
	for _, k := range s.cat.Kinds {
		every = append(every, k.Probes)
	}
	for _, p := range slices.Concat(every...) {
		if byName[p.Name] == nil {
			known = append(known, keyDoc{p.Name, p.Doc})
			byName[p.Name] = &nodes.Probe{}
		}
		all := byName[p.Name]
		all.Args, all.Choices = append(all.Args, p.Args...), union(all.Choices, p.Choices)
	}
	branch.set("probe", choice(known))
	if !patch {
		branch.Required = []string{"want"}
	}
	for _, d := range known {
		p := byName[d.key]
		then := withArgs(p.Args)
		if len(p.Choices) > 0 {
			var words []keyDoc
			for _, c := range p.Choices {
				words = append(words, keyDoc{c, ""})
			}
			then.Properties = append(then.Properties, property{"want", s.want(words)})
		}
		if d.key != "owner" && !patch {
			then.Required = append(then.Required, "machine")
		}
		branch.AllOf = append(branch.AllOf, &schema{If: has("probe", d.key), Then: then})
	}
}
