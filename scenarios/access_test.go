package scenarios

import (
	"net/http"
	"strings"
	"testing"

	"firedrill/nodes"
	"firedrill/nodes/client"
	"firedrill/scenarios/expect"
	"firedrill/sim/virtual"
)

// inked is a dialect in which a put says in which ink to write.
type inked struct{ nodes.Dialect }

func (inked) Extras(verb string) []nodes.Arg {
	if verb != client.VerbPut {
		return nil
	}
	return []nodes.Arg{{Name: "ink", Doc: "in which ink to write"}, {Name: "paper", Doc: "on what"}}
}

func (d inked) Request(op *nodes.Operation, target string) (*http.Request, error) {
	r, err := d.Dialect.Request(op, target)
	if err == nil && op.With.Get("ink") != "" {
		r.Header.Set("X-Ink", op.With.Get("ink"))
	}
	return r, err
}

// inkedCatalogue has two kinds: of one, requests say more than a path.
func inkedCatalogue() *Catalogue {
	kind := *lampKind
	kind.Name, kind.Dialect = "scribe", inked{client.Files}
	return &Catalogue{Kinds: []*nodes.Kind{lampKind, &kind}}
}

const scribes = `# What requests say beside a path.
name: scribes
stop: 2m
settle: 30s
segments:
  lan: {subnet: 10.0.0.0/24, latency: 1ms}
machines:
  one: {kind: scribe, nets: {lan: 10.0.0.1}}
  two: {kind: lamp, nets: {lan: 10.0.0.2}}
clients:
  desk: {net: lan, to: one, begin: 1h}
timeline:
  - {at: 5s, put: /data/a, from: desk, with: {ink: black}, want: ok, step: black}
  - {then: 1s, put: /data/b, from: desk, with: {ink: invisible, paper: thin}, want: {status: 409}, step: invisible}
  - {then: 1s, get: /data/a, from: desk, want: {wrote: black}, step: look}
`

func TestWhatRequestsSay(t *testing.T) {
	play := func(more string) *Outcome {
		f, err := Parse("scribes", []byte(scribes+more), inkedCatalogue())
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.Cases[0].Scenario(1)
		if err != nil {
			t.Fatal(err)
		}
		return s.Play(virtual.New(1), inkedCatalogue())
	}
	if o := play(""); o.Verdict != expect.Pass || !strings.Contains(summary(o),
		"invisible: put: /data/b, from: desk, size: 4KiB, with: {ink: invisible, paper: thin}\n") {
		t.Errorf("%s\n%s", o.Verdict, summary(o))
	}
	o := play("  - {then: 1s, tell: desk, to: two}\n  - {then: 1s, put: /data/c, from: desk, with: {ink: red}, step: red}\n")
	if o.Verdict != expect.Vacuous || !strings.Contains(summary(o), `missed: step red: put takes no "ink" where desk go now, 10.0.0.2:80`) {
		t.Errorf("the clients have moved to a kind to which nobody can say it: %s\n%s", o.Verdict, summary(o))
	}
}

func TestWhatNoRequestSays(t *testing.T) {
	for _, test := range []struct{ step, mistake string }{
		{"put: /data/a, from: desk, with: {colour: red}", `unknown key "colour" for "put" of kind scribe; want paper or ink`},
		{"get: /data/a, from: desk, with: {ink: red}", `unknown key "ink"; "get" of kind scribe takes no with`},
		{"put: /data/a, from: desk, to: two, with: {ink: red}", `unknown key "ink"; "put" of kind lamp takes no with`},
		{"put: /data/a, from: desk, to: two, via: one, with: {ink: red, inc: 1}", `unknown key "inc" for "put" of kind scribe; want ink or paper`},
		{"put: /data/a, from: desk, with: red", `want a map {KEY: VALUE, ..} for "with", have a word`},
	} {
		_, err := Parse("scribes", []byte(scribes+"  - {then: 1s, "+test.step+"}\n"), inkedCatalogue())
		m, _ := err.(*Mistakes)
		if m == nil || len(m.List) != 1 || m.List[0].Message != test.mistake {
			t.Errorf("%s: %v, want %q", test.step, err, test.mistake)
		}
	}
}

// TestSchemaKnowsWhatRequestsSay: an editor proposes what a kind takes, and no more.
func TestSchemaKnowsWhatRequestsSay(t *testing.T) {
	s := compiled(t, inkedCatalogue())
	for change, right := range map[string]bool{"ink: black": true, "paper: thick": true, "colour: black": false} {
		for how, v := range bothWays(t, strings.Replace(scribes, "ink: black", change, 1)) {
			if err := s.Validate(v); (err == nil) != right {
				t.Errorf("%s, %s: %v, want it right: %t", change, how, err, right)
			}
		}
	}
}
