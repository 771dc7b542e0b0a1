//go:build linux

package lan

import (
	"bytes"
	"os"
	"testing"
	"time"

	"firedrill/sim"
	"firedrill/sim/kernel/netns"
)

// At 60 times life a machine trusts an ARP entry for 15 to 45 s of true time, uses it for 5 s more, and then asks at the
// old place. A question that is repeated since its answer is late is the same one.
func TestARPInTrueTime(t *testing.T) {
	start := time.Now()
	r := newScaledRig(t, 2, sim.Condition{}, 60, func() time.Duration { return 60 * time.Since(start) })
	a, b := r.machines["a"], r.machines["b"]
	ua := a.listen(9)
	asked := make(chan time.Duration, 1000)
	r.Capture(func(_ string, at time.Duration, frame []byte) {
		if e := ether(frame); asks(e) && e.from() == hardwareOf(lan0, "a") {
			asked <- at
		}
	})
	end := time.After(3 * patience)
	times := []time.Duration{}
	shown := time.Duration(0)
	late := func() time.Duration { return r.Late().Worst }
	for len(times) < 4 { // Nothing confirms the entry but ARP itself.
		ua.WriteTo([]byte("x"), b.at(9))
		select {
		case at := <-asked:
			if at < shown {
				t.Errorf("a frame of %v is shown after one of %v", at, shown)
			}
			shown = at
			if len(times) == 0 || at > times[len(times)-1]+3*sim.ARPRetry+late() {
				times = append(times, at)
			}
		case <-end:
			t.Fatalf("asked at %v, and then no more", times)
		case <-time.After(time.Millisecond):
		}
	}
	for n := range times[1:] {
		if d := times[n+1] - times[n]; d < 19*time.Second-late() || d > 2*time.Minute+late() {
			t.Errorf("want 20 to 50 s between two questions, have %v", d)
		}
	}
}

// What kernels are told where true time goes faster; at life's own pace it is what they do by themselves.
func TestTiming(t *testing.T) {
	for scale, want := range map[int64][]string{
		1: {"200000", "120000", "6", "60", "2", "1000", "1000"}, 2: {"100000", "60000", "5", "30", "1", "500", "500"},
		60: {"10000", "2000", "1", "1", "1", "16", "16"}, 1000: {"10000", "1000", "1", "1", "1", "1", "1"},
	} {
		for n, s := range timing(scale) {
			if s.value != want[n] {
				t.Errorf("%dx: %s: want %s, have %s", scale, s.name, want[n], s.value)
			}
		}
	}
	ns := must(netns.New())(t)
	defer ns.Close()
	for _, s := range timing(1) {
		have, err := in(&machine{ns: ns}, func() ([]byte, error) { return os.ReadFile("/proc/sys/net/" + s.name) })
		if err == nil && string(bytes.TrimSpace(have)) != s.value { // An older kernel has not all of them.
			t.Errorf("%s: Linux has %s by itself, not %s", s.name, have, s.value)
		}
	}
}

// What TCP has sent and nobody acknowledges is sent again in true time: at 60 times life six times in half a second of life, and not
// in six.
func TestSentAgainInTrueTime(t *testing.T) {
	began := time.Now()
	r := newScaledRig(t, 2, sim.Condition{}, 60, func() time.Duration { return 60 * time.Since(began) })
	a, b := r.machines["a"], r.machines["b"]
	b.serve(80, echo)
	c := must(a.reach(b, 80))(t)
	defer c.Close()
	c.SetDeadline(time.Now().Add(3 * patience))
	hello := make([]byte, 5)
	must(c.Write([]byte("hello")))(t)
	must(c.Read(hello))(t)
	i, lift := r.impose("a", "b", sim.Condition{Cut: true, Frames: []string{"tcp"}})
	start := time.Now()
	must(c.Write([]byte("again")))(t)
	for lost := int64(0); lost < 6; time.Sleep(time.Millisecond) {
		r.lock.Lock()
		lost = i.Lost
		r.lock.Unlock()
		if time.Since(start) > patience {
			t.Fatalf("sent %d times in %v of life", lost, patience)
		}
	}
	lift()
	if must(c.Read(hello))(t); string(hello) != "again" {
		t.Errorf("after the cut: want again, have %q", hello)
	}
}

// A client that asks often where time is fast does not run out of ports: those that it has used a moment ago are taken again.
func TestPortsAreTakenAgain(t *testing.T) {
	began := time.Now()
	r := newScaledRig(t, 2, sim.Condition{}, 60, func() time.Duration { return 60 * time.Since(began) })
	a, b := r.machines["a"], r.machines["b"]
	check(t, a.ns.Do(func() error {
		return os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("50000 50009"), 0)
	}))
	b.serve(80, echo)
	for n := range 100 {
		c, err := a.reach(b, 80)
		if err != nil {
			t.Fatalf("connection %d: %v", n+1, err)
		}
		c.Close() // It is this side that waits then.
		time.Sleep(10 * time.Millisecond)
	}
}
