package scenarios

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
)

// The words of `want` that mean the same for every request.
const (
	wordOK      = "ok"
	wordRefused = "refused" // says no, and changes nothing
	wordFailed  = "failed"  // no answer
)

// reply is what a step brought back, in the words of `want`.
type reply struct {
	word  string                   // ok, refused, failed, or a probe's value
	field func(name string) string // status, reason, warning, by, wrote, or a member of the answer; nil: it has none
	role  string                   // of whoever `by` is
	text  string                   // for people
}

// met reports whether the reply is one of the wanted; nothing wanted means ok.
func (w *Want) met(r reply) bool {
	if w == nil {
		return r.word == wordOK
	}
	return slices.ContainsFunc(*w, func(one WantOne) bool { return one.met(r) })
}

func (w WantOne) met(r reply) bool {
	if w.Word != "" && w.Word != r.word {
		return false
	}
	for _, f := range w.Fields {
		if r.field == nil || r.field(f.Key) != f.Value && (f.Key != "by" || r.role == "" || r.role != f.Value) {
			return false
		}
	}
	return true
}

// String is the want for people.
func (w *Want) String() string {
	var any []string
	for _, one := range *w {
		text := one.Word
		if one.Fields != nil {
			parts := make([]string, len(one.Fields))
			for i, f := range one.Fields {
				parts[i] = f.Key + ": " + f.Value
			}
			text = "{" + strings.Join(parts, ", ") + "}"
		}
		any = append(any, text)
	}
	return strings.Join(any, " or ")
}

// replyOf puts an operator's answer into the words of `want`.
func replyOf(a nodes.Answer) reply {
	r := reply{word: wordFailed, text: "no answer: " + a.Err, field: func(name string) string {
		if name == "status" && a.Status != 0 {
			return strconv.Itoa(a.Status)
		}
		return a.Field(name)
	}}
	if a.Status == 0 {
		return r
	}
	switch {
	case a.Status >= 200 && a.Status < 300:
		r.word = wordOK
	case a.Status >= 400 && (a.Status < 500 || a.Field("reason") != ""):
		r.word = wordRefused
	default:
		r.word = "" // It broke down, or sent us elsewhere: neither yes nor no.
	}
	r.text = strconv.Itoa(a.Status)
	for _, f := range a.Fields {
		r.text += fmt.Sprintf(", %s: %s", f.Key, f.Value)
	}
	return r
}

// answered closes a step: its reply is there. One that is not wanted is a breach; where nothing was wanted, one that is not
// ok makes the run vacuous, since the drill is not what it was meant to be.
func (p *play) answered(s *Step, fired *expect.Fired, r reply) {
	one := pending{}
	if i := slices.IndexFunc(p.open, func(one pending) bool { return one.fired == fired }); i >= 0 {
		one = p.open[i]
		p.open = slices.Delete(p.open, i, i+1)
	}
	fired.Done = p.world.Now()
	p.world.Note(nodes.Fact{Name: FactAnswered, Scope: s.Name, Value: r.text})
	switch {
	case s.Want.met(r):
	case s.Want == nil && one.lenient:
	case s.Want == nil:
		p.miss(s, "want ok, have "+r.text)
	default:
		p.breach(s, fired, r)
	}
	if one.then != nil {
		one.then(s.Want.met(r))
	}
}

// breach takes down an answer that was not what its step wanted.
func (p *play) breach(s *Step, fired *expect.Fired, r reply) {
	b := expect.Breach{Step: s.Name, From: fired.At, Until: p.world.Now(),
		Text: fmt.Sprintf("step %s, %s: want %s, have %s", s.Name, fired.Text, s.Want, r.text)}
	if fired.Machine != "" {
		b.Machines = []string{fired.Machine}
	}
	for i, e := range p.world.Trace().Events() {
		if i >= fired.Seq && e.Scope == s.Name && (e.Name == FactStep || e.Name == FactAnswered) {
			b.Events = append(b.Events, e.Seq)
		}
	}
	p.wants = append(p.wants, b)
}

// pending is a step whose answer is still to come.
type pending struct {
	step    *Step
	fired   *expect.Fired
	lenient bool           // no answer is a reason to doubt the drill: whoever works through a procedure goes on
	then    func(met bool) // in a procedure, what follows
}

// expecting remembers that a step's answer is still to come.
func (p *play) expecting(s *Step, fired *expect.Fired) {
	p.open = append(p.open, pending{step: s, fired: fired})
}

// giveUp takes what was not answered by the end of the run for no answer.
func (p *play) giveUp() {
	for len(p.open) > 0 {
		one := p.open[0]
		p.answered(one.step, one.fired, reply{word: wordFailed, text: "no answer by the end of the run"})
	}
}
