package pair_test

import (
	"strings"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/sim"
)

// A unit as its operator sees it: settings, menu, disk, and what moves with the role.

// D-36, D-37, D-41, D-INV-7: settings change on both units or, when the standby cannot be told, on neither for
// long.
func TestSettings(t *testing.T) {
	r := newRig(t)
	r.pair()
	r.mustDo(lanA, "change-settings", "interval=20s", "checks=2", "schedule=daily")
	for _, at := range []string{lanA, lanB} {
		if r.status(at, "interval") != "20s" || r.status(at, "checks") != "2" || r.status(at, "schedule") != "daily" {
			t.Errorf("settings have not changed at %s", at)
		}
	}
	r.refused(r.do(lanA, "change-settings", "virtual_ip=172.16.66.41"), 403, "not-available") // D-37
	r.refused(r.do(lanA, "change-settings", "checks=99"), 400, "invalid")
	r.refused(r.do(lanB, "change-settings", "checks=3"), 403, "not-available") // D-33
	// The standby takes the new settings, and its answer is lost.
	var heal func()
	cancel := r.world.OnFact(func(e event) bool {
		return e.Machine == "nas-b" && e.Name == pair.FactSettings && e.Attr("checks") == "3"
	}, func(event) {
		heal = r.cut("heartbeat")
		r.world.At(r.world.Now()+5*time.Second, func() { heal() })
	})
	defer cancel()
	r.refused(r.do(lanA, "change-settings", "checks=3"), 409, "standby-unreachable")
	r.run(time.Minute)
	if a, b := r.status(lanA, "checks"), r.status(lanB, "checks"); a != "2" || b != "2" {
		t.Errorf("want both units to have the old settings again, have %s and %s", a, b)
	}
}

// D-32..D-35, D-42: the menu of each state is what the unit does; everything else it refuses.
func TestMenu(t *testing.T) {
	restricted := map[string][]string{"shutdown": nil, "reboot": nil, "upgrade": {"firmware=9"}, "change-raid": {"level=raid6"},
		"enable-service": {"service=snmp"}, "disable-service": {"service=snmp"}}
	r := newRig(t)
	if a := r.do(lanA, "enable-service", "service=snmp"); a.Status != 200 {
		t.Errorf("a stand-alone unit refuses: %+v", a)
	}
	r.refused(r.do(lanA, "apply", asActive()...), 409, "snmp")
	r.mustDo(lanA, "disable-service", "service=snmp")
	r.pair()
	for verb, with := range restricted {
		r.refused(r.do(lanA, verb, with...), 403, "not-available")
		r.refused(r.do(lanB, verb, with...), 403, "not-available")
	}
	r.refused(r.do(lanB, "apply", asStandby()...), 403, "not-available")
	r.mustDo(lanB, "set-notification", "mail=admin@drill.example")
	r.mustDo(lanA, "disconnect")
	r.mustDo(lanA, "upgrade", "firmware=5.04.00")
	if got := r.status(lanA, "firmware"); got != "5.04.00" {
		t.Errorf("want the new firmware, have %s", got)
	}
	r.mustDo(lanA, "shutdown")
	if state := r.world.Machine("nas-a").State(); state != "powered-off" {
		t.Errorf("want the unit off, have %s", state)
	}
}

// D-28, D-49, D-53, D-54: the system configuration is part of an image; modules and devices are not.
func TestWhatMovesWithTheRole(t *testing.T) {
	r := newRig(t, func(a, _ *pair.Config) { a.Modules, a.Peripherals = []string{"media"}, []string{"printer", "ups"} })
	services := nodes.Request{Method: "GET", Path: "/system/services"}
	r.pair()
	r.mustDo(lanA, "set-notification", "mail=admin@drill.example")
	for path, want := range map[string]int{"/modules/media": 200, "/devices/printer": 200, "/devices/scanner": 404} {
		if a := r.file("GET", virtualAddress, path, ""); a.Status != want {
			t.Errorf("%s: want %d, have %+v", path, want, a)
		}
	}
	r.refused(r.file("GET", lanB, "/modules/media", ""), 403, "not-available")
	have := r.ask(virtualAddress, services)
	r.run(time.Hour) // With a sync in it.
	if have.Field("modules") != `["media"]` || have.Field("peripherals") != `["printer","ups"]` {
		t.Errorf("want the active's modules and devices, have %+v", have)
	}
	r.world.Machine("nas-a").PowerOff()
	r.run(2 * time.Minute)
	have = r.ask(virtualAddress, services)
	r.run(2 * time.Second)
	if have.Field("modules") != "[]" || have.Field("peripherals") != "[]" {
		t.Errorf("want none after the takeover, have %+v", have)
	}
	for _, path := range []string{"/modules/media", "/devices/printer", "/devices/ups"} {
		if a := r.file("GET", virtualAddress, path, ""); a.Status != 404 {
			t.Errorf("%s: want it gone with its machine, have %+v", path, a)
		}
	}
	if got := r.status(virtualAddress, "notification"); got != "admin@drill.example" {
		t.Errorf("want the configuration of the image, have %q", got)
	}
}

// D-29, D-51, D-69: a sync that breaks off leaves the last image; the next boundary makes it good (D-LIV-2).
func TestSyncBreaksOff(t *testing.T) {
	r := newRig(t)
	r.pair()
	r.mustDo(lanA, "change-settings", "interval=600s") // So that nobody takes over meanwhile.
	r.file("PUT", lanA, "/data/second", strings.Repeat("x", 100))
	var heal func()
	cancel := r.world.OnFact(func(e event) bool {
		return e.Machine == "nas-a" && e.Name == nodes.FactSync && e.Scope == "2" && heal == nil
	}, func(event) { heal = r.cut("heartbeat") })
	defer cancel()
	r.run(23 * time.Minute)
	if heal == nil {
		t.Fatal("no second sync began")
	}
	if r.count("nas-b", pair.FactCheckFailed, "") == 0 {
		t.Error("want the cut to stop the checks too")
	}
	if r.count("nas-a", pair.FactSyncAborted, "2") != 1 || r.count("nas-b", pair.FactImageCommitted, "2") != 0 {
		t.Error("want image 2 given up")
	}
	if got := r.data(lanB); got != "same-as-active" {
		t.Errorf("want the first image whole on the standby, have %s", got)
	}
	if got := r.status(lanB, "last_image"); got != "1" {
		t.Errorf("want the first image to be the last, have %s", got)
	}
	heal()
	r.run(time.Hour)
	r.want("nas-b", pair.Standby)
	if r.count("nas-b", pair.FactImageCommitted, "3") != 1 {
		t.Error("want the next boundary to make it good")
	}
}

// A unit that boots on a full or read-only disk says so and serves nobody; once the disk is well it boots as what it was.
func TestBootWithoutDisk(t *testing.T) {
	for _, how := range []sim.DiskFault{sim.DiskFull, sim.DiskReadOnly, sim.DiskEIO} {
		t.Run(string(how), func(t *testing.T) {
			r := newRig(t)
			r.pair()
			a := r.world.Machine("nas-a")
			a.PowerOff()
			r.run(2 * time.Minute)
			r.want("nas-b", pair.ActiveSolo)
			broken := &sim.DiskImposition{DiskCondition: sim.DiskCondition{How: how}}
			a.Disk().Impose(broken)
			a.Boot(nil)
			r.run(5 * time.Second)
			r.want("nas-a", pair.DiskFailed)
			if state, alarms := r.status(lanA, "state"), r.status(lanA, "alarms"); state != "disk-failed" || alarms != `["disk"]` {
				t.Errorf("want the unit to say what is wrong, have %s, %s", state, alarms)
			}
			r.refused(r.file("GET", lanA, "/data/stored/0001", ""), 403, "not-available")
			r.refused(r.do(lanA, "apply", asStandby()...), 403, "not-available")
			r.refused(r.do(lanA, "set-notification", "mail=x"), 403, "not-available")
			if got := r.data(lanA); got != "damaged" {
				t.Errorf("want nothing said of the files, have %s", got)
			}
			r.owners("nas-b")
			a.Disk().Lift(broken)
			r.run(20 * time.Second)
			r.want("nas-a", pair.StaleActive)
			if got := r.file("GET", lanA, "/data/stored/0001", ""); got.Status != 200 {
				t.Errorf("want the old data read, have %+v", got)
			}
		})
	}
}

// The software is started again on a disk that has become read-only, while its kernel holds the address: it lets go.
func TestRestartWithoutDiskReleasesTheAddress(t *testing.T) {
	r := newRig(t)
	r.pair()
	a := r.world.Machine("nas-a")
	a.Crash()
	a.Disk().Impose(&sim.DiskImposition{DiskCondition: sim.DiskCondition{How: sim.DiskReadOnly}})
	r.owners("nas-a")
	a.Restart(nil)
	r.run(5 * time.Second)
	r.want("nas-a", pair.DiskFailed)
	r.owners()
	r.mustDo(lanA, "shutdown")
	if state := a.State(); state != sim.StateOff {
		t.Errorf("want the unit off, have %s", state)
	}
}
