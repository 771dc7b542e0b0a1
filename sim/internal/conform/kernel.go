//go:build linux

package conform

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/pion/transport/v3"
)

// second is an address that belongs to no machine until one binds it; nobody has the other one, ever.
var (
	second = netip.MustParsePrefix("10.0.0.9/24")
	nobody = netip.MustParseAddr("10.0.0.77")
)

var kernelRows = []Row{
	{
		name: "addresses: one that is bound can be listened at and called, one that was given up cannot",
		server: func(s *side) {
			virtual := netip.MustParsePrefix("10.0.0.9/24")
			_, err := s.Net().ListenTCP("tcp4", &net.TCPAddr{IP: virtual.Addr().AsSlice(), Port: 99})
			s.check("listen before", err)
			s.await("asked before")
			s.check("bind", s.Bind("lan", virtual))
			s.check("bind again", s.Bind("lan", virtual))
			l, err := s.Net().ListenTCP("tcp4", &net.TCPAddr{IP: virtual.Addr().AsSlice(), Port: 99})
			s.check("listen", err)
			s.tell("bound")
			c, err := l.Accept()
			s.say("accept: %s, at %s", s.outcome(err), s.where(c.LocalAddr()))
			s.await("asked then")
			s.check("unbind", s.Unbind("lan", virtual))
			s.check("unbind again", s.Unbind("lan", virtual))
			s.tell("given up")
			_, err = s.Net().ListenTCP("tcp4", &net.TCPAddr{IP: virtual.Addr().AsSlice()})
			s.check("listen after", err)
			s.await("asked after")
		},
		client: func(s *side) {
			virtual := netip.MustParseAddr("10.0.0.9")
			before := s.Arping("lan", virtual, time.Second)
			s.tell("asked before")
			s.await("bound")
			_, err := s.Net().Dial("tcp4", "10.0.0.9:99")
			s.check("dial", err)
			then := s.Arping("lan", virtual, time.Second)
			s.tell("asked then")
			s.await("given up")
			after := s.Arping("lan", virtual, time.Second)
			s.say("answered before, then, after: %t %t %t", before, then, after)
			s.tell("asked after")
		},
	},
	{
		name: "addresses: what cannot be bound or given up",
		alone: func(s *side) {
			own := netip.PrefixFrom(s.own, 24)
			s.check("bind on no interface", s.Bind("wan", own))
			s.check("unbind on no interface", s.Unbind("wan", own))
			s.check("unbind the own address", s.Unbind("lan", own))
			s.say("answered on no interface: %t", s.Arping("wan", s.peer, time.Second))
			s.say("answered by oneself: %t", s.Arping("lan", s.own, time.Second))
		},
	},
	{
		name: "addresses: what is no IPv4 address cannot be bound",
		alone: func(s *side) {
			s.check("bind an IPv6 address", s.Bind("lan", netip.MustParsePrefix("fe80::1/64")))
			s.check("bind nothing", s.Bind("lan", netip.Prefix{}))
			s.check("unbind nothing", s.Unbind("lan", netip.Prefix{}))
			s.say("answered for nothing: %t", s.Arping("lan", netip.Addr{}, time.Second))
			s.say("answered for an IPv6 address: %t", s.Arping("lan", netip.MustParseAddr("fe80::1"), time.Second))
		},
	},
	{
		name:   "addresses: who is asked for, who is not there, and no time to answer",
		server: func(s *side) { s.await("over") },
		client: func(s *side) {
			before := s.Uptime()
			s.say("the peer: %t, at once: %t", s.Arping("lan", s.peer, 10*time.Second), s.Uptime()-before < 5*time.Second)
			before = s.Uptime()
			s.say("nobody: %t", s.Arping("lan", nobody, 1500*time.Millisecond))
			s.say("too early: %t", s.Uptime()-before < 1500*time.Millisecond)
			s.say("the peer, in no time: %t", s.Arping("lan", s.peer, 0))
			s.tell("over")
		},
	},
	{
		name: "addresses: of two owners each hears the other, and then one does not",
		server: func(s *side) {
			s.check("bind", s.Bind("lan", second))
			s.tell("bound")
			s.await("both")
			s.say("answered: %t", s.Arping("lan", second.Addr(), time.Second))
			s.tell("server has asked")
			s.await("client has asked")
			s.check("unbind", s.Unbind("lan", second))
			s.tell("given up")
			s.await("over")
			s.say("the one that is left answers: %t", s.Arping("lan", second.Addr(), time.Second))
			s.tell("all over")
		},
		client: func(s *side) {
			s.await("bound")
			s.check("bind", s.Bind("lan", second))
			s.tell("both")
			s.await("server has asked")
			s.say("answered: %t", s.Arping("lan", second.Addr(), time.Second))
			s.tell("client has asked")
			s.await("given up")
			s.say("answered: %t", s.Arping("lan", second.Addr(), time.Second))
			s.tell("over")
			s.await("all over")
			s.check("unbind", s.Unbind("lan", second))
		},
	},
	{
		name: "addresses: a machine speaks from its own one, whatever else is bound",
		server: func(s *side) {
			more := []string{"10.0.0.9/24", "10.0.0.10/32", "10.0.0.20/28", "10.9.0.1/24"}
			for _, p := range more {
				s.check("bind "+p, s.Bind("lan", netip.MustParsePrefix(p)))
			}
			s.dial()
			u, err := s.Net().ListenUDP("udp4", nil)
			s.must(err)
			s.writeTo(u, "hello", s.at("client"))
			s.write(s.connect("client"), "connected")
			c, err := s.Net().CreateDialer(&net.Dialer{LocalAddr: &net.TCPAddr{IP: second.Addr().AsSlice()}}).Dial("tcp4", s.target())
			s.check("dial from another", err)
			s.say("local %s", s.where(c.LocalAddr()))
			s.await("over")
			for _, p := range more {
				s.check("unbind "+p, s.Unbind("lan", netip.MustParsePrefix(p)))
			}
		},
		client: func(s *side) {
			l, u := s.listen(), s.open("client")
			s.say("tcp from %s", s.where(s.accept(l).RemoteAddr()))
			s.readFrom(u, 9)
			s.readFrom(u, 9)
			s.say("tcp from %s", s.where(s.accept(l).RemoteAddr()))
			s.tell("over")
		},
	},
	{
		name: "addresses: a datagram to another one is answered from the own one, which no connected socket takes",
		server: func(s *side) {
			s.must(s.Bind("lan", second))
			u, err := s.Net().ListenUDP("udp4", nil)
			s.must(err)
			s.tell("server", portOf(u.LocalAddr()))
			s.writeTo(u, "answer", s.readFrom(u, 9))
			s.await("over")
			s.check("unbind", s.Unbind("lan", second))
		},
		client: func(s *side) {
			to := s.at("server")
			to.IP = second.Addr().AsSlice()
			u, err := s.Net().DialUDP("udp4", nil, to)
			s.must(err)
			s.write(u, "question")
			s.must(u.SetReadDeadline(s.Now().Add(60 * time.Millisecond)))
			s.read(u, 9)
			s.tell("over")
		},
	},
	{
		name: "addresses: connections to one that was given up go silent, and on when it is back",
		server: func(s *side) {
			s.must(s.Bind("lan", second))
			l, err := s.Net().ListenTCP("tcp4", &net.TCPAddr{IP: second.Addr().AsSlice()})
			s.must(err)
			s.tell("port", portOf(l.Addr()))
			c := s.accept(l)
			s.read(c, 9)
			s.check("unbind", s.Unbind("lan", second))
			s.write(c, "hello")
			s.tell("given up")
			s.must(c.SetReadDeadline(s.Now().Add(60 * time.Millisecond)))
			s.read(c, 9)
			s.must(c.SetReadDeadline(time.Time{}))
			s.await("silence")
			s.check("bind", s.Bind("lan", second))
			s.read(c, 9)
			s.await("over")
			s.check("unbind", s.Unbind("lan", second))
		},
		client: func(s *side) {
			c, err := s.Net().Dial("tcp4", net.JoinHostPort(second.Addr().String(), s.await("port")))
			s.must(err)
			s.write(c, "first")
			s.await("given up")
			s.write(c, "second")
			s.must(c.SetReadDeadline(s.Now().Add(60 * time.Millisecond)))
			s.read(c, 9)
			s.must(c.SetReadDeadline(time.Time{}))
			s.tell("silence")
			s.read(c, 9)
			s.tell("over")
		},
	},
	{
		name: "addresses: interfaces are as they are now",
		alone: func(s *side) {
			show := func() {
				all, err := s.Net().Interfaces()
				s.say("%d, %s", len(all), s.outcome(err))
				for _, i := range all {
					s.say("%s, mtu %d, %v, hardware address of %d bytes", i.Name, i.MTU, i.Flags, len(i.HardwareAddr))
					addresses, err := i.Addrs()
					s.say("%v, %s", addresses, s.outcome(err))
				}
			}
			show()
			s.must(s.Bind("lan", second))
			show()
			s.must(s.Unbind("lan", second))
			show()
			i, err := s.Net().InterfaceByName("lan")
			s.check("by name", err)
			again, err := s.Net().InterfaceByIndex(i.Index)
			s.say("by index: %s, %s", again.Name, s.outcome(err))
			_, err = s.Net().InterfaceByName("lo")
			s.say("lo: %s, %t", s.outcome(err), errors.Is(err, transport.ErrInterfaceNotFound))
			_, err = s.Net().InterfaceByIndex(-1)
			s.say("-1: %s, %t", s.outcome(err), errors.Is(err, transport.ErrInterfaceNotFound))
		},
	},
	{
		name: "addresses: one of the segment that nobody has",
		once: true,
		alone: func(s *side) {
			before := s.Uptime()
			_, err := s.Net().Dial("tcp4", net.JoinHostPort(nobody.String(), "99"))
			s.check("dial", err)
			took := s.Uptime() - before
			s.say("after about three seconds: %t", 2*time.Second < took && took < 5*time.Second)
			u, err := s.Net().DialUDP("udp4", nil, &net.UDPAddr{IP: nobody.AsSlice(), Port: 99})
			s.check("udp", err)
			s.write(u, "x")
			s.must(u.SetReadDeadline(s.Now().Add(4 * time.Second)))
			s.read(u, 9)
			s.write(u, "x")
		},
	},
	{
		name: "addresses: one to which no way leads",
		alone: func(s *side) {
			far := netip.MustParseAddr("192.0.2.1")
			_, err := s.Net().Dial("tcp4", net.JoinHostPort(far.String(), "99"))
			s.check("dial", err)
			_, err = s.Net().DialUDP("udp4", nil, &net.UDPAddr{IP: far.AsSlice(), Port: 99})
			s.check("udp", err)
			s.writeTo(s.open("udp"), "x", &net.UDPAddr{IP: far.AsSlice(), Port: 99})
		},
	},
	{
		name:   "addresses: an error names the network that was asked for",
		server: func(s *side) { s.shut(); s.await("over") },
		client: func(s *side) {
			s.await("shut")
			_, err := s.Net().Dial("tcp", s.target())
			s.check("dial", err)
			l, err := s.Net().ListenTCP("tcp", nil)
			s.must(err)
			s.say("listens at %s", s.where(l.Addr()))
			_, err = s.Net().ListenTCP("tcp", l.Addr().(*net.TCPAddr))
			s.check("listen", err)
			c, err := s.Net().Dial("tcp", net.JoinHostPort(s.own.String(), strconv.Itoa(portOf(l.Addr()))))
			s.must(err)
			for _, c := range []transport.TCPConn{c.(transport.TCPConn), s.accept(l)} {
				s.must(c.SetDeadline(s.past()))
				s.read(c, 9)
				s.must(c.Close())
				s.write(c, "x")
				s.check("close", c.Close())
				s.check("half-close", c.CloseWrite())
				s.check("SetDeadline", c.SetDeadline(s.past()))
				s.check("SetNoDelay", c.SetNoDelay(true))
			}
			s.must(l.Close())
			_, err = l.Accept()
			s.check("accept", err)
			u, err := s.Net().ListenUDP("udp", nil)
			s.must(err)
			s.must(u.Close())
			s.read(u, 9)
			s.check("SetDeadline", u.SetDeadline(s.past()))
			_, err = s.Net().DialUDP("udp", &net.UDPAddr{IP: elsewhere}, &net.UDPAddr{IP: s.own.AsSlice(), Port: 9})
			s.check("dial", err)
			s.tell("over")
		},
	},
	{
		name: "addresses: a name is not resolved",
		alone: func(s *side) {
			_, err := s.Net().Dial("tcp4", "localhost:99")
			s.check("dial", err)
			_, err = s.Net().ListenPacket("udp4", "localhost:0")
			s.check("listen", err)
			_, err = s.Net().ResolveTCPAddr("tcp4", "localhost:99")
			s.check("tcp", err)
			_, err = s.Net().ResolveUDPAddr("udp4", "localhost:http")
			s.check("udp", err)
			_, err = s.Net().ResolveIPAddr("ip4", "localhost")
			s.check("ip", err)
			_, err = s.Net().Dial("tcp4", "[::1]:99")
			s.check("dial an IPv6 address", err)
		},
	},
	{
		name: "halt: it does not return, and to others the machine is silent",
		server: func(s *side) {
			s.listen()
			defer s.tell("halted")
			defer s.say("deferred")
			s.say("halts")
			s.Halt(false)
			s.say("this is not reached")
		},
		client: func(s *side) {
			s.await("halted")
			_, err := s.Net().CreateDialer(&net.Dialer{Timeout: time.Second}).Dial("tcp4", s.target())
			s.check("dial", err)
		},
	},
	{
		name: "halt: other tasks are dropped, and a client that is connected hears nothing",
		server: func(s *side) {
			c := s.serve()
			s.Go("sleeper", func() {
				defer s.say("dropped")
				s.tell("sleeps")
				s.Sleep(time.Hour)
				s.say("this is not reached")
			})
			s.await("sleeps")
			s.read(c, 9)
			s.Halt(false)
			s.say("nor this")
		},
		client: func(s *side) {
			c := s.dial()
			s.write(c, "hello")
			s.must(c.SetReadDeadline(s.Now().Add(300 * time.Millisecond)))
			s.read(c, 9)
			s.write(c, "is anybody there")
		},
	},
}
