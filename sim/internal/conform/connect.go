//go:build linux

package conform

import (
	"fmt"
	"net"
	"strconv"
	"time"
)

// elsewhere is an address that belongs to documentation and to no machine.
var elsewhere = net.IPv4(192, 0, 2, 1)

// shut opens a port and closes it, so that nobody listens there, and tells the other side.
func (s *side) shut() {
	l := s.listen()
	s.must(l.Close())
	s.tell("shut")
}

var connectRows = []Row{
	{
		name: "tcp connect: both ends know their own address and the other's",
		server: func(s *side) {
			l := s.listen()
			c := s.accept(l)
			s.say("listens at %s, local %s, remote %s", s.where(l.Addr()), s.where(c.LocalAddr()), s.where(c.RemoteAddr()))
			s.say("the listener's port: %t", portOf(l.Addr()) == portOf(c.LocalAddr()))
			s.say("%s, %s", c.LocalAddr().Network(), l.Addr().Network())
			s.tell("seen", portOf(c.RemoteAddr()))
		},
		client: func(s *side) {
			c := s.dial()
			s.say("local %s, remote %s", s.where(c.LocalAddr()), s.where(c.RemoteAddr()))
			s.say("the other side sees this port: %t", s.await("seen") == fmt.Sprint(portOf(c.LocalAddr())))
			s.say("form: %d and %d bytes", len(c.LocalAddr().(*net.TCPAddr).IP), len(c.RemoteAddr().(*net.TCPAddr).IP))
		},
	},
	{
		name:   "tcp connect: refused where nobody listens",
		server: func(s *side) { s.shut() },
		client: func(s *side) {
			s.await("shut")
			_, err := s.Net().Dial("tcp4", s.target())
			s.check("Dial", err)
			port, _ := strconv.Atoi(s.await("port"))
			c, err := s.Net().DialTCP("tcp4", nil, &net.TCPAddr{IP: s.peer.AsSlice(), Port: port})
			s.check("DialTCP", err)
			s.say("a nil connection: %t", c == nil)
		},
	},
	{
		name: "tcp connect: within one machine",
		alone: func(s *side) {
			l, err := s.Net().ListenTCP("tcp4", &net.TCPAddr{IP: s.own.AsSlice()})
			s.must(err)
			end := s.parallel("server", func() { s.send(s.accept(l), "hello") })
			c, err := s.Net().Dial("tcp4", l.Addr().String())
			s.check("dial", err)
			s.say("from %s to %s", s.where(c.LocalAddr()), s.where(c.RemoteAddr()))
			s.read(c, 9)
			end()
		},
	},
	{
		name: "tcp connect: to no address in particular is to oneself",
		alone: func(s *side) {
			l, err := s.Net().ListenTCP("tcp4", &net.TCPAddr{})
			s.must(err)
			c, err := s.Net().CreateDialer(&net.Dialer{LocalAddr: &net.TCPAddr{IP: s.own.AsSlice()}}).
				Dial("tcp4", net.JoinHostPort("", strconv.Itoa(portOf(l.Addr()))))
			s.check("dial", err)
			s.say("from %s to %s", s.where(c.LocalAddr()), s.where(c.RemoteAddr()))
		},
	},
	{
		name:   "tcp connect: a deadline that has passed",
		server: func(s *side) { s.listen(); s.await("over") },
		client: func(s *side) {
			_, err := s.Net().CreateDialer(&net.Dialer{Deadline: s.past()}).Dial("tcp4", s.target())
			s.check("dial", err)
			s.tell("over")
		},
	},
	{
		name: "tcp connect: a full backlog times out",
		once: true,
		server: func(s *side) {
			l := s.listen()
			if s.stage.Shorten != nil {
				s.must(s.stage.Shorten(l)) // 4096 real connections would be many.
			}
			s.tell("shrunk")
			s.await("over")
		},
		client: func(s *side) {
			s.await("shrunk")
			some := false
			for {
				_, err := s.Net().CreateDialer(&net.Dialer{Timeout: 60 * time.Millisecond}).Dial("tcp4", s.target())
				if err != nil {
					s.say("some get through: %t", some)
					s.check("then", err)
					break
				}
				some = true
			}
			s.tell("over")
		},
	},
	{
		name:   "tcp connect: a timeout that is not needed does no harm later",
		server: func(s *side) { s.readAll(s.serve()) },
		client: func(s *side) {
			c, err := s.Net().CreateDialer(&net.Dialer{Timeout: 5 * time.Second}).Dial("tcp4", s.target())
			s.check("dial", err)
			s.write(c, "hello")
			s.check("close", c.Close())
		},
	},
	{
		name: "tcp connect: from a port of one's choice, which is then taken",
		server: func(s *side) {
			l, other := s.listen(), s.listen2()
			s.accept(l)
			s.await("over")
			s.must(other.Close())
		},
		client: func(s *side) {
			l, err := s.Net().ListenTCP("tcp4", &net.TCPAddr{IP: s.own.AsSlice()})
			s.must(err)
			s.must(l.Close())
			d := s.Net().CreateDialer(&net.Dialer{LocalAddr: l.Addr()})
			c, err := d.Dial("tcp4", s.target())
			s.check("dial", err)
			s.say("from there: %t", portOf(c.LocalAddr()) == portOf(l.Addr()))
			_, err = d.Dial("tcp4", s.target())
			s.check("again", err)
			_, err = d.Dial("tcp4", net.JoinHostPort(s.peer.String(), s.await("port 2")))
			s.check("to another port", err)
			_, err = s.Net().ListenTCP("tcp4", l.Addr().(*net.TCPAddr))
			s.check("listen there", err)
			s.tell("over")
		},
	},
	{
		name:   "tcp connect: from a port at which one listens",
		server: func(s *side) { s.listen(); s.await("over") },
		client: func(s *side) {
			l, err := s.Net().ListenTCP("tcp4", &net.TCPAddr{IP: s.own.AsSlice()})
			s.must(err)
			_, err = s.Net().CreateDialer(&net.Dialer{LocalAddr: l.Addr()}).Dial("tcp4", s.target())
			s.check("dial", err)
			s.tell("over")
		},
	},
	{
		name:   "tcp connect: from an address that is not local",
		server: func(s *side) { s.listen(); s.await("over") },
		client: func(s *side) {
			_, err := s.Net().CreateDialer(&net.Dialer{LocalAddr: &net.TCPAddr{IP: elsewhere}}).Dial("tcp4", s.target())
			s.check("dial", err)
			s.tell("over")
		},
	},
	{
		name: "tcp connect: what is no address",
		alone: func(s *side) {
			for _, address := range []string{"10.0.0.1", "10.0.0.1:99999", "10.0.0.1:-1"} {
				_, err := s.Net().Dial("tcp4", address)
				s.check("dial "+address, err)
			}
			_, err := s.Net().Dial("tcp7", "10.0.0.1:1")
			s.check("dial tcp7", err)
			_, err = s.Net().DialTCP("tcp4", nil, nil)
			s.check("DialTCP to nil", err)
			_, err = s.Net().ListenTCP("udp4", nil)
			s.check("ListenTCP for udp4", err)
			_, err = s.Net().CreateDialer(&net.Dialer{LocalAddr: &net.UDPAddr{}}).Dial("tcp4", "10.0.0.1:1")
			s.check("dial from an address of UDP", err)
			a, err := s.Net().ResolveTCPAddr("tcp4", "10.0.0.1:99")
			s.say("ResolveTCPAddr: %v, %d bytes, %s", a, len(a.IP), s.outcome(err))
			_, err = s.Net().ResolveTCPAddr("tcp4", "10.0.0.1:99999")
			s.check("ResolveTCPAddr", err)
		},
	},
}

// listen2 is listen for a second port.
func (s *side) listen2() net.Listener {
	l, err := s.Net().ListenTCP("tcp4", &net.TCPAddr{IP: s.own.AsSlice()})
	s.must(err)
	s.tell("port 2", portOf(l.Addr()))
	return l
}

var listenRows = []Row{
	{
		name: "tcp listen: a port that is taken",
		alone: func(s *side) {
			l := s.listen()
			_, err := s.Net().ListenTCP("tcp4", l.Addr().(*net.TCPAddr))
			s.check("again", err)
			_, err = s.Net().ListenTCP("tcp4", &net.TCPAddr{Port: portOf(l.Addr())})
			s.check("at every address", err)
			u, err := s.Net().ListenUDP("udp4", &net.UDPAddr{IP: s.own.AsSlice(), Port: portOf(l.Addr())})
			s.check("the same port of UDP", err)
			s.must(u.Close())
			s.must(l.Close())
			_, err = s.Net().ListenTCP("tcp4", l.Addr().(*net.TCPAddr))
			s.check("after it was closed", err)
		},
	},
	{
		name: "tcp listen: at every address, then at one",
		alone: func(s *side) {
			l, err := s.Net().ListenTCP("tcp4", nil)
			s.check("at every address", err)
			s.say("%s", s.where(l.Addr()))
			_, err = s.Net().ListenTCP("tcp4", &net.TCPAddr{IP: s.own.AsSlice(), Port: portOf(l.Addr())})
			s.check("at one", err)
		},
	},
	{
		name: "tcp listen: at every address, and a connection knows which",
		server: func(s *side) {
			l, err := s.Net().ListenTCP("tcp4", nil)
			s.must(err)
			s.tell("port", portOf(l.Addr()))
			s.say("local %s", s.where(s.accept(l).LocalAddr()))
		},
		client: func(s *side) { s.say("remote %s", s.where(s.dial().RemoteAddr())) },
	},
	{
		name: "tcp listen: at an address that is not local",
		alone: func(s *side) {
			l, err := s.Net().ListenTCP("tcp4", &net.TCPAddr{IP: elsewhere})
			s.check("listen", err)
			s.say("a nil listener: %t", l == nil)
		},
	},
	{
		name: "tcp listen: port 0 is one that is free",
		alone: func(s *side) {
			one, two := s.listen(), s.listen()
			s.say("%s and %s, not the same: %t", s.where(one.Addr()), s.where(two.Addr()), portOf(one.Addr()) != portOf(two.Addr()))
			s.say("above 1023: %t", portOf(one.Addr()) > 1023 && portOf(two.Addr()) > 1023)
		},
	},
	{
		name: "tcp listen: again, while a connection of the last listener lives",
		server: func(s *side) {
			l := s.listen()
			c := s.accept(l)
			s.check("close", l.Close())
			again, err := s.Net().ListenTCP("tcp4", l.Addr().(*net.TCPAddr))
			s.check("again", err)
			s.tell("again")
			s.send(s.accept(again), "new")
			s.send(c, "old")
		},
		client: func(s *side) {
			old := s.dial()
			s.await("again")
			s.readAll(s.dial())
			s.readAll(old)
		},
	},
	{
		name: "tcp accept: the first who comes is the first",
		server: func(s *side) {
			l := s.listen()
			s.await("three")
			for range 3 {
				s.read(s.accept(l), 9)
			}
		},
		client: func(s *side) {
			var all []net.Conn
			for i := range 3 {
				all = append(all, s.dial())
				s.send(all[i], strconv.Itoa(i))
			}
			s.tell("three")
		},
	},
	{
		name: "tcp accept: what a client sent and closed before is all there",
		server: func(s *side) {
			l := s.listen()
			s.await("closed")
			c := s.accept(l)
			s.say("remote %s", s.where(c.RemoteAddr()))
			s.readAll(c)
		},
		client: func(s *side) {
			c := s.dial()
			s.write(c, "hello")
			s.check("close", c.Close())
			s.tell("closed")
		},
	},
	{
		name: "tcp accept: deadlines",
		server: func(s *side) {
			l := s.listen()
			s.check("set one that has passed", l.SetDeadline(s.past()))
			_, err := l.Accept()
			s.check("accept", err)
			s.await("connected")
			_, err = l.Accept()
			s.check("accept, though somebody is there", err)
			s.must(l.SetDeadline(time.Time{}))
			c, err := l.AcceptTCP()
			s.check("accept without one", err)
			s.read(c, 9)
			before := s.Uptime()
			s.must(l.SetDeadline(s.soon()))
			_, err = l.AcceptTCP()
			s.check("accept until one passes", err)
			s.say("too early: %t", s.Uptime()-before < 14*time.Millisecond)
		},
		client: func(s *side) {
			c := s.dial()
			s.send(c, "hello")
			s.tell("connected")
		},
	},
	{
		name: "tcp accept: a deadline set by another task wakes it",
		alone: func(s *side) {
			l := s.listen()
			end := s.parallel("accept", func() {
				_, err := l.Accept()
				s.check("accept", err)
			})
			s.Sleep(5 * time.Millisecond)
			s.must(l.SetDeadline(s.past()))
			end()
		},
	},
	{
		name: "tcp accept: a listener that is closed",
		alone: func(s *side) {
			l := s.listen()
			end := s.parallel("accept", func() {
				_, err := l.Accept()
				s.check("accept that waits", err)
			})
			s.Sleep(5 * time.Millisecond)
			s.check("close", l.Close())
			end()
			_, err := l.AcceptTCP()
			s.check("accept", err)
			s.check("close again", l.Close())
			s.check("set deadline", l.SetDeadline(s.past()))
			s.say("address %s", s.where(l.Addr()))
		},
	},
	{
		name: "tcp accept: closing a listener resets whom nobody accepted",
		server: func(s *side) {
			l := s.listen()
			s.await("connected")
			s.check("close", l.Close())
			s.tell("closed")
			s.await("over")
		},
		client: func(s *side) {
			c := s.dial()
			s.tell("connected")
			s.await("closed")
			s.read(c, 9)
			_, err := s.Net().Dial("tcp4", s.target())
			s.check("dial again", err)
			s.tell("over")
		},
	},
	{
		name: "tcp accept: a connection that was reset before",
		server: func(s *side) {
			l := s.listen()
			s.await("reset")
			// On the way of the reset nothing tells that it is there, but for what it brings.
			c, err := l.AcceptTCP()
			s.check("accept", err)
			s.read(c, 9)
		},
		client: func(s *side) {
			c := s.dial()
			s.must(c.SetLinger(0))
			s.check("close", c.Close())
			s.tell("reset")
		},
	},
}
