package scenarios

import (
	"math"
	"slices"
	"strings"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
)

// whenKeys are the time of a step.
type whenKeys struct {
	At    *time.Duration `yaml:"at" doc:"so long after the start"`
	Then  *time.Duration `yaml:"then" doc:"so long after the step above acted"`
	After string         `yaml:"after" ref:"fact" doc:"at the next such fact, or state entered, since the step above acted"`
	Of    string         `yaml:"of" doc:"with after: only of this machine, role, step or procedure"`
	Nth   int            `yaml:"nth" doc:"with after: not the next such fact but the nth"`
	Done  nodes.Share    `yaml:"done" doc:"with after: when the activity is so far"`
	Like  string         `yaml:"like" doc:"with after: only with this text"`
	Plus  time.Duration  `yaml:"plus" doc:"with after: so much later"`
}

// endKeys are the rest of a step, whatever its verb. `want` is read on its own.
type endKeys struct {
	For    time.Duration `yaml:"for" doc:"a fault is undone then; a probe has to hold so long"`
	Within time.Duration `yaml:"within" doc:"a probe has to find it by then"`
	Every  time.Duration `yaml:"every" doc:"with times: how far apart"`
	Times  int           `yaml:"times" doc:"with every: how often"`
	Step   string        `yaml:"step" doc:"a name by which other steps, claims and variants mean this one"`
	Covers []string      `yaml:"covers" doc:"ids of what the step shows"`
}

func (b *builder) readTimeline() {
	n := b.root.get("timeline")
	if n == nil {
		return
	}
	if n.shape != list {
		b.fault(n.at, "want timeline as a list of steps, have %s", n.shape)
		return
	}
	var clock timekeeper
	for i, item := range n.items {
		if item.shape != mapping {
			b.fault(item.at, "want a step such as {at: 10s, cut: lan}, have %s", item.shape)
			continue
		}
		b.step = i
		if i > 0 && n.items[i-1].get("end") != nil {
			b.fault(item.at, "no step fires after the end of the drill")
		}
		step := b.readStep(item)
		b.s.Timeline = append(b.s.Timeline, step)
		b.acts = append(b.acts, lineOf{item, step.Act})
		clock.check(b, item)
	}
}

// nameSteps finds the names of all steps, so that a step can tell a later one from none.
func (b *builder) nameSteps() {
	line := map[string]int{}
	if timeline := b.root.get("timeline"); timeline != nil && timeline.shape == list {
		for _, item := range timeline.items {
			b.steps = append(b.steps, stepName(item))
			b.nameStep(item, line)
		}
	}
	b.nameProcedures(line)
}

// nameStep checks the name of a step.
func (b *builder) nameStep(item *node, line map[string]int) {
	name, n := stepName(item), item.get("step")
	switch {
	case name == "":
	case !stepPattern.MatchString(name):
		b.fault(n.at, "want a step's name of small letters, digits and hyphens, 64 at most, have %q", name)
	case b.machine(name) != nil || slices.Contains(b.roles(), name):
		b.fault(n.at, "%q is a machine or a role; call the step otherwise", name)
	case line[name] != 0:
		b.fault(n.at, "step %q is named in line %d already", name, line[name])
	}
	if n != nil && line[name] == 0 {
		line[name] = n.at.line
	}
}

func (b *builder) readStep(n *node) Step {
	var verbs []entry
	for _, e := range n.entries {
		if isVerb(e.key) {
			verbs = append(verbs, e)
		}
	}
	if len(verbs) > 1 {
		b.fault(verbs[1].at, "a step has one verb, have %s and %s; write two steps", verbs[0].key, verbs[1].key)
		return Step{Name: stepName(n)}
	}
	if len(verbs) == 1 && later(verbs[0].key, "verb") {
		b.fault(verbs[0].at, "%q is not supported yet", verbs[0].key)
		return Step{Name: stepName(n)}
	}
	step := Step{Name: stepName(n), Line: n.at.line}
	path := "timeline/" + step.Name
	if b.inProcedure != "" {
		path = "procedures/" + b.inProcedure + "/" + step.Name
	}
	b.checkCovers(n)

	when, timing := whenKeys{Nth: 1}, keysOf(n, partTime, partDetail)
	timing.lost = n.spoilt()
	b.fields(timing, path, "the time of a step", nil, &when)
	b.checkTime(timing, &when)
	step.When = When{At: when.At, Then: when.Then, After: when.After, Of: when.Of, Nth: when.Nth, Done: when.Done,
		Like: when.Like, Plus: when.Plus}

	end, rest := endKeys{}, keysOf(n, partVerb, partRest)
	more := append([]string{"want"}, timeKeys...)
	if len(verbs) == 0 {
		b.onlyWaits(rest)
		b.fields(rest, path, "a step", append(more, verbNames()...), &end)
	} else {
		step.Act = b.readAct(rest, verbs[0], path, more, &end)
	}
	b.checkEnd(rest, &end, step.Act)
	step.For, step.Within, step.Every, step.Times = end.For, end.Within, end.Every, end.Times
	step.Want = b.readWant(rest, step.Act)
	b.s.Covers = union(b.s.Covers, end.Covers)
	return step
}

// onlyWaits checks a step without a verb: there is nothing for these keys to be about.
func (b *builder) onlyWaits(n *node) {
	for _, key := range []string{"want", "for", "every", "times", "within"} {
		if e := n.entry(key); e != nil {
			b.fault(e.at, "%q without a verb: a step without one only waits", key)
		}
	}
}

// checkTime checks the time of a step.
func (b *builder) checkTime(n *node, k *whenKeys) {
	var times []*entry
	for _, key := range wholeTimes {
		if e := n.entry(key); e != nil {
			times = append(times, e)
		}
	}
	if e := n.entry("at"); e != nil && b.inProcedure != "" {
		b.fault(e.at, "want then or after in a procedure: nobody knows when it runs")
	}
	if len(times) == 0 && b.inProcedure != "" {
		return // At once.
	}
	if len(times) == 0 {
		if !n.lost { // Else one of the keys that could not be read may have been a time.
			b.fault(n.at, "want a time: at, then or after")
		}
		return
	}
	if len(times) > 1 {
		b.fault(times[1].at, "a step has one time, have %s and %s", times[0].key, times[1].key)
		return
	}
	for _, key := range timeKeys[3:] {
		if e := n.entry(key); e != nil && times[0].key != "after" {
			b.fault(e.at, "%q goes with after only", key)
		}
	}
	if e := n.entry("nth"); e != nil && k.Nth < 1 {
		b.fault(e.value.at, "nth counts from 1, have %s", e.value.text)
	}
	b.checkOf(n, k)
}

// checkOf checks of whom a fact is awaited.
func (b *builder) checkOf(n *node, k *whenKeys) {
	of := n.get("of")
	switch {
	case of == nil && k.After == "answered":
		b.fault(n.get("after").at, "want of: the step that is answered")
	case of == nil || of.shape != scalar || of.wrong:
	case k.After == "answered":
		if problem := b.refer([]string{"step"}, k.Of); problem != "" {
			b.fault(of.at, "%s", problem)
		}
		i := slices.IndexFunc(b.acts, func(one lineOf) bool { return stepName(one.line) == k.Of })
		if i >= 0 {
			if _, isFault := b.acts[i].act.(faults.Fault); isFault {
				b.fault(of.at, "step %q is a fault, which nobody answers", k.Of)
			}
		}
	case k.After == FactProcedureDone || k.After == FactProcedureStopped:
		if problem := b.refer([]string{"procedure"}, k.Of); problem != "" {
			b.fault(of.at, "%s", problem)
		}
	default:
		if problem := b.refer([]string{"machine"}, k.Of); problem != "" {
			b.fault(of.at, "%s", problem)
		}
	}
}

// checkEnd checks which of the rest goes with which verb.
func (b *builder) checkEnd(n *node, k *endKeys, act any) {
	_, isProbe := act.(*Probe)
	_, isTell := act.(*Tell)
	_, isEnd := act.(*End)
	_, isRun := act.(*Run)
	_, isFault := act.(faults.Fault)
	if e := n.entry("want"); e != nil && (isTell || isEnd || isRun) {
		b.fault(e.at, "want is for requests and probes; %q has no answer", verbOf(n))
	}
	if e := n.entry("every"); e != nil && isEnd {
		b.fault(e.at, "the drill ends once")
	}
	if e := n.entry("within"); e != nil && act != nil && !isProbe {
		b.fault(e.at, "within is for probes: what is found by then")
	}
	if e := n.entry("for"); e != nil && act != nil {
		verb := verbOf(n)
		switch f := faultForms[verb]; {
		case verbHas(verb, "for"):
		case f != nil && f.Undoing:
			b.fault(e.at, "%q puts something right, which no for undoes", verb)
		case f == nil && !isProbe:
			b.fault(e.at, "for is for faults and probes: how long they last")
		}
	}
	if e := n.entry("want"); e != nil && isFault {
		b.fault(e.at, "want is for requests and probes; a fault has no answer")
	}
	if e := n.entry("times"); e != nil {
		switch {
		case k.Times < 1:
			b.fault(e.value.at, "want at least 1 time, have %s", e.value.text)
		case verbHas(verbOf(n), "every"):
			b.fault(e.at, "times does not go with %q; for says how long", verbOf(n))
		case n.get("every") == nil:
			b.fault(e.at, "want every beside times: how far apart they are")
		}
	}
	if e := n.entry("every"); e != nil && n.get("times") == nil && !verbHas(verbOf(n), "every") {
		b.fault(e.at, "want times beside every: how often")
	}
}

// timekeeper knows the earliest time at which the next step can fire, with the ranges above it
// drawn as late as can be.
type timekeeper struct {
	earliest time.Duration
	unsure   bool // it waits for a fact: it may fire later still
}

// check checks that a step can still come after those above it, whatever is drawn.
func (t *timekeeper) check(b *builder, step *node) {
	low, high, key := time.Duration(0), time.Duration(0), ""
	for _, k := range []string{"at", "then", "plus"} {
		if n := step.get(k); n != nil && n.shape == scalar {
			var ok bool
			if low, high, ok = durations(n.text); !ok {
				return
			}
			key = k
		}
	}
	at := step.get(key)
	unsure := t.unsure
	t.unsure = key != "at" && (unsure || step.get("after") != nil)
	switch key {
	case "at":
		if low < t.earliest {
			above := nodes.FormatDuration(t.earliest)
			if unsure {
				above += " at the earliest"
			}
			b.fault(at.at, "step at %s comes after one at %s; keep the timeline in order of time", at.text, above)
			return
		}
	case "then", "plus":
		if high > math.MaxInt64-t.earliest {
			high = math.MaxInt64 - t.earliest
		}
		high += t.earliest
	default:
		return
	}
	if b.s.Stop > 0 && high > b.s.Stop {
		b.fault(at.at, "step at %s comes after the stop at %s", nodes.FormatDuration(high), nodes.FormatDuration(b.s.Stop))
		return
	}
	t.earliest = high
}

// durations are the ends of a duration or a range of them.
func durations(text string) (low, high time.Duration, ok bool) {
	a, b, isRange := strings.Cut(text, "..")
	low, err := nodes.ParseDuration(a)
	high = low
	if err == nil && isRange {
		high, err = nodes.ParseDuration(b)
	}
	return low, high, err == nil && low >= 0 && low <= high
}
