//go:build linux

package lan

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"firedrill/sim"
)

// sound decodes a frame and fails the test where a checksum in it is wrong.
func sound(t *testing.T, frame []byte) gopacket.Packet {
	t.Helper()
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	if p.ErrorLayer() != nil {
		t.Fatal(p.ErrorLayer().Error())
	}
	if one, _ := p.TransportLayer().(*layers.TCP); one != nil {
		check(t, one.SetNetworkLayerForChecksum(p.NetworkLayer()))
	}
	if one, _ := p.TransportLayer().(*layers.UDP); one != nil {
		check(t, one.SetNetworkLayerForChecksum(p.NetworkLayer()))
	}
	err, wrong := p.VerifyChecksums()
	if err != nil || len(wrong) > 0 {
		t.Fatalf("wrong checksums: %v %v in %v", err, wrong, p)
	}
	return p
}

// burstOf is a wire as a kernel hands it over that leaves segments and checksums to the card.
func burstOf(payload []byte, segment int, flags byte) wire {
	head := &layers.IPv4{Version: 4, TTL: 64, Id: 65535, Protocol: layers.IPProtocolTCP, SrcIP: net.IPv4(10, 1, 0, 1),
		DstIP: net.IPv4(10, 1, 0, 2)}
	one := &layers.TCP{SrcPort: 1, DstPort: 2, Seq: 1<<32 - 1000, Ack: 7, ACK: true, Window: 100}
	certain(one.SetNetworkLayerForChecksum(head))
	w := render(&layers.Ethernet{SrcMAC: MAC(lan0, "a"), DstMAC: MAC(lan0, "b"), EthernetType: layers.EthernetTypeIPv4},
		head, one, gopacket.Payload(payload))
	t := w.frame().ip().tcp()
	t[13] |= flags
	binary.BigEndian.PutUint16(t[16:], ^fold(sum(w.frame().ip()[12:20], protoTCP+uint64(len(t))))) // Of the pseudo header alone.
	w[0] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
	if len(payload) > segment {
		w[1] = unix.VIRTIO_NET_HDR_GSO_TCPV4
	}
	binary.NativeEndian.PutUint16(w[2:], etherLen+ipLen+tcpLen)
	binary.NativeEndian.PutUint16(w[4:], uint16(segment))
	binary.NativeEndian.PutUint16(w[6:], etherLen+ipLen)
	binary.NativeEndian.PutUint16(w[8:], 16)
	return w
}

// What is cut out of a burst is what a card would have sent: sums right, bytes in order, its end marked once.
func TestCut(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		payload := make([]byte, r.IntN(64000))
		for i := range payload {
			payload[i] = byte(r.Uint32())
		}
		w := burstOf(payload, 1+r.IntN(1460), tcpPSH|tcpFIN|tcpCWR)
		frames, size := w.count()
		var all []byte
		ends, reduced, total, seq := 0, 0, 0, uint32(1<<32-1000)
		w.cut(make(wire, 0, roomLen), func(one wire) {
			if !bytes.Equal(one[:hintLen], make([]byte, hintLen)) {
				t.Fatal("want nothing left to the card")
			}
			p := sound(t, one.frame())
			part := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
			if part.Seq != seq {
				t.Fatalf("want sequence number %d, have %d", seq, part.Seq)
			}
			seq += uint32(len(part.Payload))
			all = append(all, part.Payload...)
			frames--
			total += max(etherMin, len(one.frame()))
			if part.FIN != part.PSH {
				t.Fatal("want both marks on the last one")
			}
			if part.FIN {
				ends++
			}
			if part.CWR {
				reduced++
			}
		})
		if !bytes.Equal(all, payload) || ends != 1 || reduced != 1 || frames != 0 || total < size {
			t.Fatalf("%d bytes of %d, %d ends, %d times CWR, %d frames missing, size %d of %d", len(all), len(payload), ends, reduced,
				frames, total, size)
		}
	}
}

// Whatever bit is flipped, a checksum finds it.
func TestSpoilIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		w := burstOf([]byte("some bytes"), 1460, 0)
		w.finish()
		sound(t, w.frame())
		before := slices.Clone(w)
		if !w.spoil(r) {
			t.Fatal("want a segment of TCP to be spoilt aloud")
		}
		if bytes.Equal(w, before) {
			t.Fatal("nothing is spoilt")
		}
		p := ip(w.frame()[etherLen:])
		q := ip(before.frame()[etherLen:])
		head := !bytes.Equal(p[:ipLen], q[:ipLen]) && fold(sum(p[:ipLen], 0)) != 0
		rest := fold(sum(p[ipLen:], sum(q[12:20], protoTCP+uint64(len(q)-ipLen)))) != 0
		if !head && !rest {
			t.Fatalf("no checksum finds what is wrong with % x", p)
		}
	}
	arp := append(make(wire, hintLen+12), 8, 6)
	arp = append(arp, make([]byte, 46)...)
	if arp.spoil(r) {
		t.Error("ARP has no checksum: want it not to arrive")
	}
}

// A machine may send what it likes.
func FuzzWire(f *testing.F) {
	f.Add([]byte(burstOf(make([]byte, 3000), 1448, 0)))
	f.Add([]byte(burstOf(make([]byte, 10), 1448, tcpSYN)))
	f.Add(make([]byte, hintLen+etherLen))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < hintLen+etherLen || len(b) > roomLen {
			return
		}
		network := sim.NewNetwork(1)
		network.AddSegment(sim.Segment{Name: lan0})
		s := &Switch{options: Options{Network: network, Lock: &sync.Mutex{}, Now: func() time.Duration { return 0 },
			Rand: sim.Stream(1, "switch")}, flows: map[flow]string{}}
		s.scratch = make(wire, 0, roomLen)
		g := &segment{name: lan0, at: map[hardware]*jack{}}
		for _, name := range []string{"a", "b"} {
			network.Attach(lan0, name)
			j := g.jack(name)
			j.port = &Port{s: s, jack: j, tap: &tap{fd: -1}, plugged: true, asked: []*question{{}}}
		}
		to := network.Link(lan0, "a", "b")
		for _, c := range []sim.Condition{{}, {Corrupt: ptr(half)}, {Refuse: sim.RefuseReset}, {Refuse: sim.RefuseUnreachable}} {
			i := &sim.Imposition{Condition: c}
			to.Impose(i)
			s.forward(0, g.jacks[0], slices.Clone(b))
			s.settle(time.Hour)
			s.ready = nil
			to.Lift(i)
		}
	})
}

// A capture shows what a wire would: frames of a size that is allowed, with their checksums, a broadcast once, and all of a
// stream, though kernels have sent it in bursts.
func TestCapture(t *testing.T) {
	r := newRig(t, 3, sim.Condition{})
	a, b := r.machines["a"], r.machines["b"]
	var lock sync.Mutex
	var frames [][]byte
	var times []time.Duration
	r.Capture(func(segment string, at time.Duration, frame []byte) {
		lock.Lock()
		defer lock.Unlock()
		if segment != lan0 {
			t.Errorf("want %s, have %q", lan0, segment)
		}
		frames, times = append(frames, frame), append(times, at)
	})
	got := make(chan int64, 1)
	b.serve(80, func(c net.Conn) {
		n, _ := io.Copy(io.Discard, c)
		got <- n
	})
	c := must(a.dial(b.addr, 80, patience))(t)
	const size = 4 << 20
	c.Write(make([]byte, size))
	c.Close()
	if n := <-got; n != size {
		t.Fatalf("want %d bytes, have %d", size, n)
	}
	time.Sleep(10 * silence) // The last words of the connection are not to be refused.
	r.impose("a", "b", sim.Condition{Refuse: sim.RefuseReset})
	a.dial(b.addr, 80, patience)
	r.close() // Then it has shown all.
	lock.Lock()
	defer lock.Unlock()
	broadcasts, resets, seen := 0, 0, map[uint32]int{}
	for _, f := range frames {
		p := sound(t, f)
		if len(f) < etherMin || len(f) > etherLen+mtu {
			t.Errorf("a frame of %d bytes", len(f))
		}
		if ether(f).to().group() {
			broadcasts++
		}
		if one, _ := p.Layer(layers.LayerTypeTCP).(*layers.TCP); one != nil {
			if one.DstPort == 80 {
				seen[one.Seq] = max(seen[one.Seq], len(one.Payload))
			}
			if one.RST && one.SrcPort == 80 {
				resets++
			}
		}
	}
	total := 0
	for _, n := range seen {
		total += n
	}
	if total < size || broadcasts != 1 || resets != 1 || !slices.IsSorted(times) {
		t.Errorf("%d bytes of %d, %d broadcasts for one question, %d resets for one refusal, times in order: %v", total, size,
			broadcasts, resets, slices.IsSorted(times))
	}
}
