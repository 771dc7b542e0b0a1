package pair_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/pair"
)

// Pairing: spec 5.3, a row each from standalone to a redundant pair, with the rows beside it that must not fire.

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
