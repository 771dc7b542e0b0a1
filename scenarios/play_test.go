package scenarios

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"

	"firedrill/nodes"
	"firedrill/nodes/client"
	"firedrill/nodes/web"
	"firedrill/scenarios/expect"
	"firedrill/sim"
	"firedrill/sim/virtual"
)

// lamp is software that is as small as the timeline's rules allow: it is dark or lit, leads or does not, copies something, and
// keeps files.
type lamp struct {
	light, role string
}

func (l *lamp) Run(env nodes.Env) error {
	listener, err := env.Net().ListenTCP("tcp4", &net.TCPAddr{Port: 80})
	if err != nil {
		return err
	}
	l.enter(env, "dark")
	env.Go("ready", func() {
		env.Sleep(time.Second)
		env.Note(nodes.Fact{Name: nodes.FactReady})
	})
	return web.Serve(env, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/switch/lit" || path == "/switch/dark":
			l.enter(env, path[len("/switch/"):])
			web.Reply(w, http.StatusOK, map[string]string{"light": l.light, "warning": "hot"})
		case path == "/lead/leader" || path == "/lead/":
			l.role = path[len("/lead/"):]
			env.Note(nodes.Fact{Name: nodes.FactRole, Value: l.role})
			web.Reply(w, http.StatusOK, struct{}{})
		case path == "/copy":
			env.Go("copy", func() { l.copy(env) })
			web.Reply(w, http.StatusOK, struct{}{})
		case path == "/state":
			web.Reply(w, http.StatusOK, map[string]string{"state": l.light})
		case path == "/clock":
			word := "morning"
			if env.Now().Hour() >= 12 {
				word = "evening"
			}
			web.Reply(w, http.StatusOK, map[string]string{"state": word})
		case path == "/hang":
			env.Sleep(time.Hour)
		case path == "/break":
			web.Reply(w, http.StatusInternalServerError, struct{}{})
		case strings.HasPrefix(path, "/data/"):
			l.file(env, w, r)
		default:
			web.Refuse(w, http.StatusForbidden, "no-such-colour")
		}
	}))
}

func (l *lamp) enter(env nodes.Env, light string) {
	l.light = light
	env.Note(nodes.Fact{Name: nodes.FactPhase, Value: light})
	env.Log().Info("now " + light)
}

// copy takes ten seconds and says at each how far it is.
func (l *lamp) copy(env nodes.Env) {
	for done := 0; done <= 100; done += 10 {
		env.Note(nodes.Fact{Name: nodes.FactSync, Attrs: []nodes.Attr{{Key: "done", Value: fmt.Sprintf("%d%%", done)}}})
		env.Sleep(time.Second)
	}
}

// file keeps files on the disk, unless the lamp is lit: then it is read-only. One called kept is also synced.
func (l *lamp) file(env nodes.Env, w http.ResponseWriter, r *http.Request) {
	name := strings.ReplaceAll(r.URL.Path, "/", "_")
	if r.Method == http.MethodPut && l.light == "lit" {
		web.Refuse(w, http.StatusForbidden, "read-only")
		return
	}
	if r.Header.Get("X-Ink") == "invisible" {
		web.Refuse(w, http.StatusConflict, "invisible-ink")
		return
	}
	if r.Method == http.MethodPut {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = afero.WriteFile(env.Disk(), name, body, 0o600)
		}
		if err == nil && strings.HasSuffix(name, "kept") {
			err = keep(env.Disk(), name)
		}
		if err != nil {
			web.Reply(w, http.StatusInternalServerError, map[string]string{"reason": err.Error()})
			return
		}
		web.Reply(w, http.StatusCreated, struct{}{})
		return
	}
	body, err := afero.ReadFile(env.Disk(), name)
	if err != nil {
		web.Refuse(w, http.StatusNotFound, "no-such-file")
		return
	}
	w.Write(body)
}

// keep syncs a file and the name that it has.
func keep(disk afero.Fs, name string) error {
	for _, path := range []string{name, "/"} {
		f, err := disk.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return nil
}

func post(path string) func(nodes.Values) nodes.Request {
	return func(with nodes.Values) nodes.Request {
		return nodes.Request{Method: "POST", Path: path + with.Get("to")}
	}
}

var lampKind = &nodes.Kind{
	Name:   "lamp",
	Config: func() any { return &struct{}{} },
	New:    func(any) nodes.Node { return &lamp{} },
	Verbs: []nodes.Verb{
		{Name: "switch", Args: []nodes.Arg{{Name: "to"}}, Request: post("/switch/")},
		{Name: "lead", Args: []nodes.Arg{{Name: "to"}}, Request: post("/lead/")},
		{Name: "copy", Request: post("/copy")},
		{Name: "break", Request: post("/break")},
		{Name: "hang", Request: post("/hang")},
	},
	Probes: []nodes.Probe{
		{Name: "state", Choices: []string{"dark", "lit"},
			Request: func(nodes.Values) nodes.Request { return nodes.Request{Method: "GET", Path: "/state"} },
			Answer:  func(a nodes.Answer) string { return a.Field("state") }},
		{Name: "clock", Choices: []string{"morning", "evening"},
			Request: func(nodes.Values) nodes.Request { return nodes.Request{Method: "GET", Path: "/clock"} },
			Answer:  func(a nodes.Answer) string { return a.Field("state") }},
	},
	Roles:   []string{"leader"},
	States:  []string{"dark", "lit"},
	Dialect: client.Files,
	Contents: func(fs afero.Fs) ([]nodes.Item, error) {
		names, err := afero.ReadDir(fs, "/")
		var items []nodes.Item
		for _, n := range names {
			body, err := afero.ReadFile(fs, n.Name())
			if err != nil {
				return items, err
			}
			items = append(items, nodes.Item{Path: strings.ReplaceAll(n.Name(), "_", "/"), Hash: nodes.HashPayload(body),
				Size: int64(len(body))})
		}
		return items, err
	},
}

var lampCatalogue = &Catalogue{Kinds: []*nodes.Kind{lampKind}}

// lampDrill is a scenario with two lamps and one client, and this timeline.
func lampDrill(t *testing.T, timeline ...string) *Scenario {
	t.Helper()
	text := `# A timeline and what comes of it.
name: rule
stop: 2m
settle: 30s
segments:
  lan: {subnet: 10.0.0.0/24, latency: 1ms}
machines:
  one: {kind: lamp, nets: {lan: 10.0.0.1}}
  two: {kind: lamp, nets: {lan: 10.0.0.2}}
clients:
  desk: {count: 1, net: lan, to: one, prefix: /data, rate: 1/s, put: 100%, begin: 1h}
timeline:
`
	for _, step := range timeline {
		text += "  - {" + step + "}\n"
	}
	f, err := Parse("rule", []byte(text), lampCatalogue)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Cases[0].Scenario(1)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// steps are when which steps acted, how each went, and what was missed.
func summary(o *Outcome) string {
	var b strings.Builder
	for _, s := range o.Run.Steps {
		fmt.Fprintf(&b, "%s %s: %s\n", s.At.Round(100*time.Millisecond), s.Name, s.Text)
	}
	for _, w := range o.Run.Wants {
		fmt.Fprintf(&b, "breach: %s\n", w.Text)
	}
	for _, m := range o.Misses {
		fmt.Fprintf(&b, "missed: %s\n", m)
	}
	return b.String()
}

func TestTimeline(t *testing.T) {
	for _, test := range []struct {
		name     string
		timeline []string
		verdict  expect.Verdict
		has      []string // lines, or parts of them, of the summary
		hasNot   []string
	}{
		{"at is since the start", []string{"at: 5s, do: switch, machine: one, with: {to: lit}, want: ok, step: a"}, expect.Pass,
			[]string{"5s a: do: switch, machine: one, with: {to: lit}\n"}, nil},
		{"then is since the step above", []string{"at: 5s, step: a", "then: 3s, step: b"}, expect.Pass,
			[]string{"5s a:", "8s b: then: 3s"}, nil},
		{"after is the next fact since the step above", []string{
			"at: 3s, do: switch, machine: one, with: {to: lit}, step: a",
			"then: 10s, do: switch, machine: one, with: {to: dark}, step: b",
			"after: dark, plus: 1s, step: c"}, expect.Pass,
			[]string{"13s b:", "14s c: after: dark, plus: 1s"}, nil},
		{"a fact older than the step above never matches", []string{"at: 5s, step: a", "after: ready, step: b", "then: 1s, step: c"},
			expect.Vacuous,
			[]string{"missed: step b: never fired: ready came last at 1s, before the step above fired at 5s; " +
				"for a time after that step, write then",
				"missed: step c: never fired: no step fires before the one above it"}, []string{"s b: ", "s c: "}},
		{"a fact that never came", []string{"at: 5s, step: a", "after: lit, of: two, step: b"}, expect.Vacuous,
			[]string{"step b: never fired: lit of two did not come between the step above, at 5s, and the stop at 2m"}, nil},
		{"of a machine", []string{"at: 2s, do: switch, machine: one, with: {to: lit}",
			"then: 5s, do: switch, machine: two, with: {to: lit}, step: other",
			"after: lit, of: two, step: b"}, expect.Pass, []string{"7s b:"}, nil},
		{"of a role is resolved when the fact comes", []string{
			"at: 2s, do: lead, machine: two, with: {to: leader}",
			"then: 2s, do: switch, machine: one, with: {to: lit}",
			"then: 2s, do: switch, machine: two, with: {to: lit}",
			"after: lit, of: leader, step: b"}, expect.Pass, []string{"6s b:"}, nil},
		{"of a role that nobody has", []string{"at: 2s, do: switch, machine: one, with: {to: lit}", "after: lit, of: leader, step: b"},
			expect.Vacuous, []string{"step b: never fired: lit of leader did not come"}, []string{"s b: "}},
		{"the nth", []string{"at: 2s, do: copy, machine: one", "after: sync, nth: 3, step: b"}, expect.Pass,
			[]string{"4s b:"}, nil},
		{"not often enough", []string{"at: 2s, do: copy, machine: one", "after: sync, nth: 30, step: b"}, expect.Vacuous,
			[]string{"step b: never fired: sync came only 11 of 30 times since the step above fired at 2s"}, nil},
		{"done is the moment at which the mark is passed", []string{"at: 2s, do: copy, machine: one", "after: sync, done: 45%, step: b"},
			expect.Pass, []string{"7s b:"}, nil},
		{"an activity beyond the mark is not meant", []string{"at: 2s, do: copy, machine: one", "then: 7s, step: late",
			"after: sync, done: 45%, step: b"}, expect.Vacuous, []string{"step b: never fired"}, nil},
		{"but the next one is", []string{"at: 2s, do: copy, machine: one", "then: 15s, do: copy, machine: one",
			"after: sync, done: 45%, of: one, step: b"}, expect.Pass, []string{"22s b:"}, nil},
		{"like is a part of the text", []string{"at: 2s, do: switch, machine: one, with: {to: lit}",
			"after: log-line, like: w lit, step: b"},
			expect.Pass, []string{"2s b:"}, nil},
		{"unlike", []string{"at: 2s, do: switch, machine: one, with: {to: lit}", "after: log-line, like: w red, step: b"},
			expect.Vacuous, []string{`never fired: log-line like "w red"`}, nil},
		{"plus beyond the stop", []string{"after: ready, plus: 1m59.5s, step: b"}, expect.Vacuous,
			[]string{"step b: never fired: ready came, but plus 1m59.5s is after the stop at 2m"}, nil},
		{"at that has passed", []string{"at: 2s, do: copy, machine: one", "after: sync, done: 50%, step: a", "at: 5s, step: b"},
			expect.Vacuous, []string{"step b: at 5s has passed: the step above fired at 7.0"}, nil},
		{"answered of a step", []string{"at: 2s, do: switch, machine: one, with: {to: lit}, step: a", "then: 0s, step: m",
			"after: answered, of: a, step: b"}, expect.Pass, []string{"2s b:"}, nil},
		{"a role is whoever has it when the step fires", []string{"at: 2s, do: lead, machine: two, with: {to: leader}",
			"then: 1s, power_off: leader, step: b"}, expect.Pass, []string{"3s b: power_off: two\n"}, nil},
		{"nobody has the role", []string{"at: 3s, power_off: leader, step: b", "then: 1s, step: c"}, expect.Vacuous,
			[]string{"missed: step b: nobody is leader", "4s c:"}, nil},
		{"a role ends with the software", []string{"at: 2s, do: lead, machine: two, with: {to: leader}", "then: 1s, crash: leader",
			"then: 1s, do: copy, machine: leader, step: b"}, expect.Vacuous, []string{"missed: step b: nobody is leader"}, nil},
		{"two have the role where one is meant", []string{"at: 2s, do: lead, machine: two, with: {to: leader}",
			"then: 0s, do: lead, machine: one, with: {to: leader}", "then: 1s, do: copy, machine: leader, step: b"}, expect.Vacuous,
			[]string{"missed: step b: leader is to mean one machine, and means 2: one, two"}, nil},
		{"two have the role where all are meant", []string{"at: 2s, do: lead, machine: two, with: {to: leader}",
			"then: 0s, do: lead, machine: one, with: {to: leader}", "then: 1s, crash: leader, step: b"}, expect.Pass,
			[]string{"3s b: crash: [one, two]"}, nil},
		{"every and times", []string{"at: 2s, step_clock: one, offset: 1s, every: 3s, times: 3, step: a", "then: 1s, step: b"},
			expect.Pass, []string{"2s a:", "3s b:", "5s a:", "8s a:"}, []string{"11s a:"}},
		{"a fault for a while", []string{"at: 2s, crash: one, for: 5s, step: a", "then: 4s, probe: up, machine: one, want: down",
			"then: 2s, probe: up, machine: one, want: up"}, expect.Pass, nil, nil},
		{"clients are paused", []string{"at: 2s, pause: desk, for: 5s, step: a"}, expect.Pass, []string{"a: pause: desk-1\n"}, nil},
		{"a fault that hit nothing", []string{"at: 2s, power_off: one", "then: 1s, crash: one, step: b"}, expect.Vacuous,
			[]string{"missed: step b hit nothing: crash: one"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := lampDrill(t, test.timeline...).Play(virtual.New(1), lampCatalogue)
			if o.Err != nil {
				t.Fatal(o.Err)
			}
			have := summary(o)
			if o.Verdict != test.verdict {
				t.Errorf("verdict %s, want %s", o.Verdict, test.verdict)
			}
			for _, part := range test.has {
				if !strings.Contains(have, part) {
					t.Errorf("want %q", part)
				}
			}
			for _, part := range test.hasNot {
				if strings.Contains(have, part) {
					t.Errorf("want no %q", part)
				}
			}
			if t.Failed() {
				t.Log("\n" + have)
			}
		})
	}
}

// late is a world whose time is real: what was to be done at a moment is done a little after it.
type late struct{ sim.World }

func (l late) Now() time.Duration { return l.World.Now() + time.Millisecond }

// Steps with one time act one after the other, however late the first of them was; only a time before that has passed.
func TestOneTimeForSeveralSteps(t *testing.T) {
	for _, test := range []struct {
		name     string
		timeline []string
		verdict  expect.Verdict
		has      []string
	}{
		{"the same time", []string{"at: 2s, crash: one, for: 5s", "at: 2s, crash: two, for: 5s, step: b", "then: 1s, step: c"},
			expect.Pass, []string{"2s b:", "3s c:"}},
		{"a time that comes while the step above is late", []string{"at: 2s, crash: one, for: 5s",
			"at: 2.0005s, crash: two, for: 5s, step: b"}, expect.Pass, []string{"2s b:"}},
		{"the time of a fact and no time more", []string{"after: ready, plus: 1s, crash: one, for: 5s", "at: 1s, step: b"},
			expect.Vacuous, []string{"step b: at 1s has passed: the step above fired at "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			wants(t, lampDrill(t, test.timeline...).Play(late{virtual.New(1)}, lampCatalogue), test.verdict, test.has)
		})
	}
}

func TestAStepActsBeforeTheNodeGoesOn(t *testing.T) {
	for _, test := range []struct {
		step string
		said bool // the line after the fact was reached
	}{
		{"after: lit, of: one, power_off: one, step: b", false},
		{"after: lit, of: one, crash: one, step: b", false},
		{"after: lit, of: one, plus: 1s, power_off: one, step: b", true},
	} {
		s := lampDrill(t, "at: 2s, do: switch, machine: one, with: {to: lit}, want: [ok, failed]", test.step, "then: 5s, step: c")
		o := s.Play(virtual.New(1), lampCatalogue)
		said := false
		for _, e := range o.Run.Events {
			said = said || e.Machine == "one" && e.Value == "now lit"
		}
		if said != test.said || o.Verdict != expect.Pass || len(o.Run.Steps) != 3 {
			t.Errorf("%s: the node went on: %v, want %v; %s, steps:\n%s", test.step, said, test.said, o.Verdict, summary(o))
		}
	}
}

func TestAPanicOfAKindInTheHarnessIsAFaultOfItsRun(t *testing.T) {
	kind := *lampKind
	kind.Verbs = []nodes.Verb{{Name: "copy", Request: func(nodes.Values) nodes.Request { panic("no such request") }}}
	s := lampDrill(t, "at: 2s, do: copy, machine: one", "then: 5s, step: c")
	s.Timeline[0].Act.(*Do).Verb = &kind.Verbs[0]
	o := s.Play(virtual.New(1), lampCatalogue)
	if o.Err == nil || !strings.Contains(o.Err.Error(), "panic at 2s: no such request") {
		t.Errorf("error %v, want the panic", o.Err)
	}
	if o.Verdict != expect.Inconclusive {
		t.Errorf("verdict %s where nothing was shown", o.Verdict)
	}
}

func TestContentsAreThoseOfALiveOrADeadDisk(t *testing.T) {
	for step, want := range map[string]int{
		"then: 1s":                           1,
		"then: 1s, crash: one":               1,
		"then: 1s, power_off: one":           0, // The lamp does not sync.
		"then: 1s, power_off: one, for: 10s": 0,
	} {
		o := lampDrill(t, "at: 2s, put: /data/x, from: desk, want: ok", step).Play(virtual.New(1), lampCatalogue)
		one := o.Run.Machine("one")
		if len(one.Contents) != want || one.Damage != nil || o.Verdict != expect.Pass {
			t.Errorf("%s: %v, %v, %s; want %d items", step, one.Contents, one.Damage, o.Verdict, want)
		}
		if want == 1 && (one.Contents[0].Path != "/data/x" || one.Contents[0].Hash != o.Run.History[0].Hash) {
			t.Errorf("%s: %+v, want what was put: %+v", step, one.Contents[0], o.Run.History[0])
		}
	}
}

func TestTheEndOfTheDrillUndoesAllButPowerOff(t *testing.T) {
	for _, test := range []struct {
		step  string
		state sim.State
	}{
		{"at: 2s, crash: one", sim.StateUp},
		{"at: 2s, freeze: one", sim.StateUp},
		{"at: 2s, power_off: one", sim.StateOff},
		{"at: 2s, power_off: one, for: 1m", sim.StateUp},
		{"at: 2s, power_off: one, for: 2m", sim.StateOff}, // It would be over in the quiet phase.
	} {
		o := lampDrill(t, test.step).Play(virtual.New(1), lampCatalogue)
		if one := o.Run.Machine("one"); one.State != test.state || o.Verdict != expect.Pass {
			t.Errorf("%s: at the end %s, %s; want %s", test.step, one.State, o.Verdict, test.state)
		}
	}
}

// lost is a world that nobody may touch any more once its Run has failed.
type lost struct {
	sim.World
	failed, closed bool
}

func (l *lost) Close() error {
	l.closed = true
	return nil
}

func (l *lost) Run(time.Duration) error {
	l.failed = true
	return errors.New("a task spins")
}

func (l *lost) Now() time.Duration { return l.alive().Now() }

func (l *lost) Trace() *sim.Trace { return l.alive().Trace() }

func (l *lost) History() []nodes.Operation { return l.alive().History() }

func (l *lost) Machine(name string) sim.Machine { return l.alive().Machine(name) }

func (l *lost) alive() sim.World {
	if l.failed {
		panic("somebody else holds this world")
	}
	return l.World
}

func TestAWorldThatFailedIsLeftAlone(t *testing.T) {
	w := &lost{World: virtual.New(1)}
	o := lampDrill(t, "at: 2s").Play(w, lampCatalogue)
	if !w.closed {
		t.Error("the world was not closed")
	}
	if o.Err != nil || o.Run.Failure == nil || o.Run.Failure.Error() != "a task spins" || len(o.Run.Machines) != 2 {
		t.Errorf("error %v, failure %v, %d machines; want what the world said, and the machines as declared", o.Err, o.Run.Failure,
			len(o.Run.Machines))
	}
}

func TestAScenarioThatNoWorldTakesIsAnError(t *testing.T) {
	s := lampDrill(t, "at: 2s")
	s.Machines[1].Name = s.Machines[0].Name
	if o := s.Play(virtual.New(1), lampCatalogue); o.Err == nil || o.Run != nil || !strings.Contains(o.Err.Error(), "one") {
		t.Errorf("error %v, want what the world said of machine one", o.Err)
	}
}

func TestAKindThatCannotReadItsDiskIsDamage(t *testing.T) {
	kind := *lampKind
	kind.Contents = func(afero.Fs) ([]nodes.Item, error) { panic("torn") }
	s := lampDrill(t, "at: 2s")
	for i := range s.Machines {
		s.Machines[i].Kind = &kind
	}
	o := s.Play(virtual.New(1), lampCatalogue)
	if one := o.Run.Machine("one"); one.Damage == nil || !strings.Contains(one.Damage.Error(), "torn") || o.Err != nil {
		t.Errorf("damage %v, error %v; want the panic as damage", one.Damage, o.Err)
	}
}

func TestProgress(t *testing.T) {
	p := progress{}
	see := func(machine, done string) nodes.Share {
		e := sim.Event{Machine: machine, Fact: nodes.Fact{Name: nodes.FactSync}}
		if done != "" {
			e.Attrs = []nodes.Attr{{Key: "done", Value: done}}
		}
		return p.see(&e) / 10_000
	}
	for i, test := range []struct {
		machine, done string
		before        nodes.Share
	}{
		{"one", "10%", 0}, {"one", "60", 10}, {"two", "20%", 0}, {"one", "", 0}, {"one", "90%", 60},
		{"one", "50%", 0}, // A new one: that the last one was further has nothing to do with it.
		{"one", "55%", 50}, {"one", "much", 0}, {"one", "56%", 55},
	} {
		if before := see(test.machine, test.done); before != test.before {
			t.Errorf("%d: %s of %s comes after %d%%, want %d%%", i, test.done, test.machine, before, test.before)
		}
	}
}

// wants compares what a play came to with a verdict, and with what is to be in its summary.
func wants(t *testing.T, o *Outcome, verdict expect.Verdict, has []string) {
	t.Helper()
	if o.Err != nil {
		t.Fatal(o.Err)
	}
	have := summary(o)
	if o.Verdict != verdict {
		t.Errorf("verdict %s, want %s", o.Verdict, verdict)
	}
	for _, part := range has {
		if !strings.Contains(have, part) {
			t.Errorf("want %q", part)
		}
	}
	if t.Failed() {
		t.Log("\n" + have)
	}
}
