package virtual

import (
	"net/netip"
	"slices"
	"syscall"
	"time"

	"firedrill/sim"
)

// What a connection does by itself, as Linux has it by default.
const (
	tcpHeaders      = 14 + 20 + 32
	tcpSegmentMax   = 1448
	tcpBurstMax     = 45 * tcpSegmentMax // as much as segmentation offload hands to a device at once
	tcpSendBuffer   = 4 << 20
	tcpReceiveSpace = 6 << 20
	synTries        = 7 // at 0, 1, 3, 7, 15, 31 and 63 s; it gives up at 127 s
	synRetry        = time.Second
	retryFirst      = 200 * time.Millisecond // on top of the round trip
	retryMax        = 120 * time.Second
	retriesMax      = 15
	retriesOrphan   = 8 // of a connection that its software has closed
	retriesSynAck   = 5
	finWait         = 60 * time.Second
	backlogMax      = 4096
	// deviceQueue is how far ahead of the wire a connection fills its interface. What is beyond waits in the connection's own
	// buffer, so that one that sends a lot does not stand in the way of everything else.
	deviceQueue = 2 * time.Millisecond
)

type tcpFlags uint8

const (
	flagSYN tcpFlags = 1 << iota
	flagACK
	flagFIN
	flagRST
)

// tcpSegment is what a TCP packet says. Sequence numbers begin at 0 for the SYN, the data at 1.
type tcpSegment struct {
	flags    tcpFlags
	seq, ack uint64
	window   int
	data     []byte
}

type tcpState int

const (
	tcpSynSent tcpState = iota
	tcpSynReceived
	tcpEstablished
	tcpDead // failed, reset or finished
)

// chunk is a stretch of the byte stream.
type chunk struct {
	seq  uint64
	data []byte
}

func (c chunk) end() uint64 { return c.seq + uint64(len(c.data)) }

// tcpConn is one end of a connection, in the kernel. It implements transport.TCPConn (tcp_conn.go).
//
// In life a sender has a timer for everything that it sent. Here the world tells it when something did not get through
// (miss), and only then a timer is set: that is the same behaviour, without a timer for every segment.
type tcpConn struct {
	m             *machine
	network       string // as it was dialled or listened at: tcp, tcp4
	local, remote netip.AddrPort
	state         tcpState
	listener      *listener // that it came in by, until it is accepted
	dialled       bool      // by this machine
	gone          bool      // lost with the machine's power
	err           error     // why it is dead, until the software was told; nil: it ended in good order
	soft          error     // what ICMP said meanwhile
	heard         time.Duration

	una, nxt, end uint64 // acknowledged, sent, written
	out           []chunk
	room          int // the send buffer's size
	window        uint64
	fin           bool // no more will be written: a FIN stands at end
	timer         *event
	later         *event // to go on when the device has room
	sent          time.Duration
	paced         time.Duration // when the way ahead will have taken what was sent
	roundTrip     time.Duration
	retries       int
	doubt         uint64 // what was sent when something did not get through; up to una: all is well
	recover       uint64 // what was sent when a loss was noticed; below una: no recovery is on
	doubles       int

	rcv      uint64 // the next byte that is expected
	in       []chunk
	ahead    []chunk // behind a gap, by seq
	inBytes  int
	space    int    // the receive buffer's size
	finAt    uint64 // where the peer's FIN stands; 0: not known
	eof      bool
	shutRead bool
	closed   bool // by its software
	linger0  bool // to be reset when it is closed
	peer     *tcpConn

	readers, writers     queue
	writing              bool  // a task is in the middle of a write
	turn                 queue // of other tasks that want to write
	read, write          deadline
	keepAlive            time.Duration
	keepAliveTimer       *event
	keepAliveProbes      int
	localAddr, otherAddr addrCache
}

func (m *machine) newConn(local, remote netip.AddrPort, state tcpState) *tcpConn {
	c := &tcpConn{m: m, local: local, remote: remote, state: state, end: 1, window: tcpSegmentMax,
		room: tcpSendBuffer, space: tcpReceiveSpace, heard: m.w.now}
	m.sockets.conns[flowOf(local, remote)] = c
	return c
}

// receiveTCP takes a segment in.
func (m *machine) receiveTCP(p *packet) {
	c := m.sockets.conns[flowOf(p.dst, p.src)]
	s := &p.tcp
	switch {
	case c != nil:
		c.peer = p.sender
		c.receive(s, p.from)
	case s.flags&flagRST != 0:
	case s.flags == flagSYN:
		m.incoming(p)
	default:
		m.rebuff(p)
	}
	m.w.spent(p)
}

// rebuff answers a segment that belongs to no connection.
func (m *machine) rebuff(p *packet) {
	r := m.w.newPacket()
	r.src, r.dst = p.dst, p.src
	r.frame = sim.Frame{Class: sim.FrameTCP, FromPort: r.src.Port(), ToPort: r.dst.Port(), Size: tcpHeaders}
	r.tcp = tcpSegment{flags: flagRST, seq: p.tcp.ack}
	r.unsure = p.sender // It would have to send again.
	m.send(r)
}

// receive is for a segment of this connection. by is the interface that it came from; nil: this machine's own.
func (c *tcpConn) receive(s *tcpSegment, by *iface) {
	c.heard, c.keepAliveProbes = c.m.w.now, 0
	switch {
	case s.flags&flagRST != 0:
		c.reset()
		return
	case c.state == tcpSynSent:
		c.answered(s, by)
		return
	case c.state == tcpSynReceived:
		if s.flags&flagSYN != 0 { // Our answer was lost.
			c.emit(flagSYN|flagACK, 0, nil, c)
			return
		}
		c.admit()
	case s.flags&flagSYN != 0:
		c.acknowledge() // Our ACK was lost.
		return
	}
	if c.state == tcpDead {
		return
	}
	c.takeAck(s, by)
	if len(s.data) > 0 || s.flags&flagFIN != 0 {
		c.takeData(s)
	} else if s.seq < c.rcv {
		c.acknowledge() // A probe: it asks for nothing but an answer.
	}
	if c.state == tcpEstablished {
		c.push()
		c.finish()
	}
}

// answered is for the answer to a SYN.
func (c *tcpConn) answered(s *tcpSegment, by *iface) {
	if s.flags != flagSYN|flagACK {
		return
	}
	c.m.w.cancel(c.timer)
	c.timer = nil
	c.state = tcpEstablished
	c.una, c.rcv = 1, 1
	c.window = uint64(s.window)
	c.roundTrip = c.m.w.now - c.sent
	c.confirmed(by)
	c.acknowledge()
	c.writers.wake(c.m.w)
}

// admit makes a connection of a half-open one.
func (c *tcpConn) admit() {
	c.state = tcpEstablished
	c.una = 1
	c.m.w.cancel(c.timer)
	c.timer, c.retries = nil, 0
	c.m.w.flows[flowOf(c.remote, c.local)] = c.m.Name()
	if c.listener.closed {
		c.abort()
		return
	}
	c.listener.arrived(c)
}

func (c *tcpConn) confirmed(by *iface) {
	if by != nil && by.m != c.m {
		if i := c.m.route(c.remote.Addr()); i != nil {
			i.confirm(c.remote.Addr())
		}
	}
}

// takeAck moves una, and frees what lies before.
func (c *tcpConn) takeAck(s *tcpSegment, by *iface) {
	widened := uint64(s.window) > c.window
	c.window = uint64(s.window)
	if s.ack <= c.una {
		if s.ack == c.una && c.una < c.nxt && len(s.data) == 0 && !widened && s.flags == flagACK {
			if c.doubles++; c.doubles == 3 && c.recover <= c.una {
				c.recover = c.nxt
				c.resend()
			}
		}
		return
	}
	if c.retries == 0 && c.una < c.nxt && s.ack == c.nxt {
		c.roundTrip = c.m.w.now - c.sent
	}
	c.una = s.ack
	c.doubles, c.retries, c.soft = 0, 0, nil
	c.m.w.cancel(c.timer)
	c.timer = nil
	free := 0
	for free < len(c.out) && c.out[free].end() <= c.una {
		c.out[free] = chunk{}
		free++
	}
	c.out = c.out[free:]
	c.confirmed(by)
	if c.una < c.recover {
		c.resend()
	}
	if c.una < c.doubt && c.timer == nil { // What did not get through may lie behind what this answers.
		c.timer = c.m.w.after(c.retryTime(), c.m, c.retry)
	}
	c.writers.wake(c.m.w)
}

// takeData puts bytes in their place, and acknowledges them.
func (c *tcpConn) takeData(s *tcpSegment) {
	end := s.seq + uint64(len(s.data))
	if s.flags&flagFIN != 0 {
		c.finAt = end
	}
	if c.closed && end > c.rcv && len(s.data) > 0 { // Nobody will read it.
		c.abort()
		return
	}
	before := c.inBytes
	switch {
	case end <= c.rcv && len(s.data) > 0: // Seen already.
	case s.seq > c.rcv:
		c.keepAhead(chunk{s.seq, s.data})
	default:
		c.append(chunk{s.seq, s.data})
		for len(c.ahead) > 0 && c.ahead[0].seq <= c.rcv {
			next := c.ahead[0]
			c.ahead = c.ahead[1:]
			c.inBytes -= len(next.data)
			c.append(next)
		}
	}
	if c.finAt > 0 && c.rcv == c.finAt && !c.eof {
		c.rcv++
		c.eof = true
		c.readers.wake(c.m.w)
	}
	c.acknowledge()
	if c.inBytes != before {
		c.readers.wake(c.m.w)
	}
}

// append adds what is new in k to the bytes that can be read.
func (c *tcpConn) append(k chunk) {
	if k.end() <= c.rcv {
		return
	}
	k.data = k.data[c.rcv-k.seq:]
	c.rcv += uint64(len(k.data))
	c.in = append(c.in, k)
	c.inBytes += len(k.data)
}

// keepAhead keeps what came before its turn.
func (c *tcpConn) keepAhead(k chunk) {
	if len(k.data) == 0 {
		return
	}
	i, found := slices.BinarySearchFunc(c.ahead, k.seq, func(o chunk, seq uint64) int {
		return int(int64(o.seq - seq))
	})
	if !found {
		c.ahead = slices.Insert(c.ahead, i, k)
		c.inBytes += len(k.data)
	}
}

// finish ends a connection on which both sides have said all.
func (c *tcpConn) finish() {
	ours := c.fin && c.una > c.end
	if ours && c.eof {
		c.die(nil)
	} else if ours && c.closed && c.timer == nil {
		c.timer = c.m.w.after(finWait, c.m, func() {
			c.timer = nil
			c.die(nil)
		})
	}
}

// die ends a connection on this side, in silence. Bytes that are there can still be read.
func (c *tcpConn) die(err error) {
	if c.state == tcpDead {
		return
	}
	w := c.m.w
	c.state, c.err = tcpDead, err
	for _, e := range []**event{&c.timer, &c.later, &c.keepAliveTimer} {
		w.cancel(*e)
		*e = nil
	}
	if key := flowOf(c.local, c.remote); c.m.sockets.conns[key] == c {
		delete(c.m.sockets.conns, key)
	}
	c.out = nil
	c.readers.wake(w)
	c.writers.wake(w)
}

// reset is what a RST does.
func (c *tcpConn) reset() {
	switch {
	case c.state == tcpSynSent:
		c.die(syscall.ECONNREFUSED)
	case c.eof:
		c.die(syscall.EPIPE)
	default:
		c.die(syscall.ECONNRESET)
	}
}

// abort sends a RST and ends the connection.
func (c *tcpConn) abort() {
	if c.state == tcpEstablished || c.state == tcpSynReceived {
		c.emit(flagRST|flagACK, c.nxt, nil, c.peer)
	}
	c.die(syscall.ECONNRESET)
}

// icmp is told when a packet of the connection came to nothing. Before there is a connection that is the end of it;
// later it may pass.
func (c *tcpConn) icmp(err syscall.Errno) {
	if c.state == tcpSynSent {
		c.die(err)
	} else {
		c.soft = err
	}
}

// abandon closes the connection for software that is gone: what lay unread makes it a reset.
func (c *tcpConn) abandon() { c.shut() }

// shut is the kernel's side of a close.
func (c *tcpConn) shut() {
	c.closed = true
	switch {
	case c.state == tcpSynSent:
		c.die(nil)
	case c.state == tcpDead:
	case c.inBytes > 0 || c.linger0 || c.state == tcpSynReceived:
		c.abort()
	default:
		c.fin = true
		c.push()
		c.finish()
	}
	c.in, c.ahead, c.inBytes = nil, nil, 0
	c.readers.wake(c.m.w)
	c.writers.wake(c.m.w)
	c.turn.wake(c.m.w)
}
