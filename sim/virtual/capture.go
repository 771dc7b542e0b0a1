package virtual

import (
	"encoding/binary"
	"hash/fnv"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"firedrill/sim"
)

var _ sim.Capturer = (*World)(nil)

// Capture implements sim.Capturer. A burst that goes as one is shown as the segments that it stands for.
func (w *World) Capture(take func(segment string, at time.Duration, frame []byte)) {
	c := &capture{w: w, take: take, starts: map[flow]uint32{}, senders: map[flow]*tcpConn{}}
	w.tap = c.show
}

// capture renders frames as they would be on a wire.
type capture struct {
	w       *World
	take    func(string, time.Duration, []byte)
	id      uint16            // of the next IP packet
	starts  map[flow]uint32   // the initial sequence number of each direction of a connection
	senders map[flow]*tcpConn // the connection that it belongs to: a later one has another
	last    broadcast
}

// broadcast is the last one that was shown: the world sends it to each receiver, the wire has it once.
type broadcast struct {
	at   time.Duration
	from *iface
	arp  arp
}

const (
	etherMin    = 60
	ipTTL       = 64
	windowShift = 7
)

var everybody = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

func (i *iface) hardware() net.HardwareAddr {
	return net.HardwareAddr{2, 0, 0, 0, byte(i.place >> 8), byte(i.place)}
}

func (c *capture) show(p *packet) {
	switch {
	case p.frame.Class == sim.FrameARP || p.frame.Class == sim.FrameGratuitousARP:
		c.arp(p)
	case p.icmp != nil:
		c.icmp(p)
	case p.frame.Class == sim.FrameUDP:
		u := &layers.UDP{SrcPort: layers.UDPPort(p.src.Port()), DstPort: layers.UDPPort(p.dst.Port())}
		ip := c.ip(p.src, p.dst, layers.IPProtocolUDP)
		certain(u.SetNetworkLayerForChecksum(ip))
		c.send(p, ip, u, gopacket.Payload(p.data))
	default:
		c.tcp(p)
	}
}

func (c *capture) ether(p *packet, of layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: p.from.hardware(), DstMAC: p.to.hardware(), EthernetType: of}
}

func (c *capture) ip(src, dst netip.AddrPort, of layers.IPProtocol) *layers.IPv4 {
	c.id++
	return &layers.IPv4{Version: 4, TTL: ipTTL, Id: c.id, Flags: layers.IPv4DontFragment, Protocol: of,
		SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice()}
}

// send shows an IP packet.
func (c *capture) send(p *packet, parts ...gopacket.SerializableLayer) {
	c.write(p, append([]gopacket.SerializableLayer{c.ether(p, layers.EthernetTypeIPv4)}, parts...))
}

func (c *capture) write(p *packet, parts []gopacket.SerializableLayer) {
	frame := render(parts...)
	for len(frame) < etherMin {
		frame = append(frame, 0)
	}
	c.take(p.from.segment.name, c.w.now, frame)
}

// render makes bytes of layers, lengths and checksums filled in.
func render(parts ...gopacket.SerializableLayer) []byte {
	b := gopacket.NewSerializeBuffer()
	certain(gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, parts...))
	return b.Bytes()
}

// certain is for what only a mistake in this file can bring about.
func certain(err error) {
	if err != nil {
		panic("capture: " + err.Error())
	}
}

func (c *capture) arp(p *packet) {
	e := c.ether(p, layers.EthernetTypeARP)
	sender := netip.IPv4Unspecified() // Of one that asks before it has an address.
	if p.arp.sender.IsValid() {
		sender = p.arp.sender
	}
	a := &layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6,
		ProtAddressSize: 4,
		Operation:       layers.ARPRequest, SourceHwAddress: p.from.hardware(), SourceProtAddress: sender.AsSlice(),
		DstHwAddress: make([]byte, 6), DstProtAddress: p.to.own.Addr().AsSlice()}
	if p.arp.target.IsValid() {
		a.DstProtAddress = p.arp.target.AsSlice()
	}
	if p.arp.reply {
		a.Operation, a.DstHwAddress = layers.ARPReply, p.to.hardware()
	} else {
		one := broadcast{c.w.now, p.from, p.arp}
		if one == c.last {
			return
		}
		c.last, e.DstMAC = one, everybody
	}
	c.write(p, []gopacket.SerializableLayer{e, a})
}

// icmp shows an ICMP error with the head of what it is about.
func (c *capture) icmp(p *packet) {
	code, about := uint8(layers.ICMPv4CodeHost), layers.IPProtocolTCP
	if p.icmp.err == syscall.ECONNREFUSED {
		code = layers.ICMPv4CodePort
	}
	begin := make([]byte, 8)
	binary.BigEndian.PutUint16(begin, p.icmp.src.Port())
	binary.BigEndian.PutUint16(begin[2:], p.icmp.dst.Port())
	if p.icmp.udp {
		about, begin[5] = layers.IPProtocolUDP, 8 // The length of one without data, and no checksum.
	} else {
		binary.BigEndian.PutUint32(begin[4:], c.starts[flowOf(p.icmp.src, p.icmp.dst)]+uint32(p.icmp.seq))
	}
	head := render(c.ip(p.icmp.src, p.icmp.dst, about), gopacket.Payload(begin))
	c.send(p, c.ip(p.src, p.dst, layers.IPProtocolICMPv4),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, code)},
		gopacket.Payload(head))
}

// start is the initial sequence number of the direction of a connection in which the packet goes.
// It differs from one connection to the next over the same ports.
func (c *capture) start(p *packet) uint32 {
	key := flowOf(p.src, p.dst)
	if _, known := c.starts[key]; !known || p.sender != nil && c.senders[key] != p.sender {
		h := fnv.New32a()
		_, _ = h.Write([]byte(p.src.String() + p.dst.String() + c.w.now.String())) // It takes everything.
		c.starts[key], c.senders[key] = h.Sum32(), p.sender
	}
	return c.starts[key]
}

// tcp shows a segment, or the segments of a burst.
func (c *capture) tcp(p *packet) {
	flags, data := p.tcp.flags, p.tcp.data
	t := layers.TCP{SrcPort: layers.TCPPort(p.src.Port()), DstPort: layers.TCPPort(p.dst.Port()),
		SYN: flags&flagSYN != 0, ACK: flags&flagACK != 0, RST: flags&flagRST != 0,
		Window: uint16(min(0xffff, p.tcp.window>>windowShift))}
	if t.ACK {
		t.Ack = c.starts[flowOf(p.dst, p.src)] + uint32(p.tcp.ack)
	}
	if t.SYN {
		t.Window = uint16(min(0xffff, p.tcp.window)) // It is not scaled yet.
		t.Options = append(t.Options,
			layers.TCPOption{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{0x05, 0xb4}},
			layers.TCPOption{OptionType: layers.TCPOptionKindNop},
			layers.TCPOption{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{windowShift}})
	}
	seq := c.start(p) + uint32(p.tcp.seq)
	for {
		part := data[:min(len(data), tcpSegmentMax)]
		data = data[len(part):]
		one := t
		one.Seq = seq
		one.PSH, one.FIN = len(part) > 0 && len(data) == 0, flags&flagFIN != 0 && len(data) == 0
		ip := c.ip(p.src, p.dst, layers.IPProtocolTCP)
		certain(one.SetNetworkLayerForChecksum(ip))
		c.send(p, ip, &one, gopacket.Payload(part))
		seq += uint32(len(part))
		if len(data) == 0 {
			return
		}
	}
}
