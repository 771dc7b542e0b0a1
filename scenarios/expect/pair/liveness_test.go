package pair_test

import (
	"strings"
	"testing"
	"time"

	"firedrill/faults"
	unit "firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/scenarios/expect/pair"
)

// setAgain is the pair set up again at 30m after a takeover, with nas-a as active, or with nas-b.
func setAgain(active, standby, warning string) string {
	address := map[string]string{"nas-a": "172.16.66.165", "nas-b": "172.16.66.160"}
	heartbeat := map[string]string{"nas-a": "192.168.2.254", "nas-b": "192.168.2.253"}
	return strings.NewReplacer("ACTIVE", active, "STANDBY", standby, "A_IP", address[active], "S_IP", address[standby],
		"A_HB", heartbeat[active], "S_HB", heartbeat[standby], "WARNING", warning).Replace(`
	20m nas-a booted
	20m nas-a role:
	step 30m again do apply ACTIVE 200 role=active pair_code=new pair_ip=S_IP virtual_ip=172.16.66.40 heartbeat_ips=[A_HB S_HB]
	step 31m rejoin do apply STANDBY 200 role=standby pair_code=new pair_ip=A_IP WARNING
	31m STANDBY role: standby
	31m ACTIVE role: active
	31m STANDBY erased
	31m1s ACTIVE sync-begun: 7
	31m2s STANDBY image-committed: 7
	31m2s ACTIVE sync-committed: 7
	31m2s ACTIVE ready
	`)
}

var takenOver = death + takes(10*time.Minute+40*time.Second)

func TestNewestCopyKept(t *testing.T) {
	tries(t, "newest_copy_kept",
		check{name: "the survivor leads", script: takenOver + setAgain("nas-b", "nas-a", ""), want: expect.Pass},
		check{name: "the survivor is erased", script: takenOver + setAgain("nas-a", "nas-b", "answer.warning=erases-newer-data"), want: expect.Violation,
			says: "nas-b had served since 10m40s, and was erased at 31m as standby of nas-a"},
		check{name: "and nobody is warned", script: takenOver + setAgain("nas-a", "nas-b", ""), want: expect.Violation, says: "without a warning"},
		check{name: "not set up again", script: takenOver, want: expect.Vacuous},
	)
	swapped := func(warning string) expect.Judgement {
		return judged(played(config("spaced"), 1, strings.ReplaceAll(takenOver, "%", "")+setAgain("nas-a", "nas-b", warning)), shows("HZ-D5")...)
	}
	charged := func(j expect.Judgement) bool {
		for _, c := range j.Claims {
			if c.Claim == "newest_copy_kept" {
				return c.Verdict != expect.Violation
			}
		}
		return false
	}
	if !charged(swapped("answer.warning=erases-newer-data")) || charged(swapped("")) {
		t.Error("HZ-D5 has to account for the erasure where the operator was warned, and only there")
	}
}

func TestMovesWithRole(t *testing.T) {
	printer := func(c *unit.Config) { c.Peripherals = []string{"printer"} }
	found := func(r *expect.Run) { r.History[0].Status = 200 }
	alone := func(r *expect.Run) { r.Machine("nas-b").Config = config("spaced") }
	tries(t, "moves_with_role",
		check{name: "both have one", script: takenOver, config: printer, want: expect.Pass},
		check{name: "only the old active has", script: takenOver, config: printer, run: alone, want: expect.Violation, says: "printer stayed with nas-a"},
		check{name: "the survivor shows what it has not", config: printer, want: expect.Violation, says: "nas-b shows ups",
			script: takenOver + "step 12m look do view-services nas-b 200 answer.peripherals=printer,ups"},
		check{name: "the survivor shows what it has", config: printer, want: expect.Pass,
			script: takenOver + "step 12m look do view-services nas-b 200 answer.peripherals=printer"},
		check{name: "the survivor answers for what it has not", config: printer, want: expect.Violation, says: "nas-b answered for /devices/ups",
			script: takenOver + "12m..12m1s office-1 get /devices/ups v by nas-b", run: found},
		check{name: "the survivor answers for what it has", config: printer, want: expect.Pass,
			script: takenOver + "12m..12m1s office-1 get /devices/printer v by nas-b", run: found},
		check{name: "nothing to move", script: takenOver, want: expect.Vacuous},
		check{name: "no takeover", config: printer, want: expect.Vacuous},
	)
}

func TestServedConfiguration(t *testing.T) {
	mail := func(at, unit, who, rest string) string {
		return "step " + at + " tell do set-notification " + unit + " 200 mail=" + who + " " + rest + "\n"
	}
	look := func(who string) string {
		return "step 11m look do view-status nas-b 200 answer.notification=" + who + "\n"
	}
	tries(t, "served_configuration",
		check{name: "that of the image", script: mail("18s", "nas-a", "first", "") + mail("30s", "nas-a", "second", "") + takenOver + look("first"),
			want: expect.Pass},
		check{name: "newer than the image", script: mail("18s", "nas-a", "first", "") + mail("30s", "nas-a", "second", "") + takenOver + look("second"),
			want: expect.Violation, says: `took over with image 1 of 20s, and shows at 11m that "second" is told of alarms; want "first"`},
		check{name: "its own of before", script: mail("18s", "nas-a", "first", "") + mail("30s", "nas-b", "own", "") + takenOver + look("own"),
			want: expect.Violation},
		check{name: "older than the image", script: mail("17s", "nas-a", "first", "") + mail("18s", "nas-a", "second", "") + takenOver + look("first"),
			want: expect.Violation},
		check{name: "under way at the snapshot: either", script: mail("17s", "nas-a", "first", "") + mail("19s", "nas-a", "second", "took=2s") +
			takenOver + look("second"), want: expect.Pass},
		check{name: "under way at the snapshot: or", script: mail("17s", "nas-a", "first", "") + mail("19s", "nas-a", "second", "took=2s") +
			takenOver + look("first"), want: expect.Pass},
		check{name: "changed since on the survivor", script: mail("18s", "nas-a", "first", "") + takenOver + mail("10m50s", "nas-b", "third", "") +
			look("third"), want: expect.Pass},
		check{name: "not changed, though the survivor acknowledged it", script: mail("18s", "nas-a", "first", "") + takenOver +
			mail("10m50s", "nas-b", "third", "") + look("first"), want: expect.Violation},
		check{name: "a change that was refused", script: mail("17s", "nas-a", "first", "") +
			"step 18s tell do set-notification nas-a 403 mail=second\n" + takenOver + look("second"), want: expect.Violation},
		check{name: "nobody looked", script: mail("18s", "nas-a", "first", "") + takenOver, want: expect.Vacuous, says: "nobody looked"},
		check{name: "nobody took over", script: mail("18s", "nas-a", "first", "") + look("first"), want: expect.Vacuous},
		check{name: "another disk", script: mail("18s", "nas-a", "first", "") + takenOver + look("any"), want: expect.Vacuous,
			run: func(r *expect.Run) {
				r.Faults = []*faults.Entry{{Fault: &faults.ReplaceDisk{Machine: "nas-b", How: "empty"}, From: time.Minute, Until: -1,
					Receipt: faults.Receipt{{N: 1, What: "disk replaced"}}}}
			}},
		check{name: "nobody set anything", script: takenOver + look("any"), want: expect.Vacuous, says: "no operator has changed"},
	)
}

func TestConverged(t *testing.T) {
	files := "17s..18s office-1 put /a v1 by nas-a\n25s..26s office-1 put /a v2 by nas-a\ndisk nas-a /a=v2 /stored=s\n"
	tries(t, "converged",
		check{name: "whole", script: files + "image nas-b 1 /a=v1 /stored=s", want: expect.Pass, says: "redundant, with image 1 of 20s"},
		check{name: "what was written later is in the image", script: files + "image nas-b 1 /a=v2 /stored=s", want: expect.Violation,
			says: "1 of 2 files differ, the first /a"},
		check{name: "a file is missing, and nobody knows who was to delete it", want: expect.Pass,
			script: files + "18.5s..19.5s office-1 delete /a unknown to 172.16.66.40\nimage nas-b 1 /stored=s"},
		check{name: "a file is missing, and another service was to delete it", want: expect.Violation, says: "the first /a",
			script: files + "18.5s..19.5s office-1 delete /a unknown to 10.9.9.9\nimage nas-b 1 /stored=s"},
		check{name: "a file is missing from the image", script: files + "image nas-b 1 /a=v1", want: expect.Violation, says: "the first /stored"},
		check{name: "one too many is in the image", script: files + "image nas-b 1 /a=v1 /stored=s /more=x", want: expect.Violation, says: "the first /more"},
		check{name: "a takeover, and not set up again", script: takenOver + "20m nas-a booted\n20m nas-a role:", want: expect.Violation,
			says: "not redundant at 1h: nas-a is none, and was set up as active"},
		check{name: "set up again", script: takenOver + setAgain("nas-b", "nas-a", ""), want: expect.Pass},
		check{name: "the path is still cut", script: "50m nas-a unreachable: nas-b (heartbeat)", want: expect.Violation, says: "heartbeat was cut"},
		check{name: "a unit is off", script: death, want: expect.Vacuous},
		check{name: "the software of a unit has stopped by itself", script: "50m nas-b stopped", want: expect.Violation,
			says: "not redundant at 1h: nas-b is none, and was set up as standby"},
		check{name: "disconnected", script: "step 5m give do disconnect nas-a 200", want: expect.Vacuous},
	)
	late := played(config("spaced"), 1, "30m nas-b crashed\n55m nas-b restarted\n55m nas-b role: standby")
	late.Quiet = 50 * time.Minute
	for within, want := range map[string]expect.Verdict{"4m59s": expect.Violation, "5m": expect.Pass, "11m": expect.Inconclusive} {
		if f := (&pair.Converged{All: "all", Within: bound(within)}).Judge(late); f.Verdict != want {
			t.Errorf("back 5m after the drill is %s within %s, want %s: %v", f.Verdict, within, want, f.Evidence)
		}
	}
}

// hung is a run in which a unit's disk hangs from then on.
func broken(unit, how string, by time.Duration) func(*expect.Run) {
	return func(r *expect.Run) {
		r.Faults = []*faults.Entry{{Fault: &faults.BreakDisk{Machine: unit, How: how, Latency: by}, From: 50 * time.Minute, Until: -1,
			Receipt: faults.Receipt{{N: 1, What: "operations touched"}}}}
	}
}

func hung(unit string, from time.Duration) func(*expect.Run) {
	return func(r *expect.Run) {
		r.Faults = []*faults.Entry{{Fault: &faults.BreakDisk{Machine: unit, How: "hang"}, From: from, Until: -1,
			Receipt: faults.Receipt{{N: 1, What: "operations held"}}}}
	}
}

func TestSyncsAtBoundaries(t *testing.T) {
	const first = "1h0.5s nas-a sync-begun: 2\n1h1s nas-b image-committed: 2\n1h1s nas-a sync-committed: 2\n"
	daily := strings.NewReplacer("schedule=hourly", "schedule=daily")
	stepped := func(r *expect.Run) {
		r.Faults = []*faults.Entry{{Fault: &faults.StepClock{Machine: "nas-a", Offset: 30 * time.Minute}, From: 10 * time.Minute, Until: -1}}
	}
	back := func(by time.Duration) func(*expect.Run) {
		return func(r *expect.Run) {
			r.Faults = []*faults.Entry{{Fault: &faults.StepClock{Machine: "nas-a", Offset: by}, From: 10 * time.Minute, Until: 11 * time.Minute}}
		}
	}
	tries(t, "syncs_at_boundaries",
		check{name: "of two times that a clock shows an hour, one", run: back(time.Hour), want: expect.Pass,
			script: strings.NewReplacer("1h0.5s", "10m0.5s", "1h1s", "10m1s").Replace(first) + "end 1h30m"},
		check{name: "of two times that a clock shows an hour, none", run: back(time.Hour), want: expect.Violation, says: "no sync at 10m",
			script: "end 1h30m"},
		check{name: "a clock that was not over the hour when it was set back", run: back(40 * time.Minute), want: expect.Violation,
			says: "no sync at 1h", script: "end 1h30m"},
		check{name: "at the hour", script: first + "end 1h30m", want: expect.Pass},
		check{name: "not at the hour", script: "end 1h30m", want: expect.Violation, says: "nas-a began no sync at 1h, a boundary of its hourly schedule"},
		check{name: "too late", script: strings.ReplaceAll(first, "1h0.5s", "1h6s") + "end 1h30m", want: expect.Violation},
		check{name: "too early", script: strings.NewReplacer("1h0.5s", "59m58s", "1h1s", "59m59s").Replace(first) + "end 1h30m", want: expect.Violation},
		check{name: "while the one before is under way", script: "50m nas-a sync-begun: 2\nend 1h30m", want: expect.Vacuous},
		check{name: "while the path is cut", script: "50m nas-a unreachable: nas-b (heartbeat)\nend 1h30m", want: expect.Vacuous},
		check{name: "while the active's disk hangs", script: "end 1h30m", run: hung("nas-a", 50*time.Minute), want: expect.Vacuous},
		check{name: "while the active's disk is a little slow", script: "end 1h30m", want: expect.Violation, run: broken("nas-a", "slow", time.Millisecond)},
		check{name: "while the active's disk is very slow", script: "end 1h30m", want: expect.Vacuous, run: broken("nas-a", "slow", time.Second)},
		check{name: "while the active's disk lies about syncs", script: "end 1h30m", want: expect.Violation, run: broken("nas-a", "lying-sync", 0)},
		check{name: "a clock that was set back behind the begin", run: back(-48 * time.Hour), want: expect.Violation,
			says: "no sync at 1h", script: "end 1h30m"},
		check{name: "a clock that stays behind the begin", want: expect.Violation, says: "no sync at 1h", script: "end 1h30m", run: func(r *expect.Run) {
			r.Faults = []*faults.Entry{{Fault: &faults.StepClock{Machine: "nas-a", Offset: -48 * time.Hour}, From: 10 * time.Minute, Until: -1}}
		}},
		check{name: "while the standby's disk hangs", script: "end 1h30m", run: hung("nas-b", 50*time.Minute), want: expect.Violation},
		check{name: "by a clock that was stepped", script: strings.NewReplacer("1h0", "30m0", "1h1s", "30m1s").Replace(first) + "end 1h", run: stepped, want: expect.Pass},
		check{name: "not by a clock that was stepped", script: first + "end 1h20m", run: stepped, want: expect.Violation, says: "no sync at 30m"},
		check{name: "by a clock that is behind", script: first + "end 1h30m", want: expect.Violation, says: "no sync at 1h10m",
			run: func(r *expect.Run) { r.Machine("nas-a").Clock.Offset = -10 * time.Minute }},
		check{name: "at midnight", bare: true, script: daily.Replace(strings.Replace(paired, "01-05T00", "01-04T23", 1)) + first + "end 1h30m", want: expect.Pass},
		check{name: "not at midnight", bare: true, script: daily.Replace(strings.Replace(paired, "01-05T00", "01-04T23", 1)) + "end 1h30m", want: expect.Violation,
			says: "it was Mon 00:00:00 there"},
		check{name: "no hour has passed", want: expect.Vacuous},
	)
}

func TestPairingConcludes(t *testing.T) {
	const lead = `
	machine nas-a lan=172.16.66.165 heartbeat=192.168.2.254
	machine nas-b lan=172.16.66.160 heartbeat=192.168.2.253
	segment heartbeat latency=1ms
	0s nas-a phase: standalone
	10s nas-a phase: pairing-a
	step 10s lead do apply nas-a 200 role=active pair_ip=172.16.66.160 virtual_ip=172.16.66.40 heartbeat_ips=[192.168.2.254 192.168.2.253]
	`
	join := func(took string) string {
		return "step 20s join do apply nas-b 409 role=standby pair_ip=172.16.66.165 answer.reason=no-answer took=" + took
	}
	const unanswered = "step 20s join do apply nas-b 0 role=standby pair_ip=172.16.66.165 took=3m"
	tries(t, "pairing_concludes",
		check{name: "in time", bare: true, script: lead + "70s nas-a phase: standalone", want: expect.Pass},
		check{name: "just in time", bare: true, script: lead + "71.002s nas-a phase: standalone", want: expect.Pass},
		check{name: "just too late", bare: true, script: lead + "71.003s nas-a phase: standalone", want: expect.Violation, says: "want 1m1.002s at most"},
		check{name: "never", bare: true, script: lead, want: expect.Violation},
		check{name: "the power fails meanwhile", bare: true, script: lead + "20s nas-a powered-off\n", want: expect.Vacuous},
		check{name: "the standby in time", bare: true, script: lead + join("61s") + "\n70s nas-a phase: standalone", want: expect.Pass},
		check{name: "the standby too late", bare: true, script: lead + join("61.001s") + "\n70s nas-a phase: standalone", want: expect.Violation,
			says: "nas-b answered its apply of 20s after 1m1.001s, want 1m1s"},
		check{name: "the standby never", bare: true, script: lead + "20s nas-b phase: pairing-s\n70s nas-a phase: standalone\n" + unanswered,
			want: expect.Violation, says: "nas-b was in state pairing-s from 20s to 1h, want 1m1s at most"},
		check{name: "the standby in time, and its answer is lost", bare: true, want: expect.Pass,
			script: lead + "20s nas-b phase: pairing-s\n70s nas-a phase: standalone\n81s nas-b phase: standalone\n" + unanswered},
		check{name: "the standby, whose disk hangs", bare: true, script: lead + "20s nas-b phase: pairing-s\n70s nas-a phase: standalone\n" + unanswered,
			run: hung("nas-b", 0), want: expect.Pass},
		check{name: "the standby, whose active's disk hangs", bare: true, script: lead + "20s nas-b phase: pairing-s\n70s nas-a phase: standalone\n" +
			unanswered, run: hung("nas-a", 0), want: expect.Violation},
		check{name: "another try of the standby", bare: true, want: expect.Pass, script: lead + "20s nas-b phase: pairing-s\n70s nas-a phase: standalone\n" +
			"80s nas-b phase: standalone\n100s nas-b phase: pairing-s\n160s nas-b phase: standalone\n" + unanswered},
		check{name: "nobody sets up", bare: true, want: expect.Vacuous},
	)
}

func TestClientsFollow(t *testing.T) {
	const vip = " to 172.16.66.40\n"
	tries(t, "clients_follow",
		check{name: "answered by the survivor", script: takenOver + "11m41s..11m42s office-1 put /a v by nas-b" + vip, want: expect.Pass},
		check{name: "refused by the survivor", script: takenOver + "11m41s..11m42s office-1 put /a v by nas-b failed" + vip, want: expect.Pass},
		check{name: "not answered", script: takenOver + "11m41s..11m51s office-1 put /a v unknown" + vip, want: expect.Violation,
			says: "office-1 sent put /a at 11m41s, 1m1s after nas-b took over, and was not answered by it"},
		check{name: "while its disk hangs", script: takenOver + "11m41s..11m51s office-1 put /a v unknown" + vip, run: hung("nas-b", 11*time.Minute),
			want: expect.Vacuous},
		check{name: "while the disk of the old active hangs", script: takenOver + "11m41s..11m51s office-1 put /a v unknown" + vip,
			run: hung("nas-a", 11*time.Minute), want: expect.Violation},
		check{name: "not yet", script: takenOver + "11m39s..11m51s office-1 put /a v unknown" + vip, want: expect.Vacuous},
		check{name: "to another address", script: takenOver + "11m41s..11m51s office-1 put /a v unknown to 172.16.66.165\n", want: expect.Vacuous},
		check{name: "while the old active answers", script: takes(10*time.Minute+40*time.Second) + "11m41s..11m42s office-1 put /a v by nas-a" + vip,
			want: expect.Vacuous},
		check{name: "after the survivor went off", script: takenOver + "11m nas-b powered-off\n11m41s..11m51s office-1 put /a v unknown" + vip,
			want: expect.Vacuous},
		check{name: "a client that is cut off", script: takenOver + "11m office-1 unreachable: nas-b (lan)\n11m41s..11m51s office-1 put /a v unknown" + vip,
			run:  func(r *expect.Run) { r.Machine("office-1").Nets = r.Machine("nas-a").Nets[:1] },
			want: expect.Vacuous},
		check{name: "a client that is not", script: takenOver + "11m41s..11m51s office-1 put /a v unknown" + vip,
			run:  func(r *expect.Run) { r.Machine("office-1").Nets = r.Machine("nas-a").Nets[:1] },
			want: expect.Violation},
	)
}
