package expect_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
	"firedrill/scenarios/expect/internal/made"
)

var kind = &nodes.Kind{Name: "store", Roles: []string{"active", "standby"}, States: []string{"active-solo", "stale"}}

// two units behind 10.0.0.40; nas-a serves it from 1s.
const units = `
	machine nas-a lan=10.0.0.1
	machine nas-b lan=10.0.0.2
	client office-1 office
	client office-2 office
	1s nas-a role: active, access: read-write, address-bound: 10.0.0.40 (lan), serving: 10.0.0.40
	1s nas-b role: standby, access: none
`

// takesOver is nas-b in the place of nas-a, from 5m.
const takesOver = `
	5m nas-b role: active, access: read-write, address-bound: 10.0.0.40 (lan), serving: 10.0.0.40
`

type trial struct {
	name   string
	claim  expect.Claim
	script string
	want   expect.Verdict
	says   []string // in the evidence
}

func (x trial) play(t *testing.T) {
	t.Helper()
	t.Run(x.name, func(t *testing.T) {
		f := x.claim.Judge(made.Run(kind, nil, units, x.script))
		if f.Verdict != x.want {
			t.Errorf("%s is %s, want %s\n%s", x.claim.Name(), f.Verdict, x.want, strings.Join(f.Evidence, "\n"))
		}
		if (f.Verdict == expect.Violation) != (len(f.Breaches) > 0) {
			t.Errorf("a violation has breaches and nothing else does; have %s with %d", f.Verdict, len(f.Breaches))
		}
		text := strings.Join(f.Evidence, "\n")
		for _, s := range x.says {
			if !strings.Contains(text, s) {
				t.Errorf("the evidence does not say %q:\n%s", s, text)
			}
		}
	})
}

func address(s string) expect.Service {
	var service expect.Service
	if err := service.UnmarshalText([]byte(s)); err != nil {
		panic(err)
	}
	return service
}

func within(s string) expect.Bound {
	var b expect.Bound
	if err := b.UnmarshalText([]byte(s)); err != nil {
		panic(err)
	}
	return b
}

func TestNoDualWriters(t *testing.T) {
	all := &expect.NoDualWriters{}
	for _, x := range []trial{
		{"one writer", all, ``, expect.Pass, nil},
		{"the old one was off", all, `4m nas-a powered-off` + takesOver, expect.Pass, nil},
		{"the old one had crashed", all, `4m nas-a crashed` + takesOver, expect.Pass, nil},
		{"the old one gave up at the same instant", all, `5m nas-a access: read-only` + takesOver, expect.Pass, nil},
		{"both", all, takesOver + `
			4m..4m1s office-1 put /a v0 by nas-a
			6m..6m1s office-1 put /a v1 by nas-a
			7m..7m1s office-1 put /b v2 by nas-a
			8m..8m1s office-2 put /a v3 by nas-b
			10m nas-a powered-off`, expect.Violation, []string{
			"both writers for 5m", "nas-a as active from 1s to 10m, which acknowledged 2 writes (200B), the first at 6m1s, the last at 7m1s",
			"nas-b as active from 5m to 1h, which acknowledged 1 write (100B), at 8m1s",
			"1s nas-a access: read-write", "5m nas-b access: read-write", "10m nas-a powered-off"}},
		{"both, no client there", all, takesOver, expect.Violation, []string{"which acknowledged no write"}},
		{"one of them reads only", all, takesOver + `5m nas-b access: read-only`, expect.Pass, nil},
		{"one of them has no role", all, takesOver + `5m nas-b role:`, expect.Pass, nil},
		{"one stands still until the other is off", all, `4m nas-a paused: paused` + takesOver + `
			10m nas-b powered-off
			11m nas-a resumed: paused`, expect.Pass, nil},
		{"one stood still and goes on", all, `4m nas-a paused: frozen` + takesOver + `
			10m nas-a resumed: frozen`, expect.Violation, []string{"both writers for 50m"}},
		{"a standby that says none and writes", all, `6m..6m1s office-1 put /a v1 by nas-b`, expect.Violation,
			[]string{"nas-b acknowledged 1 write (100B), at 6m1s without saying that it may write, while nas-a was the writer"}},
		{"a stand-alone unit that is written to", all, `2s nas-b role:
			6m..6m1s office-1 put /a v1 by nas-b`, expect.Pass, nil},
		{"two stand-alone units", all, `2s nas-a role:, address-released: 10.0.0.40 (lan)
			3s nas-b role:, access: read-write`, expect.Pass, nil},
		{"the address of the service", &expect.NoDualWriters{Service: address("10.0.0.40")}, takesOver, expect.Violation, nil},
		{"another address", &expect.NoDualWriters{Service: address("10.0.0.41")}, takesOver, expect.Vacuous, nil},
		{"after it was over", &expect.NoDualWriters{Since: "mend"}, takesOver + `
			6m nas-a powered-off
			step 7m mend`, expect.Pass, nil},
		{"since before", &expect.NoDualWriters{Since: "mend"}, takesOver + `
			step 6m mend`, expect.Violation, []string{"both writers for 54m"}},
		{"a step that never acted", &expect.NoDualWriters{Since: "mend"}, takesOver, expect.Vacuous, []string{"step mend never acted"}},
	} {
		x.play(t)
	}
	lone := all.Judge(made.Run(kind, nil, "machine nas-a lan=10.0.0.1\n1s nas-a role: active, access: read-write"))
	if lone.Verdict != expect.Vacuous {
		t.Errorf("a service of one machine is %s, want vacuous", lone.Verdict)
	}
}

func TestDualWritersAreEvidence(t *testing.T) {
	f := (&expect.NoDualWriters{}).Judge(made.Run(kind, nil, units, takesOver, `
		4m..4m1s office-1 put /a v0 by nas-a
		6m..6m1s office-1 put /a v1 by nas-a
		8m..8m1s office-2 put /a v3 by nas-b`))
	if len(f.Breaches) != 1 {
		t.Fatalf("%d breaches, want 1", len(f.Breaches))
	}
	b := f.Breaches[0]
	if !slices.Equal(b.Operations, []uint64{2, 3}) || !slices.Equal(b.Machines, []string{"nas-a", "nas-b"}) || len(b.Events) < 2 {
		t.Errorf("want the writes 2 and 3 of nas-a and nas-b and the events that made them writers, have %+v", b)
	}
}

// TestPauseIsPartOfAClash: a writer that stood still goes on with what it believed. That is one breach, in which only
// the time counts that both ran.
func TestPauseIsPartOfAClash(t *testing.T) {
	r := made.Run(kind, nil, units, takesOver, "6m nas-a paused: paused\n7m nas-a resumed: paused\nend 10m")
	f := (&expect.NoDualWriters{}).Judge(r)
	if len(f.Breaches) != 1 || len(f.Measures) != 1 || f.Measures[0].Value != 240 {
		t.Errorf("want one breach of 4m, have %d and %v:\n%s", len(f.Breaches), f.Measures, strings.Join(f.Evidence, "\n"))
	}
}

func TestScopesAreServicesOfTheirOwn(t *testing.T) {
	run := made.Run(kind, nil, `
		machine eu lan=10.0.0.1
		machine us lan=10.0.0.2
		1s eu role: primary (link-1), access: read-write (link-1)
		1s us role: primary (link-2), access: read-write (link-2)`)
	if f := (&expect.NoDualWriters{}).Judge(run); f.Verdict != expect.Pass {
		t.Errorf("primaries of two links are %s, want pass: %v", f.Verdict, f.Evidence)
	}
	run = made.Run(kind, nil, `
		machine eu lan=10.0.0.1
		machine us lan=10.0.0.2
		1s eu role: primary (link-1), access: read-write (link-1)
		1s us role: primary (link-1), access: read-write (link-1)`)
	if f := (&expect.NoDualWriters{}).Judge(run); f.Verdict != expect.Violation {
		t.Errorf("two primaries of one link are %s, want violation", f.Verdict)
	}
}

func TestSingleAddressOwner(t *testing.T) {
	all := &expect.SingleAddressOwner{}
	for _, x := range []trial{
		{"one owner", all, ``, expect.Pass, nil},
		{"released at the same instant", all, `5m nas-a address-released: 10.0.0.40 (lan)` + takesOver, expect.Pass, nil},
		{"power off releases", all, `4m nas-a powered-off` + takesOver, expect.Pass, nil},
		{"a crash does not", all, `4m nas-a crashed` + takesOver, expect.Violation, []string{"both had 10.0.0.40 on lan for 55m"}},
		{"nor does a pause", all, `4m nas-a paused: paused` + takesOver, expect.Violation, nil},
		{"a frozen machine answers nobody", all, `4m nas-a paused: frozen` + takesOver, expect.Pass, nil},
		{"until it goes on", all, `4m nas-a paused: frozen` + takesOver + `10m nas-a resumed: frozen`, expect.Violation,
			[]string{"for 50m", "nas-a from 1s to 1h", "nas-b from 5m to 1h", "5m nas-b address-bound: 10.0.0.40 (lan)"}},
		{"on another segment", all, `5m nas-b address-bound: 10.0.0.40 (wan)`, expect.Pass, nil},
		{"announced again", all, `5m nas-a address-bound: 10.0.0.40 (lan)
			6m nas-a address-released: 10.0.0.40 (lan)
			7m nas-b address-bound: 10.0.0.40 (lan)`, expect.Pass, nil},
		{"this address", &expect.SingleAddressOwner{Address: address("10.0.0.40")}, takesOver, expect.Violation, nil},
		{"one that nobody bound", &expect.SingleAddressOwner{Address: address("10.0.0.41")}, takesOver, expect.Vacuous, nil},
		{"since it was given up", &expect.SingleAddressOwner{Since: "mend"}, takesOver + `
			6m nas-b address-released: 10.0.0.40 (lan)
			step 7m mend`, expect.Pass, nil},
		{"since it was over", &expect.SingleAddressOwner{Since: "mend"}, takesOver + `
			6m nas-b powered-off
			step 7m mend`, expect.Pass, nil},
	} {
		x.play(t)
	}
}

func TestNeverAndHappens(t *testing.T) {
	const solo = `
		5m nas-b phase: active-solo
		6m nas-b alarm: peer-took-over
		7m nas-b alarm: peer-took-over`
	for _, x := range []trial{
		{"state", &expect.Never{Fact: "active-solo"}, solo, expect.Violation, []string{"5m nas-b phase: active-solo"}},
		{"state of another", &expect.Never{Fact: "active-solo", Of: "nas-a"}, solo, expect.Pass, nil},
		{"by role", &expect.Never{Fact: "alarm", Of: "standby"}, solo, expect.Violation, []string{"6m nas-b alarm", "7m nas-b alarm"}},
		{"by another role", &expect.Never{Fact: "alarm", Of: "active"}, solo, expect.Pass, nil},
		{"a death of a role's holder", &expect.Never{Fact: "powered-off", Of: "active"}, `5m nas-a powered-off`, expect.Violation, nil},
		{"by text", &expect.Never{Fact: "alarm", Like: "disk"}, solo, expect.Pass, nil},
		{"since", &expect.Never{Fact: "alarm", Since: "mend"}, `
			6m nas-b alarm: x
			step 6m mend`, expect.Pass, nil},
		{"since, at the same instant", &expect.Never{Fact: "alarm", Since: "mend"}, `
			step 6m mend
			6m nas-b alarm: x`, expect.Violation, nil},
		{"of a log that is not told", &expect.Never{Fact: "log-line", Like: "last"}, `1m lb log-line: first
			2m lb log-line: more untold=all`, expect.Inconclusive, []string{"what lb logged after 2m was not told"}},
		{"of a log, seen before the rest", &expect.Never{Fact: "log-line", Like: "first"}, `1m lb log-line: first
			2m lb log-line: more untold=all`, expect.Violation, nil},
		{"of another's log", &expect.Never{Fact: "log-line", Of: "nas-a", Like: "last"}, `2m lb log-line: more untold=all`, expect.Pass, nil},
		{"since a step that never acted", &expect.Never{Fact: "alarm", Since: "mend"}, solo, expect.Vacuous, nil},
		{"served", &expect.Never{Fact: "served", Of: "nas-a", Since: "death"}, `
			step 5m death
			6m..6m1s office-1 put /a v1 by nas-a`, expect.Violation, []string{"6m1s nas-a served: put /a"}},
		{"served by nobody", &expect.Never{Fact: "served", Since: "death"}, `
			4m..4m1s office-1 put /a v1 by nas-a
			step 5m death
			6m..6m1s office-1 put /a v1 by nas-a failed`, expect.Pass, nil},

		{"happens", &expect.Happens{Fact: "alarm"}, solo, expect.Pass, []string{"6m nas-b alarm"}},
		{"happens not", &expect.Happens{Fact: "alarm", Of: "nas-a"}, solo, expect.Violation, []string{"came 0 times, want 1"}},
		{"twice", &expect.Happens{Fact: "alarm", Times: 2}, solo, expect.Pass, nil},
		{"not once", &expect.Happens{Fact: "alarm", Times: 1}, solo, expect.Violation, []string{"came 2 times, want 1"}},
		{"not thrice", &expect.Happens{Fact: "alarm", Times: 3}, solo, expect.Violation, nil},
		{"at the bound", &expect.Happens{Fact: "alarm", Times: 2, Within: within("7m")}, solo, expect.Pass, nil},
		{"past the bound", &expect.Happens{Fact: "alarm", Times: 2, Within: within("6m59.999999999s")}, solo, expect.Violation,
			[]string{"came 7m after the start, want within 6m59.999999999s"}},
		{"not before", &expect.Happens{Fact: "alarm", NotBefore: within("6m")}, solo, expect.Pass, nil},
		{"too early", &expect.Happens{Fact: "alarm", NotBefore: within("6m0.000000001s")}, solo, expect.Violation, nil},
		{"since", &expect.Happens{Fact: "alarm", Since: "cut", Within: within("1m")}, `
			step 5m cut
			6m nas-b alarm: x`, expect.Pass, nil},
		{"in a log that is not told", &expect.Happens{Fact: "log-line", Like: "last"}, `1m lb log-line: first
			2m lb log-line: more untold=all`, expect.Inconclusive, []string{"what lb logged after 2m was not told"}},
		{"so often in a log that is not told", &expect.Happens{Fact: "log-line", Like: "first", Times: 1}, `1m lb log-line: first
			2m lb log-line: more untold=all`, expect.Inconclusive, nil},
		{"in a log, before the rest", &expect.Happens{Fact: "log-line", Like: "first"}, `1m lb log-line: first
			2m lb log-line: more untold=all`, expect.Pass, nil},
		{"in a log that is told", &expect.Happens{Fact: "log-line", Like: "last"}, `1m lb log-line: first`, expect.Violation, nil},
		{"the run ended before", &expect.Happens{Fact: "alarm", Within: within("2h")}, ``, expect.Inconclusive, nil},
		{"since a step that never acted", &expect.Happens{Fact: "alarm", Since: "cut"}, solo, expect.Vacuous, nil},
	} {
		x.play(t)
	}
}

func TestServing(t *testing.T) {
	const served = `
		step 5m death
		4m..5m0.5s office-2 get /a by nas-a
		5m..6m office-1 put /a v1 by nas-b
		6m..6m1s office-2 get /a by nas-b unknown
		7m..7m1s office-2 get /a by nas-b`
	for _, x := range []trial{
		{"everybody", &expect.Serving{Clients: "office"}, served, expect.Pass, []string{"each of 2 clients"}},
		{"by one", &expect.Serving{Clients: "office", By: "nas-b", Since: "death", Within: within("2m1s")}, served, expect.Pass, nil},
		{"too late for one client", &expect.Serving{Clients: "office", By: "nas-b", Since: "death", Within: within("2m0.999999999s")}, served,
			expect.Violation, []string{"1 of 2 clients of office were not served by nas-b in time: office-2 was served first at 7m1s"}},
		{"asked before the step, answered after it", &expect.Serving{Clients: "office", By: "nas-a", Since: "death"}, `
			step 5m death
			4m..5m0.5s office-1 get /a by nas-a
			4m..5m0.5s office-2 get /a by nas-a`, expect.Pass, nil},
		{"by the other", &expect.Serving{Clients: "office", By: "nas-a"}, served, expect.Violation, []string{"office-1 was not served"}},
		{"a client that never asked", &expect.Serving{Clients: "office"}, `1m..1m1s office-1 put /a v1 by nas-a`, expect.Violation,
			[]string{"office-2 was not served"}},
		{"nobody asked", &expect.Serving{Clients: "office", Since: "death"}, `
			1m..1m1s office-1 put /a v1 by nas-a
			step 5m death`, expect.Vacuous, nil},
		{"the run ended before", &expect.Serving{Clients: "office", Within: within("2h")}, `
			1m..1m1s office-1 put /a v1 by nas-a`, expect.Inconclusive, nil},
		{"a step that never acted", &expect.Serving{Clients: "office", Since: "death"}, `
			1m..1m1s office-1 put /a v1 by nas-a`, expect.Vacuous, nil},
	} {
		x.play(t)
	}
}

func TestSoftwareSound(t *testing.T) {
	claim := &expect.SoftwareSound{All: "all"}
	trial{"sound", claim, `5m nas-a crashed`, expect.Pass, nil}.play(t)
	trial{"panicked", claim, `5m nas-a panicked: index`, expect.Violation, []string{"5m nas-a panicked: index"}}.play(t)
	trial{"a program ended", claim, `5m nas-a stopped: exit status 0`, expect.Pass, nil}.play(t)
	trial{"a program was killed", claim, `5m nas-a stopped: signal: killed`, expect.Pass, nil}.play(t)
	trial{"a program broke", claim, `5m nas-a stopped: broke by signal: segmentation fault`, expect.Violation,
		[]string{"5m nas-a stopped: broke by signal: segmentation fault"}}.play(t)
	trial{"a program never began", claim, `5m nas-a stopped: cannot be started: x is not there`, expect.Violation,
		[]string{"5m nas-a stopped: cannot be started: x is not there"}}.play(t)
	run := made.Run(kind, nil, units)
	run.Failure = errors.New("nas-a spins")
	if f := claim.Judge(run); f.Verdict != expect.Violation || f.Evidence[0] != "nas-a spins" {
		t.Errorf("a spin is %s: %q, want a violation", f.Verdict, f.Evidence)
	}
}

func TestBadSubjects(t *testing.T) {
	var s expect.Service
	var b expect.Bound
	for _, err := range []error{
		s.UnmarshalText([]byte("everything")), b.UnmarshalText([]byte("5")), b.UnmarshalText([]byte("-5s")),
		(&expect.Never{}).Check(), (&expect.Happens{}).Check(), (&expect.Serving{}).Check(), (&expect.LostWrites{}).Check(),
		(&expect.HazardShows{}).Check(), (&expect.Undocumented{}).Check(),
		(&expect.Happens{Fact: "x", Times: -1}).Check(),
		(&expect.Happens{Fact: "x", NotBefore: within("2s"), Within: within("1s")}).Check(),
	} {
		if err == nil {
			t.Error("want an error, have none")
		}
	}
	if err := s.UnmarshalText([]byte("all")); err != nil || s.String() != "all" {
		t.Errorf("all is %s, %v", s, err)
	}
	for _, f := range expect.Forms() {
		if f.New().Name() != f.Name {
			t.Errorf("form %s makes claim %s", f.Name, f.New().Name())
		}
	}
}
