package virtual

import (
	"slices"
	"syscall"
	"time"

	"firedrill/sim"
)

// emit sends one segment. What it is about if it does not get through is unsure.
func (c *tcpConn) emit(flags tcpFlags, seq uint64, data []byte, unsure *tcpConn) {
	p := c.m.w.newPacket()
	p.src, p.dst = c.local, c.remote
	segments := max(1, (len(data)+tcpSegmentMax-1)/tcpSegmentMax)
	p.frame = sim.Frame{Class: sim.FrameTCP, FromPort: c.local.Port(), ToPort: c.remote.Port(),
		Size: len(data) + segments*tcpHeaders, Count: segments}
	p.tcp = tcpSegment{flags: flags, seq: seq, ack: c.rcv, window: max(0, c.space-c.inBytes), data: data}
	p.sender, p.unsure = c, unsure
	c.m.send(p)
}

// acknowledge answers whatever the peer sent.
func (c *tcpConn) acknowledge() { c.emit(flagACK, c.nxt, nil, c.peer) }

// connect sends SYNs until there is an answer.
func (c *tcpConn) connect(try int) {
	c.timer = nil
	if try == synTries {
		c.die(syscall.ETIMEDOUT)
		return
	}
	c.sent = c.m.w.now
	c.nxt = 1
	c.timer = c.m.w.after(synRetry<<try, c.m, func() { c.connect(try + 1) })
	c.emit(flagSYN, 0, nil, nil)
}

// burst is how much may go out as one.
func (c *tcpConn) burst() int {
	most := tcpBurstMax
	y := c.m.way(c.remote.Addr())
	for _, l := range y.links[:y.n] {
		most = min(most, l.Burst(time.Millisecond)/tcpSegmentMax*tcpSegmentMax)
	}
	if !y.known {
		return tcpSegmentMax
	}
	return max(tcpSegmentMax, most)
}

// backlog is how long the busiest device on the way will be busy with what it has. What lies beyond its own a sender cannot
// see in life; there congestion control finds out, and comes to the same. What is still on its way there it reckons with.
func (c *tcpConn) backlog() time.Duration {
	y := c.m.way(c.remote.Addr())
	most := c.paced - c.m.w.now
	for _, l := range y.links[:y.n] {
		most = max(most, l.Backlog(c.m.w.now))
	}
	return most
}

// pace remembers how long the slowest device on a routed way will need for what is sent now.
func (c *tcpConn) pace(bytes int) {
	y := c.m.way(c.remote.Addr())
	if y.n < 2 {
		return
	}
	var most time.Duration
	for _, l := range y.links[:y.n] {
		most = max(most, l.Airtime(bytes))
	}
	c.paced = max(c.paced, c.m.w.now) + most
}

// push sends what the window and the device let through.
func (c *tcpConn) push() {
	if c.state != tcpEstablished || c.later != nil {
		return
	}
	for began := c.nxt; c.nxt < c.end; {
		flying := c.nxt - c.una
		if flying >= c.window {
			return
		}
		if wait := c.backlog(); wait > deviceQueue {
			wait -= deviceQueue / 2
			if c.nxt == began {
				wait-- // Whoever got nothing is the first next time.
			}
			c.later = c.m.w.after(wait, c.m, func() {
				c.later = nil
				c.push()
			})
			return
		}
		c.sendFrom(c.nxt, min(c.window-flying, uint64(c.burst())))
	}
	if c.fin && c.nxt == c.end {
		c.sent = c.m.w.now
		c.nxt++
		c.emit(flagFIN|flagACK, c.end, nil, c)
	}
}

// sendFrom sends at most so many bytes from seq on, and moves nxt behind them.
func (c *tcpConn) sendFrom(seq, most uint64) {
	i, found := slices.BinarySearchFunc(c.out, seq, func(k chunk, at uint64) int {
		switch {
		case k.end() <= at:
			return -1
		case k.seq > at:
			return 1
		}
		return 0
	})
	if !found {
		return
	}
	data := c.out[i].data[seq-c.out[i].seq:]
	data = data[:min(uint64(len(data)), most)]
	c.sent = c.m.w.now
	c.nxt = max(c.nxt, seq+uint64(len(data)))
	c.emit(flagACK, seq, data, c)
	c.pace(len(data))
}

// miss is told when something that this end waits an answer for did not get through.
func (c *tcpConn) miss() {
	if c.gone || c.state == tcpDead || c.state == tcpSynSent {
		return
	}
	c.doubt = c.nxt
	if c.timer == nil {
		c.timer = c.m.w.schedule(max(c.m.w.now, c.sent+c.retryTime()), c.m)
		c.timer.act = c.retry
	}
}

func (c *tcpConn) retryTime() time.Duration {
	d := retryFirst + c.roundTrip
	for range c.retries {
		d = min(2*d, retryMax)
	}
	return d
}

// retry sends the first thing again that has no answer, and waits longer for the next time.
func (c *tcpConn) retry() {
	c.timer = nil
	c.retries++
	limit := retriesMax
	switch {
	case c.state == tcpSynReceived:
		limit = retriesSynAck
	case c.closed:
		limit = retriesOrphan
	}
	if c.retries > limit {
		err := c.soft
		if err == nil {
			err = syscall.ETIMEDOUT
		}
		c.die(err)
		return
	}
	c.sent = c.m.w.now
	c.timer = c.m.w.after(c.retryTime(), c.m, c.retry)
	switch {
	case c.state == tcpSynReceived:
		c.emit(flagSYN|flagACK, 0, nil, nil)
	case c.una < c.nxt:
		c.recover = c.nxt
		c.resend()
	case c.nxt < c.end: // The window is shut, and the word that it is open may be lost.
		c.emit(flagACK, c.una-1, nil, nil)
	default:
		c.m.w.cancel(c.timer)
		c.timer = nil
		c.retries = 0
	}
}

// resend sends again from the first byte without an answer.
func (c *tcpConn) resend() {
	if c.una < c.end {
		c.sendFrom(c.una, uint64(c.burst()))
	} else if c.fin {
		c.emit(flagFIN|flagACK, c.end, nil, c)
	}
}
