//go:build linux

package conform

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net"
	"strings"
	"time"

	"github.com/pion/transport/v3"
)

// talk is a row of a server and a client that are connected. The server is served as long as the client runs.
func talk(name string, server, client func(*side, transport.TCPConn)) Row {
	return Row{
		name: name,
		server: func(s *side) {
			c := s.serve()
			s.await("client is connected") // A reset that comes before would be an error of its dial.
			server(s, c)
			s.tell("server is through")
			s.await("client is through")
		},
		client: func(s *side) {
			c := s.dial()
			s.tell("client is connected")
			client(s, c)
			s.tell("client is through")
			s.await("server is through")
		},
	}
}

func quiet(*side, transport.TCPConn) {}

var deadlineRows = []Row{
	talk("tcp read: a deadline that has passed, though bytes are there",
		func(s *side, c transport.TCPConn) {
			s.read(c, 1)
			s.check("set", c.SetReadDeadline(s.past()))
			s.read(c, 9)
			s.read(c, 0)
			s.must(c.SetReadDeadline(time.Time{}))
			s.read(c, 9)
		},
		func(s *side, c transport.TCPConn) { s.send(c, "hello") }),
	talk("tcp read: a deadline passes, and is taken back",
		func(s *side, c transport.TCPConn) {
			before := s.Uptime()
			s.must(c.SetReadDeadline(s.soon()))
			s.read(c, 9)
			s.say("too early: %t", s.Uptime()-before < 14*time.Millisecond)
			s.read(c, 9)
			s.must(c.SetReadDeadline(time.Time{}))
			s.tell("taken back")
			s.read(c, 9)
		},
		func(s *side, c transport.TCPConn) {
			s.await("taken back")
			s.send(c, "hello")
		}),
	talk("tcp read: a deadline set by another task wakes it",
		func(s *side, c transport.TCPConn) {
			end := s.parallel("read", func() { s.read(c, 9) })
			s.Sleep(5 * time.Millisecond)
			s.must(c.SetDeadline(s.past()))
			end()
		}, quiet),
	talk("tcp read: a deadline does not hold for writing, nor the other way round",
		func(s *side, c transport.TCPConn) {
			s.must(c.SetReadDeadline(s.past()))
			s.write(c, "hello")
			s.must(c.SetReadDeadline(time.Time{}))
			s.must(c.SetWriteDeadline(s.past()))
			s.write(c, "hello")
			s.read(c, 9)
		},
		func(s *side, c transport.TCPConn) { s.send(c, "hi") }),
	talk("tcp read: SetDeadline is for both",
		func(s *side, c transport.TCPConn) {
			s.must(c.SetDeadline(s.past()))
			s.read(c, 9)
			s.write(c, "hello")
			s.must(c.SetDeadline(time.Time{}))
			s.write(c, "hello")
		},
		func(s *side, c transport.TCPConn) { s.read(c, 9) }),
	talk("tcp read: a deadline before the end of the stream",
		func(s *side, c transport.TCPConn) {
			s.read(c, 9)
			s.must(c.SetReadDeadline(s.past()))
			s.read(c, 9)
			s.must(c.SetReadDeadline(time.Time{}))
			s.read(c, 9)
		},
		func(s *side, c transport.TCPConn) { s.must(c.Close()) }),
	talk("tcp write: a deadline that has passed",
		func(s *side, c transport.TCPConn) { s.readAll(c) },
		func(s *side, c transport.TCPConn) {
			s.check("set", c.SetWriteDeadline(s.past()))
			s.write(c, "hello")
			s.write(c, "")
			s.must(c.SetWriteDeadline(time.Time{}))
			s.write(c, "there")
			s.must(c.Close())
		}),
	stuck("tcp write: a deadline ends one that is stuck, and the count is what the reader gets",
		func(s *side, c transport.TCPConn) { s.must(c.SetWriteDeadline(s.past())) }),
	stuck("tcp write: a close by another task ends one that is stuck",
		func(s *side, c transport.TCPConn) { s.must(c.Close()) }),
	talk("tcp write: one that is stuck waits for its deadline",
		func(s *side, _ transport.TCPConn) { s.await("client is through") },
		func(s *side, c transport.TCPConn) {
			s.must(c.SetWriteBuffer(1 << 16))
			before := s.Uptime()
			s.must(c.SetWriteDeadline(s.Now().Add(40 * time.Millisecond)))
			n, err := c.Write(make([]byte, 64<<20))
			s.say("a part: %t, %s", n < 64<<20, s.outcome(err))
			s.say("too early: %t", s.Uptime()-before < 39*time.Millisecond)
		}),
}

// stuck is a row of a writer whose reader reads only one byte, until something ends the write.
func stuck(name string, end func(*side, transport.TCPConn)) Row {
	const all = 8 << 20
	return Row{
		name: name,
		server: func(s *side) {
			c := s.serve()
			s.must(c.SetReadBuffer(1 << 16))
			s.read(c, 1)
			s.tell("begun")
			s.await("ended")
			b, err := io.ReadAll(c)
			s.check("read the rest", err)
			s.tell("got", 1+len(b))
		},
		client: func(s *side) {
			c := s.dial()
			s.must(c.SetWriteBuffer(1 << 16))
			n := 0
			over := s.parallel("write", func() {
				var err error
				n, err = c.Write(bytes.Repeat([]byte("x"), all))
				s.say("a part: %t, %s", 0 < n && n < all, s.outcome(err))
			})
			s.await("begun")
			end(s, c)
			over()
			s.tell("ended", n)
			c.Close()
			s.say("they count the same: %t", s.await("got") == s.await("ended"))
		},
	}
}

var streamRows = []Row{
	talk("tcp stream: writes are no messages",
		func(s *side, c transport.TCPConn) {
			for range 4 {
				b := make([]byte, 5)
				n, err := io.ReadFull(c, b)
				s.say("%q, %s", b[:n], s.outcome(err))
			}
		},
		func(s *side, c transport.TCPConn) {
			for _, word := range []string{"one", "two", "three", "ab", "cd"} {
				s.send(c, word)
			}
			s.must(c.CloseWrite())
		}),
	talk("tcp stream: a write of nothing",
		func(s *side, c transport.TCPConn) { s.readAll(c) },
		func(s *side, c transport.TCPConn) {
			s.write(c, "")
			s.send(c, "x")
			s.must(c.Close())
		}),
	talk("tcp stream: three megabytes there and back",
		func(s *side, c transport.TCPConn) {
			n, err := io.Copy(c, c)
			s.say("%d, %s", n, s.outcome(err))
			s.must(c.CloseWrite())
		},
		func(s *side, c transport.TCPConn) {
			b := make([]byte, 3<<20)
			for i := range b {
				b[i] = byte(i * i >> 7)
			}
			end := s.parallel("write", func() {
				n, err := c.Write(b)
				s.say("write: %d, %s", n, s.outcome(err))
				s.check("half-close", c.CloseWrite())
			})
			back, err := io.ReadAll(c)
			end()
			s.say("the same: %t, %s", sha256.Sum256(back) == sha256.Sum256(b), s.outcome(err))
		}),
	talk("tcp stream: two tasks write, and neither gets between the bytes of the other",
		func(s *side, c transport.TCPConn) {
			b, err := io.ReadAll(c)
			changes := 0
			for i := 1; i < len(b); i++ {
				if b[i] != b[i-1] {
					changes++
				}
			}
			s.say("%d bytes, %d change of the writer, %s", len(b), changes, s.outcome(err))
		},
		func(s *side, c transport.TCPConn) {
			s.must(c.SetWriteBuffer(1 << 16))
			one := s.parallel("one", func() { s.send(c, strings.Repeat("1", 1<<20)) })
			two := s.parallel("two", func() { s.send(c, strings.Repeat("2", 1<<20)) })
			one()
			two()
			s.must(c.Close())
		}),
	talk("tcp stream: two tasks read, and each byte comes once",
		func(s *side, c transport.TCPConn) {
			var sum, count int
			reader := func() {
				for b := make([]byte, 1); ; {
					if _, err := c.Read(b); err != nil {
						s.check("read", err)
						return
					}
					sum, count = sum+int(b[0]), count+1
				}
			}
			one, two := s.parallel("one", reader), s.parallel("two", reader)
			one()
			two()
			s.say("%d bytes, sum %d", count, sum)
		},
		func(s *side, c transport.TCPConn) {
			for i := range 40 {
				s.send(c, string(rune(i)))
			}
			s.must(c.Close())
		}),
	talk("tcp stream: options, on a connection that lives and on one that was closed",
		func(s *side, c transport.TCPConn) {
			for range 2 {
				s.check("SetLinger", c.SetLinger(-1))
				s.check("SetNoDelay", c.SetNoDelay(false))
				s.check("SetKeepAlive", c.SetKeepAlive(true))
				s.check("SetKeepAlivePeriod", c.SetKeepAlivePeriod(time.Minute))
				s.check("SetReadBuffer", c.SetReadBuffer(1<<16))
				s.check("SetWriteBuffer", c.SetWriteBuffer(1<<16))
				s.check("SetDeadline", c.SetDeadline(time.Time{}))
				s.check("SetReadDeadline", c.SetReadDeadline(time.Time{}))
				s.check("SetWriteDeadline", c.SetWriteDeadline(time.Time{}))
				s.check("Close", c.Close())
			}
		}, quiet),
	{
		name: "tcp stream: software that ends closes its connections",
		server: func(s *side) {
			s.say("ends")
			c := s.serve()
			s.send(c, "hello")
			s.await("read")
		},
		client: func(s *side) {
			c := s.dial()
			s.read(c, 9)
			s.tell("read")
			s.read(c, 9)
		},
	},
	{
		name: "tcp stream: software that ends with bytes unread resets its connections",
		server: func(s *side) {
			c := s.serve()
			s.read(c, 1)
		},
		client: func(s *side) {
			c := s.dial()
			s.send(c, "hello")
			s.read(c, 9)
		},
	},
	{
		name: "tcp stream: software that ends no longer listens",
		server: func(s *side) {
			s.serve()
			s.say("ends")
		},
		client: func(s *side) {
			c := s.dial()
			s.read(c, 1)
			_, err := s.Net().Dial("tcp4", net.JoinHostPort(s.peer.String(), s.await("port")))
			s.check("dial again", err)
		},
	},
}
