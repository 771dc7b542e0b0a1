package pair_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"firedrill/faults"
	"firedrill/nodes"
	unit "firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/scenarios/expect/internal/made"
	"firedrill/scenarios/expect/pair"
)

// setUp is a pair that is redundant from 21s, with an image of 20s; %s is what of interval and checks the operator said.
const setUp = `
	machine nas-a lan=172.16.66.165 heartbeat=192.168.2.254
	machine nas-b lan=172.16.66.160 heartbeat=192.168.2.253
	client office-1 office
	segment heartbeat latency=1ms
	step 10s lead do apply nas-a 200 role=active pair_ip=172.16.66.160 virtual_ip=172.16.66.40 heartbeat_ips=[192.168.2.254 192.168.2.253] %s
	step 15s join do apply nas-b 200 role=standby pair_ip=172.16.66.165
	16s nas-b erased
	16s nas-a role: active, access: read-write, address-bound: 172.16.66.40 (lan), phase: active-init
	16s nas-b role: standby, access: none, phase: standby-init
	20s nas-a sync-begun: 1
	21s nas-b image-committed: 1
	21s nas-b phase: standby
	21s nas-a sync-committed: 1
	21s nas-a phase: active, ready
`

func config(semantics string) *unit.Config {
	c := unit.Kind().Config().(*unit.Config)
	c.CheckSemantics, c.CheckTimeout, c.TakeoverWork = semantics, 2*time.Second, 3*time.Second
	return c
}

// played is a run of a pair with 30s and so many checks.
func played(c *unit.Config, checks int, script string) *expect.Run {
	return made.Run(unit.Kind(), c, fmt.Sprintf(setUp, fmt.Sprintf("interval=30s checks=%d", checks)), script)
}

// takes is nas-b taking over, all at one instant.
func takes(at time.Duration) string {
	return fmt.Sprintf(`
	%[1]s nas-b phase: takeover, role: active, address-bound: 172.16.66.40 (lan), phase: active-solo, access: read-write
	%[1]s nas-b took-over image=1
`, nodes.FormatDuration(at))
}

const death = "step 10m death\n10m nas-a powered-off\n"

// standing are the claims of the package that nobody asks for, by name.
func standing(name string) expect.Claim {
	for _, f := range pair.Forms() {
		if f.Name == name {
			return f.Standing(nil)[0]
		}
	}
	panic("no claim " + name)
}

func bound(text string) expect.Bound {
	var b expect.Bound
	if err := b.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return b
}

// edges tries a window at its two ends, inside and outside, by a millisecond and by a nanosecond.
func edges(t *testing.T, run func(takeover string) *expect.Run, lower, upper time.Duration, claims ...expect.Claim) {
	t.Helper()
	for _, x := range []struct {
		at   time.Duration
		want expect.Verdict
	}{
		{lower - time.Millisecond, expect.Violation}, {lower - 1, expect.Violation}, {lower, expect.Pass}, {lower + 1, expect.Pass},
		{lower + time.Millisecond, expect.Pass}, {upper - time.Millisecond, expect.Pass}, {upper - 1, expect.Pass}, {upper, expect.Pass},
		{upper + 1, expect.Violation}, {upper + time.Millisecond, expect.Violation},
	} {
		for _, c := range claims {
			if x.at < 0 {
				continue // Nothing comes before the death itself.
			}
			f := c.Judge(run(takes(10*time.Minute + x.at)))
			if f.Verdict != x.want {
				t.Errorf("%T: %s after the death is %s, want %s for %s to %s\n%s", c, x.at, f.Verdict, x.want, lower, upper,
					strings.Join(f.Evidence, "\n"))
			}
		}
	}
}

// TestWindow is D-46 with an interval of 30s, a timeout of 2s and 3s of work, in figures worked out by hand.
func TestWindow(t *testing.T) {
	for _, x := range []struct {
		semantics    string
		checks       int
		lower, upper time.Duration
	}{
		{"spaced", 1, 30 * time.Second, 65 * time.Second},
		{"spaced", 2, 60 * time.Second, 95 * time.Second},
		{"spaced", 3, 90 * time.Second, 125 * time.Second},
		{"within", 1, 15 * time.Second, 50 * time.Second},
		{"within", 2, 20 * time.Second, 55 * time.Second},
		{"within", 3, 22500 * time.Millisecond, 57500 * time.Millisecond},
		{"total", 1, 0, 35 * time.Second},
		{"total", 2, 30 * time.Second, 65 * time.Second},
		{"total", 3, 60 * time.Second, 95 * time.Second},
	} {
		t.Run(fmt.Sprintf("%s-%d", x.semantics, x.checks), func(t *testing.T) {
			run := func(takeover string) *expect.Run { return played(config(x.semantics), x.checks, death+takeover) }
			edges(t, run, x.lower, x.upper, &pair.Takeover{}, &pair.Takeover{Machine: "nas-b", Since: "death"},
				&pair.Takeover{Machine: "standby"}, standing("takeover"))
			f := (&pair.Takeover{}).Judge(run(takes(10*time.Minute + x.upper)))
			if len(f.Marks) != 1 || f.Marks[0] != "check_semantics="+x.semantics {
				t.Errorf("marks are %v, want the reading %s", f.Marks, x.semantics)
			}
		})
	}
}

// TestWindowRounds: a third of a window is not a whole number of nanoseconds; neither end may be narrowed by that.
func TestWindowRounds(t *testing.T) {
	run := func(takeover string) *expect.Run {
		return made.Run(unit.Kind(), config("within"), fmt.Sprintf(setUp, "interval=10s checks=2"), death+takeover)
	}
	edges(t, run, 6666666666, 10*time.Second+6666666667+5*time.Second, &pair.Takeover{}, standing("takeover"))
}

func TestWindowWidens(t *testing.T) {
	drifting := func(drift string) func(string) *expect.Run {
		return func(takeover string) *expect.Run {
			r := played(config("spaced"), 2, death+takeover)
			if err := r.Machine("nas-b").Clock.Drift.UnmarshalText([]byte(drift)); err != nil {
				t.Fatal(err)
			}
			return r
		}
	}
	t.Run("by drift", func(t *testing.T) { // 60s/1.0002 and 95s/0.9998
		edges(t, drifting("200ppm"), 59988002399, 95019003801, &pair.Takeover{}, standing("takeover"))
		edges(t, drifting("-200ppm"), 59988002399, 95019003801, &pair.Takeover{})
	})
	t.Run("by a drift that a fault brought", func(t *testing.T) {
		edges(t, func(takeover string) *expect.Run {
			r := played(config("spaced"), 2, death+takeover)
			r.Faults = []*faults.Entry{{Fault: &faults.DriftClock{Machine: "nas-b", Drift: 200}}}
			return r
		}, 59988002399, 95019003801, &pair.Takeover{})
	})
	t.Run("by slack", func(t *testing.T) {
		edges(t, func(takeover string) *expect.Run {
			r := played(config("spaced"), 2, death+takeover)
			r.Slack = 5 * time.Millisecond
			return r
		}, 60*time.Second-5*time.Millisecond, 95*time.Second+5*time.Millisecond, &pair.Takeover{}, standing("takeover"))
	})
	t.Run("by a round trip where the failure was signalled", func(t *testing.T) {
		edges(t, func(takeover string) *expect.Run {
			return played(config("spaced"), 2, "10m nas-a crashed\n"+takeover)
		}, 60*time.Second-2*time.Millisecond, 95*time.Second, &pair.Takeover{}, standing("takeover"))
	})
	t.Run("by the bounds of the scenario", func(t *testing.T) {
		claim := &pair.Takeover{NotBefore: bound("40s"), Within: bound("41s")}
		edges(t, func(takeover string) *expect.Run { return played(config("spaced"), 2, death+takeover) },
			40*time.Second, 41*time.Second, claim)
	})
	t.Run("at one end by the scenario", func(t *testing.T) {
		edges(t, func(takeover string) *expect.Run { return played(config("spaced"), 2, death+takeover) },
			60*time.Second, 70*time.Second, &pair.Takeover{Within: bound("70s")})
		edges(t, func(takeover string) *expect.Run { return played(config("spaced"), 2, death+takeover) },
			0, 95*time.Second, &pair.Takeover{NotBefore: bound("0s")})
	})
	t.Run("by what operators had acknowledged", func(t *testing.T) {
		edges(t, func(takeover string) *expect.Run {
			return played(config("spaced"), 2, `
				step 5m change do change-settings nas-a 200 interval=60s checks=1
				step 6m refused do change-settings nas-a 400 interval=1s checks=9
				step 11m later do change-settings nas-a 200 interval=10s checks=9
				`+death+takeover)
		}, 60*time.Second, 125*time.Second, &pair.Takeover{}, standing("takeover"))
	})
	t.Run("by what the unit goes by, where the operator said nothing", func(t *testing.T) {
		edges(t, func(takeover string) *expect.Run {
			return made.Run(unit.Kind(), config("spaced"), fmt.Sprintf(setUp, ""), "22s nas-a settings interval=60s checks=2\n", death+takeover)
		}, 120*time.Second, 185*time.Second, &pair.Takeover{})
	})
	t.Run("from the end of the standby's grace", func(t *testing.T) { // D-67: booted at 9m30s, grace until 11m30s
		edges(t, func(takeover string) *expect.Run {
			return played(config("spaced"), 2, `
				9m nas-b powered-off
				9m30s nas-b booted
				9m30s nas-b role: standby, access: none, phase: standby
				`+death+takeover)
		}, 90*time.Second+60*time.Second, 90*time.Second+95*time.Second, &pair.Takeover{}, standing("takeover"))
	})
	t.Run("from the standby's restart, which has no grace", func(t *testing.T) {
		edges(t, func(takeover string) *expect.Run {
			return played(config("spaced"), 2, death+`
				10m10s nas-b crashed
				10m20s nas-b restarted
				10m20s nas-b role: standby, access: none, phase: standby
				`+takeover)
		}, 20*time.Second+60*time.Second, 20*time.Second+95*time.Second, &pair.Takeover{}, standing("takeover"))
	})
	t.Run("from the grace of the machine's boot, if it is restarted in it", func(t *testing.T) {
		edges(t, func(takeover string) *expect.Run {
			return played(config("spaced"), 2, `
				9m nas-b powered-off
				9m30s nas-b booted
				9m30s nas-b role: standby, access: none, phase: standby
				`+death+`
				10m10s nas-b crashed
				10m20s nas-b restarted
				10m20s nas-b role: standby, access: none, phase: standby
				`+takeover)
		}, 90*time.Second+60*time.Second, 90*time.Second+95*time.Second, &pair.Takeover{}, standing("takeover"))
	})
	t.Run("not by the grace of a boot before it was a standby", func(t *testing.T) {
		edges(t, func(takeover string) *expect.Run {
			c := config("spaced")
			c.BootGrace = 20 * time.Minute
			return made.Run(unit.Kind(), c, strings.Replace(fmt.Sprintf(setUp, "interval=30s checks=2"),
				"16s nas-b erased", "12s nas-b booted\n16s nas-b erased", 1), death+takeover)
		}, 60*time.Second, 95*time.Second, &pair.Takeover{}, standing("takeover"))
	})
}

type trial struct {
	name, script string
	want         expect.Verdict
	says         string
}

func (x trial) play(t *testing.T, claim expect.Claim, c *unit.Config) {
	t.Helper()
	t.Run(x.name, func(t *testing.T) {
		f := claim.Judge(played(c, 1, x.script))
		if f.Verdict != x.want {
			t.Errorf("is %s, want %s\n%s", f.Verdict, x.want, strings.Join(f.Evidence, "\n"))
		}
		if text := strings.Join(f.Evidence, "\n"); !strings.Contains(text, x.says) {
			t.Errorf("the evidence does not say %q:\n%s", x.says, text)
		}
	})
}

func TestTakeover(t *testing.T) {
	for _, x := range []trial{
		{"never", death, expect.Violation, "nas-b never took over"},
		{"the run ended before", "step 59m death\n59m nas-a powered-off\n", expect.Inconclusive, "before the window closed at 1h5s"},
		{"began and never served", death + "10m40s nas-b phase: takeover\n", expect.Violation, "began to take over 40s after 10m, and never served"},
		{"began and the run ended", "59m20s nas-a powered-off\n59m55s nas-b phase: takeover\n", expect.Inconclusive, ""},
		{"the address came late", death + `
			10m40s nas-b phase: takeover, role: active, access: read-write
			11m6s nas-b address-bound: 172.16.66.40 (lan)`, expect.Violation, "served 1m6s after 10m, 1s too late"},
		{"the address came early", death + `
			10m29s nas-b address-bound: 172.16.66.40 (lan)
			10m40s nas-b phase: takeover, role: active, access: read-write`, expect.Violation, "began to take over 29s after 10m, 1s too early"},
		{"nobody died", "", expect.Vacuous, "no active of a pair died"},
		{"the last death counts", `
			5m nas-a crashed
			5m10s nas-a restarted
			5m10s nas-a role: active, access: read-write
			` + death + takes(10*time.Minute+40*time.Second), expect.Pass, "40s after 10m"},
		{"the standby's death is none", "10m nas-b powered-off\n", expect.Vacuous, ""},
		{"the check before had failed by the network's doing", `
			9m50s nas-a unreachable: nas-b (heartbeat)
			9m52s nas-b check-failed: 1
			9m53s nas-a reachable: nas-b (heartbeat)
			` + death + takes(10*time.Minute+20*time.Second), expect.Pass, "no lower bound: the check that failed at 9m52s"},
		{"the check before had failed by the unit's own word alone", `
			9m52s nas-b check-failed: 1
			` + death + takes(10*time.Minute+20*time.Second), expect.Violation, "too early"},
		{"the check before had failed, and one was answered after it", `
			9m20s nas-a unreachable: nas-b (heartbeat)
			9m22s nas-b check-failed: 1
			9m23s nas-a reachable: nas-b (heartbeat)
			9m50s nas-b check-answered
			` + death + takes(10*time.Minute+20*time.Second), expect.Violation, "too early"},
	} {
		x.play(t, &pair.Takeover{}, config("spaced"))
	}
	for _, x := range []trial{
		{"no pair", "", expect.Vacuous, "no pair was set up"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := made.Run(unit.Kind(), config("spaced"), "machine nas-a lan=172.16.66.165", "step 1m death")
			if f := (&pair.Takeover{Since: "death"}).Judge(r); f.Verdict != x.want {
				t.Errorf("is %s, want %s", f.Verdict, x.want)
			}
		})
	}
	if f := (&pair.Takeover{Since: "cable"}).Judge(played(config("spaced"), 1, death)); f.Verdict != expect.Vacuous {
		t.Errorf("a step that never acted makes it %s, want vacuous", f.Verdict)
	}
	if err := (&pair.Takeover{NotBefore: bound("2s"), Within: bound("1s")}).Check(); err == nil {
		t.Error("a window that ends before it begins is accepted")
	}
}

func TestPhases(t *testing.T) {
	f := (&pair.Takeover{}).Judge(played(config("spaced"), 1, death+`
		10m12s nas-b check-failed: 1
		10m42s nas-b check-failed: 2
		10m42s nas-b phase: takeover
		10m42.5s nas-b role: active
		10m43.5s nas-b address-bound: 172.16.66.40 (lan)
		10m43.6s nas-b phase: active-solo, access: read-write
		10m30s..10m44s office-1 put /a v1 by nas-b`))
	want := map[string]float64{"takeover_detect": 12, "takeover_decide": 30, "takeover_promote": 0.5, "takeover_address": 1,
		"takeover_access": 0.1, "takeover_client": 0.4, "takeover": 43.6}
	if len(f.Measures) != len(want) {
		t.Errorf("have %v, want %v", f.Measures, want)
	}
	for _, m := range f.Measures {
		if m.Value != want[m.Name] || m.Unit != "s" {
			t.Errorf("%s is %v%s, want %vs", m.Name, m.Value, m.Unit, want[m.Name])
		}
	}
}

const cable = `
	step 10m cable
	10m nas-a unreachable: nas-b (heartbeat)
	10m nas-b unreachable: nas-a (heartbeat)
`

// mended is the end of cable.
func mended(at string) string {
	return fmt.Sprintf("%[1]s nas-a reachable: nas-b (heartbeat)\n%[1]s nas-b reachable: nas-a (heartbeat)\n", at)
}

func TestEveryTakeover(t *testing.T) {
	early := takes(10*time.Minute + 40*time.Second)
	for _, x := range []trial{
		{"peace", "", expect.Vacuous, ""},
		{"a cut", cable + early, expect.Pass, "nas-b began to take over 40s after 10m"},
		{"one way is enough", "10m nas-a unreachable: nas-b (heartbeat)\n" + early, expect.Pass, ""},
		{"another segment is not", "10m nas-a unreachable: nas-b (lan)\n" + early, expect.Violation,
			"nas-b took over at 10m40s, though nas-a ran and could be heard over heartbeat"},
		{"no cause at all", early, expect.Violation, "could be heard"},
		{"a short cut", cable + mended("10m20s"), expect.Pass, "did not take over"},
		{"a cut that ended as the last check was out", cable + mended("10m41s") + takes(10*time.Minute+43*time.Second), expect.Pass, ""},
		{"a cut that had ended long before", cable + mended("10m20s") + takes(10*time.Minute+40*time.Second), expect.Violation, ""},
		{"a cut that goes on, and nobody takes over", cable, expect.Violation, "nas-b never took over"},
		{"as long as the window", cable + mended("11m5s"), expect.Pass, ""},
		{"longer by a nanosecond", cable + mended("11m5.000000001s"), expect.Violation, ""},
		{"too late, at another silence", cable + mended("20m") + "30m nas-a powered-off\n" + takes(30*time.Minute+40*time.Second),
			expect.Violation, "too late"},
		{"an active that stands still", "10m nas-a paused: paused\n" + early, expect.Pass, ""},
		{"an active that came back as the last check was out, and asked for its address", death + "10m34.9s nas-a booted\n" +
			"10m38s nas-a phase: active\n" + early, expect.Pass, ""},
		{"an active that came back, and asked for long", death + "10m29s nas-a booted\n10m38s nas-a phase: active\n" + early, expect.Violation,
			"could be heard"},
		{"an active that came back in time", "10m nas-a crashed\n10m20s nas-a restarted\n", expect.Pass, "did not take over"},
		{"a cut that flickers counts from its begin", cable + mended("10m10s") + `
			10m11s nas-a unreachable: nas-b (heartbeat)
			` + early, expect.Pass, "40s after 10m"},
		{"unless a check was answered meanwhile", cable + mended("10m10s") + `
			10m10.5s nas-b check-answered
			10m11s nas-a unreachable: nas-b (heartbeat)
			` + early, expect.Violation, "29s after 10m11s, 1s too early"},
		{"a standby that was off cannot", "9m nas-b powered-off\n" + death, expect.Pass, "did not take over"},
		{"a pair that is disconnected meanwhile", death + "step 10m30s part do disconnect nas-b 200\n10m30s nas-b role:, phase: standalone\n",
			expect.Pass, "did not take over"},
		{"a pair that is disconnected when it is too late", death + "step 11m6s part do disconnect nas-b 200\n11m6s nas-b role:, phase: standalone\n",
			expect.Violation, "never took over"},
		{"a pair that was disconnected", "step 9m part do disconnect nas-a 200\n" + death, expect.Vacuous, ""},
	} {
		x.play(t, standing("takeover"), config("spaced"))
	}
	r := made.Run(unit.Kind(), config("spaced"), strings.ReplaceAll(fmt.Sprintf(setUp, ""), "21s nas-b image-committed: 1", ""), death)
	if f := standing("takeover").Judge(r); f.Verdict != expect.Pass {
		t.Errorf("a standby without an image must not take over (D-52); that is %s: %v", f.Verdict, f.Evidence)
	}
	filtered := played(config("spaced"), 1, early)
	filtered.Faults = []*faults.Entry{{Step: "cut", From: 10 * time.Minute, Until: -1,
		Fault: &faults.Cut{Segment: "heartbeat", Scope: faults.Scope{Frames: []string{"udp"}}}}}
	if f := standing("takeover").Judge(filtered); f.Verdict != expect.Pass {
		t.Errorf("a cut of the checks alone is %s, want pass: %v", f.Verdict, f.Evidence)
	}
	filtered.Faults[0].Fault.(*faults.Cut).Frames = []string{"tcp"}
	again := played(config("spaced"), 1, early)
	again.Faults = filtered.Faults
	if f := standing("takeover").Judge(again); f.Verdict != expect.Violation {
		t.Errorf("a cut of other frames is %s, want violation", f.Verdict)
	}
}

// TestTakeoverBreaksOff: the standby's power fails in the middle of its takeover. That makes it later, and not too early; one
// that is a standby again counts anew from the end of its grace, here 12m50s.
func TestTakeoverBreaksOff(t *testing.T) {
	off := func(begun string) string {
		return death + begun + "10m40.1s nas-b powered-off\n10m50s nas-b booted\n"
	}
	const decided = "10m40s nas-b phase: takeover\n"
	const early = "10m29s nas-b phase: takeover\n"
	const promoted = decided + "10m40.05s nas-b role: active\n"
	const standby = "10m50s nas-b role: standby, access: none, phase: standby\n"
	const survivor = `
		10m55s nas-b role: active, address-bound: 172.16.66.40 (lan), phase: active-solo, access: read-write
		10m55s nas-b took-over image=1
	`
	back := func(at string) string {
		return at + " nas-a booted\n" + at + " nas-a role: active, access: read-write, phase: active\n"
	}
	for _, x := range []trial{
		{"and it is what it was about to be", off(promoted) + survivor, expect.Pass, "began to take over 40s after 10m and served after 55s"},
		{"after it had begun too early", off(early) + survivor, expect.Violation, "29s after 10m, 1s too early"},
		{"and it tries again", off(decided) + standby + takes(13*time.Minute+30*time.Second), expect.Pass, "2m40s after 10m50s"},
		{"and it tries again too early", off(decided) + standby + takes(13*time.Minute+10*time.Second), expect.Violation, "too early"},
		{"and it tries again too late", off(decided) + standby + takes(14*time.Minute), expect.Violation, "too late"},
		{"after it had begun too early, and it tries again", off(early) + standby + takes(13*time.Minute+30*time.Second), expect.Violation,
			"1s too early"},
		{"and it never tries again", off(decided) + standby, expect.Violation, "never took over"},
		{"and its active is back", off(decided) + standby + back("12m"), expect.Pass, "could hear its active again at 12m"},
		{"and it tries again though its active is back", off(decided) + standby + back("12m") + takes(13*time.Minute+30*time.Second),
			expect.Violation, "could be heard"},
		{"and it tries again in another silence", off(decided) + standby + back("12m") + "20m nas-a powered-off\n" +
			takes(20*time.Minute+40*time.Second), expect.Pass, "40s after 20m"},
	} {
		x.play(t, standing("takeover"), config("spaced"))
	}
	asked := &pair.Takeover{Since: "death"}
	trial{"and it tries again, as asked", off(decided) + standby + takes(13*time.Minute+30*time.Second), expect.Pass, ""}.play(
		t, asked, config("spaced"))
	trial{"and its active is back, which was not asked", off(decided) + standby + back("12m"), expect.Violation, "never took over"}.play(
		t, asked, config("spaced"))
	bounded := &pair.Takeover{Since: "death", Within: bound("65s")}
	trial{"and it tries again, beyond what was asked", off(decided) + standby + takes(13*time.Minute+30*time.Second), expect.Violation,
		"too late"}.play(t, bounded, config("spaced"))
}

// TestPhasesOfTheTakeoverThatHeld: what the end of the unit took away again, after a moment or at the very instant, is no part of
// how long the phases lasted. Only in the virtual world does an end come at the instant of a fact.
func TestPhasesOfTheTakeoverThatHeld(t *testing.T) {
	const standby = "10m50s nas-b role: standby, access: none, phase: standby\n"
	const survivor = `
		10m52s nas-b address-bound: 172.16.66.40 (lan)
		10m55s nas-b role: active, phase: active-solo, access: read-write
	`
	decided := "10m30s nas-b check-failed: 2\n10m40s nas-b phase: takeover\n"
	promoted := decided + "10m41s nas-b role: active\n"
	ends := func(begun string, at time.Duration) string {
		return death + begun + nodes.FormatDuration(at) + " nas-b powered-off\n10m50s nas-b booted\n"
	}
	for _, x := range []struct {
		name, begun, then string
		at                time.Duration // of the last fact of begun
		want              map[string]float64
	}{
		{"it had decided", decided, standby + "13m1s nas-b check-failed: 1\n" + takes(13*time.Minute+30*time.Second), 10*time.Minute + 40*time.Second,
			map[string]float64{"takeover_detect": 131, "takeover_decide": 29, "takeover_promote": 0, "takeover_address": 0, "takeover_access": 0, "takeover": 160}},
		{"it had the role", promoted, survivor, 10*time.Minute + 41*time.Second,
			map[string]float64{"takeover_detect": 30, "takeover_decide": 10, "takeover_promote": 15, "takeover_address": 0, "takeover_access": 0, "takeover": 55}},
		{"it had the address", promoted + "10m42s nas-b address-bound: 172.16.66.40 (lan)\n", survivor, 10*time.Minute + 42*time.Second,
			map[string]float64{"takeover_detect": 30, "takeover_decide": 10, "takeover_promote": 15, "takeover_address": 0, "takeover_access": 0, "takeover": 55}},
	} {
		for _, held := range []time.Duration{0, time.Millisecond} {
			f := standing("takeover").Judge(played(config("spaced"), 1, ends(x.begun, x.at+held)+x.then))
			have := map[string]float64{}
			for _, m := range f.Measures {
				have[m.Name] = m.Value
			}
			if f.Verdict != expect.Pass || !maps.Equal(have, x.want) {
				t.Errorf("%s for %s: %s, %v, want %v\n%s", x.name, held, f.Verdict, have, x.want, strings.Join(f.Evidence, "\n"))
			}
		}
	}
	without := strings.ReplaceAll(survivor, "address-bound: 172.16.66.40 (lan)", "check-failed: 3")
	trial{"it had the address, and boots without it", ends(promoted+"10m42s nas-b address-bound: 172.16.66.40 (lan)\n", 643*time.Second) + without,
		expect.Violation, "began to take over 40s after 10m, and never served"}.play(t, standing("takeover"), config("spaced"))
}

// brokenOff is a takeover in which the unit's power fails before anything is durable, and the return of its active.
const brokenOff = death + `
	10m40s nas-b phase: takeover
	10m40s nas-b powered-off
	10m50s nas-b booted
	10m50s nas-b role: standby, access: none, phase: standby
	12m nas-a booted
	12m nas-a role: active, access: read-write, phase: active
`

// TestTakeoverOfADiskThatIsBroken: a standby whose disk does not take its new role tries again at each failed check, and is not late
// for it. Only its own disk counts, only until it is well again, and what was asked stays asked.
func TestTakeoverOfADiskThatIsBroken(t *testing.T) {
	const tries = "10m40s nas-b phase: takeover\n10m40s nas-b phase: standby\n11m10s nas-b phase: takeover\n11m10s nas-b phase: standby\n"
	given := cable + tries + mended("12m") + "step 20m later\n20m nas-a powered-off\n"
	for _, x := range []struct {
		trial
		unit string
		how  string
	}{
		{trial{"given up, and on time for what comes later", given + takes(20*time.Minute+40*time.Second), expect.Pass, "served after 40s"}, "nas-b", "full"},
		{trial{"given up, and too late for what comes later", given + takes(25*time.Minute), expect.Violation, "too late"}, "nas-b", "full"},
		{trial{"given up for ever", given, expect.Violation, "never took over"}, "nas-b", "full"},
		{trial{"and takes over when it is well", death + tries + takes(14*time.Minute), expect.Pass, "served after 4m"}, "nas-b", "full"},
		{trial{"and does not even then", death + tries + takes(15*time.Minute), expect.Violation, "too late"}, "nas-b", "full"},
		{trial{"and its active is back", cable + tries + mended("12m"), expect.Pass, "could hear its active again at 12m"}, "nas-b", "full"},
		{trial{"and never takes over", death + tries, expect.Violation, "never served"}, "nas-b", "full"},
		{trial{"the active's disk is no excuse", death + tries + takes(14*time.Minute), expect.Violation, "too late"}, "nas-a", "full"},
		{trial{"a disk that is a little slow is none", death + takes(13*time.Minute), expect.Violation, "too late"}, "nas-b", "slow"},
		{trial{"nor is one that lies", death + takes(13*time.Minute), expect.Violation, "too late"}, "nas-b", "lying-sync"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := played(config("spaced"), 1, x.script)
			r.Faults = []*faults.Entry{{Fault: &faults.BreakDisk{Machine: x.unit, How: x.how, Latency: time.Millisecond}, From: 9 * time.Minute, Until: 13 * time.Minute,
				Receipt: faults.Receipt{{N: 2, What: "operations failed"}}}}
			f := standing("takeover").Judge(r)
			if text := strings.Join(f.Evidence, "\n"); f.Verdict != x.want || !strings.Contains(text, x.says) {
				t.Errorf("is %s, want %s and %q\n%s", f.Verdict, x.want, x.says, text)
			}
		})
	}
	trial{"given up, and copied to when its active is back", cable + tries + mended("12m") + "21m nas-a sync-begun: 2\n22m nas-b image-committed: 2\n",
		expect.Vacuous, "nobody took over"}.play(t, standing("no_silent_merge"), config("spaced"))
}

// TestTakeoverOfADiskThatIsSlow: each operation takes its time, and no more than some of them are waited for.
func TestTakeoverOfADiskThatIsSlow(t *testing.T) {
	for _, x := range []trial{
		{"as late as its disk", death + takes(11*time.Minute+14*time.Second), expect.Pass, "served after 1m14s"},
		{"later than that", death + takes(11*time.Minute+16*time.Second), expect.Violation, "too late"},
		{"long before the disk is well, and far too late", death + takes(12*time.Minute), expect.Violation, "too late"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := played(config("spaced"), 1, x.script)
			r.Faults = []*faults.Entry{{Fault: &faults.BreakDisk{Machine: "nas-b", How: "slow", Latency: time.Second}, From: 9 * time.Minute,
				Until: 13 * time.Minute, Receipt: faults.Receipt{{N: 2, What: "operations slowed down"}}}}
			f := standing("takeover").Judge(r)
			if text := strings.Join(f.Evidence, "\n"); f.Verdict != x.want || !strings.Contains(text, x.says) {
				t.Errorf("is %s, want %s and %q\n%s", f.Verdict, x.want, x.says, text)
			}
		})
	}
}

// TestTakeoverOfAUnitThatStoodStill: checks that fell due while the standby stood still fail at once when it goes on.
func TestTakeoverOfAUnitThatStoodStill(t *testing.T) {
	early := takes(10*time.Minute + 27*time.Second)
	const still = "9m nas-b paused: frozen\n9m50s nas-b resumed: frozen\n"
	trial{"just before", still + death + early, expect.Pass, "no lower bound: nas-b was frozen from 9m to 9m50s"}.play(t, standing("takeover"), config("spaced"))
	trial{"an interval before", strings.ReplaceAll(still, "9m50s", "9m29s") + death + early, expect.Violation, "3s too early"}.play(
		t, standing("takeover"), config("spaced"))
}

func TestNoSilentMerge(t *testing.T) {
	split := cable + takes(10*time.Minute+40*time.Second) + mended("20m")
	const image = "21m nas-a sync-begun: 2\n22m nas-b image-committed: 2\n"
	for _, x := range []trial{
		{"nobody took over", cable + mended("10m20s"), expect.Vacuous, ""},
		{"nothing flows", split, expect.Pass, ""},
		{"an image", split + image, expect.Violation, "nas-b noted image-committed"},
		{"an image after a takeover that broke off", brokenOff + image, expect.Vacuous, "nobody took over"},
		{"an image after one that held", strings.Replace(brokenOff, "role: standby, access: none, phase: standby", "role: active, phase: active-solo", 1) + image,
			expect.Violation, "nas-b noted image-committed"},
		{"erased", split + "21m nas-a erased\n", expect.Violation, "nas-a noted erased"},
		{"set up again", split + `
			step 30m again do apply nas-b 200 role=active pair_ip=172.16.66.165 virtual_ip=172.16.66.40 heartbeat_ips=[192.168.2.253 192.168.2.254]
			31m nas-a erased`, expect.Pass, ""},
		{"setting up was refused", split + `
			step 30m again do apply nas-b 403 role=active pair_ip=172.16.66.165 virtual_ip=172.16.66.40 heartbeat_ips=[192.168.2.253 192.168.2.254]
			31m nas-a erased`, expect.Violation, ""},
	} {
		x.play(t, standing("no_silent_merge"), config("spaced"))
	}
}

func TestChoices(t *testing.T) {
	early := takes(10*time.Minute + 40*time.Second)
	back := "20m nas-a booted\n"
	for _, x := range []trial{
		{"none", death + early, expect.Vacuous, ""},
		{"a return", death + early + back, expect.Pass, "return=probe"},
		{"a return, and nobody has taken over", death + back, expect.Vacuous, ""},
		{"a sync under way", "9m nas-a sync-begun: 2\n" + death + early, expect.Pass, "sync=atomic"},
		{"a sync that was done", "9m nas-a sync-begun: 2\n9m1s nas-a sync-committed: 2\n" + death + early, expect.Vacuous, ""},
		{"a boot while the active is silent", death + "10m10s nas-b powered-off\n10m20s nas-b booted\n", expect.Pass, "boot_grace=2m"},
		{"a boot before the active is silent, by far", "5m nas-b powered-off\n5m10s nas-b booted\n" + death, expect.Vacuous, ""},
		{"a grace", "9m nas-b powered-off\n9m30s nas-b booted\n" + death, expect.Pass, "boot_grace=2m"},
	} {
		x.play(t, standing("choices"), config("spaced"))
	}
}
