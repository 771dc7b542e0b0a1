package pair_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"firedrill/faults"
	unit "firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/scenarios/expect/internal/made"
	"firedrill/scenarios/expect/pair"
)

// judged is the verdict on a run with every claim and hazard of the catalogue.
func judged(r *expect.Run, asked ...expect.Claim) expect.Judgement {
	return expect.Judge(r, slices.Concat(expect.Forms(), pair.Forms()), asked, pair.Hazards())
}

func shows(ids ...string) []expect.Claim {
	var claims []expect.Claim
	for _, id := range ids {
		claims = append(claims, &expect.HazardShows{Hazard: id, Seen: expect.SeenEverySeed})
	}
	return claims
}

// writes are one older than the image, one since, and one on either side of a takeover at 10m40s.
const writes = `
	18s..19s office-1 put /old v0 by nas-a
	5m..5m1s office-1 put /since v1 by nas-a
	12m..12m1s office-1 put /left v2 by nas-a
	13m..13m1s office-1 put /right v3 by nas-b
	disk nas-a /old=v0 /since=v1 /left=v2
	disk nas-b /old=v0 /right=v3
`

// oneSided is the same without what nas-a could only write as it lived.
const oneSided = `
	18s..19s office-1 put /old v0 by nas-a
	5m..5m1s office-1 put /since v1 by nas-a
	13m..13m1s office-1 put /right v3 by nas-b
	disk nas-a /old=v0 /since=v1
	disk nas-b /old=v0 /right=v3
`

type drill struct {
	name, script string
	config       func(*unit.Config)
	run          func(*expect.Run)
	asked        []expect.Claim
	want         expect.Verdict
	seen         []string          // hazards, but for those that come with every takeover
	broken       []string          // claims that are violated
	charged      map[string]string // by claim: the hazard that accounts for it
	says         string            // in the evidence of the hazard
}

func (x drill) play(t *testing.T) {
	t.Helper()
	t.Run(x.name, func(t *testing.T) {
		c := config("spaced")
		if x.config != nil {
			x.config(c)
		}
		r := played(c, 1, x.script)
		if x.run != nil {
			x.run(r)
		}
		j := judged(r, x.asked...)
		var seen, broken, evidence []string
		charged := map[string]string{}
		for _, h := range j.Hazards {
			if h.Hazard != "HZ-D7" || len(x.asked) == 1 && x.asked[0].(*expect.HazardShows).Hazard == "HZ-D7" {
				seen = append(seen, h.Hazard)
			}
			for _, i := range h.Instances {
				evidence = append(evidence, i.Text)
			}
		}
		for _, c := range j.Claims {
			if c.Verdict == expect.Violation {
				broken = append(broken, c.Claim)
			}
			for _, id := range c.Charged {
				charged[c.Claim] = id
			}
			evidence = append(evidence, c.Evidence...)
		}
		text := strings.Join(evidence, "\n")
		if j.Verdict != x.want || !slices.Equal(seen, x.seen) || !slices.Equal(broken, x.broken) {
			t.Errorf("is %s, shows %v and breaks %v; want %s, %v and %v\n%s", j.Verdict, seen, broken, x.want, x.seen, x.broken, text)
		}
		for claim, id := range x.charged {
			if charged[claim] != id {
				t.Errorf("%s is charged to %q, want %s", claim, charged[claim], id)
			}
		}
		if !strings.Contains(text, x.says) {
			t.Errorf("the evidence does not say %q:\n%s", x.says, text)
		}
	})
}

func TestSplitBrain(t *testing.T) {
	takeover := takes(10*time.Minute + 40*time.Second)
	const slowStart = "10m nas-a crashed\n10m38s nas-a restarted\n10m42s nas-a phase: stale-active, role:, address-released: 172.16.66.40 (lan)\n"
	slow := func(r *expect.Run) {
		r.Faults = []*faults.Entry{{Fault: &faults.BreakDisk{Machine: "nas-a", How: "slow"}, From: 10 * time.Minute, Until: -1,
			Receipt: faults.Receipt{{N: 9, What: "operations slowed down"}}}}
	}
	all := map[string]string{"no_dual_writers": "HZ-D1", "single_address_owner": "HZ-D1", "lost_writes": "HZ-D1"}
	for _, x := range []drill{
		{name: "a cut", script: cable + takeover + mended("20m") + writes, asked: shows("HZ-D1"),
			want: expect.HazardSeen, seen: []string{"HZ-D1"}, charged: all,
			says: "heartbeat was cut from 10m to 20m while nas-a lived; both had 172.16.66.40 for 49m20s, and both were writers for 49m20s: " +
				"nas-a acknowledged 1 write (100B), at 12m1s; nas-b acknowledged 1 write (100B), at 13m1s"},
		{name: "and nobody expects it", script: cable + takeover + mended("20m") + writes,
			want: expect.Violation, seen: []string{"HZ-D1"}, broken: []string{"hazard"}, charged: all},
		{name: "expected, and not there", script: cable + mended("10m20s"), asked: shows("HZ-D1"),
			want: expect.Violation, broken: []string{"hazard"}},
		{name: "no cut: the same is a violation", script: takeover + writes, want: expect.Violation,
			broken: []string{"no_dual_writers", "single_address_owner", "lost_writes", "takeover"}},
		{name: "both stood still", script: "10m nas-a paused: paused\n" + takeover + "10m50s nas-b paused: paused\n11m nas-a resumed: paused\n" +
			"12m30s nas-b resumed: paused\n" + writes, asked: shows("HZ-D1"), want: expect.HazardSeen, seen: []string{"HZ-D1"}, charged: all},
		{name: "the software is back, and has not found itself", script: slowStart + takeover + oneSided, run: slow, asked: shows("HZ-D1", "HZ-D3"),
			want: expect.HazardSeen, seen: []string{"HZ-D1", "HZ-D3"}, charged: map[string]string{"single_address_owner": "HZ-D1"},
			says: "the software of nas-a was gone from 10m to 10m38s, and its kernel kept the address"},
		{name: "the power was gone: its kernel kept nothing", script: strings.NewReplacer("crashed", "powered-off", "restarted", "booted").Replace(slowStart) +
			"10m39s nas-a address-bound: 172.16.66.40 (lan)\n" + takeover + oneSided, run: slow, want: expect.Violation,
			seen: []string{"HZ-D3"}, broken: []string{"single_address_owner", "lost_writes", "hazard"}},
		{name: "a cut of another segment", script: strings.ReplaceAll(cable, "(heartbeat)", "(lan)") + takeover + writes, want: expect.Violation,
			broken: []string{"no_dual_writers", "single_address_owner", "lost_writes", "takeover"}},
		{name: "a cut that was over long before", script: cable + mended("10m5s") + takeover + writes, want: expect.Violation,
			broken: []string{"no_dual_writers", "single_address_owner", "lost_writes", "takeover"}},
		{name: "an older write is lost too", script: cable + takeover + strings.Replace(writes, "/old=v0 /right", "/right", 1), asked: shows("HZ-D1"),
			want: expect.Violation, seen: []string{"HZ-D1"}, broken: []string{"lost_writes", "served_image"}, says: "no hazard accounts for 1 lost writes"},
		{name: "set up again, and still two", script: cable + takeover + mended("20m") + "30m nas-b ready\n" + writes, asked: shows("HZ-D1"),
			want: expect.Violation, seen: []string{"HZ-D1"}, broken: []string{"no_dual_writers", "single_address_owner", "converged"}},
		{name: "the survivor boots after the heal, beside an active that went on", script: cable + takeover + mended("20m") + `
			21m nas-b powered-off
			22m nas-b booted
			22m nas-b role: active, access: read-write, address-bound: 172.16.66.40 (lan)` + "\n" + writes, asked: shows("HZ-D1"),
			want: expect.HazardSeen, seen: []string{"HZ-D1"}, charged: all,
			says: "nas-b started again at 22m beside nas-a, which had gone on"},
		{name: "the old active boots after the heal, and does not ask", script: cable + takeover + mended("20m") + `
			21m nas-a powered-off
			22m nas-a booted
			22m nas-a role: active, access: read-write, address-bound: 172.16.66.40 (lan)` + "\n" + writes, asked: shows("HZ-D1"),
			want: expect.Violation, seen: []string{"HZ-D1"}, broken: []string{"no_dual_writers", "single_address_owner"}},
		{name: "it boots first, and the survivor after it", script: cable + takeover + mended("20m") + `
			21m nas-b powered-off
			21m nas-a powered-off
			22m nas-a booted
			22m nas-a role: active, access: read-write, address-bound: 172.16.66.40 (lan)
			23m nas-b booted
			23m nas-b role: active, access: read-write, address-bound: 172.16.66.40 (lan)` + "\n" + writes, asked: shows("HZ-D1"),
			want: expect.Violation, seen: []string{"HZ-D1"}, broken: []string{"no_dual_writers", "single_address_owner"}},
		{name: "an active that stood still and goes on", script: "10m nas-a paused: frozen\n" + takeover + "12m nas-a resumed: frozen\n" +
			writes, asked: shows("HZ-D1"), want: expect.HazardSeen, seen: []string{"HZ-D1"}, charged: all,
			says: "nas-a was frozen from 10m to 12m and went on"},
		{name: "one that stands still for good", script: "10m nas-a paused: frozen\n" + takeover + oneSided, asked: shows("HZ-D3"),
			want: expect.HazardSeen, seen: []string{"HZ-D3"}, charged: map[string]string{"lost_writes": "HZ-D3"}},
		{name: "one whose software stands still for good", script: "10m nas-a paused: paused\n" + takeover + oneSided,
			asked: shows("HZ-D1", "HZ-D3"), want: expect.HazardSeen, seen: []string{"HZ-D1", "HZ-D3"},
			charged: map[string]string{"single_address_owner": "HZ-D1", "lost_writes": "HZ-D3"}, says: "and never went on"},
		{name: "a cut, and then the software died", script: cable + "10m10s nas-a crashed\n" + takeover + oneSided,
			asked: shows("HZ-D1", "HZ-D3"), want: expect.HazardSeen, seen: []string{"HZ-D1", "HZ-D3"},
			charged: map[string]string{"single_address_owner": "HZ-D1", "lost_writes": "HZ-D3"}},
		{name: "a cut of a bad path is a cut", script: cable + takeover + writes, run: degraded("heartbeat"), asked: shows("HZ-D1"),
			want: expect.HazardSeen, seen: []string{"HZ-D1"}, charged: all},
		{name: "only the software died", script: "10m nas-a crashed\n" + takeover + oneSided, asked: shows("HZ-D1", "HZ-D3"),
			want: expect.HazardSeen, seen: []string{"HZ-D1", "HZ-D3"},
			charged: map[string]string{"single_address_owner": "HZ-D1", "lost_writes": "HZ-D3"},
			says:    "the software of nas-a was gone from 10m to 1h, and its kernel kept the address"},
		{name: "only the software died: writers are no part of that", script: "10m nas-a crashed\n" + takeover + `
			20m nas-a restarted
			20m nas-a role: active, access: read-write` + "\n" + writes, asked: shows("HZ-D1", "HZ-D3"), want: expect.Violation,
			seen: []string{"HZ-D1", "HZ-D3"}, broken: []string{"no_dual_writers", "lost_writes"}},
	} {
		x.play(t)
	}
}

func TestExtentOfSplitBrain(t *testing.T) {
	j := judged(played(config("spaced"), 1, cable+takes(10*time.Minute+40*time.Second)+mended("20m")+writes), shows("HZ-D1")...)
	i := j.Hazards[0].Instances[0]
	want := []expect.Measure{{Name: "dual_owner_time", Value: 2960, Unit: "s"}, {Name: "dual_writer_time", Value: 2960, Unit: "s"},
		{Name: "dual_writes", Value: 2, Unit: "operations"}, {Name: "dual_bytes", Value: 2 * made.Size, Unit: "bytes"}}
	if !slices.Equal(i.Measures, want) {
		t.Errorf("extent is %v, want %v", i.Measures, want)
	}
	if !slices.Equal(i.Machines, []string{"nas-a", "nas-b"}) || !slices.Equal(i.Operations, []uint64{3, 4}) || len(i.Events) < 4 {
		t.Errorf("want both units, the writes 3 and 4 and the events of both intervals, have %+v", i.Breach)
	}
}

func TestBetweenSyncs(t *testing.T) {
	takeover := takes(10*time.Minute + 40*time.Second)
	lost := map[string]string{"lost_writes": "HZ-D3"}
	for _, x := range []drill{
		{name: "a power off", script: death + takeover + oneSided, asked: shows("HZ-D3"), want: expect.HazardSeen, seen: []string{"HZ-D3"},
			charged: lost, says: "nas-b took over from nas-a at 10m40s with image 1, whose snapshot was at 20s: 1 write (100B), at 5m1s acknowledged " +
				"by nas-a in the 10m20s between are not served, the first under /since"},
		{name: "and nobody expects it", script: death + takeover + oneSided, want: expect.Violation, seen: []string{"HZ-D3"},
			broken: []string{"hazard"}, charged: lost},
		{name: "nothing was written since", script: death + takeover + strings.ReplaceAll(oneSided, "5m..5m1s office-1 put /since v1 by nas-a", ""),
			want: expect.Pass},
		{name: "written anew by then", script: death + takeover + oneSided + `
			14m..14m1s office-1 put /since v1 by nas-b
			disk nas-b /since=v1`, asked: shows("HZ-D3"), want: expect.Violation, broken: []string{"hazard"}},
		{name: "overwritten by then", script: death + takeover + oneSided + `
			14m..14m1s office-1 put /since v4 by nas-b
			disk nas-b /since=v4`, asked: shows("HZ-D3"), want: expect.HazardSeen, seen: []string{"HZ-D3"}},
		{name: "an older write is lost too", script: death + takeover + strings.Replace(oneSided, "/old=v0 /right", "/right", 1), asked: shows("HZ-D3"),
			want: expect.Violation, seen: []string{"HZ-D3"}, broken: []string{"lost_writes", "served_image"}, charged: lost,
			says: "HZ-D3 accounts for 1 of 2 lost writes"},
		{name: "no takeover: a loss is a loss", script: "5m..5m1s office-1 put /since v1 by nas-a", want: expect.Violation,
			broken: []string{"lost_writes"}},
		{name: "a takeover that nothing called for", script: "step 10m give do shutdown nas-a 200\n10m nas-a access: none, address-released: 172.16.66.40 (lan)\n" +
			takeover + oneSided, want: expect.Violation, broken: []string{"lost_writes", "takeover", "restricted_operations"}},
		{name: "the image was erased: nothing may be lost", script: "30s nas-b erased\n" + death + takeover + oneSided, want: expect.Violation,
			broken: []string{"lost_writes", "served_image", "takeover", "erase_after_pairing"}, says: "nas-b took over at 10m40s, though it had no image to serve"},
	} {
		x.play(t)
	}
}

func TestOtherHazards(t *testing.T) {
	takeover := takes(10*time.Minute + 40*time.Second)
	naive := func(c *unit.Config) { c.Return = "naive" }
	const lost = "10m10s nas-b check-failed: 1\n10m40s nas-b check-failed: 2\n"
	falsely := []string{"no_dual_writers", "single_address_owner", "lost_writes", "takeover"}
	back := `
		20m nas-a booted
		20m nas-a role: active, access: read-write, address-bound: 172.16.66.40 (lan)
		21m..21m1s office-1 put /back v5 by nas-a
	` + strings.Replace(oneSided, "disk nas-a", "disk nas-a /back=v5", 1)
	again := `
		step 30m again do apply nas-a 200 role=active pair_code=drill pair_ip=172.16.66.160 virtual_ip=172.16.66.40 heartbeat_ips=[192.168.2.254 192.168.2.253]
		30m1s nas-a role: active, access: read-write, address-bound: 172.16.66.40 (lan)
		step 30m1s rejoin do apply nas-b 200 role=standby pair_code=drill pair_ip=172.16.66.165 answer.warning=erases-newer-data
		30m1s nas-b role: standby, access: none, address-released: 172.16.66.40 (lan)
		30m1s nas-b erased
		30m2s nas-a sync-begun: 7
		30m3s nas-b image-committed: 7
	`
	swapped := "20m nas-a booted\nstep 29m give do disconnect nas-b 200\n29m nas-b role:, address-released: 172.16.66.40 (lan)\n" + again + `
		18s..19s office-1 put /old v0 by nas-a
		13m..13m1s office-1 put /right v3 by nas-b
		image nas-b 7 /old=v0
		disk nas-a /old=v0`
	for _, x := range []drill{
		{name: "HZ-D2: a naive return", script: death + takeover + back, config: naive, asked: shows("HZ-D2", "HZ-D3"), want: expect.HazardSeen,
			seen:    []string{"HZ-D2", "HZ-D3"},
			charged: map[string]string{"no_dual_writers": "HZ-D2", "single_address_owner": "HZ-D2"}, says: "nas-a returned at 20m in mode naive"},
		{name: "HZ-D2: and the new owner starts again beside it", script: death + takeover + back + "25m nas-b crashed\n" +
			"26m nas-b restarted\n26m nas-b role: active, access: read-write\n", config: naive, asked: shows("HZ-D2", "HZ-D3"), want: expect.HazardSeen,
			seen: []string{"HZ-D2", "HZ-D3"}, says: "nas-b started again at 26m beside nas-a, which had gone on"},
		{name: "HZ-D2: a return that probes and hears", script: death + takeover + back, asked: shows("HZ-D3"), want: expect.Violation,
			seen: []string{"HZ-D3"}, broken: []string{"no_dual_writers", "single_address_owner", "lost_writes"}},
		{name: "HZ-D2: a return that cannot hear", script: death + takeover + strings.Replace(back, "20m nas-a booted",
			"19m nas-b unreachable: nas-a (lan)\n20m nas-a booted", 1), asked: shows("HZ-D2", "HZ-D3"), want: expect.HazardSeen,
			seen: []string{"HZ-D2", "HZ-D3"}, says: "could not hear nas-b over lan"},

		{name: "HZ-D2: a return while the new owner is off", script: death + takeover + "19m nas-b powered-off\n" + back +
			"20m3s nas-a phase: active\n25m nas-b booted\n25m nas-b role: active, access: read-write, address-bound: 172.16.66.40 (lan)\n",
			asked: shows("HZ-D2", "HZ-D3"), want: expect.HazardSeen, seen: []string{"HZ-D2", "HZ-D3"}, says: "nas-b was off as it asked"},
		{name: "HZ-D2: not where it was on again by then", script: death + takeover + "18m nas-b powered-off\n" +
			"19m nas-b booted\n19m nas-b role: active, access: read-write, address-bound: 172.16.66.40 (lan)\n" + back + "20m3s nas-a phase: active\n",
			asked: shows("HZ-D3"), want: expect.Violation, seen: []string{"HZ-D3"}, broken: []string{"no_dual_writers", "single_address_owner", "lost_writes"}},
		{name: "HZ-D2: a return just before the takeover", script: death + "10m38s nas-a booted\n10m40s nas-a role: active, access: read-write, " +
			"address-bound: 172.16.66.40 (lan)\n" + takeover + oneSided, asked: shows("HZ-D2", "HZ-D3"), want: expect.HazardSeen,
			seen: []string{"HZ-D2", "HZ-D3"}, says: "nas-a returned at 10m38s, while nas-b was about to take over"},
		{name: "HZ-D2: not where it was heard since", script: death + "10m30s nas-a booted\n10m33s nas-a phase: active, role: active, access: read-write, " +
			"address-bound: 172.16.66.40 (lan)\n" + takeover + oneSided, want: expect.Violation,
			broken: []string{"no_dual_writers", "single_address_owner", "lost_writes", "takeover"}},

		{name: "HZ-D4: a mixed image", script: "9m nas-a sync-begun: 2\n" + death + takeover + `
			5m..5m1s office-1 put /since v1 by nas-a
			6m..6m1s office-1 put /too v2 by nas-a
			disk nas-a /since=v1 /too=v2
			disk nas-b /since=v1`, config: func(c *unit.Config) { c.Sync = "in-place" }, asked: shows("HZ-D3", "HZ-D4"), want: expect.HazardSeen,
			seen: []string{"HZ-D3", "HZ-D4"}, says: "in the middle of a sync in place"},
		{name: "HZ-D4: not where images are atomic", script: "9m nas-a sync-begun: 2\n" + death + takeover + `
			5m..5m1s office-1 put /since v1 by nas-a
			disk nas-a /since=v1
			disk nas-b /since=v1`, asked: shows("HZ-D4"), want: expect.Violation, broken: []string{"hazard", "served_image"}},

		{name: "HZ-D5: the roles were swapped", script: death + takeover + swapped, asked: shows("HZ-D5"), want: expect.HazardSeen,
			seen: []string{"HZ-D5"}, charged: map[string]string{"lost_writes": "HZ-D5"}, says: "was set up as standby of nas-a and erased at 30m1s"},
		{name: "HZ-D5: and nobody expects it", script: death + takeover + swapped, want: expect.Violation,
			seen: []string{"HZ-D5"}, broken: []string{"hazard"}},

		{name: "HZ-D6: a printer", script: death + takeover, run: attached("printer"), want: expect.Pass, seen: []string{"HZ-D6"},
			says: "nas-b took over at 10m40s, and printer stayed with nas-a"},
		{name: "HZ-D6: both have one", script: death + takeover, config: func(c *unit.Config) { c.Peripherals = []string{"printer"} },
			want: expect.Pass},
		{name: "HZ-D6: not where clients print", script: death + takeover + "12m..12m1s office-1 get /devices/printer v1 by nas-b",
			run: attached("printer"), want: expect.Violation, broken: []string{"moves_with_role"}, says: "which it does not have"},
		{name: "HZ-D7: after every takeover", script: death + takeover, asked: shows("HZ-D7"), want: expect.HazardSeen, seen: []string{"HZ-D7"},
			says: "nas-b served without redundancy from 10m40s to 1h"},
		{name: "HZ-D7: not after one that broke off", script: brokenOff, asked: shows("HZ-D7"), want: expect.Violation,
			broken: []string{"hazard"}},
		{name: "HZ-D7: not in peace", asked: shows("HZ-D7"), want: expect.Violation, broken: []string{"hazard"}},

		{name: "HZ-D9: a lossy path", script: lost + takeover + writes, run: degraded("heartbeat"), asked: shows("HZ-D9"), want: expect.HazardSeen,
			seen:    []string{"HZ-D9"},
			charged: map[string]string{"no_dual_writers": "HZ-D9", "single_address_owner": "HZ-D9", "takeover": "HZ-D9", "lost_writes": "HZ-D9"}},
		{name: "HZ-D9: not where too few checks were lost", script: "9m40s nas-b check-failed: 1\n10m nas-b check-answered\n" +
			"10m40s nas-b check-failed: 1\n" + takeover + writes, run: degraded("heartbeat"), want: expect.Violation, broken: falsely},
		{name: "HZ-D9: another path", script: lost + takeover + writes, run: degraded("lan"), want: expect.Violation, broken: falsely},
	} {
		x.play(t)
	}
}

// attached is a run in which nas-a alone has a device, and every request is answered with what it asks for.
func attached(device string) func(*expect.Run) {
	return func(r *expect.Run) {
		c := config("spaced")
		c.Peripherals = []string{device}
		r.Machine("nas-a").Config = c
		for n := range r.History {
			r.History[n].Status = 200
		}
	}
}

// degraded is a run in which frames of the segment were lost, some of them for good.
func degraded(segment string) func(*expect.Run) {
	return func(r *expect.Run) {
		r.Faults = []*faults.Entry{{Step: "noise", Fault: &faults.Degrade{Segment: segment}, From: 9 * time.Minute, Until: -1,
			Receipt: faults.Receipt{{N: 9, What: "frames lost"}}}}
	}
}

func TestSecondFailureIsAnOutage(t *testing.T) {
	serving := &expect.Serving{Clients: "office", By: "nas-b", Since: "second"}
	script := death + takes(10*time.Minute+40*time.Second) + oneSided + `
		step 20m second
		20m nas-b powered-off
		21m..21m3s office-1 put /late v9 by nas-b failed`
	j := judged(played(config("spaced"), 1, script), append(shows("HZ-D3", "HZ-D7"), serving)...)
	if c := j.Claims[2]; j.Verdict != expect.HazardSeen || !slices.Equal(c.Charged, []string{"HZ-D7"}) {
		t.Errorf("an outage after the second failure is %s, charged to %v; want HZ-D7: %v", j.Verdict, c.Charged, c.Evidence)
	}
	alive := strings.Replace(script, "20m nas-b powered-off", "", 1)
	j = judged(played(config("spaced"), 1, alive), append(shows("HZ-D3", "HZ-D7"), serving)...)
	if c := j.Claims[2]; c.Verdict != expect.Violation {
		t.Errorf("an outage while nas-b ran is %s, want violation: %v", c.Verdict, c.Evidence)
	}
}

func TestDeathInFirstSync(t *testing.T) {
	script := strings.ReplaceAll(setUp, "21s nas-b image-committed: 1", "21s nas-a powered-off")
	script, _, _ = strings.Cut(strings.ReplaceAll(script, "%s", ""), "21s nas-b phase: standby")
	r := made.Run(unit.Kind(), config("spaced"), script)
	if j := judged(r, shows("HZ-D8")...); j.Verdict != expect.HazardSeen {
		t.Errorf("is %s, want hazard: %+v", j.Verdict, j.Claims)
	}
	r = made.Run(unit.Kind(), config("spaced"), script+"22m nas-b role: active, access: read-write\n")
	if n := slices.IndexFunc(pair.Hazards(), func(h expect.Hazard) bool { return h.ID == "HZ-D8" }); pair.Hazards()[n].Find(r) != nil {
		t.Error("HZ-D8 shows itself though the standby serves what it has not")
	}
	if j := judged(played(config("spaced"), 1, death), shows("HZ-D8")...); j.Verdict != expect.Violation {
		t.Errorf("a death after the first image is %s, want violation", j.Verdict)
	}
}

func TestCatalogue(t *testing.T) {
	var ids []string
	for _, h := range pair.Hazards() {
		ids = append(ids, h.ID)
		if h.Doc == "" || h.Find == nil || !slices.Equal(h.Kinds, []string{"pair"}) {
			t.Errorf("%s is not whole", h.ID)
		}
		if instances := h.Find(made.Run(unit.Kind(), config("spaced"), "machine nas-a lan=172.16.66.165")); instances != nil {
			t.Errorf("%s shows itself where no pair was set up", h.ID)
		}
	}
	if !slices.IsSorted(ids) || len(ids) != 9 {
		t.Errorf("want HZ-D1 to HZ-D9 in order, have %v", ids)
	}
	for _, f := range pair.Forms() {
		if f.New().Name() != f.Name {
			t.Errorf("form %s makes claim %s", f.Name, f.New().Name())
		}
	}
}
