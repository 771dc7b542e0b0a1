package expect_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/scenarios/expect"
	"firedrill/scenarios/expect/internal/made"
)

// clause is a claim that finds what it was made with.
type clause struct {
	name string
	expect.Finding
}

func (c *clause) Name() string                     { return c.name }
func (c *clause) Judge(*expect.Run) expect.Finding { return c.Finding }

func broken(name string, breaches ...expect.Breach) *clause {
	return &clause{name, expect.Finding{Verdict: expect.Violation, Breaches: breaches}}
}

func hazard(id string, instances ...expect.Instance) expect.Hazard {
	return expect.Hazard{ID: id, Excuses: []string{"one_owner", "losses"}, Find: func(*expect.Run) []expect.Instance { return instances }}
}

// between is an instance whose preconditions held from 10s to 20s and which accounts for what began then until 1m.
func between(machines ...string) expect.Instance {
	return expect.Instance{Over: time.Minute,
		Breach: expect.Breach{From: 10 * time.Second, Until: 20 * time.Second, Machines: machines, Text: "seen", Lost: []uint64{1, 2, 3}}}
}

func shows(id string) expect.Claim {
	return &expect.HazardShows{Hazard: id, Seen: expect.SeenEverySeed}
}

func TestCharging(t *testing.T) {
	const s = time.Second
	at := func(from, until time.Duration, machines ...string) expect.Breach {
		return expect.Breach{From: from, Until: until, Machines: machines, Text: "broken"}
	}
	for _, x := range []struct {
		name    string
		claim   *clause
		hazards []expect.Hazard
		want    expect.Verdict
		charged []string
		left    []expect.Breach // times only
	}{
		{"within", broken("one_owner", at(12*s, 30*s, "a", "b")), []expect.Hazard{hazard("HZ", between("a", "b"))},
			expect.HazardSeen, []string{"HZ"}, nil},
		{"as the preconditions begin", broken("one_owner", at(10*s, 30*s, "a")), []expect.Hazard{hazard("HZ", between("a", "b"))},
			expect.HazardSeen, []string{"HZ"}, nil},
		{"just before", broken("one_owner", at(10*s-1, 30*s, "a")), []expect.Hazard{hazard("HZ", between("a", "b"))},
			expect.Violation, nil, []expect.Breach{at(10*s-1, 30*s)}},
		{"as they end", broken("one_owner", at(20*s, 30*s, "a")), []expect.Hazard{hazard("HZ", between("a", "b"))},
			expect.HazardSeen, []string{"HZ"}, nil},
		{"just after", broken("one_owner", at(20*s+1, 30*s, "a")), []expect.Hazard{hazard("HZ", between("a", "b"))},
			expect.Violation, nil, []expect.Breach{at(20*s+1, 30*s)}},
		{"until redundancy is back", broken("one_owner", at(12*s, 60*s, "a")), []expect.Hazard{hazard("HZ", between("a", "b"))},
			expect.HazardSeen, []string{"HZ"}, nil},
		{"and no longer", broken("one_owner", at(12*s, 61*s, "a")), []expect.Hazard{hazard("HZ", between("a", "b"))},
			expect.Violation, []string{"HZ"}, []expect.Breach{at(60*s, 61*s)}},
		{"another machine", broken("one_owner", at(12*s, 30*s, "a", "c")), []expect.Hazard{hazard("HZ", between("a", "b"))},
			expect.Violation, nil, []expect.Breach{at(12*s, 30*s)}},
		{"another claim", broken("sound", at(12*s, 30*s, "a")), []expect.Hazard{hazard("HZ", between("a", "b"))},
			expect.Violation, nil, []expect.Breach{at(12*s, 30*s)}},
		{"a claim that the instance leaves out", broken("one_owner", at(12*s, 30*s, "a")),
			[]expect.Hazard{hazard("HZ", func() expect.Instance { i := between("a"); i.Excuses = []string{"losses"}; return i }())},
			expect.Violation, nil, []expect.Breach{at(12*s, 30*s)}},
		{"the first row that fits", broken("one_owner", at(12*s, 30*s, "a")),
			[]expect.Hazard{hazard("HZ-1", between("a", "b")), hazard("HZ-2", between("a", "b"))}, expect.HazardSeen, []string{"HZ-1"}, nil},
		{"each its own", broken("one_owner", at(12*s, 30*s, "a"), at(12*s, 30*s, "c")),
			[]expect.Hazard{hazard("HZ-1", between("a", "b")), hazard("HZ-2", between("c"))}, expect.HazardSeen, []string{"HZ-1", "HZ-2"}, nil},
		{"one that nothing accounts for", broken("one_owner", expect.Breach{From: 12 * s, Until: 13 * s, Firm: true}),
			[]expect.Hazard{hazard("HZ", between("a"))}, expect.Violation, nil, []expect.Breach{at(12*s, 13*s)}},
		{"losses, whenever they were", broken("losses", expect.Breach{From: 1 * s, Until: 2 * s, Lost: []uint64{1, 3}}),
			[]expect.Hazard{hazard("HZ", between("a"))}, expect.HazardSeen, []string{"HZ"}, nil},
		{"losses one by one", broken("losses", expect.Breach{From: 12 * s, Until: 13 * s, Lost: []uint64{1, 4, 3}}),
			[]expect.Hazard{hazard("HZ", between("a"))}, expect.Violation, []string{"HZ"},
			[]expect.Breach{{From: 12 * s, Until: 13 * s, Lost: []uint64{4}}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			var asked []expect.Claim
			for _, h := range x.hazards {
				asked = append(asked, shows(h.ID))
			}
			j := expect.Judge(made.Run(kind, nil, units), nil, append([]expect.Claim{x.claim}, asked...), x.hazards)
			have := j.Claims[0]
			if have.Verdict != x.want || !slices.Equal(have.Charged, x.charged) {
				t.Errorf("is %s charged to %v, want %s and %v", have.Verdict, have.Charged, x.want, x.charged)
			}
			if len(have.Breaches) != len(x.left) {
				t.Fatalf("%d breaches are left, want %d", len(have.Breaches), len(x.left))
			}
			for i, b := range have.Breaches {
				if b.From != x.left[i].From || b.Until != x.left[i].Until || !slices.Equal(b.Lost, x.left[i].Lost) {
					t.Errorf("left is %+v, want %+v", b, x.left[i])
				}
			}
		})
	}
}

// TestTooMuchIsNoLoss: that a write is there which cannot be in the image is no loss, and nothing accounts for it.
func TestTooMuchIsNoLoss(t *testing.T) {
	h := hazard("HZ", expect.Instance{Over: time.Hour,
		Breach: expect.Breach{Until: time.Hour, Machines: []string{"nas-a", "nas-b"}, Lost: []uint64{1, 2, 3}}})
	h.Excuses = []string{"lost_writes"}
	r := made.Run(kind, nil, units, replaced, `
		3m..3m1s c put /a v1 by nas-a
		disk nas-b /a=v1`)
	j := expect.Judge(r, nil, []expect.Claim{&expect.LostWrites{Lost: expect.LostAfterLastImage}, shows("HZ")}, []expect.Hazard{h})
	if c := j.Claims[0]; c.Verdict != expect.Violation || c.Charged != nil {
		t.Errorf("is %s, charged to %v; want a violation that is charged to nothing", c.Verdict, c.Charged)
	}
}

func TestVerdicts(t *testing.T) {
	pass := &clause{"fine", expect.Finding{Verdict: expect.Pass}}
	vacuous := &clause{"empty", expect.Finding{Verdict: expect.Vacuous, Evidence: []string{"nothing there"}}}
	unsure := &clause{"late", expect.Finding{Verdict: expect.Inconclusive}}
	wrong := broken("one_owner", expect.Breach{Text: "wrong"})
	marks := &clause{"marks", expect.Finding{Verdict: expect.Pass, Marks: []string{"reading=slow"}}}
	standing := func(c expect.Claim) []expect.Form {
		return []expect.Form{{Name: c.Name(), New: func() expect.Claim { return c },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{c} }}}
	}
	seen, inferred, follows := hazard("HZ", between("a")), hazard("HZ", between("a")), hazard("HZ", between("a"))
	inferred.Inferred, follows.WithTakeover = true, true
	for _, x := range []struct {
		name    string
		run     func(*expect.Run)
		forms   []expect.Form
		asked   []expect.Claim
		hazards []expect.Hazard
		want    expect.Verdict
		marks   []string
	}{
		{"nothing at all", nil, nil, nil, nil, expect.Pass, nil},
		{"all well", nil, standing(pass), []expect.Claim{pass}, nil, expect.Pass, nil},
		{"vacuous where asked", nil, nil, []expect.Claim{pass, vacuous}, nil, expect.Vacuous, nil},
		{"idle where not", nil, standing(vacuous), []expect.Claim{pass}, nil, expect.Pass, nil},
		{"inconclusive before vacuous", nil, nil, []expect.Claim{vacuous, unsure}, nil, expect.Inconclusive, nil},
		{"violation before all", nil, nil, []expect.Claim{vacuous, unsure, wrong}, nil, expect.Violation, nil},
		{"a world in doubt before all", func(r *expect.Run) { r.Doubt = "the world was late" }, nil, []expect.Claim{wrong}, nil,
			expect.Inconclusive, nil},
		{"a standing violation", nil, standing(wrong), []expect.Claim{pass}, nil, expect.Violation, nil},
		{"a step that missed", func(r *expect.Run) { r.Missed = []string{"step x: nobody is active"} }, nil, nil, nil, expect.Vacuous, nil},
		{"an answer that was not wanted", func(r *expect.Run) { r.Wants = []expect.Breach{{Text: "want ok, have refused"}} }, nil, nil, nil,
			expect.Violation, nil},
		{"a fault that hit nothing", func(r *expect.Run) { r.Faults = []*faults.Entry{{Step: "x", Fault: &faults.Cut{Segment: "lan"}}} },
			nil, nil, nil, expect.Vacuous, nil},
		{"a fault that hit", func(r *expect.Run) {
			r.Faults = []*faults.Entry{{Step: "x", Fault: &faults.Cut{Segment: "lan"}, Receipt: faults.Receipt{{N: 1, What: "frame lost"}}}}
		}, nil, nil, nil, expect.Pass, nil},
		{"an undoing needs no receipt", func(r *expect.Run) {
			r.Faults = []*faults.Entry{{Step: "x", Fault: &faults.Heal{}, Undoing: true}}
		}, nil, nil, nil, expect.Pass, nil},
		{"nor does a chance in one run", func(r *expect.Run) {
			r.Faults = []*faults.Entry{{Step: "x", Fault: &faults.Degrade{Segment: "lan"}, Chance: true}}
		}, nil, nil, nil, expect.Pass, nil},

		{"a hazard that was expected", nil, nil, []expect.Claim{shows("HZ")}, []expect.Hazard{seen}, expect.HazardSeen, nil},
		{"one that was not", nil, nil, nil, []expect.Hazard{seen}, expect.Violation, nil},
		{"one that was not seen", nil, nil, []expect.Claim{shows("HZ")}, []expect.Hazard{hazard("HZ")}, expect.Violation, nil},
		{"one of some seed, not of this", nil, nil, []expect.Claim{&expect.HazardShows{Hazard: "HZ", Seen: expect.SeenSomeSeed}},
			[]expect.Hazard{hazard("HZ")}, expect.Pass, nil},
		{"one that nobody knows", nil, nil, []expect.Claim{shows("HZ-X")}, []expect.Hazard{hazard("HZ")}, expect.Violation, nil},
		{"one of another kind", nil, nil, nil, func() []expect.Hazard {
			h := hazard("HZ", between("a"))
			h.Kinds = []string{"other"}
			return []expect.Hazard{h}
		}(),
			expect.Pass, nil},
		{"a hazard and a violation beside it", nil, nil, []expect.Claim{shows("HZ"), wrong}, []expect.Hazard{seen}, expect.Violation, nil},
		{"vacuous before hazard", nil, nil, []expect.Claim{shows("HZ"), vacuous}, []expect.Hazard{seen}, expect.Vacuous, nil},
		{"an inferred one is a mark", nil, nil, []expect.Claim{shows("HZ")}, []expect.Hazard{inferred}, expect.Pass, []string{"HZ"}},
		{"by the other name", nil, nil, []expect.Claim{&expect.Undocumented{Option: "HZ"}}, []expect.Hazard{inferred}, expect.Pass, []string{"HZ"}},
		{"an inferred one that was not expected", nil, nil, nil, []expect.Hazard{inferred}, expect.Violation, []string{"HZ"}},
		{"an inferred one that was not seen", nil, nil, []expect.Claim{&expect.Undocumented{Option: "HZ"}}, []expect.Hazard{hazard("HZ")},
			expect.Violation, nil},
		{"one that comes with a takeover", nil, nil, nil, []expect.Hazard{follows}, expect.Pass, nil},
		{"and is spoken of", nil, nil, []expect.Claim{shows("HZ")}, []expect.Hazard{follows}, expect.HazardSeen, nil},

		{"an option that was exercised", nil, standing(marks), []expect.Claim{&expect.Undocumented{Option: "reading"}}, nil, expect.Pass,
			[]string{"reading=slow"}},
		{"one that was not", nil, nil, []expect.Claim{&expect.Undocumented{Option: "reading"}}, nil, expect.Vacuous, nil},
		{"a mark on a violation", nil, standing(marks), []expect.Claim{wrong}, nil, expect.Violation, []string{"reading=slow"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := made.Run(kind, nil, units)
			if x.run != nil {
				x.run(r)
			}
			j := expect.Judge(r, x.forms, x.asked, x.hazards)
			if j.Verdict != x.want || !slices.Equal(j.Undocumented, x.marks) {
				t.Errorf("is %s with marks %v, want %s with %v", j.Verdict, j.Undocumented, x.want, x.marks)
			}
			if (j.Verdict == expect.Vacuous) != (len(j.Vacuous) > 0) && j.Verdict == expect.Vacuous {
				t.Error("a vacuous run says why")
			}
		})
	}
}

func TestOrderOfClaims(t *testing.T) {
	r := made.Run(kind, nil, units)
	r.Wants = []expect.Breach{{Text: "want ok, have refused"}}
	asked := []expect.Claim{&expect.Never{Fact: "alarm"}, shows("HZ"), &expect.NoDualWriters{}}
	j := expect.Judge(r, expect.Forms(), asked, []expect.Hazard{hazard("HZ", between("a")), hazard("HZ-2", between("a"))})
	var names []string
	for _, c := range j.Claims {
		mark := ""
		if c.Asked {
			mark = "*"
		}
		names = append(names, c.Claim+mark)
	}
	want := "never* hazard* no_dual_writers* want* software_sound single_address_owner lost_writes served_image read_only_transitions hazard"
	if have := strings.Join(names, " "); have != want {
		t.Errorf("have %s\nwant %s", have, want)
	}
}

func TestRange(t *testing.T) {
	some := []expect.Claim{&expect.HazardShows{Hazard: "HZ", Seen: expect.SeenSomeSeed}}
	play := func(seen, hit bool) expect.Judgement {
		r := made.Run(kind, nil, units)
		e := &faults.Entry{Step: "loss", Fault: &faults.Degrade{Segment: "lan"}, Chance: true}
		if hit {
			e.Receipt = faults.Receipt{{N: 1, What: "frame lost"}}
		}
		r.Faults = []*faults.Entry{e}
		h := hazard("HZ")
		if seen {
			h = hazard("HZ", between("a"))
		}
		return expect.Judge(r, nil, some, []expect.Hazard{h})
	}
	judge := func(plays ...expect.Judgement) []expect.Judged {
		var of expect.Range
		for i := range plays {
			of.Add(&plays[i])
		}
		return of.Judge()
	}
	if found := judge(play(false, true), play(true, false)); len(found) != 0 {
		t.Errorf("each came about once; found %+v", found)
	}
	found := judge(play(false, false), play(false, false))
	if len(found) != 2 || found[0].Verdict != expect.Violation || found[1].Verdict != expect.Vacuous {
		t.Errorf("want a violation for the hazard and vacuous for the fault, have %+v", found)
	}
	if judge() != nil {
		t.Error("a batch without plays has nothing to say")
	}
}

func TestTimeline(t *testing.T) {
	r := made.Run(kind, nil, `
		machine a lan=10.0.0.1
		machine late lan=10.0.0.2
		1m a role: active, access: read-write
		2m a paused: paused
		3m a crashed
		4m a resumed: paused
		5m a restarted
		6m a role: standby
		7m a powered-off
		8m late booted
		9m a booted`)
	var have []string
	for _, i := range r.Timeline().Lane("a").States {
		have = append(have, i.Value+" "+nodes.FormatDuration(i.From))
	}
	want := []string{"up 0s", "paused 2m", "crashed 3m", "up 5m", "powered-off 7m", "up 9m"}
	if !slices.Equal(have, want) {
		t.Errorf("states are %v, want %v", have, want)
	}
	if s := r.Timeline().Lane("late").State(time.Minute); s != "powered-off" {
		t.Errorf("a machine that boots first at 8m is %s at 1m, want powered-off", s)
	}
	if roles := r.Timeline().Lane("a").Role; len(roles) != 2 || roles[0].Until != 3*time.Minute || roles[1].Until != 7*time.Minute {
		t.Errorf("roles end with the software, at 3m and 7m; have %+v", roles)
	}
	if who := r.Who("standby", 6*time.Minute); !slices.Equal(who, []string{"a"}) {
		t.Errorf("the standby at 6m is %v, want a", who)
	}
}

func TestReach(t *testing.T) {
	r := made.Run(kind, nil, `
		machine a lan=10.0.0.1
		machine b lan=10.0.0.2
		1m a unreachable: b (lan)
		2m b unreachable: a (lan)
		3m a reachable: b (lan)
		4m b reachable: a (lan)
		50m a unreachable: b (lan)`)
	apart := r.Reach().Apart("lan", "a", "b")
	if len(apart) != 2 || apart[0].From != time.Minute || apart[0].Until != 4*time.Minute || apart[1].Until != time.Hour {
		t.Errorf("want 1m to 4m and 50m to the end, have %+v", apart)
	}
	if lost := r.Reach().Lost(expect.Direction{Segment: "lan", From: "b", To: "a"}); len(lost) != 1 || lost[0].From != 2*time.Minute {
		t.Errorf("want the way back lost from 2m, have %+v", lost)
	}
	if other := r.Reach().Apart("wan", "a", "b"); other != nil {
		t.Errorf("another segment is %+v, want nothing lost", other)
	}
}
