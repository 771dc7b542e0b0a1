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

// Takeover and return: spec 5.3, the rows of loss, takeover, and boots after it.

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
