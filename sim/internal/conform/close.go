//go:build linux

package conform

import (
	"net"
	"strings"
	"time"

	"github.com/pion/transport/v3"
)

// untilWriteFails writes until that fails, which it does when a reset has come, and shows how.
func (s *side) untilWriteFails(c transport.TCPConn) {
	for {
		if _, err := c.Write([]byte("x")); err != nil {
			s.check("a later write", err)
			return
		}
		s.Sleep(time.Millisecond)
	}
}

var closeRows = []Row{
	talk("tcp close: the reader gets all, and then the end again and again",
		func(s *side, c transport.TCPConn) {
			s.readAll(c)
			s.read(c, 9)
			s.read(c, 9)
			s.read(c, 0)
		},
		func(s *side, c transport.TCPConn) {
			s.write(c, "hello")
			s.check("close", c.Close())
		}),
	talk("tcp close: half-closed by the client, the server answers",
		func(s *side, c transport.TCPConn) {
			s.readAll(c)
			s.write(c, "answer")
			s.check("close", c.Close())
		},
		func(s *side, c transport.TCPConn) {
			s.write(c, "question")
			s.check("half-close", c.CloseWrite())
			s.write(c, "more")
			s.readAll(c)
			s.check("close", c.Close())
		}),
	talk("tcp close: half-closed by both",
		func(s *side, c transport.TCPConn) {
			s.check("half-close", c.CloseWrite())
			s.readAll(c)
			s.tell("read")
			s.await("done")
		},
		func(s *side, c transport.TCPConn) {
			s.readAll(c)
			s.write(c, "still open")
			s.check("half-close", c.CloseWrite())
			s.await("read")
			s.write(c, "x")
			s.read(c, 9)
			s.tell("done")
		}),
	talk("tcp close: half-close again",
		func(s *side, c transport.TCPConn) { s.await("twice") },
		func(s *side, c transport.TCPConn) {
			s.check("half-close", c.CloseWrite())
			s.check("again", c.CloseWrite())
			s.tell("twice")
		}),
	talk("tcp close: half-close of what is closed",
		quiet,
		func(s *side, c transport.TCPConn) {
			s.check("close", c.Close())
			s.check("half-close", c.CloseWrite())
			s.check("of reading", c.CloseRead())
		}),
	talk("tcp close: CloseRead leaves what is there, and then it is the end",
		func(s *side, c transport.TCPConn) {
			s.read(c, 1)
			s.check("CloseRead", c.CloseRead())
			s.read(c, 9)
			s.read(c, 9)
			s.check("again", c.CloseRead())
			s.write(c, "still written")
		},
		func(s *side, c transport.TCPConn) {
			s.send(c, "hello")
			s.read(c, 20)
		}),
	talk("tcp close: CloseRead wakes a reader",
		func(s *side, c transport.TCPConn) {
			end := s.parallel("read", func() { s.read(c, 9) })
			s.Sleep(5 * time.Millisecond)
			s.check("CloseRead", c.CloseRead())
			end()
		}, quiet),
	talk("tcp close: what comes after CloseRead",
		func(s *side, c transport.TCPConn) {
			s.check("CloseRead", c.CloseRead())
			s.read(c, 9)
			s.tell("closed")
			s.await("sent")
			s.until("bytes", func() bool {
				n, err := c.Read(make([]byte, 9))
				return n == 5 && err == nil
			})
			s.say("the bytes come all the same")
			s.read(c, 9)
		},
		func(s *side, c transport.TCPConn) {
			s.await("closed")
			s.write(c, "hello")
			s.tell("sent")
		}),
	talk("tcp close: everything on a closed connection",
		quiet,
		func(s *side, c transport.TCPConn) {
			s.check("close", c.Close())
			s.read(c, 9)
			s.read(c, 0)
			s.write(c, "x")
			s.write(c, "")
			s.check("close again", c.Close())
			s.say("local %s, remote %s", s.where(c.LocalAddr()), s.where(c.RemoteAddr()))
		}),
	talk("tcp close: by another task, while one reads",
		quiet,
		func(s *side, c transport.TCPConn) {
			end := s.parallel("read", func() { s.read(c, 9) })
			s.Sleep(5 * time.Millisecond)
			s.check("close", c.Close())
			end()
		}),
	talk("tcp close: a write after the peer closed gets through once, then the pipe is broken",
		func(s *side, c transport.TCPConn) { s.check("close", c.Close()) },
		func(s *side, c transport.TCPConn) {
			s.read(c, 9)
			s.write(c, "x")
			s.untilWriteFails(c)
			s.write(c, "x")
			s.read(c, 9)
			s.check("half-close", c.CloseWrite())
			s.check("close", c.Close())
		}),
	talk("tcp close: both at once",
		func(s *side, c transport.TCPConn) {
			s.tell("server")
			s.await("client")
			s.check("close", c.Close())
		},
		func(s *side, c transport.TCPConn) {
			s.tell("client")
			s.await("server")
			s.check("close", c.Close())
		}),
	{
		name: "tcp close: dial again from the port of a connection that this side closed first",
		reason: "the virtual world has no TIME_WAIT: it would be a minute without a port for software that asks for that " +
			"very one, and a clock more for each connection",
		virtual: "server: read: \"\", EOF\nclient: closed first: ok\nclient: dial: ok\n",
		linux: "server: read: \"\", EOF\nclient: closed first: ok\n" +
			"client: dial: dial tcp4 from client:port at server:port: bind: address already in use\n",
		server: func(s *side) {
			l := s.listen()
			c := s.accept(l)
			s.read(c, 9)
			s.must(c.Close())
			s.tell("closed")
			s.await("over")
		},
		client: func(s *side) {
			c := s.dial()
			s.check("closed first", c.Close())
			s.await("closed")
			s.Sleep(20 * time.Millisecond) // Until the last segment is there, which nothing tells.
			_, err := s.Net().CreateDialer(&net.Dialer{LocalAddr: c.LocalAddr()}).Dial("tcp4", s.target())
			s.check("dial", err)
			s.tell("over")
		},
	},
}

var resetRows = []Row{
	talk("tcp reset: a close with bytes unread",
		func(s *side, c transport.TCPConn) {
			s.read(c, 1)
			s.check("close", c.Close())
		},
		func(s *side, c transport.TCPConn) {
			s.write(c, "hello")
			s.read(c, 9)
			s.read(c, 9)
			s.write(c, "x")
			s.write(c, "")
			s.check("half-close", c.CloseWrite())
			s.check("CloseRead", c.CloseRead())
			s.check("deadline", c.SetDeadline(s.past()))
			s.check("close", c.Close())
		}),
	talk("tcp reset: linger 0",
		func(s *side, c transport.TCPConn) {
			s.check("SetLinger", c.SetLinger(0))
			s.check("close", c.Close())
		},
		func(s *side, c transport.TCPConn) {
			s.read(c, 9)
			s.read(c, 9)
		}),
	talk("tcp reset: who writes first is told, then the pipe is broken",
		func(s *side, c transport.TCPConn) {
			s.must(c.SetLinger(0))
			s.must(c.Close())
		},
		func(s *side, c transport.TCPConn) {
			s.untilWriteFails(c)
			s.write(c, "x")
			s.read(c, 9)
		}),
	talk("tcp reset: who came to the end before sees a broken pipe",
		func(s *side, c transport.TCPConn) {
			s.read(c, 1)
			s.check("half-close", c.CloseWrite())
			s.await("end")
			s.check("close", c.Close())
		},
		func(s *side, c transport.TCPConn) {
			s.write(c, "hello")
			s.read(c, 9)
			s.tell("end")
			s.untilWriteFails(c)
			s.write(c, "x")
			s.read(c, 9)
		}),
	talk("tcp reset: bytes that came before it are read first",
		func(s *side, c transport.TCPConn) {
			s.read(c, 1)
			s.write(c, "the last words")
			s.await("begun")
			s.must(c.SetLinger(0))
			s.must(c.Close())
			s.tell("reset")
		},
		func(s *side, c transport.TCPConn) {
			s.send(c, "hello")
			s.read(c, 3)
			s.tell("begun")
			s.await("reset")
			s.untilWriteFails(c)
			s.read(c, 20)
			s.read(c, 20)
		}),
	talk("tcp reset: while one reads",
		func(s *side, c transport.TCPConn) {
			s.await("reads")
			s.must(c.SetLinger(0))
			s.must(c.Close())
		},
		func(s *side, c transport.TCPConn) {
			end := s.parallel("read", func() { s.read(c, 9) })
			s.tell("reads")
			end()
		}),
	talk("tcp reset: while one writes",
		func(s *side, c transport.TCPConn) {
			s.read(c, 1)
			s.must(c.SetLinger(0))
			s.must(c.Close())
		},
		func(s *side, c transport.TCPConn) {
			s.must(c.SetWriteBuffer(1 << 16))
			n, err := c.Write([]byte(strings.Repeat("x", 32<<20)))
			s.say("a part: %t, %s", 0 < n && n < 32<<20, s.outcome(err))
		}),
	talk("tcp reset: bytes that come for a connection that is closed",
		func(s *side, c transport.TCPConn) {
			s.await("closed")
			s.write(c, "x")
			s.untilWriteFails(c)
		},
		func(s *side, c transport.TCPConn) {
			s.must(c.Close())
			s.tell("closed")
		}),
	talk("tcp reset: a deadline that has passed comes before it",
		func(s *side, c transport.TCPConn) {
			s.must(c.SetLinger(0))
			s.must(c.Close())
		},
		func(s *side, c transport.TCPConn) {
			end := s.parallel("read", func() { s.read(c, 1) })
			end() // Now it is reset.
			s.must(c.SetDeadline(s.past()))
			s.read(c, 1)
			s.write(c, "x")
		}),
}
