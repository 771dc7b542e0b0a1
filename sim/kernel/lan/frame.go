//go:build linux

package lan

import (
	"encoding/binary"
	"hash/fnv"
	"math/bits"
	"net/netip"

	"firedrill/sim"
)

// hardware is an Ethernet address.
type hardware [6]byte

// hardwareOf is the address of a machine's interface on a segment: the same in every run, so that captures can be compared.
func hardwareOf(segment, machine string) hardware {
	h := fnv.New64a()
	_, _ = h.Write([]byte(segment + "\x00" + machine)) // It takes everything.
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], h.Sum64())
	return hardware{2, b[3], b[4], b[5], b[6], b[7]} // Locally administered, of one station.
}

// group reports whether the address is that of many: broadcast and multicast.
func (h hardware) group() bool { return h[0]&1 != 0 }

// Sizes and places in frames.
const (
	etherLen = 14
	etherMin = 60 // on the wire, without the checksum of the frame
	ipLen    = 20
	tcpLen   = 20
	udpLen   = 8
	arpLen   = 28

	etherIPv4 = 0x0800
	etherARP  = 0x0806

	protoICMP = 1
	protoTCP  = 6
	protoUDP  = 17
	protoVRRP = 112

	tcpFIN = 1 << 0
	tcpSYN = 1 << 1
	tcpRST = 1 << 2
	tcpPSH = 1 << 3
	tcpACK = 1 << 4
	tcpCWR = 1 << 7
)

// frameICMP and frameOther are no classes that a fault can choose.
const (
	frameICMP  sim.FrameClass = "icmp"
	frameOther sim.FrameClass = "other"
)

// ether is an Ethernet frame, without its checksum.
type ether []byte

func (e ether) to() hardware   { return hardware(e[0:6]) }
func (e ether) from() hardware { return hardware(e[6:12]) }

// ip is the IPv4 packet in a frame, its padding cut off, or nil.
func (e ether) ip() ip {
	if binary.BigEndian.Uint16(e[12:]) != etherIPv4 || len(e) < etherLen+ipLen {
		return nil
	}
	p := ip(e[etherLen:])
	total := p.total()
	if p[0]>>4 != 4 || p.header() < ipLen || total < p.header() || total > len(p) {
		return nil
	}
	return p[:total]
}

// ip is an IPv4 packet.
type ip []byte

func (p ip) header() int      { return int(p[0]&15) * 4 }
func (p ip) total() int       { return int(binary.BigEndian.Uint16(p[2:])) }
func (p ip) proto() byte      { return p[9] }
func (p ip) ttl() byte        { return p[8] }
func (p ip) from() netip.Addr { return netip.AddrFrom4([4]byte(p[12:16])) }
func (p ip) to() netip.Addr   { return netip.AddrFrom4([4]byte(p[16:20])) }
func (p ip) fragment() bool   { return binary.BigEndian.Uint16(p[6:])&0x3fff != 0 }
func (p ip) later() bool      { return binary.BigEndian.Uint16(p[6:])&0x1fff != 0 } // A fragment that is not the first.

// tcp is the TCP segment in a packet, or nil.
func (p ip) tcp() tcp {
	if len(p) < ipLen || p.proto() != protoTCP || p.later() || len(p) < p.header()+tcpLen {
		return nil
	}
	t := tcp(p[p.header():])
	if t.header() < tcpLen || t.header() > len(t) {
		return nil
	}
	return t
}

// udp is the UDP datagram in a packet, or the first fragment of it, or nil.
func (p ip) udp() []byte {
	if len(p) < ipLen || p.proto() != protoUDP || p.later() || len(p) < p.header()+udpLen {
		return nil
	}
	return p[p.header():]
}

// tcp is a TCP segment.
type tcp []byte

func (t tcp) header() int { return int(t[12]>>4) * 4 }
func (t tcp) flags() byte { return t[13] }
func (t tcp) seq() uint32 { return binary.BigEndian.Uint32(t[4:]) }
func (t tcp) ack() uint32 { return binary.BigEndian.Uint32(t[8:]) }

// fromPort and toPort are where they are in TCP and in UDP.
func fromPort(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func toPort(b []byte) uint16   { return binary.BigEndian.Uint16(b[2:]) }

// classify says of a frame what a link needs to know. Its size is that on the wire.
func classify(e ether) sim.Frame {
	f := sim.Frame{Class: frameOther, Size: max(etherMin, len(e))}
	if p := e.ip(); p != nil {
		switch p.proto() {
		case protoTCP:
			f.Class = sim.FrameTCP
			if t := p.tcp(); t != nil {
				f.FromPort, f.ToPort = fromPort(t), toPort(t)
			}
		case protoUDP:
			f.Class = sim.FrameUDP
			if u := p.udp(); u != nil {
				f.FromPort, f.ToPort = fromPort(u), toPort(u)
			}
		case protoVRRP:
			f.Class = sim.FrameVRRP
		case protoICMP:
			f.Class = frameICMP
		}
		return f
	}
	if binary.BigEndian.Uint16(e[12:]) == etherARP {
		f.Class = sim.FrameARP
		if a := e[etherLen:]; len(a) >= arpLen && [4]byte(a[14:18]) == [4]byte(a[24:28]) {
			f.Class = sim.FrameGratuitousARP // Who tells and who is asked for are one, in request and reply.
		}
	}
	return f
}

// sum adds 16-bit words as the checksums of IP do. What was summed before goes in; an odd byte is the first half of a
// word, so only the last part may be odd.
func sum(b []byte, before uint64) uint64 {
	total, carry := before, uint64(0)
	for len(b) >= 8 {
		total, carry = bits.Add64(total, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	var last [8]byte
	copy(last[:], b)
	total, carry = bits.Add64(total, binary.BigEndian.Uint64(last[:]), carry)
	total, carry = bits.Add64(total, 0, carry)
	return total + carry
}

// fold makes a checksum of a sum.
func fold(s uint64) uint16 {
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return ^uint16(s)
}

// sealIP puts the checksum into the header of a packet.
func (p ip) sealIP() {
	h := p[:p.header()]
	binary.BigEndian.PutUint16(h[10:], 0)
	binary.BigEndian.PutUint16(h[10:], fold(sum(h, 0)))
}

// age counts one router more on the way of a packet.
func (p ip) age() {
	p[8]--
	p.sealIP()
}

// sealTCP puts the checksum into the TCP segment of a packet.
func (p ip) sealTCP() {
	t := p[p.header():]
	binary.BigEndian.PutUint16(t[16:], 0)
	pseudo := sum(p[12:20], protoTCP+uint64(len(t)))
	binary.BigEndian.PutUint16(t[16:], fold(sum(t, pseudo)))
}
