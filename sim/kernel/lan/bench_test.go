//go:build linux

package lan

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"firedrill/sim"
	"firedrill/sim/kernel/netns"
)

// bridged is the peer that the switch is measured against: the same machines, with veth pairs on a bridge of the kernel.
func bridged(t testing.TB, machines int) []*machine {
	t.Helper()
	hub, err := netns.New()
	if errors.Is(err, os.ErrPermission) {
		t.Skip("making a network namespace needs root or a user namespace:", err)
	}
	t.Cleanup(func() { hub.Close() })
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "bridge"}}
	check(t, hub.Do(func() error {
		return errors.Join(netlink.LinkAdd(bridge), netlink.LinkSetUp(bridge))
	}))
	var all []*machine
	for i := range machines {
		m := &machine{rig: &rig{t: t}, name: name(i), addr: netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)})}
		m.ns = must(netns.New())(t)
		t.Cleanup(func() { m.ns.Close() })
		check(t, hub.Do(func() error {
			own := fmt.Sprint("port", i)
			pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: own, MasterIndex: bridge.Index}, PeerName: lan0,
				PeerNamespace: netlink.NsFd(int(m.ns.File().Fd()))}
			if err := netlink.LinkAdd(pair); err != nil {
				return err
			}
			return netlink.LinkSetUp(pair)
		}))
		check(t, m.ns.Do(func() error {
			device, err := netlink.LinkByName(lan0)
			if err != nil {
				return err
			}
			address := must(netlink.ParseAddr(netip.PrefixFrom(m.addr, subnet.Bits()).String()))(t)
			return errors.Join(netlink.AddrAdd(device, address), netlink.LinkSetUp(device))
		}))
		all = append(all, m)
	}
	return all
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// switched are machines at a switch.
func switched(t testing.TB, machines int, base sim.Condition) []*machine {
	r := newRig(t, machines, base)
	var all []*machine
	for i := range machines {
		all = append(all, r.machines[name(i)])
	}
	return all
}

// streamTime is for how long a stream runs, and trips how many round trips are made, in one measure.
const (
	streamTime = 2 * time.Second
	trips      = 2000
)

// stream is how many bits a second one TCP stream carries.
func stream(t testing.TB, from, to *machine) float64 {
	l := must(in(to, func() (net.Listener, error) { return net.Listen("tcp4", "0.0.0.0:5001") }))(t)
	defer l.Close()
	got := make(chan float64, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		defer c.Close()
		start, b, all := time.Now(), make([]byte, 1<<17), 0
		for n := 0; err == nil; n, err = c.Read(b) {
			all += n
		}
		got <- float64(all) * 8 / time.Since(start).Seconds()
	}()
	c := must(from.dial(to.addr, 5001, patience))(t)
	b := make([]byte, 1<<17)
	for end := time.Now().Add(streamTime); time.Now().Before(end); {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	return <-got
}

// roundTrips are the times of closed-loop round trips of one datagram, sorted.
func roundTrips(t testing.TB, from, to *machine, n int) []time.Duration {
	here, there := from.listen(0), to.listen(5002)
	go func() {
		b := make([]byte, 64)
		for {
			n, from, err := there.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			there.WriteToUDPAddrPort(b[:n], from)
		}
	}()
	var all []time.Duration
	b := make([]byte, 64)
	here.SetReadDeadline(time.Now().Add(time.Minute))
	for range n + 10 {
		start := time.Now()
		here.WriteTo(b, to.at(5002))
		if _, _, err := here.ReadFromUDPAddrPort(b); err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Since(start))
	}
	here.Close()
	there.Close()
	all = all[10:] // The first ones wait for ARP.
	slices.Sort(all)
	return all
}

func median(sorted []time.Duration) time.Duration { return sorted[len(sorted)/2] }

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// inTurns takes rounds of a measure of ours and of its peer, one after the other, and returns the medians of both and of
// what the two of a round differ by.
func inTurns(b *testing.B, ours, peer func() float64, differ func(ours, peer float64) float64) (here, there, between float64) {
	var all [3][]float64
	for b.Loop() {
		h, t := ours(), peer()
		for n, v := range []float64{h, t, differ(h, t)} {
			all[n] = append(all[n], v)
		}
	}
	for n := range all {
		slices.Sort(all[n])
	}
	middle := len(all[0]) / 2
	return all[0][middle], all[1][middle], all[2][middle]
}

func share(ours, peer float64) float64 { return ours / peer }
func more(ours, peer float64) float64  { return ours - peer }

// bothWith runs a benchmark with so many machines, at the switch and on the bridge.
func bothWith(b *testing.B, measure func(b *testing.B, ours, peer []*machine)) {
	for _, machines := range []int{3, 10, 30} {
		b.Run(fmt.Sprintf("machines=%d", machines), func(b *testing.B) {
			measure(b, switched(b, machines, sim.Condition{}), bridged(b, machines))
			b.ReportMetric(0, "ns/op")
		})
	}
}

// One TCP stream through the switch, beside one over a veth pair on a bridge.
func BenchmarkStream(b *testing.B) {
	bothWith(b, func(b *testing.B, ours, peer []*machine) {
		here, there, between := inTurns(b, func() float64 { return stream(b, ours[0], ours[1]) / 1e9 },
			func() float64 { return stream(b, peer[0], peer[1]) / 1e9 }, share)
		b.ReportMetric(here, "Gbit/s")
		b.ReportMetric(there, "bridge-Gbit/s")
		b.ReportMetric(between, "share-of-bridge")
	})
}

// The median round trip of a datagram over a link without latency, beside that over a veth pair on a bridge.
func BenchmarkRoundTrip(b *testing.B) {
	bothWith(b, func(b *testing.B, ours, peer []*machine) {
		here, there, between := inTurns(b, func() float64 { return micros(median(roundTrips(b, ours[0], ours[1], trips))) },
			func() float64 { return micros(median(roundTrips(b, peer[0], peer[1], trips))) }, more)
		b.ReportMetric(here, "us")
		b.ReportMetric(there, "bridge-us")
		b.ReportMetric(between, "us-more")
	})
}

// By how much the median of a configured delay is missed: half of a round trip, less half of one over a link without latency.
func BenchmarkDelay(b *testing.B) {
	for _, machines := range []int{3, 10, 30} {
		for _, latency := range []time.Duration{200 * time.Microsecond, time.Millisecond, 10 * time.Millisecond} {
			b.Run(fmt.Sprintf("machines=%d/latency=%v", machines, latency), func(b *testing.B) {
				far, near := switched(b, machines, sim.Condition{Latency: ptr(latency)}), switched(b, 2, sim.Condition{})
				_, _, between := inTurns(b, func() float64 { return micros(median(roundTrips(b, far[0], far[1], trips/10))) / 2 },
					func() float64 { return micros(median(roundTrips(b, near[0], near[1], trips/10))) / 2 }, more)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(between, "us")
				b.ReportMetric(micros(latency), "configured-us")
				b.ReportMetric(between-micros(latency), "us-more")
			})
		}
	}
}

// Frames a second: datagrams of 64 bytes in one direction, so many that none waits for another, but no more than a
// machine's queue holds. What the far end received is counted.
func BenchmarkFrames(b *testing.B) {
	bothWith(b, func(b *testing.B, ours, peer []*machine) {
		here, there, between := inTurns(b, func() float64 { return frames(b, ours[0], ours[1]) },
			func() float64 { return frames(b, peer[0], peer[1]) }, share)
		b.ReportMetric(here, "frames/s")
		b.ReportMetric(there, "bridge-frames/s")
		b.ReportMetric(between, "share-of-bridge")
	})
}

func frames(b *testing.B, from, to *machine) float64 {
	here, there := from.listen(5003), to.listen(5003)
	defer here.Close()
	defer there.Close()
	meet(b, here, there, from, to)
	data := make([]byte, 64)
	before, start := to.received(), time.Now()
	for range queueLen / 2 {
		here.WriteTo(data, to.at(5003))
	}
	after, last := to.received(), time.Now()
	for time.Since(last) < 5*time.Millisecond {
		if n := to.received(); n != after {
			after, last = n, time.Now()
		}
	}
	return float64(after-before) / last.Sub(start).Seconds()
}

// received is how many frames the machine's interface has brought it.
func (m *machine) received() uint64 { return m.device().Attrs().Statistics.RxPackets }
