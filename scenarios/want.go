package scenarios

import (
	"slices"
	"strconv"

	"firedrill/nodes"
)

// answers are the words for what came of a request.
var answers = keysOfDocs(answerDocs)

var answerDocs = []keyDoc{
	{"ok", "it was done"},
	{"refused", "the software says no, and changes nothing"},
	{"failed", "there is no answer"},
}

// readWant reads what the answer of a step must be.
func (b *builder) readWant(n *node, act any) *Want {
	w := n.get("want")
	if w == nil {
		return nil
	}
	var want Want
	for _, item := range w.list() {
		switch item.shape {
		case scalar:
			b.checkWord(item, act)
			want = append(want, WantOne{Word: item.text})
		case mapping:
			want = append(want, WantOne{Fields: b.readFields(item, act)})
		default:
			b.fault(item.at, "want a word or {FIELD: VALUE}, have a list")
		}
	}
	if len(want) == 0 {
		b.fault(w.at, "want at least one answer")
	}
	return &want
}

func (b *builder) checkWord(n *node, act any) {
	switch act := act.(type) {
	case *Probe:
		b.checkProbed(n, act)
	case *Do, *Access:
		if !slices.Contains(answers, n.text) {
			b.fault(n.at, "an answer is ok, refused, failed or fields such as {status: 403, reason: %s}, have %q", n.text, n.text)
		}
	}
}

// checkProbed checks a value that a probe may find.
func (b *builder) checkProbed(n *node, p *Probe) {
	var choices []string
	switch {
	case p.What == "owner" && p.Kind == nil:
		choices = append(b.machineNames(), "nobody", "several")
	case p.Kind != nil:
		choices = p.Kind.Choices
	default:
		choices = probes[slices.IndexFunc(probes, func(q nodes.Probe) bool { return q.Name == p.What })].Choices
	}
	if len(choices) > 0 && !slices.Contains(choices, n.text) {
		b.fault(n.at, "probe %s finds %s, never %q", p.What, oneOf(n.text, choices), n.text)
	}
}

func (b *builder) readFields(n *node, act any) []nodes.Attr {
	var fields []nodes.Attr
	if len(n.entries) == 0 {
		b.fault(n.at, "want at least one field of the answer, such as {reason: no-answer}")
	}
	for _, e := range n.entries {
		if e.value.shape != scalar {
			b.fault(e.value.at, "want one word for %q, have %s", e.key, e.value.shape)
			continue
		}
		b.checkField(e, act)
		fields = append(fields, nodes.Attr{Key: e.key, Value: e.value.text})
	}
	return fields
}

// checkField checks the fields that mean the same in every answer.
func (b *builder) checkField(e entry, act any) {
	problem := ""
	switch _, isAccess := act.(*Access); {
	case e.key == "status":
		if status, err := strconv.Atoi(e.value.text); err != nil || status < 100 || status > 599 {
			b.fault(e.value.at, "want an HTTP status from 100 to 599, have %q", e.value.text)
		}
	case e.key == "by" && isAccess:
		problem = b.refer([]string{"machine"}, e.value.text)
	case e.key == "wrote" && isAccess:
		problem = b.refer([]string{"step"}, e.value.text)
	}
	if problem != "" {
		b.fault(e.value.at, "%s", problem)
	}
}
