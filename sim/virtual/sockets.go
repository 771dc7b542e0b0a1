package virtual

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"firedrill/sim"
)

// sockets is what a machine's kernel has open. A loss of power leaves nothing of it, a stop of the software closes it.
type sockets struct {
	udp       map[uint16][]*udpConn
	listeners map[uint16][]*listener
	conns     map[flow]*tcpConn
	open      []socket // the software's, in the order in which they were opened
	port      uint16   // the last ephemeral one that was given out
}

// socket is something that the kernel closes when the software is gone.
type socket interface{ abandon() }

// flow names a TCP connection from one end: local and remote address and port, IPv4.
type flow struct{ local, remote uint64 }

func flowOf(local, remote netip.AddrPort) flow { return flow{pack(local), pack(remote)} }

func pack(a netip.AddrPort) uint64 {
	if !a.Addr().Is4() {
		return 0
	}
	b := a.Addr().As4()
	return uint64(b[0])<<40 | uint64(b[1])<<32 | uint64(b[2])<<24 | uint64(b[3])<<16 | uint64(a.Port())
}

// The ephemeral ports, as Linux has them.
const (
	portFirst = 32768
	portLast  = 60999
)

func (s *sockets) init(r *rand.Rand) {
	s.port = portFirst + uint16(r.IntN(portLast-portFirst+1))
	s.vanish()
}

// vanish forgets everything, in silence.
func (s *sockets) vanish() {
	for _, o := range s.open {
		if c, ok := o.(*tcpConn); ok {
			c.gone = true
		}
	}
	s.udp = map[uint16][]*udpConn{}
	s.listeners = map[uint16][]*listener{}
	s.conns = map[flow]*tcpConn{}
	s.open = nil
}

// abandon closes everything, as a kernel does for a process that ended.
func (s *sockets) abandon() {
	open := s.open
	s.open = nil
	for _, o := range open {
		o.abandon()
	}
}

func (s *sockets) opened(o socket) { s.open = append(s.open, o) }

func (s *sockets) closed(o socket) {
	for i, other := range s.open {
		if other == o {
			last := len(s.open) - 1
			copy(s.open[i:], s.open[i+1:])
			s.open[last] = nil
			s.open = s.open[:last]
			return
		}
	}
}

// ephemeral gives out a port that used accepts.
func (s *sockets) ephemeral(used func(uint16) bool) (uint16, error) {
	for range portLast - portFirst + 1 {
		if s.port++; s.port > portLast || s.port < portFirst {
			s.port = portFirst
		}
		if !used(s.port) {
			return s.port, nil
		}
	}
	return 0, syscall.EADDRNOTAVAIL
}

// deadline is a time limit of a connection, by local time; set to zero there is none.
type deadline struct {
	set bool
	due time.Duration
}

// deadlineAt turns a wall-clock time into local time now: later steps of the clock do not move it.
func (m *machine) deadlineAt(t time.Time) deadline {
	if t.IsZero() {
		return deadline{}
	}
	return deadline{true, m.Clock().Local(m.w.now) + t.Sub(m.Clock().Now(m.w.now))}
}

func (d deadline) passed(m *machine) bool { return d.set && m.Clock().Local(m.w.now) >= d.due }

// wait parks in q until it is woken or the deadline passes.
func (d deadline) wait(t *task, q *queue) {
	due := time.Duration(-1)
	if d.set {
		due = d.due
	}
	t.wait(q, due)
}

// opError is an error as package net has it. An errno comes from the system call of the operation, unless the caller has
// wrapped it in the name of another one.
func opError(op, network string, source, addr net.Addr, err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		call := map[string]string{"dial": "connect", "listen": "bind"}[op]
		if call == "" {
			call = op
		}
		err = os.NewSyscallError(call, errno)
	}
	return &net.OpError{Op: op, Net: network, Source: source, Addr: addr, Err: err}
}

// toAddrPort is the address of a net.Addr's fields; an unset address is "any".
func toAddrPort(ip net.IP, port int) netip.AddrPort {
	a, ok := netip.AddrFromSlice(ip)
	if !ok {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port))
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(port))
}

// source is the address from which a machine speaks to another one.
func (m *machine) source(to netip.Addr) (netip.Addr, error) {
	if m.local(to) {
		return to, nil
	}
	i, _ := m.wayTo(to)
	if i == nil || !i.plugged {
		return netip.Addr{}, syscall.ENETUNREACH
	}
	return i.own.Addr(), nil
}

// send puts a packet on its way by the routing table. Its own addresses a machine reaches without a network.
func (m *machine) send(p *packet) {
	w := m.w
	if m.local(p.dst.Addr()) {
		w.after(0, m, func() { m.loop(p) })
		return
	}
	switch i, router := m.wayTo(p.dst.Addr()); {
	case i == nil, !m.local(p.src.Addr()): // An address that was given up is none to speak from.
		w.lose(p)
	case router != nil:
		w.transmit(p, i, router)
	default:
		i.sendTo(p, p.dst.Addr())
	}
}

// loop delivers a packet to the machine that sent it.
func (m *machine) loop(p *packet) {
	switch {
	case !m.local(p.dst.Addr()):
		m.w.lose(p)
	case p.icmp != nil:
		m.receiveICMP(p)
		m.w.spent(p)
	case p.frame.Class == sim.FrameUDP:
		m.receiveUDP(p)
		m.w.spent(p)
	default:
		m.receiveTCP(p)
	}
}

// icmp says that a packet came to nothing. Of the packet it keeps the addresses, as its sender wrote them,
// and of a segment of TCP where it stood.
type icmp struct {
	err      syscall.Errno
	udp      bool
	src, dst netip.AddrPort
	seq      uint64
}

const icmpSize = 70

// complain answers a packet with an ICMP error from one of the machine's addresses.
func (m *machine) complain(about *packet, err syscall.Errno) {
	p := m.w.newPacket()
	p.src = netip.AddrPortFrom(about.dst.Addr(), 0)
	p.dst = netip.AddrPortFrom(about.src.Addr(), 0)
	p.frame = sim.Frame{Class: frameICMP, Size: icmpSize}
	p.icmp = &icmp{err: err, udp: about.frame.Class == sim.FrameUDP, src: about.src, dst: about.dst}
	m.send(p)
}

// frameICMP is no class that a fault can choose.
const frameICMP sim.FrameClass = "icmp"

func (m *machine) receiveICMP(p *packet) { m.hear(p.icmp) }

// hear tells the socket that it is about of an ICMP error. As on Linux, UDP is told only that nobody is at a port: that a host is
// not there may pass.
func (m *machine) hear(e *icmp) {
	if !e.udp {
		if c := m.sockets.conns[flowOf(e.src, e.dst)]; c != nil {
			c.icmp(e.err)
		}
		return
	}
	for _, u := range m.sockets.udp[e.src.Port()] {
		if u.remote == e.dst && e.err == syscall.ECONNREFUSED {
			u.fail(e.err)
		}
	}
}

// unreachable is for a packet of the machine's own for which nobody answered ARP.
func (m *machine) unreachable(p *packet) {
	if p.icmp == nil {
		m.hear(&icmp{err: syscall.EHOSTUNREACH, udp: p.frame.Class == sim.FrameUDP, src: p.src, dst: p.dst})
	}
	m.w.lose(p)
}

// refuse turns a frame away aloud, on behalf of something on the way, which answers in the name of whom it was for.
func (w *World) refuse(p *packet, how sim.Refusal) {
	from := p.from.m
	answer := &packet{from: p.to, to: p.from, src: p.dst, dst: p.src}
	var heard func()
	switch {
	case p.frame.Class == sim.FrameARP, p.frame.Class == sim.FrameGratuitousARP, p.icmp != nil:
	case how == sim.RefuseReset && p.tcp.flags&flagRST != 0: // Nobody is told of those.
	case how == sim.RefuseReset && p.frame.Class == sim.FrameTCP:
		answer.frame = sim.Frame{Class: sim.FrameTCP}
		answer.tcp = tcpSegment{flags: flagRST, seq: p.tcp.ack}
		key := flowOf(p.src, p.dst)
		heard = func() {
			if c := from.sockets.conns[key]; c != nil {
				c.reset()
			}
		}
	default:
		e := &icmp{err: syscall.EHOSTUNREACH, udp: p.frame.Class == sim.FrameUDP, src: p.src, dst: p.dst, seq: p.tcp.seq}
		if how == sim.RefuseReset {
			e.err = syscall.ECONNREFUSED
		}
		answer.frame, answer.icmp = sim.Frame{Class: frameICMP}, e
		heard = func() { from.hear(e) }
	}
	if heard != nil {
		w.after(2*p.link.Latency(), from, func() {
			if w.tap != nil {
				w.tap(answer)
			}
			heard()
		})
	}
	w.lose(p)
}
