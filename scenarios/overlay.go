package scenarios

import (
	"slices"
	"strings"
)

// The keys of a step by their part, in the order in which they stand: time, verb, adverbs, the rest.
var (
	timeKeys = keysOfStruct(whenKeys{})
	restKeys = append(keysOfDocs(stepDocs), keysOfStruct(endKeys{})...)
)

// stepDocs are the keys of the rest of a step that are read on their own.
var stepDocs = []keyDoc{
	{"want", "what the answer must be, or what the probe must find: any of these"},
	{"only", "only in the cases that have these values"},
	{"except", "not in the cases that have these values"},
}

// wholeTimes are the keys that replace the whole time of a step.
var wholeTimes = timeKeys[:3]

// merge lays one value over another: maps merge, all else is replaced.
func merge(below, above *node) *node {
	if below == nil || below.shape != mapping || above.shape != mapping {
		return above
	}
	merged := *below
	for _, e := range above.entries {
		old := merged.get(e.key)
		value := merge(old, e.value)
		merged = *merged.with(e.key, value)
		if value == e.value {
			merged.entry(e.key).at = e.at // With made a copy; what is wrong was written above.
		}
	}
	merged.at = above.at // What is wrong with both together was as well.
	merged.lost = below.lost || above.lost
	return &merged
}

// mergeStep lays an overlay over a step: another time replaces the whole time, a verb drops the old
// `with`, another verb every old adverb.
func mergeStep(step, above *node) *node {
	parts, aboveParts := partsOf(step), partsOf(above)
	old, verb := verbOf(step), verbOf(above)
	kept := *step
	kept.entries = nil
	retimed := slices.ContainsFunc(above.entries, func(e entry) bool { return aboveParts[e.key] == partTime })
	for _, e := range step.entries {
		part := parts[e.key]
		switch {
		case part <= partDetail && retimed:
		case (part == partVerb || part == partAdverb) && verb != "" && verb != old:
		case e.key == "with" && verb != "":
		default:
			kept.entries = append(kept.entries, e)
		}
	}
	for _, e := range above.entries {
		part := aboveParts[e.key]
		if part == partDetail && verb == "" && verbHas(old, e.key) && !retimed {
			part = partAdverb // The overlay leaves the time alone, so this is about the verb.
		}
		parts[e.key] = part
	}
	merged := *merge(&kept, above)
	if !slices.ContainsFunc(above.entries, func(e entry) bool { return parts[e.key] == partVerb || parts[e.key] == partAdverb }) {
		merged.at = step.at // It does what it did; what is wrong with that was written there.
	}
	merged.entries = slices.Clone(merged.entries)
	slices.SortStableFunc(merged.entries, func(a, b entry) int { return parts[a.key] - parts[b.key] })
	return &merged
}

// verbOf is the first verb among the keys of a step, or "".
func verbOf(step *node) string {
	for _, e := range step.entries {
		if isVerb(e.key) {
			return e.key
		}
	}
	return ""
}

// The parts of a step, in their order.
const (
	partTime   = iota // at, then, after
	partDetail        // what belongs to the time
	partVerb
	partAdverb // what belongs to the verb
	partRest
)

// partsOf tells to which part of a step each of its keys belongs. A key that both a time and a verb
// can have, such as nth, belongs to what it stands behind.
func partsOf(step *node) map[string]int {
	parts := map[string]int{}
	verb := ""
	for _, e := range step.entries {
		part := partAdverb
		switch {
		case slices.Contains(wholeTimes, e.key):
			part = partTime
		case slices.Contains(timeKeys, e.key) && !verbHas(verb, e.key):
			part = partDetail
		case isVerb(e.key):
			part, verb = partVerb, e.key
		case slices.Contains(restKeys, e.key):
			part = partRest
		}
		parts[e.key] = part
	}
	return parts
}

// keysOf returns a step with only those of its keys that belong to some parts.
func keysOf(step *node, from, to int) *node {
	parts := partsOf(step)
	out := *step
	out.entries = nil
	for _, e := range step.entries {
		if part := parts[e.key]; part >= from && part <= to {
			out.entries = append(out.entries, e)
		}
	}
	return &out
}

// timelineEdit is what overlays do to the steps of a case, by name.
type timelineEdit struct {
	patches []stepPatch
}

// stepPatch is one entry of `steps`.
type stepPatch struct {
	step  string
	at    place
	value *node // skip, twice, swap, or a map
}

// patchable is what an overlay says of a step without what it cannot change.
func patchable(patch *node) *node {
	if patch.shape == mapping {
		for _, key := range unpatched {
			patch = patch.with(key, nil)
		}
	}
	return patch
}

// apply makes the timeline of a case. A step that one overlay skips stays skipped, whatever others
// change in it, so that the order of the axes does not matter for that.
func (e *timelineEdit) apply(m *notes, timeline []*node) []*node {
	steps := slices.Clone(timeline)
	find := func(name string) int {
		return slices.IndexFunc(steps, func(s *node) bool { return stepName(s) == name })
	}
	skipped := map[string]bool{}
	for _, p := range e.patches {
		if p.value.shape == mapping {
			if i := find(p.step); i >= 0 {
				steps[i] = mergeStep(steps[i], p.value)
			}
		}
		if p.value.shape == scalar && p.value.text == "skip" {
			skipped[p.step] = true
		}
	}
	steps = slices.DeleteFunc(steps, func(s *node) bool { return skipped[stepName(s)] })
	for _, p := range e.patches {
		i := find(p.step)
		if i < 0 || p.value.shape != scalar {
			continue
		}
		switch p.value.text {
		case "swap":
			if i+1 == len(steps) {
				m.addf(p.value.at, "step %q cannot swap with the next: it is the last one in this case", p.step)
				continue
			}
			// Times stay where they are: what changes is which act comes first.
			first, second := timed(steps[i+1], steps[i]), timed(steps[i], steps[i+1])
			steps[i], steps[i+1] = first, second
		case "twice":
			again := mergeStep(steps[i], &node{shape: mapping, at: p.value.at, entries: []entry{
				{key: "then", at: p.value.at, value: scalarf(p.value.at, "0s")},
				{key: "step", at: p.value.at, value: scalarf(p.value.at, "%s", again(p.step))},
			}})
			steps = slices.Insert(steps, i+1, again)
		}
	}
	return steps
}

// again is the name of a step that is done twice, the second time.
func again(step string) string { return step + "-again" }

// timed is a step with the time of another.
func timed(step, other *node) *node {
	out := *step
	out.entries = append(keysOf(other, partTime, partDetail).entries, keysOf(step, partVerb, partRest).entries...)
	return &out
}

// stepName is the name of a step of a named timeline.
func stepName(step *node) string {
	if n := step.get("step"); n != nil && n.shape == scalar {
		return n.text
	}
	return ""
}

// namedSteps gives every step a name: its own, or step-N by its place in the file, so that leaving
// one out renames no other.
func namedSteps(timeline *node) *node {
	if timeline == nil || timeline.shape != list {
		return timeline
	}
	named := *timeline
	named.items = nil
	for i, step := range timeline.items {
		if step.shape == mapping && step.get("step") == nil {
			step = step.with("step", scalarf(step.at, "step-%d", i+1))
		}
		named.items = append(named.items, step)
	}
	return &named
}

// condition is `only` and `except` of a step, a claim or a case.
type condition struct{ only, except []variantPath }

// variantPath is VALUE/VALUE: all of them.
type variantPath struct {
	at     place
	text   string
	values []string
}

// holds reports whether a case with these values is meant.
func (c condition) holds(values []string) bool {
	meant := func(p variantPath) bool { return p.covers(values) }
	return (c.only == nil || slices.ContainsFunc(c.only, meant)) && !slices.ContainsFunc(c.except, meant)
}

// covers reports whether the values contain all of the path's.
func (p variantPath) covers(values []string) bool {
	for _, v := range p.values {
		if !slices.Contains(values, v) {
			return false
		}
	}
	return true
}

// conditionOf reads `only` and `except`. Values that are no words are left out: decoding notes them.
func conditionOf(n *node) condition {
	return condition{only: pathsOf(n.get("only")), except: pathsOf(n.get("except"))}
}

func pathsOf(n *node) []variantPath {
	var paths []variantPath
	for _, item := range n.list() {
		if item.shape == scalar {
			paths = append(paths, variantPath{item.at, item.text, strings.Split(item.text, "/")})
		}
	}
	return paths
}
