package pair_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/sim"
)

// The tests of this file go through the state machine of spec 5.3, a row each, with the rows beside it that
// must not fire.

// D-01..D-11, D-18, D-19, D-24, D-30, D-31, D-INV-1: both rows of Apply, PAIR_REQ that fits, PAIR_OK, and the initial
// SYNC_COMMIT. The active serves at both of its addresses then.
func TestPairing(t *testing.T) {
	r := newRig(t)
	if got := r.data(lanB); got != "intact" {
		t.Fatalf("want the standby's own data before pairing, have %s", got)
	}
	r.mustDo(lanA, "apply", asActive()...)
	r.want("nas-a", pair.PairingA)
	r.owners()
	r.mustDo(lanB, "apply", asStandby()...)
	r.run(5 * time.Second)
	r.want("nas-a", pair.Active)
	r.want("nas-b", pair.Standby)
	r.owners("nas-a")
	phases := func(machine string) (all []string) {
		for _, e := range r.world.Trace().Events() {
			if e.Machine == machine && e.Name == nodes.FactPhase {
				all = append(all, e.Value)
			}
		}
		return all
	}
	if have := strings.Join(phases("nas-a"), " "); have != "standalone pairing-a active-init active" {
		t.Errorf("nas-a went through %s", have)
	}
	if have := strings.Join(phases("nas-b"), " "); have != "standalone pairing-s standby-init standby" {
		t.Errorf("nas-b went through %s", have)
	}
	if r.count("nas-b", pair.FactErased, "") != 1 || r.count("nas-a", pair.FactErased, "") != 0 {
		t.Error("want the standby erased once and the active never")
	}
	if r.count("nas-a", nodes.FactReady, "") != 1 {
		t.Error("want ready once")
	}
	if got := r.data(lanB); got != "same-as-active" {
		t.Errorf("want the active's data on the standby, have %s", got)
	}
	if got := r.status(lanA, "redundancy"); got != "full" {
		t.Errorf("want full redundancy, have %s", got)
	}
	for _, at := range []string{lanA, virtualAddress} {
		if a := r.file("GET", at, "/data/stored/0001", ""); a.Status != 200 {
			t.Errorf("want the active's files at %s, have %+v", at, a)
		}
	}
}

// D-02..D-11, D-25, D-INV-3: a prerequisite that does not hold is named, and nobody is changed.
func TestPrerequisites(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		atActive     bool
		configure    func(a, b *pair.Config)
	}{
		{"firmware", "firmware", false, func(_, b *pair.Config) { b.Firmware = "5.03.10" }},
		{"smaller volume", "volume-size", false, func(_, b *pair.Config) { b.Volume-- }},
		{"no volume at the standby", "raid-volumes", false, func(_, b *pair.Config) { b.RaidVolumes = 0 }},
		{"two volumes at the active", "raid-volumes", true, func(a, _ *pair.Config) { a.RaidVolumes = 2 }},
		{"iscsi at the standby", "iscsi", false, func(_, b *pair.Config) { b.Services = []string{"iscsi"} }},
		{"snmp at the active", "snmp", true, func(a, _ *pair.Config) { a.Services = []string{"snmp"} }},
		{"wake on lan at the standby", "wake-on-lan", false, func(_, b *pair.Config) { b.Services = []string{"wake-on-lan"} }},
		{"schedule at the active", "power-schedule", true, func(a, _ *pair.Config) { a.Services = []string{"power-schedule"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, c.configure)
			lead := r.do(lanA, "apply", asActive()...)
			if c.atActive {
				r.refused(lead, 409, c.reason)
			} else {
				r.refused(r.do(lanB, "apply", asStandby()...), 409, c.reason)
			}
			r.run(70 * time.Second)
			r.want("nas-a", pair.Standalone)
			r.want("nas-b", pair.Standalone)
			if got := r.data(lanB); got != "intact" {
				t.Errorf("want the standby's data intact, have %s", got)
			}
			r.owners()
		})
	}
}

// D-03: equal and larger volumes are accepted; the twin of the refusals.
func TestLargerVolumePairs(t *testing.T) {
	r := newRig(t, func(_, b *pair.Config) { b.Volume++ })
	r.pair()
}

// D-10, D-11, D-14: the heartbeat addresses have to lie in one subnet, as the netmask has it. Where the interface is
// named its own address need not be typed in.
func TestHeartbeatSubnet(t *testing.T) {
	r := newRig(t)
	with := slices.DeleteFunc(asActive(), func(s string) bool { return strings.HasPrefix(s, "heartbeat_ips") })
	r.refused(r.do(lanA, "apply", append(with, "heartbeat_ips="+beatA+",192.168.3.253")...), 409, "subnet")
	r.refused(r.do(lanA, "apply", append(with, "heartbeat_ips=192.168.2.200,"+beatB)...), 409, "subnet")
	r.want("nas-a", pair.Standalone)
	r.mustDo(lanA, "apply", append(with, "heartbeat_interface=heartbeat", "heartbeat_ips="+beatB+",")...)
}

// D-Q8: somebody else at the virtual address.
func TestVirtualAddressInUse(t *testing.T) {
	r := newRig(t)
	with := slices.DeleteFunc(asActive(), func(s string) bool { return strings.HasPrefix(s, "virtual_ip") })
	r.refused(r.do(lanA, "apply", append(with, "virtual_ip=172.16.64.9")...), 409, "address-in-use")
	r.refused(r.do(lanA, "apply", append(with, "virtual_ip="+lanA)...), 409, "virtual-ip")
	r.refused(r.do(lanA, "apply", append(with, "virtual_ip=10.1.1.1")...), 409, "virtual-ip")
	r.want("nas-a", pair.Standalone)
}

// D-12, D-17, D-21, D-Q4: what an operator may not enter.
func TestApplyInvalid(t *testing.T) {
	r := newRig(t)
	for _, with := range [][]string{
		{"role=boss", "pair_ip=" + lanB, "pair_code=x"},
		{"role=standby", "pair_ip=" + lanB, "pair_code="},
		{"role=standby", "pair_ip=" + lanB, "pair_code=" + strings.Repeat("x", 33)},
		{"role=standby", "pair_ip=nowhere", "pair_code=x"},
		asStandby("interval=30s"),
		asStandby("virtual_ip=" + virtualAddress),
		asActive("interval=4s"),
		asActive("interval=601s"),
		asActive("checks=11"),
		asActive("checks=0"),
		asActive("checks=some"),
		asActive("schedule=yearly"),
		asActive("interval=6s", "checks=2"), // Three checks of 2 s do not end before 6 s are over.
	} {
		r.refused(r.do(lanA, "apply", with...), 400, "invalid")
	}
	r.want("nas-a", pair.Standalone)
}

// D-19, D-20, D-LIV-4: nobody came, and the active is as before.
func TestPairingWindowCloses(t *testing.T) {
	r := newRig(t)
	r.mustDo(lanA, "apply", asActive()...)
	r.run(50 * time.Second)
	r.want("nas-a", pair.PairingA)
	r.run(20 * time.Second)
	r.want("nas-a", pair.Standalone)
	if got := r.status(lanA, "failure"); got != "timeout" {
		t.Errorf("want the failure timeout, have %q", got)
	}
	r.refused(r.do(lanA, "disconnect"), 409, "not-paired")
}

// D-22, D-23, D-25, D-26, D-INV-3: who is not the Pair IP, has the wrong code or the wrong role gets no answer, and the
// timer runs on.
func TestNoAnswer(t *testing.T) {
	short := func(_, b *pair.Config) { b.PairWait = 4 * time.Second }
	t.Run("wrong code, then the right one", func(t *testing.T) {
		r := newRig(t, short)
		r.mustDo(lanA, "apply", asActive()...)
		r.refused(r.do(lanB, "apply", asStandby("pair_code=wrong")...), 409, "no-answer")
		r.want("nas-b", pair.Standalone)
		r.want("nas-a", pair.PairingA)
		r.mustDo(lanB, "apply", asStandby()...)
		r.want("nas-b", pair.Standby)
	})
	t.Run("not the pair ip", func(t *testing.T) {
		r := newRig(t, short)
		r.mustDo(lanA, "apply", asActive("pair_ip=172.16.66.161")...)
		r.refused(r.do(lanB, "apply", asStandby()...), 409, "no-answer")
		r.want("nas-a", pair.PairingA)
	})
	t.Run("nobody waits", func(t *testing.T) {
		r := newRig(t, short)
		r.refused(r.do(lanB, "apply", asStandby()...), 409, "no-answer")
		r.want("nas-b", pair.Standalone)
		if got := r.data(lanB); got != "intact" {
			t.Errorf("want the data intact, have %s", got)
		}
	})
}

// ACTIVE_INIT: the answer to PAIR_REQ is lost, and the standby asks again.
func TestLostPairingAnswer(t *testing.T) {
	r := newRig(t)
	r.mustDo(lanA, "apply", asActive()...)
	var heal func()
	cancel := r.world.OnFact(phaseIs("nas-a", pair.ActiveInit), func(event) {
		if heal == nil {
			heal = r.cut("lan")
			r.world.At(r.world.Now()+20*time.Second, func() { heal() })
		}
	})
	defer cancel()
	r.ask(beatB, r.request("apply", asStandby()...))
	r.run(10 * time.Second)
	r.want("nas-a", pair.ActiveInit)
	r.want("nas-b", pair.PairingS)
	r.run(90 * time.Second)
	r.want("nas-a", pair.Active)
	r.want("nas-b", pair.Standby)
}

// D-44, D-45, D-48, D-49, D-57, D-60, D-INV-1: STANDBY to TAKEOVER to ACTIVE_SOLO.
func TestTakeover(t *testing.T) {
	r := newRig(t)
	r.pair()
	r.world.Machine("nas-a").PowerOff()
	r.run(70 * time.Second)
	r.want("nas-b", pair.ActiveSolo)
	r.owners("nas-b")
	if a := r.file("GET", virtualAddress, "/data/stored/0001", ""); a.Status != 200 {
		t.Errorf("want the active's files at the virtual address, have %+v", a)
	}
	if a := r.file("PUT", virtualAddress, "/data/new", "x"); a.Status != 204 {
		t.Errorf("want writes accepted, have %+v", a)
	}
	if r.count("nas-b", pair.FactTookOver, "") != 1 || r.count("nas-b", pair.FactAlarm, "not-redundant") != 1 {
		t.Error("want the takeover told once")
	}
	if got := r.status(lanB, "redundancy"); got != "none" {
		t.Errorf("want no redundancy, have %s", got)
	}
	checks := r.count("nas-b", pair.FactCheckSent, "")
	r.run(5 * time.Minute)
	if r.count("nas-b", pair.FactCheckSent, "") != checks {
		t.Error("a survivor has nobody to check (D-60)")
	}
}

// D-49, D-50, D-INV-2, D-INV-5, D-LIV-3: a takeover serves what stood at the last snapshot, and nothing that came after it. A
// client that had been talking to the active finds the new owner at once.
func TestLossIsWhatCameAfterTheSnapshot(t *testing.T) {
	r := newRig(t)
	r.pair()
	for _, path := range []string{"/data/kept", "/data/deleted-later"} {
		if a := r.file("PUT", virtualAddress, path, "x"); a.Status != 204 {
			t.Fatalf("put %s: %+v", path, a)
		}
	}
	r.run(20 * time.Minute) // With the boundary of an hour in it.
	if r.count("nas-b", pair.FactImageCommitted, "") != 2 {
		t.Fatal("want a second image")
	}
	r.file("PUT", virtualAddress, "/data/lost", "x")
	r.file("DELETE", virtualAddress, "/data/deleted-later", "")
	r.world.Machine("nas-a").PowerOff()
	r.run(70 * time.Second)
	for path, want := range map[string]int{"/data/kept": 200, "/data/deleted-later": 200, "/data/lost": 404} {
		if a := r.file("GET", virtualAddress, path, ""); a.Status != want {
			t.Errorf("%s: want %d, have %+v", path, want, a)
		}
	}
}

// D-15: checks and copies may share the clients' network.
func TestSharedNetwork(t *testing.T) {
	r := newRig(t)
	with := slices.DeleteFunc(asActive(), func(s string) bool { return strings.HasPrefix(s, "heartbeat_ips") })
	r.mustDo(lanA, "apply", append(with, "heartbeat_ips="+lanA+","+lanB)...)
	r.mustDo(lanB, "apply", asStandby()...)
	r.cut("heartbeat")
	r.run(2 * time.Minute)
	r.want("nas-a", pair.Active)
	r.want("nas-b", pair.Standby) // What was cut is not their path.
}

// D-27: the first sync of four times as much takes four times as long.
func TestFirstSyncGrowsWithTheData(t *testing.T) {
	var lasted []time.Duration
	for _, data := range []nodes.Size{250_000, 1_000_000} {
		r := newRig(t, func(a, _ *pair.Config) { a.Data = data })
		slow := nodes.Bandwidth(1_000_000)
		for _, l := range r.world.Links("heartbeat") {
			l.Impose(&sim.Imposition{Condition: sim.Condition{Bandwidth: &slow}})
		}
		r.mustDo(lanA, "apply", asActive()...)
		r.mustDo(lanB, "apply", asStandby()...)
		r.run(30 * time.Second)
		r.want("nas-a", pair.Active)
		var begun, committed time.Duration
		for _, e := range r.world.Trace().Events() {
			switch e.Name {
			case pair.FactSyncBegun:
				begun = e.At
			case pair.FactSyncCommitted:
				committed = e.At
			}
		}
		lasted = append(lasted, committed-begun)
	}
	if ratio := lasted[1].Seconds() / lasted[0].Seconds(); ratio < 3 || ratio > 5 {
		t.Errorf("want four times as long, have %s and %s", lasted[0], lasted[1])
	}
}

// D-44, D-INV-6: the power fails in the middle of a takeover. Before the role is durable the unit is a standby again, and
// takes over anew; as soon as the address has moved it is what it was about to be: one that forgot would be a standby of
// nobody. Either way the takeover is told, once (D-57), and a later boot is none.
func TestPowerLossInTakeover(t *testing.T) {
	for _, c := range []struct {
		moment func(event) bool
		boots  pair.Phase
	}{
		{phaseIs("nas-b", pair.Takeover), pair.Standby},
		{func(e event) bool { return e.Machine == "nas-b" && e.Name == sim.FactAddressBound }, pair.ActiveSolo},
	} {
		r := newRig(t)
		r.pair()
		b := r.world.Machine("nas-b")
		cancel := r.world.OnFact(c.moment, func(event) { b.PowerOff() })
		r.world.Machine("nas-a").PowerOff()
		r.run(70 * time.Second)
		cancel()
		if b.State() != sim.StateOff {
			t.Fatal("the moment never came")
		}
		b.Boot(nil)
		r.run(30 * time.Second)
		r.want("nas-b", c.boots)
		r.run(4 * time.Minute)
		r.want("nas-b", pair.ActiveSolo)
		r.owners("nas-b")
		b.PowerOff()
		b.Boot(nil)
		r.run(time.Minute)
		r.want("nas-b", pair.ActiveSolo)
		if n := r.count("nas-b", pair.FactTookOver, ""); n != 1 {
			t.Errorf("want the takeover told once, have %d times", n)
		}
	}
}

// D-52, HZ-D8: STANDBY_INIT raises an alarm and does not take over; after a boot as well.
func TestNoTakeoverWithoutImage(t *testing.T) {
	r := newRig(t)
	r.mustDo(lanA, "apply", asActive()...)
	cancel := r.world.OnFact(phaseIs("nas-b", pair.StandbyInit), func(event) { r.world.Machine("nas-a").PowerOff() })
	r.mustDo(lanB, "apply", asStandby()...)
	cancel()
	r.run(3 * time.Minute)
	r.want("nas-b", pair.StandbyInit)
	r.owners()
	if r.count("nas-b", pair.FactAlarm, "no-image") != 1 {
		t.Error("want an alarm")
	}
	if a := r.file("GET", lanB, "/data/stored/0001", ""); a.Status != 403 {
		t.Errorf("an empty volume is not served as the data: %+v", a)
	}
	b := r.world.Machine("nas-b")
	b.PowerOff()
	b.Boot(nil)
	r.run(10 * time.Minute)
	r.want("nas-b", pair.StandbyInit)
}

// D-55: the active goes on when it is the standby that is gone.
func TestActiveGoesOnAlone(t *testing.T) {
	r := newRig(t)
	r.pair()
	r.world.Machine("nas-b").PowerOff()
	r.run(3 * time.Minute)
	r.want("nas-a", pair.Active)
	r.owners("nas-a")
	if r.count("nas-a", pair.FactAlarm, "peer-silent") != 1 {
		t.Error("want one alarm")
	}
	if got := r.status(lanA, "redundancy"); got != "none" {
		t.Errorf("want no redundancy, have %s", got)
	}
}

// D-45, D-56, D-66: after the heal of a split nothing is copied, by schedule or otherwise, and both say so.
func TestSplitDoesNotMerge(t *testing.T) {
	r := newRig(t)
	r.pair()
	heal := r.cut("heartbeat")
	r.run(3 * time.Minute)
	r.want("nas-a", pair.Active)
	r.want("nas-b", pair.ActiveSolo)
	r.owners("nas-a", "nas-b")
	heal()
	syncs := r.count("nas-a", pair.FactSyncBegun, "")
	r.run(time.Hour) // A boundary of the schedule is in it.
	if r.count("nas-a", pair.FactSyncBegun, "") != syncs {
		t.Error("want no sync towards a unit that took over")
	}
	if r.count("nas-a", pair.FactAlarm, "peer-took-over") != 1 {
		t.Error("want one alarm")
	}
	r.refused(r.do(lanA, "change-settings", "interval=60s"), 409, "standby-unreachable")
	r.want("nas-b", pair.ActiveSolo)
}

// D-63, D-INV-6: an active that comes back to a free address goes on; one that was replaced does not, and shows its
// old data (D-64).
func TestReturn(t *testing.T) {
	t.Run("to a free address", func(t *testing.T) {
		r := newRig(t)
		r.pair()
		a := r.world.Machine("nas-a")
		a.PowerOff()
		r.run(10 * time.Second)
		a.Boot(nil)
		r.run(10 * time.Second)
		r.want("nas-a", pair.Active)
		r.owners("nas-a")
		r.run(5 * time.Minute)
		r.want("nas-b", pair.Standby)
	})
	for _, mode := range []string{"probe", "naive"} {
		t.Run("replaced, "+mode, func(t *testing.T) {
			r := newRig(t, func(a, _ *pair.Config) { a.Return = mode })
			r.pair()
			a := r.world.Machine("nas-a")
			a.PowerOff()
			r.run(2 * time.Minute)
			r.want("nas-b", pair.ActiveSolo)
			a.Boot(nil)
			r.run(time.Minute)
			if mode == "naive" {
				r.want("nas-a", pair.Active) // HZ-D2
				r.owners("nas-a", "nas-b")
				return
			}
			r.want("nas-a", pair.StaleActive)
			r.owners("nas-b")
			if got := r.file("GET", lanA, "/data/stored/0001", ""); got.Status != 200 {
				t.Errorf("want the old data to be read, have %+v", got)
			}
			r.refused(r.file("PUT", lanA, "/data/new", "x"), 403, "read-only")
			a.PowerOff()
			a.Boot(nil)
			r.run(time.Minute)
			r.want("nas-a", pair.StaleActive)
		})
	}
}

// A survivor boots as one, and binds its address again.
func TestSurvivorBoots(t *testing.T) {
	r := newRig(t)
	r.pair()
	r.world.Machine("nas-a").PowerOff()
	r.run(2 * time.Minute)
	b := r.world.Machine("nas-b")
	b.PowerOff()
	b.Boot(nil)
	r.run(10 * time.Second)
	r.want("nas-b", pair.ActiveSolo)
	r.owners("nas-b")
}

// D-67: a booting standby gives the active time to boot as well; later failures count.
func TestBootGrace(t *testing.T) {
	r := newRig(t)
	r.pair()
	a, b := r.world.Machine("nas-a"), r.world.Machine("nas-b")
	a.PowerOff()
	b.PowerOff()
	b.Boot(nil)
	r.run(115 * time.Second)
	r.want("nas-b", pair.Standby)
	r.run(75 * time.Second)
	r.want("nas-b", pair.ActiveSolo)
}

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
