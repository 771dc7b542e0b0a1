package scenarios

import (
	"regexp"
	"slices"
	"strings"

	"firedrill/scenarios/expect"
)

// MaxCases is how many cases a file may have.
const MaxCases = 1024

// axis is one dimension of a file's cases.
type axis struct {
	name   string
	values []variant
}

// variant is one value of an axis.
type variant struct {
	axis, name string
	at         place
	overlay    *node
}

var (
	axisPattern  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	valuePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}$`)
)

// overlayKeys are the keys of the file that an overlay may change.
var overlayKeys = []string{"defaults", "segments", "machines", "clients", "seeds", "start", "stop", "settle", "steps",
	"procedures", "measure"}

// unpatched are the keys of a step that an overlay cannot change.
var unpatched = []string{"step", "only", "except"}

// patchDocs are the words that an overlay may say of a step.
var patchDocs = []keyDoc{
	{"skip", "the step is left out"},
	{"twice", "the step is done again at once"},
	{"swap", "what the step does changes places with the next one"},
}

// family is a file's variants, cases and exceptions, as its syntax tree has them.
type family struct {
	m      *notes
	root   *node
	axes   []axis
	steps  []string // the names that `steps` may use
	worlds []string // those in which the file is played
	blind  bool     // there are values that are not known

	slips map[string]expect.Slip // by the value that each_step_of made of it
}

// member is one case before it becomes a scenario: its values, and its tree in each of the worlds in which it is played.
type member struct {
	values []string
	trees  []worldTree
}

// worldTree is a case as it is in one world.
type worldTree struct {
	world string
	tree  *node
	slips []expect.Slip // what somebody gets wrong
	usual []string      // the hazards that it is to show even if nobody does
}

// newFamily reads the variants of a file.
func newFamily(m *notes, root *node) *family {
	f := &family{m: m, root: root, worlds: worldsOf(root)}
	if t := root.get("timeline"); t != nil && t.shape == list {
		f.root = root.with("timeline", namedSteps(t))
		for _, step := range f.root.get("timeline").items {
			if step.shape == mapping {
				f.steps = append(f.steps, stepName(step))
			}
		}
	}
	for _, p := range root.get("procedures").named() {
		for _, step := range p.value.list() {
			if name := stepName(step); name != "" {
				f.steps = append(f.steps, name)
			}
		}
	}
	f.readAxes(root.get("variants"))
	return f
}

// Worlds are the words for the worlds in which a scenario can be played. They serve in a path too.
var Worlds = []string{WorldVirtual, WorldKernel}

// The worlds.
const (
	WorldVirtual = "virtual"
	WorldKernel  = "kernel"
)

// worldsOf are the worlds that a file names, the virtual one where it names none. Other words are found out elsewhere.
func worldsOf(root *node) []string {
	var worlds []string
	for _, n := range root.get("world").list() {
		if slices.Contains(Worlds, n.text) && !slices.Contains(worlds, n.text) {
			worlds = append(worlds, n.text)
		}
	}
	if worlds == nil {
		return []string{WorldVirtual}
	}
	return worlds
}

// shown are the axes by their names.
func (f *family) shown() []Axis {
	var axes []Axis
	for _, a := range f.axes {
		shown := Axis{Name: a.name}
		for _, v := range a.values {
			shown.Values = append(shown.Values, v.name)
		}
		axes = append(axes, shown)
	}
	return axes
}

func (f *family) readAxes(variants *node) {
	if variants == nil {
		return
	}
	if variants.shape != mapping {
		f.m.addf(variants.at, "want variants as AXIS: {VALUE: {..}}, have %s", variants.shape)
		return
	}
	lines := map[string]int{}
	for _, e := range variants.entries {
		a, told := axis{name: e.key}, f.m.told
		if !axisPattern.MatchString(e.key) {
			f.m.addf(e.at, "want an axis named like moment or round-trip, have %q", e.key)
		}
		switch {
		case e.value.shape != mapping:
			f.m.addf(e.value.at, "want axis %q as {VALUE: {..}} or {each: {..}}, have %s", e.key, e.value.shape)
			continue
		case e.value.get("each_step_of") != nil:
			a.values = f.eachStep(e)
		case e.value.get("each") != nil:
			a.values = f.each(e)
		default:
			for _, v := range e.value.entries {
				a.values = append(a.values, variant{e.key, v.key, v.at, v.value})
			}
		}
		if len(a.values) == 0 {
			if f.m.told > told || e.value.spoilt() {
				f.blind = true
				continue
			}
			f.m.addf(e.at, "axis %q has no value", e.key)
			continue
		}
		for _, v := range a.values {
			f.checkValue(v, lines)
		}
		f.axes = append(f.axes, a)
	}
}

// checkValue checks the name of a value, and its overlay.
func (f *family) checkValue(v variant, lines map[string]int) {
	switch {
	case !valuePattern.MatchString(v.name):
		f.m.addf(v.at, "want a value named like just-before or 10mbit, have %q", v.name)
	case slices.Contains(Worlds, v.name):
		f.m.addf(v.at, "%q is the name of a world; call the value otherwise", v.name)
	case lines[v.name] != 0:
		f.m.addf(v.at, "value %q is named in line %d already; the names of values are unique in a file", v.name, lines[v.name])
	default:
		lines[v.name] = v.at.line
	}
	f.checkOverlay(v.overlay, nil)
}

// checkOverlay checks the keys of an overlay and of its steps.
func (f *family) checkOverlay(overlay *node, more []string) {
	if overlay.shape != mapping {
		f.m.addf(overlay.at, "want what differs, such as {stop: 2h}, or {}, have %s", overlay.shape)
		return
	}
	known := slices.Concat(overlayKeys, more)
	for _, e := range overlay.entries {
		switch {
		case !slices.Contains(known, e.key):
			f.m.addf(e.at, "an overlay cannot change %q; want %s", e.key, oneOf(e.key, known))
		case e.key == "steps" && e.value.shape != mapping:
			f.m.addf(e.value.at, "want steps as {STEP: {..}}, have %s", e.value.shape)
		case e.key == "steps":
			for _, s := range e.value.entries {
				f.checkPatch(s)
			}
		}
	}
}

func (f *family) checkPatch(e entry) {
	switch {
	case !slices.Contains(f.steps, e.key):
		f.m.addf(e.at, "%s", no("step", e.key, f.named()))
	case e.value.shape == mapping:
		checkOrder(f.m, e.value)
		for _, key := range unpatched {
			if inner := e.value.entry(key); inner != nil {
				f.m.addf(inner.at, "an overlay cannot change %q of a step", key)
			}
		}
	case e.value.shape == scalar && slices.Contains(keysOfDocs(patchDocs), e.value.text):
	case e.value.shape == scalar:
		f.m.addf(e.value.at, "want skip, twice, swap or {..} for step %q, have %q", e.key, e.value.text)
	default:
		f.m.addf(e.value.at, "want skip, twice, swap or {..} for step %q, have %s", e.key, e.value.shape)
	}
}

// named are the steps that the file names itself.
func (f *family) named() []string {
	return slices.DeleteFunc(slices.Clone(f.steps), func(s string) bool { return s == "" || numbered.MatchString(s) })
}

var numbered = regexp.MustCompile(`^step-[0-9]+$`)

// each makes the values of `each: OVERLAY`, one for every item of the one list in it.
func (f *family) each(e entry) []variant {
	if len(e.value.entries) > 1 {
		f.m.addf(e.value.entries[1].at, "want nothing beside each, have %q", e.value.entries[1].key)
	}
	overlay := e.value.get("each")
	var lists []*node
	findLists(overlay, &lists)
	if len(lists) != 1 {
		f.m.addf(overlay.at, "want exactly one list under each, one item for every value, have %d", len(lists))
		return nil
	}
	var values []variant
	for _, item := range lists[0].items {
		if item.shape != scalar {
			f.m.addf(item.at, "want a word for each value, have %s; name the values: {VALUE: {..}}", item.shape)
			continue
		}
		name := item.text
		if name != "" && name[0] >= '0' && name[0] <= '9' {
			name = e.key + "-" + name
		}
		values = append(values, variant{e.key, name, item.at, replace(overlay, lists[0], item)})
	}
	return values
}

func findLists(n *node, found *[]*node) {
	if n.shape == list {
		*found = append(*found, n)
		return
	}
	for _, e := range n.entries {
		findLists(e.value, found)
	}
}

// replace returns n with one node in it exchanged for another.
func replace(n, old, with *node) *node {
	if n == old {
		return with
	}
	if n.shape != mapping {
		return n
	}
	c := *n
	c.entries = slices.Clone(n.entries)
	for i := range c.entries {
		c.entries[i].value = replace(c.entries[i].value, old, with)
	}
	return &c
}

// members makes the cases: the product of the axes without the exceptions, with overlays applied in
// the order of the axes and `cases` last. An exception that names a world is one there.
func (f *family) members() []member {
	size := 1
	for _, a := range f.axes {
		if size *= len(a.values); size > MaxCases {
			f.m.addf(f.root.entry("variants").at, "the variants make more than %d cases; split the file", MaxCases)
			return nil
		}
	}
	except := condition{except: pathsOf(f.root.get("except"))}
	overrides := f.overrides()
	var all [][]variant
	f.product(nil, &all)
	var members []member
	var combinations [][]string
	for _, values := range all {
		names := make([]string, len(values))
		for i, v := range values {
			names[i] = v.name
		}
		one := member{values: names}
		for _, world := range f.worlds {
			if there := append(slices.Clip(names), world); except.holds(there) {
				one.trees = append(one.trees, worldTree{world, f.overlay(values, there, overrides),
					f.slipsOf(names, world), f.usual(names, world)})
			}
		}
		if one.trees != nil {
			combinations = append(combinations, names)
			members = append(members, one)
		}
	}
	f.checkPaths(all, combinations, overrides)
	if len(members) == 0 && len(f.axes) > 0 {
		f.m.addf(f.root.entry("except").at, "except leaves no case")
	}
	return members
}

func (f *family) product(chosen []variant, all *[][]variant) {
	if len(chosen) == len(f.axes) {
		*all = append(*all, slices.Clone(chosen))
		return
	}
	for _, v := range f.axes[len(chosen)].values {
		f.product(append(chosen, v), all)
	}
}

// override is one entry of `cases`.
type override struct {
	condition
	overlay *node
}

func (f *family) overrides() []override {
	var overrides []override
	cases := f.root.get("cases")
	if cases != nil && cases.shape != list {
		f.m.addf(cases.at, "want cases as a list of {only: VALUE/VALUE, ..}, have %s", cases.shape)
		return nil
	}
	for _, item := range cases.list() {
		f.checkOverlay(item, []string{"only"})
		if item.shape != mapping {
			continue
		}
		if item.get("only") == nil {
			f.m.addf(item.at, "want only in an entry of cases: which cases it is for")
			continue
		}
		f.checkShape(item.get("only"))
		overrides = append(overrides, override{conditionOf(item), item.with("only", nil)})
	}
	return overrides
}

// overlay makes the tree of one case. Names are those of its values and of its world.
func (f *family) overlay(values []variant, names []string, overrides []override) *node {
	var overlays []*node
	for _, v := range values {
		overlays = append(overlays, v.overlay)
	}
	for _, o := range overrides {
		if o.holds(names) {
			overlays = append(overlays, o.overlay)
		}
	}
	tree := f.root
	var edit timelineEdit
	for _, o := range overlays {
		if o.shape != mapping {
			continue
		}
		for _, e := range o.entries {
			switch {
			case e.key == "steps" && e.value.shape == mapping:
				for _, s := range e.value.entries {
					edit.patches = append(edit.patches, stepPatch{s.key, s.at, patchable(s.value)})
				}
			case e.key != "steps" && slices.Contains(overlayKeys, e.key):
				tree = tree.with(e.key, merge(tree.get(e.key), e.value))
			}
		}
	}
	for _, key := range []string{"variants", "cases", "except"} {
		tree = tree.with(key, nil)
	}
	if t := tree.get("timeline"); t != nil && t.shape == list {
		c := *t
		c.items = edit.apply(f.m, f.meant(t.items, names))
		tree = tree.with("timeline", &c)
	}
	if t := tree.get("procedures"); t != nil && t.shape == mapping {
		for _, e := range t.entries {
			if e.value.shape == list {
				c := *e.value
				c.items = edit.apply(f.m, f.meant(c.items, names))
				t = t.with(e.key, &c)
			}
		}
		tree = tree.with("procedures", t)
	}
	if t := tree.get("measure"); t != nil && t.shape == mapping {
		for _, e := range t.entries {
			meant := f.meant([]*node{e.value}, names)
			if len(meant) == 0 {
				t = t.with(e.key, nil)
				continue
			}
			t = t.with(e.key, meant[0])
		}
		tree = tree.with("measure", t)
	}
	if t := tree.get("expect"); t != nil && t.shape == list {
		c := *t
		c.items = f.meant(t.items, names)
		tree = tree.with("expect", &c)
	}
	return tree
}

// meant are the steps or claims of a case, without their conditions.
func (f *family) meant(items []*node, values []string) []*node {
	var meant []*node
	for _, item := range items {
		if item.shape == mapping {
			if !conditionOf(item).holds(values) {
				continue
			}
			item = item.with("only", nil).with("except", nil)
		}
		meant = append(meant, item)
	}
	return meant
}

// checkPaths checks every PATH of the file: its values exist, and some case has all of them.
func (f *family) checkPaths(product [][]variant, cases [][]string, overrides []override) {
	every := make([][]string, len(product))
	for i, values := range product {
		for _, v := range values {
			every[i] = append(every[i], v.name)
		}
	}
	for _, p := range pathsOf(f.root.get("except")) {
		f.checkPath(p, every)
	}
	for _, o := range overrides {
		for _, p := range o.only {
			f.checkPath(p, cases)
		}
	}
	f.checkShape(f.root.get("except"))
	lists := []*node{f.root.get("timeline"), f.root.get("expect")}
	for _, p := range f.root.get("procedures").named() {
		lists = append(lists, p.value)
	}
	for _, m := range f.root.get("measure").named() {
		lists = append(lists, m.value)
	}
	for _, l := range lists {
		for _, item := range l.list() {
			f.checkShape(item.get("only"))
			f.checkShape(item.get("except"))
			c := conditionOf(item)
			for _, p := range slices.Concat(c.only, c.except) {
				f.checkPath(p, cases)
			}
		}
	}
}

// checkShape checks that paths are words.
func (f *family) checkShape(paths *node) {
	if paths != nil && paths.shape == list && len(paths.items) == 0 && !paths.lost {
		f.m.addf(paths.at, "want at least one path, or no key")
	}
	for _, n := range paths.list() {
		if n.shape != scalar {
			f.m.addf(n.at, "want a path such as VALUE or VALUE/VALUE, have %s", n.shape)
		}
	}
}

func (f *family) checkPath(p variantPath, cases [][]string) {
	var known []string
	for _, a := range f.axes {
		for _, v := range a.values {
			if !slices.Contains(known, v.name) {
				known = append(known, v.name)
			}
		}
	}
	wanted := p
	wanted.values = nil
	for _, v := range p.values {
		switch {
		case slices.Contains(f.worlds, v):
		case slices.Contains(Worlds, v):
			f.m.addf(p.at, "the file is not played in world %q; it is in %s", v, strings.Join(f.worlds, " and "))
			return
		case f.blind && !slices.Contains(known, v):
			return
		case len(known) == 0:
			f.m.addf(p.at, "no case %q: the file has no variants", p.text)
			return
		case !slices.Contains(known, v):
			f.m.addf(p.at, "%s", no("value", v, known))
			return
		default:
			wanted.values = append(wanted.values, v)
		}
	}
	if !slices.ContainsFunc(cases, wanted.covers) {
		f.m.addf(p.at, "no case has %s", strings.Join(p.values, " and "))
	}
}

// checkOrder checks that the keys of a step stand in their order: time, verb, adverbs, the rest.
func checkOrder(m *notes, step *node) {
	parts := partsOf(step)
	last, lastKey := 0, ""
	verb := verbOf(step)
	for _, e := range step.entries {
		part := max(partDetail, parts[e.key]) // The time and its details may stand in any order.
		if part == partAdverb && faultForms[verb] != nil && !verbHas(verb, e.key) {
			continue // Nobody knows the key, which is told elsewhere.
		}
		if part < last {
			m.addf(e.at, "%q comes after %q; the order of a step is time, verb, what belongs to the verb, the rest",
				e.key, lastKey)
			return
		}
		if part > last {
			last, lastKey = part, e.key
		}
	}
}
