//go:build linux

package kernel

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// Where time is faster than in life, a connection whose first SYNs are lost comes about when TCP would send them again in true
// time, 1 and 3 s after the first, and not after a second of life, which is 40 s here; and whoever gives up meanwhile does so in time.
func TestLostSYN(t *testing.T) {
	for tries := 1; ; tries++ { // A world that is late sends late.
		wrong, late := loseSYNs(t)
		if wrong == "" {
			return
		}
		if late < time.Second || tries == 5 {
			t.Fatalf("%s, in a world that was late by %s", wrong, late)
		}
	}
}

// loseSYNs says what is wrong with two connections whose SYNs are lost at first, and by how much the world was late.
func loseSYNs(t *testing.T) (wrong string, late time.Duration) {
	h := &hall{New(1, 40), t}
	t.Cleanup(func() { h.must(h.Close()) })
	h.must(h.AddSegment(sim.Segment{Name: "lan", Subnet: prefix("10.0.0.0/24")}))
	for name, address := range map[string]string{"host": "10.0.0.1/24", "visitor": "10.0.0.100/24"} {
		h.must(h.AddMachine(sim.MachineSpec{Name: name, Interfaces: []sim.Interface{{Segment: "lan", Address: prefix(address)}}}))
	}
	h.Machine("host").Go("listen", func(env nodes.Env) {
		l, err := env.Net().ListenTCP("tcp4", &net.TCPAddr{Port: 80})
		for err == nil {
			_, err = l.AcceptTCP()
		}
	})
	lost := &sim.Imposition{Condition: sim.Condition{Cut: true, Frames: []string{string(sim.FrameTCP)}}}
	for _, l := range h.Links("lan") {
		if l.From == "visitor" {
			l.Impose(lost)
		}
	}
	var impatient, patient time.Duration
	var silence, connected error
	done := false
	h.Machine("visitor").Go("connect", func(env nodes.Env) {
		to, begun := netip.MustParseAddrPort("10.0.0.1:80").String(), env.Uptime()
		_, silence = env.Net().CreateDialer(&net.Dialer{Timeout: 2 * time.Second}).Dial("tcp4", to)
		impatient = env.Uptime() - begun
		_, connected = env.Net().CreateDialer(&net.Dialer{Timeout: time.Minute}).Dial("tcp4", to)
		patient, done = env.Uptime()-begun-impatient, true
	})
	h.At(4*time.Second, func() { // The second one has lost two SYNs by then.
		for _, l := range h.Links("lan") {
			l.Lift(lost)
		}
	})
	h.within(2*time.Minute, "the connection", func() bool { return done })
	switch {
	case silence == nil || impatient > 10*time.Second || lost.Lost < 3:
		wrong = fmt.Sprintf("want silence for 2s and 4 SYNs lost, have %v after %s, %d lost", silence, impatient, lost.Lost)
	case connected != nil || patient < 2*time.Second || patient > 20*time.Second:
		wrong = fmt.Sprintf("want a connection after 3s or 7s, have %v after %s", connected, patient)
	}
	return wrong, h.Slack()
}
