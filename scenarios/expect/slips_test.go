package expect_test

import (
	"strings"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// slipped is a run in which step b was left out of procedure p, which came to its end.
func slipped() *expect.Run {
	return &expect.Run{End: time.Minute,
		Slips:  []expect.Slip{{Procedure: "p", Step: "b", What: "skip", Passed: []string{"c", "p"}}},
		Events: []sim.Event{{At: 30 * time.Second, Fact: nodes.Fact{Name: "procedure-done", Scope: "p"}}}}
}

func TestSlips(t *testing.T) {
	at := expect.Breach{From: 12 * time.Second, Until: 15 * time.Second, Machines: []string{"a"}, Text: "two owners"}
	damage := &clause{"one_owner", expect.Finding{Verdict: expect.Violation, Evidence: []string{"two owners"}, Breaches: []expect.Breach{at}}}
	found := func(v expect.Verdict) *clause {
		return &clause{"one_owner", expect.Finding{Verdict: v, Evidence: []string{"so"}}}
	}
	crash := &clause{"software_sound", expect.Finding{Verdict: expect.Violation, Evidence: []string{"a panics"}, Breaches: []expect.Breach{at}}}
	seen := []expect.Hazard{hazard("HZ", between("a"))}
	always := []expect.Hazard{hazard("HZ", between("a"))}
	always[0].WithTakeover = true
	inferred := []expect.Hazard{hazard("HZ", between("a"))}
	inferred[0].Inferred = true
	want := func(r *expect.Run) { r.Wants = []expect.Breach{{Text: "want ok, have 409"}} }
	usual := func(r *expect.Run) { r.Usual = []string{"HZ"} }
	type claims = []expect.Claim
	for _, x := range []struct {
		name           string
		claims         claims
		hazards        []expect.Hazard
		run            func(*expect.Run)
		named          expect.Verdict
		verdict        expect.Verdict // of a run of which named is claimed
		harmless, says string
	}{
		{"a claim is broken", claims{damage}, nil, nil, expect.Pass, expect.Pass, "violation",
			"step b of p was left out: 1 thing broke\none_owner: two owners"},
		{"an answer is not as wanted", claims{found(expect.Pass)}, nil, want, expect.Pass, expect.Pass, "violation",
			"step b of p was left out: 1 thing broke\nwant: want ok, have 409"},
		{"both", claims{damage}, nil, want, expect.Pass, expect.Pass, "violation", "2 things broke"},
		{"nothing", claims{found(expect.Pass)}, nil, nil, expect.Violation, expect.Violation, "pass", "and nothing broke"},
		{"a claim had nothing to judge", claims{found(expect.Idle)}, nil, nil, expect.Violation, expect.Violation, "pass", "and nothing broke"},
		{"a claim is not decided", claims{found(expect.Inconclusive)}, nil, nil, expect.Inconclusive, expect.Inconclusive, "inconclusive",
			"one_owner could not be decided"},
		{"steps missed", claims{found(expect.Pass)}, nil, func(r *expect.Run) { r.Missed = []string{"step c: nobody is active"} },
			expect.Vacuous, expect.Vacuous, "vacuous", "another one: step c: nobody is active"},
		{"a hazard that the case expects for the slip", claims{found(expect.Pass), shows("HZ")}, seen, nil, expect.Pass, expect.HazardSeen,
			"violation", "hazard: HZ: seen"},
		{"a hazard that nobody expects", claims{found(expect.Pass)}, seen, nil, expect.Pass, expect.Pass, "violation", "hazard: HZ: HZ showed"},
		{"a hazard that the case shows anyway", claims{found(expect.Pass), shows("HZ")}, seen, usual, expect.Violation, expect.Violation,
			"pass", "and nothing broke"},
		{"a hazard that accounts for what broke anyway", claims{damage, shows("HZ")}, seen, usual, expect.Violation, expect.Violation,
			"pass", "and nothing broke"},
		{"a hazard that comes with every takeover", claims{found(expect.Pass)}, always, nil, expect.Violation, expect.Violation, "pass",
			"and nothing broke"},
		{"an inferred hazard", claims{found(expect.Pass), shows("HZ")}, inferred, nil, expect.Violation, expect.Violation, "pass",
			"and nothing broke"},
		{"what was to break", claims{damage, &expect.Breaks{Claim: "one_owner"}}, nil, nil, expect.Violation, expect.Violation, "pass",
			"and nothing broke"},
		{"a hazard was not seen", claims{damage, shows("HZ")}, nil, nil, expect.Pass, expect.Violation, "violation", "1 thing broke"},
		{"software that panics", claims{crash}, nil, nil, expect.Pass, expect.Violation, "violation", "software_sound: a panics"},
		{"the procedure never got so far", claims{damage}, nil, func(r *expect.Run) { r.Events = nil }, expect.Vacuous, expect.Violation,
			"vacuous", "did not get so far"},
		{"the procedure got beyond it", claims{damage}, nil, func(r *expect.Run) { r.Events, r.Steps = nil, []expect.Fired{{Name: "c"}} },
			expect.Pass, expect.Pass, "violation", "1 thing broke"},
		{"nobody slips", claims{damage}, nil, func(r *expect.Run) { r.Slips = nil }, expect.Idle, expect.Violation, "idle",
			"nobody slips in this case"},
	} {
		t.Run(x.name, func(t *testing.T) {
			judge := func(slips ...string) expect.Judgement {
				r := slipped()
				if x.run != nil {
					x.run(r)
				}
				asked := claims{}
				for _, s := range slips {
					asked = append(asked, &expect.Slips{Slips: s})
				}
				return expect.Judge(r, nil, append(asked, x.claims...), x.hazards)
			}
			j := judge(expect.SlipsNamed)
			if j.Claims[0].Verdict != x.named || j.Verdict != x.verdict {
				t.Errorf("named: %s, run: %s; want %s, %s", j.Claims[0].Verdict, j.Verdict, x.named, x.verdict)
			}
			if has := strings.Join(j.Claims[0].Evidence, "\n"); !strings.Contains(has, x.says) {
				t.Errorf("named says %q, want %q", has, x.says)
			}
			j = judge(expect.SlipsHarmless)
			if string(j.Claims[0].Verdict) != x.harmless {
				t.Errorf("harmless: %s, want %s", j.Claims[0].Verdict, x.harmless)
			}
			if x.harmless == "pass" {
				if j = judge(expect.SlipsNamed, expect.SlipsHarmless); j.Claims[0].Verdict != expect.Pass ||
					!strings.HasSuffix(j.Claims[0].Evidence[0], "no damage") {
					t.Errorf("both: named is %s, %q; want it to tell of no damage", j.Claims[0].Verdict, j.Claims[0].Evidence)
				}
			}
			if x.harmless == "violation" {
				if j = judge(expect.SlipsNamed, expect.SlipsHarmless); j.Claims[1].Verdict != expect.Violation || j.Verdict != expect.Violation {
					t.Errorf("both: harmless is %s, run %s; want a violation", j.Claims[1].Verdict, j.Verdict)
				}
			}
		})
	}
}

// TestWhatIsNamedIsNoBreach: what the slip broke is told, and no violation of the run.
func TestWhatIsNamedIsNoBreach(t *testing.T) {
	r := slipped()
	r.Wants = []expect.Breach{{Text: "want ok, have 409"}}
	claims := []expect.Claim{broken("one_owner", expect.Breach{Text: "broken"}), &expect.Slips{Slips: expect.SlipsNamed}}
	j := expect.Judge(r, nil, claims, nil)
	for _, n := range []int{0, 2} {
		if c := j.Claims[n]; c.Verdict != expect.HazardSeen || len(c.Breaches) > 0 || len(c.Excused) != 1 {
			t.Errorf("%s: %s, %d breaches, %d excused; want the one breach to be excused", c.Claim, c.Verdict, len(c.Breaches), len(c.Excused))
		}
	}
}

func TestSlipsAreNamed(t *testing.T) {
	for want, s := range map[string]expect.Slip{
		"step b of p was left out":     {What: "skip"},
		"step b of p was done twice":   {What: "twice"},
		"step b of p was done after c": {What: "swap", Next: "c"},
		"step b of p came 20s late":    {What: "late", Late: 20 * time.Second},
	} {
		if s.Procedure, s.Step = "p", "b"; s.String() != want {
			t.Errorf("%q, want %q", s.String(), want)
		}
	}
}
