//go:build linux

package conform

import (
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pion/transport/v3"
)

// open opens a UDP socket on the own address, and tells the other side its port.
func (s *side) open(what string) transport.UDPConn {
	u, err := s.Net().ListenUDP("udp4", &net.UDPAddr{IP: s.own.AsSlice()})
	s.must(err)
	s.tell(what, portOf(u.LocalAddr()))
	return u
}

// at is the other side's socket of that name.
func (s *side) at(what string) *net.UDPAddr {
	port, err := strconv.Atoi(s.await(what))
	s.must(err)
	return &net.UDPAddr{IP: s.peer.AsSlice(), Port: port}
}

// connect opens a UDP socket connected to the other side's of that name.
func (s *side) connect(what string) transport.UDPConn {
	u, err := s.Net().DialUDP("udp4", nil, s.at(what))
	s.must(err)
	return u
}

// vacant opens a socket and closes it, so that nobody is at that port.
func (s *side) vacant(what string) {
	u, err := s.Net().ListenUDP("udp4", &net.UDPAddr{IP: s.own.AsSlice()})
	s.must(err)
	s.must(u.Close())
	s.tell(what, portOf(u.LocalAddr()))
}

// readFrom reads a datagram and shows it, with who sent it.
func (s *side) readFrom(u transport.UDPConn, size int) *net.UDPAddr {
	b := make([]byte, size)
	n, from, err := u.ReadFromUDP(b)
	if err != nil {
		s.say("read: %d, no sender: %t, %s", n, from == nil, s.outcome(err))
		return nil
	}
	s.say("read: %q from %s, ok", b[:n], s.where(from))
	return from
}

func (s *side) writeTo(u transport.UDPConn, text string, to *net.UDPAddr) {
	n, err := u.WriteToUDP([]byte(text), to)
	s.say("write of %d: %d, %s", len(text), n, s.outcome(err))
}

var datagramRows = []Row{
	{
		name: "udp: there and back",
		server: func(s *side) {
			u := s.open("server")
			from := s.readFrom(u, 99)
			s.say("address of %d bytes, %q", len(from.IP), from.Network())
			s.writeTo(u, "answer", from)
			s.say("local %s, remote %s", s.where(u.LocalAddr()), s.where(u.RemoteAddr()))
		},
		client: func(s *side) {
			u := s.open("client")
			s.writeTo(u, "question", s.at("server"))
			s.readFrom(u, 99)
		},
	},
	{
		name: "udp: a connected socket, there and back",
		server: func(s *side) {
			u := s.open("server")
			s.writeTo(u, "answer", s.readFrom(u, 99))
			s.writeTo(u, "answer again", s.readFrom(u, 99))
		},
		client: func(s *side) {
			u := s.connect("server")
			s.say("local %s, remote %s", s.where(u.LocalAddr()), s.where(u.RemoteAddr()))
			s.write(u, "question")
			s.read(u, 99)
			n, err := s.dialUDP("server").Write([]byte("x"))
			s.say("by Dial: %d, %s", n, s.outcome(err))
			s.say("both know their peer: %t", s.dialUDP("server").RemoteAddr().String() == u.RemoteAddr().String())
		},
	},
	{
		name: "udp: a connected socket reads with the sender's address",
		server: func(s *side) {
			u := s.open("server")
			s.writeTo(u, "answer", s.readFrom(u, 99))
		},
		client: func(s *side) {
			u := s.connect("server")
			s.write(u, "question")
			s.readFrom(u, 99)
		},
	},
	{
		name: "udp: each datagram for itself, in order",
		server: func(s *side) {
			u := s.open("server")
			for range 5 {
				s.readFrom(u, 99)
			}
		},
		client: func(s *side) {
			u := s.connect("server")
			for i := range 5 {
				s.send(u, strings.Repeat("x", i+1))
			}
		},
	},
	{
		name: "udp: what does not fit into the buffer is lost",
		server: func(s *side) {
			u := s.open("server")
			s.read(u, 3)
			s.readFrom(u, 3)
			b := make([]byte, 3)
			n, oobn, flags, from, err := u.ReadMsgUDP(b, nil)
			s.say("ReadMsgUDP: %q, %d, truncated: %t, from %s, %s",
				b[:n], oobn, flags&syscall.MSG_TRUNC != 0, s.where(from), s.outcome(err))
			n, _, flags, _, err = u.ReadMsgUDP(b, nil)
			s.say("ReadMsgUDP: %q, truncated: %t, %s", b[:n], flags&syscall.MSG_TRUNC != 0, s.outcome(err))
			n, from, err = u.ReadFromUDP(nil)
			s.say("into nothing: %d from %s, %s", n, s.where(from), s.outcome(err))
			s.read(u, 0)
			s.read(u, 9)
		},
		client: func(s *side) {
			u := s.open("client")
			for _, text := range []string{"first one", "second one", "third one", "4th", "fifth", "sixth", "seventh"} {
				s.writeTo(u, text, s.at("server"))
			}
		},
	},
	{
		name: "udp: a datagram of no bytes",
		server: func(s *side) {
			u := s.open("server")
			s.readFrom(u, 9)
			s.read(u, 9)
			s.readFrom(u, 9)
		},
		client: func(s *side) {
			u := s.open("client")
			s.writeTo(u, "", s.at("server"))
			n, err := u.WriteToUDP(nil, s.at("server"))
			s.say("write of nil: %d, %s", n, s.outcome(err))
			s.writeTo(u, "x", s.at("server"))
		},
	},
	{
		name: "udp: as long as can be, and longer",
		server: func(s *side) {
			u := s.open("server")
			n, _, err := u.ReadFrom(make([]byte, 1<<16))
			s.say("%d, %s", n, s.outcome(err))
			s.read(u, 9)
		},
		client: func(s *side) {
			u := s.open("client")
			s.writeTo(u, strings.Repeat("x", 65507), s.at("server"))
			s.writeTo(u, strings.Repeat("x", 65508), s.at("server"))
			s.write(s.connect("server"), strings.Repeat("x", 70000))
			s.writeTo(u, "end", s.at("server"))
		},
	},
	{
		name: "udp: a full receive buffer drops what comes last, and nobody is told",
		once: true,
		server: func(s *side) {
			u := s.open("server")
			s.readFrom(u, 9) // A first one finds the way: until then few can wait for ARP.
			s.tell("found")
			s.await("sent")
			s.Sleep(20 * time.Millisecond) // What is still on its way would find room again.
			got, ordered := 0, true
			for b := make([]byte, 1<<16); ; got++ {
				if got > 0 {
					s.must(u.SetReadDeadline(s.soon()))
				}
				n, _, err := u.ReadFromUDP(b)
				if err != nil {
					s.say("some: %t, not all: %t, from the first on: %t, then %s", got > 0, got < 1000, ordered, s.outcome(err))
					return
				}
				ordered = ordered && string(b[:n]) == longDatagram(got)
			}
		},
		client: func(s *side) {
			u := s.open("client")
			s.writeTo(u, "first", s.at("server"))
			s.await("found")
			for i := range 1000 {
				n, err := u.WriteToUDP([]byte(longDatagram(i)), s.at("server"))
				if err != nil || n != len(longDatagram(i)) {
					s.check("write", err)
				}
			}
			s.say("all are written")
			s.tell("sent")
		},
	},
	{
		name: "udp: a shorter receive buffer holds less",
		server: func(s *side) {
			u := s.open("server")
			s.check("set", u.SetReadBuffer(1<<12))
			s.readFrom(u, 9)
			s.tell("found")
			s.await("sent")
			s.Sleep(20 * time.Millisecond)
			got := 0
			for b := make([]byte, 1<<10); ; got++ {
				if got > 0 {
					s.must(u.SetReadDeadline(s.soon()))
				}
				if _, _, err := u.ReadFromUDP(b); err != nil {
					s.say("some: %t, not all: %t, then %s", got > 0, got < 100, s.outcome(err))
					return
				}
			}
		},
		client: func(s *side) {
			u := s.open("client")
			s.writeTo(u, "first", s.at("server"))
			s.await("found")
			for range 100 {
				_, err := u.WriteToUDP(make([]byte, 1000), s.at("server"))
				s.must(err)
			}
			s.tell("sent")
		},
	},
	{
		name: "udp: within one machine",
		alone: func(s *side) {
			one, two := s.open("one"), s.open("two")
			s.writeTo(one, "hello", two.LocalAddr().(*net.UDPAddr))
			from := s.readFrom(two, 9)
			s.say("from the first: %t", from.Port == portOf(one.LocalAddr()))
		},
	},
	{
		name: "udp: a socket at every address hears what comes to one",
		server: func(s *side) {
			u, err := s.Net().ListenUDP("udp4", nil)
			s.check("listen", err)
			s.say("local %s, remote %s, %d bytes", s.where(u.LocalAddr()), s.where(u.RemoteAddr()), len(u.LocalAddr().(*net.UDPAddr).IP))
			s.tell("server", portOf(u.LocalAddr()))
			s.readFrom(u, 9)
		},
		client: func(s *side) { s.write(s.connect("server"), "hello") },
	},
	{
		name: "udp: ListenPacket",
		server: func(s *side) {
			p, err := s.Net().ListenPacket("udp4", net.JoinHostPort(s.own.String(), "0"))
			s.check("listen", err)
			s.tell("server", portOf(p.LocalAddr()))
			b := make([]byte, 9)
			n, from, err := p.ReadFrom(b)
			s.say("%q from %s, %s", b[:n], s.where(from), s.outcome(err))
			_, err = p.WriteTo([]byte("back"), from)
			s.check("answer", err)
			any, err := s.Net().ListenPacket("udp4", ":0")
			s.say("%s, %s", s.where(any.LocalAddr()), s.outcome(err))
			_, err = s.Net().ListenPacket("tcp4", net.JoinHostPort(s.own.String(), "0"))
			s.check("for tcp4", err)
		},
		client: func(s *side) {
			u := s.connect("server")
			s.write(u, "hello")
			s.read(u, 9)
		},
	},
	{
		name: "udp: a connected socket hears nobody else",
		server: func(s *side) {
			friend := s.open("friend")
			u, err := s.Net().DialUDP("udp4", nil, s.at("client"))
			s.must(err)
			s.tell("connected", portOf(u.LocalAddr()))
			s.await("refused")
			s.must(u.SetReadDeadline(s.soon()))
			s.read(u, 9)
			s.must(u.SetReadDeadline(time.Time{}))
			s.tell("now the friend")
			s.read(u, 9)
			s.must(friend.Close())
		},
		client: func(s *side) {
			u := s.open("client")
			stranger := s.connect("connected")
			s.write(stranger, "stranger")
			s.read(stranger, 9) // Nobody is there for it.
			s.tell("refused")
			s.await("now the friend")
			s.writeTo(u, "friend", s.at("connected"))
		},
	},
}

func longDatagram(i int) string { return strings.Repeat(strconv.Itoa(i)+" ", 4000) }

// dialUDP is connect by way of Dial.
func (s *side) dialUDP(what string) net.Conn {
	c, err := s.Net().Dial("udp4", s.at(what).String())
	s.must(err)
	return c
}

var datagramErrorRows = []Row{
	{
		name: "udp: a port that is taken",
		alone: func(s *side) {
			u := s.open("one")
			local := u.LocalAddr().(*net.UDPAddr)
			_, err := s.Net().ListenUDP("udp4", local)
			s.check("again", err)
			_, err = s.Net().ListenUDP("udp4", &net.UDPAddr{Port: local.Port})
			s.check("at every address", err)
			_, err = s.Net().DialUDP("udp4", local, local)
			s.check("connected", err)
			l, err := s.Net().ListenTCP("tcp4", &net.TCPAddr{IP: s.own.AsSlice(), Port: local.Port})
			s.check("the same port of TCP", err)
			s.must(l.Close())
			s.must(u.Close())
			_, err = s.Net().ListenUDP("udp4", local)
			s.check("after it was closed", err)
		},
	},
	{
		name: "udp: at every address, then at one",
		alone: func(s *side) {
			u, err := s.Net().ListenUDP("udp4", nil)
			s.must(err)
			_, err = s.Net().ListenUDP("udp4", &net.UDPAddr{IP: s.own.AsSlice(), Port: portOf(u.LocalAddr())})
			s.check("at one", err)
		},
	},
	{
		name: "udp: an address that is not local, and what is no address",
		alone: func(s *side) {
			u, err := s.Net().ListenUDP("udp4", &net.UDPAddr{IP: elsewhere})
			s.check("listen", err)
			s.say("a nil socket: %t", u == nil)
			_, err = s.Net().DialUDP("udp4", &net.UDPAddr{IP: elsewhere}, &net.UDPAddr{IP: s.own.AsSlice(), Port: 9})
			s.check("dial", err)
			_, err = s.Net().DialUDP("udp4", nil, nil)
			s.check("dial nil", err)
			_, err = s.Net().ListenUDP("tcp4", nil)
			s.check("listen for tcp4", err)
			a, err := s.Net().ResolveUDPAddr("udp4", "10.0.0.1:99")
			s.say("ResolveUDPAddr: %v, %d bytes, %s", a, len(a.IP), s.outcome(err))
		},
	},
	{
		name:   "udp: a connected socket is told when nobody is there, once",
		server: func(s *side) { s.vacant("port"); s.await("over") },
		client: func(s *side) {
			u := s.connect("port")
			s.write(u, "x")
			s.read(u, 9)
			s.must(u.SetReadDeadline(s.soon()))
			s.read(u, 9)
			s.must(u.SetReadDeadline(time.Time{}))
			s.write(u, "x")
			s.readFrom(u, 9)
			s.tell("over")
		},
	},
	{
		name:   "udp: a write is told too",
		server: func(s *side) { s.vacant("port"); s.await("over") },
		client: func(s *side) {
			u := s.connect("port")
			s.until("a failure", func() bool {
				_, err := u.Write([]byte("x"))
				if err != nil {
					s.check("write", err)
				}
				return err != nil
			})
			s.tell("over")
		},
	},
	{
		name:   "udp: a deadline that has passed comes before the news that nobody is there",
		server: func(s *side) { s.vacant("port"); s.await("over") },
		client: func(s *side) {
			u := s.connect("port")
			s.write(u, "x")
			s.Sleep(5 * time.Millisecond)
			s.must(u.SetDeadline(s.past()))
			s.read(u, 9)
			s.write(u, "x")
			s.must(u.SetDeadline(time.Time{}))
			s.read(u, 9)
			s.tell("over")
		},
	},
	{
		name:   "udp: an unconnected socket is told nothing",
		server: func(s *side) { s.vacant("port"); s.await("over") },
		client: func(s *side) {
			u := s.open("client")
			s.writeTo(u, "x", s.at("port"))
			s.must(u.SetReadDeadline(s.soon()))
			s.readFrom(u, 9)
			s.writeTo(u, "x", s.at("port"))
			s.tell("over")
		},
	},
	{
		name: "udp: software that ends leaves nobody at its port",
		server: func(s *side) {
			u := s.open("server")
			s.readFrom(u, 9)
		},
		client: func(s *side) {
			u := s.connect("server")
			s.write(u, "x")
			s.until("a failure", func() bool {
				_, err := u.Write([]byte("x"))
				if err != nil {
					s.check("write", err)
				}
				return err != nil
			})
		},
	},
	{
		name: "udp: deadlines",
		alone: func(s *side) {
			u := s.open("one")
			s.writeTo(u, "hello", u.LocalAddr().(*net.UDPAddr))
			s.check("set", u.SetReadDeadline(s.past()))
			s.readFrom(u, 9)
			s.must(u.SetReadDeadline(time.Time{}))
			s.readFrom(u, 9)
			before := s.Uptime()
			s.must(u.SetDeadline(s.soon()))
			s.readFrom(u, 9)
			s.say("too early: %t", s.Uptime()-before < 14*time.Millisecond)
			s.writeTo(u, "x", u.LocalAddr().(*net.UDPAddr))
			s.must(u.SetWriteDeadline(time.Time{}))
			s.writeTo(u, "x", u.LocalAddr().(*net.UDPAddr))
		},
	},
	{
		name: "udp: a deadline set by another task wakes a reader",
		alone: func(s *side) {
			u := s.open("one")
			end := s.parallel("read", func() { s.readFrom(u, 9) })
			s.Sleep(5 * time.Millisecond)
			s.must(u.SetReadDeadline(s.past()))
			end()
		},
	},
	{
		name: "udp: a close by another task wakes a reader, and then all fails",
		alone: func(s *side) {
			u := s.open("one")
			end := s.parallel("read", func() { s.readFrom(u, 9) })
			s.Sleep(5 * time.Millisecond)
			s.check("close", u.Close())
			end()
			s.readFrom(u, 9)
			s.read(u, 9)
			s.writeTo(u, "x", u.LocalAddr().(*net.UDPAddr))
			s.check("close again", u.Close())
			s.check("SetDeadline", u.SetDeadline(s.past()))
			s.check("SetReadDeadline", u.SetReadDeadline(s.past()))
			s.check("SetWriteDeadline", u.SetWriteDeadline(s.past()))
			s.check("SetReadBuffer", u.SetReadBuffer(1<<16))
			s.check("SetWriteBuffer", u.SetWriteBuffer(1<<16))
			s.say("local %s", s.where(u.LocalAddr()))
		},
	},
	{
		name: "udp: a write without a receiver, and one with a receiver too many",
		server: func(s *side) {
			s.open("server")
			s.await("over")
		},
		client: func(s *side) {
			u := s.open("client")
			s.write(u, "x")
			s.writeTo(u, "x", nil)
			_, _, err := u.WriteMsgUDP([]byte("x"), nil, nil)
			s.check("WriteMsgUDP", err)
			_, err = u.WriteTo([]byte("x"), &net.TCPAddr{IP: s.peer.AsSlice(), Port: 9})
			s.check("WriteTo an address of TCP", err)
			c := s.connect("server")
			s.writeTo(c, "x", s.at("server"))
			_, err = c.WriteTo([]byte("x"), s.at("server"))
			s.check("WriteTo", err)
			_, _, err = c.WriteMsgUDP([]byte("x"), nil, s.at("server"))
			s.check("WriteMsgUDP", err)
			n, _, err := c.WriteMsgUDP([]byte("x"), nil, nil)
			s.say("WriteMsgUDP to none: %d, %s", n, s.outcome(err))
			s.tell("over")
		},
	},
}
