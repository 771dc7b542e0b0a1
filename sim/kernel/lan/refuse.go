//go:build linux

package lan

import (
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"firedrill/sim"
)

// quoted is how much of a packet's payload an ICMP error tells.
const quoted = 8

// refuse turns a frame away aloud, in the name of whom it was for. The answer takes a round trip.
func (s *Switch) refuse(now time.Duration, a *arrival, how sim.Refusal) {
	e := a.wire.frame()
	p := e.ip()
	if p == nil || e.to().group() || p.later() || icmpError(p) {
		return // Of those nobody is told.
	}
	var answer wire
	if t := p.tcp(); t != nil && how == sim.RefuseReset {
		if t.flags()&tcpRST != 0 {
			return
		}
		answer = reset(e, p, t)
	} else {
		answer = unreachable(e, p, how)
	}
	back := &arrival{from: a.to, to: a.from, frame: sim.Frame{Class: frameOther}, wire: answer}
	s.coming.add(back.keep(), now+2*a.link.Latency())
}

// icmpError reports whether a packet tells of an error itself: about those there are no errors.
func icmpError(p ip) bool {
	if p.proto() != protoICMP {
		return false
	}
	if len(p) == p.header() {
		return true
	}
	switch layers.CreateICMPv4TypeCode(p[p.header()], 0).Type() {
	case layers.ICMPv4TypeEchoRequest, layers.ICMPv4TypeEchoReply, layers.ICMPv4TypeTimestampRequest,
		layers.ICMPv4TypeTimestampReply:
		return false
	}
	return true
}

// reset is the TCP segment that ends a connection.
func reset(e ether, p ip, t tcp) wire {
	r := &layers.TCP{SrcPort: layers.TCPPort(toPort(t)), DstPort: layers.TCPPort(fromPort(t)), RST: true}
	if t.flags()&tcpACK != 0 {
		r.Seq = t.ack()
	} else {
		r.ACK = true
		r.Ack = t.seq() + uint32(len(t)-t.header())
		if t.flags()&tcpSYN != 0 {
			r.Ack++
		}
		if t.flags()&tcpFIN != 0 {
			r.Ack++
		}
	}
	head := answerHead(p, layers.IPProtocolTCP)
	certain(r.SetNetworkLayerForChecksum(head))
	return render(turned(e), head, r)
}

// unreachable is the ICMP error that tells it.
func unreachable(e ether, p ip, how sim.Refusal) wire {
	code := uint8(layers.ICMPv4CodeHost)
	if how == sim.RefuseReset {
		code = layers.ICMPv4CodePort
	}
	return render(turned(e), answerHead(p, layers.IPProtocolICMPv4),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, code)},
		gopacket.Payload(p[:min(len(p), p.header()+quoted)]))
}

func answerHead(p ip, proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Flags: layers.IPv4DontFragment, Protocol: proto,
		SrcIP: p.to().AsSlice(), DstIP: p.from().AsSlice()}
}

// turned is the head of a frame that goes back.
func turned(e ether) *layers.Ethernet {
	to, from := e.from(), e.to()
	return &layers.Ethernet{SrcMAC: from[:], DstMAC: to[:], EthernetType: layers.EthernetTypeIPv4}
}

// render makes the frame, lengths and checksums filled in.
func render(parts ...gopacket.SerializableLayer) wire {
	b := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, parts...)
	certain(err)
	return append(make(wire, hintLen), b.Bytes()...)
}

// certain is for what only a mistake in this package can bring about.
func certain(err error) {
	if err != nil {
		panic("render a frame: " + err.Error())
	}
}
