package pair_test

import (
	"testing"
	"time"

	"firedrill/nodes/pair"
)

// Disconnecting and setting up again: spec 5.3, the rows that end a pair.

// D-38..D-40: disconnect on either unit ends the service on both, and the last synced data stay.
func TestDisconnect(t *testing.T) {
	for _, at := range []string{lanA, lanB} {
		r := newRig(t)
		r.pair()
		if a := r.do(at, "disconnect"); a.Status != 200 || a.Field("warning") != "" {
			t.Errorf("disconnect at %s: %+v", at, a)
		}
		r.want("nas-a", pair.Standalone)
		r.want("nas-b", pair.Standalone)
		r.owners()
		checks, syncs := r.count("nas-b", pair.FactCheckSent, ""), r.count("nas-a", pair.FactSyncBegun, "")
		r.run(time.Hour)
		if r.count("nas-b", pair.FactCheckSent, "") != checks || r.count("nas-a", pair.FactSyncBegun, "") != syncs {
			t.Error("want no more checks and no more syncs")
		}
		if a := r.file("GET", lanB, "/data/stored/0001", ""); a.Status != 200 {
			t.Errorf("want the last synced data on the former standby, have %+v", a)
		}
	}
}

// D-68: BYE is repeated until the peer hears it, and the status says so meanwhile.
func TestByeIsRepeated(t *testing.T) {
	r := newRig(t)
	r.pair()
	heal := r.cut("heartbeat")
	if a := r.do(lanA, "disconnect"); a.Status != 200 || a.Field("warning") != "peer-not-told" {
		t.Errorf("want a warning, have %+v", a)
	}
	r.want("nas-a", pair.Standalone)
	r.want("nas-b", pair.Standby)
	if got := r.status(lanA, "peer"); got != "peer-not-told" {
		t.Errorf("want peer-not-told, have %q", got)
	}
	heal()
	r.run(40 * time.Second)
	r.want("nas-b", pair.Standalone)
	if got := r.status(lanA, "peer"); got != "" {
		t.Errorf("want the peer told, have %q", got)
	}
}

// D-68: a unit that boots in between still owes its BYE; one that nobody hears is given up.
func TestByeOutlivesABoot(t *testing.T) {
	r := newRig(t)
	r.pair()
	r.world.Machine("nas-b").PowerOff()
	r.do(lanA, "disconnect")
	a := r.world.Machine("nas-a")
	a.PowerOff()
	a.Boot(nil)
	r.run(10 * time.Minute)
	if r.count("nas-a", pair.FactAlarm, "peer-not-told") != 1 {
		t.Error("want BYE given up with an alarm")
	}
	if got := r.status(lanA, "peer"); got != "peer-not-told" {
		t.Errorf("want peer-not-told for good, have %q", got)
	}
}

// D-58, D-59, D-61, D-62: the pair is set up anew, the survivor as active; what was written to it reaches the
// other unit.
func TestSetUpAgain(t *testing.T) {
	r := newRig(t)
	r.pair()
	a := r.world.Machine("nas-a")
	a.PowerOff()
	r.run(2 * time.Minute)
	r.file("PUT", virtualAddress, "/data/after-takeover", "new")
	a.Boot(nil)
	r.run(time.Minute)
	r.refused(r.do(lanB, "apply", asStandby()...), 403, "not-available") // It has to be disconnected for that.
	r.refused(r.do(lanA, "apply", asActive()...), 403, "not-available")
	r.mustDo(lanB, "apply", "role=active", "pair_ip="+lanA, "pair_code=again", "virtual_ip="+virtualAddress,
		"heartbeat_ips="+beatB+","+beatA, "interval=30s", "checks=1", "schedule=hourly")
	r.want("nas-b", pair.PairingA)
	r.owners("nas-b") // It goes on serving.
	if got := r.file("PUT", virtualAddress, "/data/while-pairing", "new"); got.Status != 204 {
		t.Errorf("want the survivor to serve while it pairs, have %+v", got)
	}
	if got := r.do(lanA, "apply", "role=standby", "pair_ip="+lanB, "pair_code=again"); got.Status != 200 || got.Field("warning") != "" {
		t.Errorf("want no warning for the right way, have %+v", got)
	}
	r.run(5 * time.Second)
	r.want("nas-b", pair.Active)
	r.want("nas-a", pair.Standby)
	r.world.Machine("nas-b").PowerOff()
	r.run(2 * time.Minute)
	r.want("nas-a", pair.ActiveSolo)
	if got := r.file("GET", virtualAddress, "/data/after-takeover", ""); got.Status != 200 {
		t.Errorf("want what the survivor had, have %+v", got)
	}
}

// 5.3, ACTIVE_SOLO: a pairing that fails leaves the survivor as it was.
func TestSurvivorFallsBack(t *testing.T) {
	r := newRig(t)
	r.pair()
	r.world.Machine("nas-a").PowerOff()
	r.run(2 * time.Minute)
	r.mustDo(lanB, "apply", "role=active", "pair_ip="+lanA, "pair_code=again", "virtual_ip="+virtualAddress,
		"heartbeat_ips="+beatB+","+beatA, "interval=30s", "checks=1", "schedule=hourly")
	r.run(70 * time.Second)
	r.want("nas-b", pair.ActiveSolo)
	r.owners("nas-b")
}

// D-61, HZ-D5: the wrong way round is warned of.
func TestWrongWayIsWarnedOf(t *testing.T) {
	r := newRig(t)
	r.pair()
	a := r.world.Machine("nas-a")
	a.PowerOff()
	r.run(2 * time.Minute)
	a.Boot(nil)
	r.run(time.Minute)
	r.mustDo(lanA, "disconnect")
	r.mustDo(lanB, "disconnect")
	r.owners()
	r.mustDo(lanA, "apply", asActive()...)
	if got := r.do(lanB, "apply", asStandby()...); got.Status != 200 || got.Field("warning") != "erases-newer-data" {
		t.Errorf("want a warning, have %+v", got)
	}
}
