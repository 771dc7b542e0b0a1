package expect_test

import (
	"testing"
	"time"

	"firedrill/scenarios/expect"
)

func TestBreaks(t *testing.T) {
	at := func(from time.Duration) expect.Breach {
		return expect.Breach{From: from, Until: time.Minute, Machines: []string{"a"}, Text: "broken"}
	}
	found := func(v expect.Verdict) *clause { return &clause{"one_owner", expect.Finding{Verdict: v}} }
	excused := []expect.Hazard{hazard("HZ", between("a"))}
	for _, x := range []struct {
		name    string
		claims  []expect.Claim
		hazards []expect.Hazard
		breaks  string
		own     expect.Verdict // of the claim breaks
		run     expect.Verdict
	}{
		{"broken", []expect.Claim{broken("one_owner", at(0))}, nil, "one_owner", expect.Pass, expect.Pass},
		{"it holds", []expect.Claim{found(expect.Pass)}, nil, "one_owner", expect.Violation, expect.Violation},
		{"it had nothing to judge", []expect.Claim{found(expect.Idle)}, nil, "one_owner", expect.Violation, expect.Violation},
		{"another one is broken", []expect.Claim{found(expect.Pass), broken("losses", at(0))}, nil, "one_owner", expect.Violation,
			expect.Violation},
		{"another one is broken too", []expect.Claim{broken("one_owner", at(0)), broken("losses", at(0))}, nil, "one_owner", expect.Pass,
			expect.Violation},
		{"undecided", []expect.Claim{found(expect.Inconclusive)}, nil, "one_owner", expect.Inconclusive, expect.Inconclusive},
		{"a hazard accounts for it", []expect.Claim{broken("one_owner", at(12*time.Second)), shows("HZ")}, excused, "one_owner",
			expect.Violation, expect.Violation},
		{"a hazard accounts for a part", []expect.Claim{broken("one_owner", at(0), at(12*time.Second)), shows("HZ")}, excused, "one_owner",
			expect.Pass, expect.HazardSeen},
	} {
		t.Run(x.name, func(t *testing.T) {
			asked := append([]expect.Claim{&expect.Breaks{Claim: x.breaks}}, x.claims...)
			r := &expect.Run{End: time.Minute}
			j := expect.Judge(r, nil, asked, x.hazards)
			if j.Claims[0].Verdict != x.own || j.Verdict != x.run {
				t.Errorf("breaks: %s, run: %s; want %s, %s", j.Claims[0].Verdict, j.Verdict, x.own, x.run)
			}
			if x.own == expect.Pass && (j.Claims[1].Verdict != expect.HazardSeen || len(j.Claims[1].Breaches) > 0) {
				t.Errorf("%s with %d breaches; want those that were asked for to be no breach any more", j.Claims[1].Verdict,
					len(j.Claims[1].Breaches))
			}
		})
	}
	for claim, ok := range map[string]bool{"one_owner": true, "": false, "breaks": false, "hazard": false, "undocumented": false, "slips": false} {
		if err := (&expect.Breaks{Claim: claim}).Check(); (err == nil) != ok {
			t.Errorf("breaks %q: %v", claim, err)
		}
	}
}

func TestBrokenTwiceIsAskedTwice(t *testing.T) {
	claims := []expect.Claim{&expect.Breaks{Claim: "one_owner"}, &expect.Breaks{Claim: "one_owner"},
		broken("one_owner", expect.Breach{Text: "broken"})}
	if j := expect.Judge(&expect.Run{}, nil, claims, nil); j.Verdict != expect.Pass {
		t.Errorf("%s, want that each of the two sees the breach", j.Verdict)
	}
}
