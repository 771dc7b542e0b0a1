package pair_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"firedrill/faults"
	unit "firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/scenarios/expect/internal/made"
)

// paired is setUp with what the operators of a whole drill say: both codes, and both units' settings.
var paired = strings.NewReplacer("role=active", "role=active pair_code=drill", "role=standby", "role=standby pair_code=drill",
	"16s nas-a role", "16s nas-b settings interval=30s checks=1 schedule=hourly\n16s nas-a settings interval=30s checks=1 schedule=hourly\n16s nas-a role",
	"%s", "interval=30s checks=1").Replace("start 2026-01-05T00:00:00Z\n" + setUp)

// check is one claim of the package tried on a made-up run.
type check struct {
	name   string
	script string
	want   expect.Verdict
	says   string
	config func(*unit.Config)
	run    func(*expect.Run)
	bare   bool // without a pair
}

// tries judges a standing claim on each of the runs. The last of them has to be one with nothing to judge.
func tries(t *testing.T, name string, checks ...check) {
	t.Helper()
	seen := map[expect.Verdict]bool{}
	for _, x := range checks {
		t.Run(x.name, func(t *testing.T) {
			c := config("spaced")
			if x.config != nil {
				x.config(c)
			}
			script := paired
			if x.bare {
				script = "machine nas-a lan=172.16.66.165\nmachine nas-b lan=172.16.66.160\n"
			}
			r := made.Run(unit.Kind(), c, script, x.script)
			if x.run != nil {
				x.run(r)
			}
			f := standing(name).Judge(r)
			seen[f.Verdict] = true
			text := strings.Join(f.Evidence, "\n")
			if f.Verdict != x.want || !strings.Contains(text, x.says) {
				t.Errorf("is %s, want %s that says %q:\n%s", f.Verdict, x.want, x.says, text)
			}
			if (f.Verdict == expect.Violation) != (len(f.Breaches) > 0) {
				t.Errorf("a violation has breaches and nothing else does; have %s with %d", f.Verdict, len(f.Breaches))
			}
		})
	}
	for _, v := range []expect.Verdict{expect.Pass, expect.Violation, expect.Vacuous} {
		if !seen[v] {
			t.Errorf("no run of %s is %s", name, v)
		}
	}
}

func TestEraseAfterPairing(t *testing.T) {
	const join = "step 30s join do apply nas-b %s role=standby pair_ip=172.16.66.165 pair_code=%s %s\n31s nas-b erased\n"
	alone := func(lead, status, code, reason string) string {
		return strings.Replace(paired[:strings.Index(paired, "\tstep 15s join")], "nas-a 200", "nas-a "+lead, 1) +
			fmt.Sprintf(join, status, code, reason)
	}
	tries(t, "erase_after_pairing",
		check{name: "as it should be", want: expect.Pass},
		check{name: "with other data on the disk", script: "disk nas-b /a=v", config: holds, want: expect.Violation, says: "the disk of nas-a is empty"},
		check{name: "for a second time", script: "30s nas-b erased", want: expect.Violation, says: "nas-b was erased at 30s, though nobody had set it up"},
		check{name: "the active", script: "30s nas-a erased", want: expect.Violation, says: "nas-a was erased at 30s, though nobody"},
		check{name: "with another code", bare: true, script: alone("200", "200", "wrong", ""), want: expect.Violation, says: "its pair code was not that of nas-a"},
		check{name: "with the right code", bare: true, script: alone("200", "200", "drill", ""), want: expect.Pass},
		check{name: "and the pairing failed", bare: true, script: alone("200", "409", "drill", "answer.reason=firmware"),
			want: expect.Violation, says: "its pairing failed: firmware"},
		check{name: "and the active was refused", bare: true, script: alone("409", "200", "drill", ""), want: expect.Violation,
			says: "nas-a was not set up as active"},
		check{name: "by units that do not fit", want: expect.Violation, says: "the firmware of the two differs", run: func(r *expect.Run) {
			other := config("spaced")
			other.Firmware = "5.04.00"
			r.Machine("nas-b").Config = other
		}},
		check{name: "an image over old data", bare: true, want: expect.Violation, says: "nothing was erased there since",
			script: strings.Replace(paired, "16s nas-b erased", "", 1)},
		check{name: "nobody pairs", bare: true, want: expect.Vacuous},
	)
}

func holds(c *unit.Config) { c.Data = 1e6 }

func TestStandbyTakesNoWrite(t *testing.T) {
	tries(t, "standby_takes_no_write",
		check{name: "refused", script: "30s..31s office-1 put /a v by nas-b failed", want: expect.Pass},
		check{name: "acknowledged", script: "30s..31s office-1 put /a v by nas-b", want: expect.Violation, says: "nas-b acknowledged put /a at 31s"},
		check{name: "though it says that it may", script: "25s nas-b access: read-write\n30s..31s office-1 delete /a by nas-b", want: expect.Violation},
		check{name: "after it took over", script: death + takes(10*time.Minute+40*time.Second) + "11m..11m1s office-1 put /a v by nas-b", want: expect.Vacuous},
		check{name: "under way when it took over", script: death + takes(10*time.Minute+40*time.Second) + "10m39s..10m41s office-1 put /a v by nas-b",
			want: expect.Vacuous},
		check{name: "to the active", script: "30s..31s office-1 put /a v by nas-a", want: expect.Vacuous},
	)
}

func TestRestrictedOperations(t *testing.T) {
	do := func(verb, unit, status, rest string) string {
		return fmt.Sprintf("step 5m attempt do %s %s %s %s\n", verb, unit, status, rest)
	}
	settings := func(interval string) string {
		return "5m nas-a settings interval=" + interval + " checks=1 schedule=hourly\n"
	}
	tries(t, "restricted_operations",
		check{name: "refused", script: do("shutdown", "nas-a", "403", ""), want: expect.Pass},
		check{name: "acknowledged", script: do("shutdown", "nas-a", "200", ""), want: expect.Violation, says: "nas-a acknowledged shutdown at 5m"},
		check{name: "refused, and done all the same", script: do("shutdown", "nas-a", "403", "") + "5m1s nas-a powered-off", want: expect.Violation,
			says: "nas-a refused shutdown at 5m, and noted powered-off all the same"},
		check{name: "refused, and then the power fails", script: do("shutdown", "nas-a", "403", "") + "5m1s nas-a powered-off", want: expect.Pass,
			run: func(r *expect.Run) {
				r.Faults = []*faults.Entry{{Fault: &faults.PowerOff{Machines: []string{"nas-a"}}, From: 5*time.Minute + time.Second, Until: -1}}
			}},
		check{name: "refused, and other settings are noted", script: do("change-settings", "nas-a", "403", "virtual_ip=172.16.66.41") + settings("60s"),
			want: expect.Violation, says: "noted settings all the same"},
		check{name: "refused, and the same settings are noted", script: do("change-settings", "nas-a", "403", "virtual_ip=172.16.66.41") + settings("30s"),
			want: expect.Pass},
		check{name: "refused, and the firmware is another", script: do("upgrade", "nas-a", "403", "firmware=9") +
			"step 6m look do view-status nas-a 200 answer.firmware=9", want: expect.Violation, says: "nas-a shows firmware 9"},
		check{name: "refused, and the firmware is the old one", script: do("upgrade", "nas-a", "403", "firmware=9") +
			"step 6m look do view-status nas-a 200 answer.firmware=5.03.02", want: expect.Pass},
		check{name: "a setting that cannot be changed", script: do("change-settings", "nas-a", "200", "virtual_ip=172.16.66.41"), want: expect.Violation},
		check{name: "one that can", script: do("change-settings", "nas-a", "200", "interval=60s"), want: expect.Vacuous},
		check{name: "on the standby none can", script: do("change-settings", "nas-b", "200", "interval=60s"), want: expect.Violation},
		check{name: "a standby may be looked at", script: do("view-status", "nas-b", "200", ""), want: expect.Vacuous},
		check{name: "after a disconnect", script: "step 4m give do disconnect nas-a 200\n4m nas-a role:, phase: standalone\n" + do("shutdown", "nas-a", "200", ""),
			want: expect.Vacuous},
		check{name: "though it says that it is free", script: "4m nas-a phase: standalone\n" + do("shutdown", "nas-a", "200", ""), want: expect.Violation},
	)
}

func TestRoleChanges(t *testing.T) {
	back := death + takes(10*time.Minute+40*time.Second) + "20m nas-a booted\n"
	tries(t, "role_changes",
		check{name: "set up", want: expect.Pass},
		check{name: "a takeover", script: death + takes(10*time.Minute+40*time.Second), want: expect.Pass},
		check{name: "replaced", script: back + "20m nas-a role:", want: expect.Pass},
		check{name: "the same role again", script: back + "20m nas-a role: active", want: expect.Pass},
		check{name: "the role comes back by itself", script: back + "20m nas-a role:\n25m nas-a role: active", want: expect.Violation,
			says: "nas-a changed its role from none to active at 25m"},
		check{name: "the survivor hands it back", script: back + "25m nas-b role: standby", want: expect.Violation},
		check{name: "stepping back without having been away", script: "5m nas-a role:", want: expect.Violation},
		check{name: "a disconnect", script: "step 5m give do disconnect nas-a 200\n5m nas-a role:\n5m nas-b role:", want: expect.Pass},
		check{name: "a disconnect that was refused", script: "step 5m give do disconnect nas-a 403\n5m nas-a role:", want: expect.Violation},
		check{name: "one disconnect, used up", script: "step 4m give do disconnect nas-a 200\n5m nas-a role:\n" +
			"6m nas-a role: active", want: expect.Violation, says: "from none to active at 6m"},
		check{name: "nobody has a role", bare: true, want: expect.Vacuous},
	)
}

func TestParametersEqual(t *testing.T) {
	const changed = "step 5m change do change-settings nas-a 200 interval=20s took=1s\n"
	const a, b = "5m nas-a settings interval=20s checks=1 schedule=hourly\n", "5m nas-b settings interval=20s checks=1 schedule=hourly\n"
	tries(t, "parameters_equal",
		check{name: "from the start", want: expect.Pass},
		check{name: "changed on both", script: changed + a + b, want: expect.Pass},
		check{name: "changed on one", script: a, want: expect.Violation, says: "though they were connected"},
		check{name: "acknowledged, and the standby has the old ones", script: changed + a, want: expect.Violation, says: "nas-b went by interval=30s"},
		check{name: "acknowledged, and nobody has", script: changed, want: expect.Violation, says: "nas-a went by interval=30s"},
		check{name: "repaired in time", script: a + "5m30s nas-b settings interval=20s checks=1 schedule=hourly", want: expect.Pass},
		check{name: "changed again and again, and the standby never is", script: "5m nas-a settings interval=20s checks=1 schedule=hourly\n" +
			"5m50s nas-a settings interval=25s checks=1 schedule=hourly\n6m30s nas-a settings interval=30s checks=1 schedule=hourly", want: expect.Violation,
			says: "nas-a went by interval=20s checks=1 schedule=hourly and nas-b by interval=30s checks=1 schedule=hourly at 5m, and they differed until 6m30s"},
		check{name: "while the path is cut", script: "4m nas-a unreachable: nas-b (heartbeat)\n" + a, want: expect.Pass},
		check{name: "and not after the heal", script: "4m nas-a unreachable: nas-b (heartbeat)\n" + a + "20m nas-a reachable: nas-b (heartbeat)",
			want: expect.Violation},
		check{name: "nobody is connected", bare: true, want: expect.Vacuous},
	)
}

func TestImagesInOrder(t *testing.T) {
	tries(t, "images_in_order",
		check{name: "one after the other", script: "5m nas-a sync-begun: 2\n5m1s nas-b image-committed: 2\n5m1s nas-a sync-committed: 2", want: expect.Pass},
		check{name: "after one that was aborted", script: "5m nas-a sync-begun: 2\n5m1s nas-a sync-aborted: 2\n6m nas-a sync-begun: 3\n6m1s nas-b image-committed: 3",
			want: expect.Pass},
		check{name: "over one that is under way", script: "5m nas-a sync-begun: 2\n6m nas-a sync-begun: 3", want: expect.Violation,
			says: "nas-a began image 3 at 6m, while image 2 was under way"},
		check{name: "an older one", script: "5m nas-a sync-begun: 2\n5m1s nas-b image-committed: 2\n5m2s nas-a sync-committed: 2\n6m nas-b image-committed: 1",
			want: expect.Violation, says: "nas-b committed image 1 at 6m, after image 2"},
		check{name: "one that nobody sent", script: "6m nas-b image-committed: 9", want: expect.Violation, says: "which nas-a had not begun"},
		check{name: "the sender before the receiver", script: "5m nas-a sync-begun: 2\n5m1s nas-a sync-committed: 2\n5m2s nas-b image-committed: 2",
			want: expect.Violation, says: "nas-b had not committed it"},
		check{name: "after a crash of the sender", script: "5m nas-a sync-begun: 2\n5m1s nas-a crashed\n6m nas-a restarted\n7m nas-a sync-begun: 3", want: expect.Pass},
		check{name: "no image", bare: true, want: expect.Vacuous},
	)
}
