package pair

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pion/transport/v3"

	"firedrill/nodes"
)

// peerView is what checks have told of the peer.
type peerView struct {
	phase    Phase  // "": it has not answered yet
	revision uint64 // of its settings
	failed   int    // consecutive checks without an answer
}

// socket is what checks go out of and come in at.
type socket struct {
	conn     transport.UDPConn
	seq      uint64        // of the check that is out, or was last
	until    time.Duration // uptime until which its answer counts
	waiting  bool          // for its answer
	answered nodes.Signal
}

// listen opens the socket. Sequence numbers begin at random, so that an answer to a check of an earlier boot
// is none.
func listen(env nodes.Env) (*socket, error) {
	c, err := env.Net().ListenUDP("udp", &net.UDPAddr{Port: peerPort})
	if err != nil {
		return nil, fmt.Errorf("listen for checks on port %d: %w", peerPort, err)
	}
	return &socket{conn: c, seq: env.Rand().Uint64() >> 1, answered: env.NewSignal()}, nil
}

// watch asks every interval whether the peer is alive, as long as the unit belongs to the pair and has
// somebody to ask (D-43, D-60). Both units do; only a standby acts on the result, an active goes on serving
// (D-44, D-45, D-55). Failures of the time just after a boot, when the active may be booting too, do not
// count (D-67).
func (u *Unit) watch(id string) {
	var p pace
	for revised := ^uint64(0); ; {
		s := &u.record.Pair.Settings
		if s.Revision != revised {
			revised = s.Revision
			p = newPace(u.config.CheckSemantics, s, u.env.Uptime())
		}
		if left := p.due - u.env.Uptime(); left > 0 {
			u.changed.Wait(left)
		}
		if u.record.Pair.ID != id || !u.bearing().checks {
			return
		}
		if s := &u.record.Pair.Settings; s.Revision != revised || u.env.Uptime() < p.due {
			continue // Only the state or the settings have changed.
		}
		p.skipTo(u.env.Uptime())
		counts := u.env.Uptime() >= u.grace
		answered := u.ask()
		lost := p.settle(answered, counts)
		u.peer.failed = p.failed
		if !answered {
			u.note(nodes.Fact{Name: FactCheckFailed, Value: strconv.Itoa(p.failed)})
			u.env.Log().Warn("peer does not answer", "failed", p.failed)
		}
		switch {
		case answered:
			u.note(nodes.Fact{Name: FactCheckAnswered})
			u.compare(id)
		case lost:
			u.conclude(id)
		}
	}
}

// conclude is what follows when the check and its retries have failed. Whether the active is dead or only the path
// to it, nobody here can tell: where it lives, both serve from now on (D-56, HZ-D1).
func (u *Unit) conclude(id string) {
	switch u.phase {
	case Standby:
		u.takeOver(id)
	case StandbyInit:
		u.alarm("no-image") // D-52: there is nothing that could be served.
	default:
		u.alarm("peer-silent")
	}
}

// compare draws an active's conclusions from what its peer said of itself.
func (u *Unit) compare(id string) {
	switch {
	case u.bearing().role != RoleActive:
	case u.peer.phase == ActiveSolo:
		u.alarm("peer-took-over") // D-Q9, D-66: nobody steps back, and nothing is copied.
	case u.peer.revision != u.record.Pair.Settings.Revision:
		u.env.Go("settings", func() { u.repairSettings(id) })
	}
}

// ask sends one check and waits for its own answer. Silence and an unreachable peer look alike: both last
// until the timeout.
func (u *Unit) ask() bool {
	s := u.socket
	s.seq++
	s.waiting, s.until = true, u.env.Uptime()+u.config.CheckTimeout
	u.send("ALIVE", s.seq, netip.AddrPortFrom(u.record.Pair.Peer, peerPort))
	u.note(nodes.Fact{Name: FactCheckSent})
	for s.waiting {
		if left := s.until - u.env.Uptime(); left <= 0 || !s.answered.Wait(left) {
			break
		}
	}
	answered := !s.waiting
	s.waiting = false
	return answered
}

// hear answers the peer's checks and takes in the answers to our own.
func (u *Unit) hear() {
	buffer := make([]byte, 1024)
	for {
		n, from, err := u.socket.conn.ReadFromUDP(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			u.env.Log().Warn("checks cannot be received", "err", err)
			u.env.Sleep(time.Second)
			continue
		}
		if m, ok := u.parse(string(buffer[:n])); ok {
			u.heard(m, from.AddrPort())
		}
	}
}

// heard acts on a check or an answer of the peer. That the peer sent a check of its own is no answer to ours:
// it says nothing about whether it can hear us (D-43).
func (u *Unit) heard(m message, from netip.AddrPort) {
	s := u.socket
	switch {
	case !u.bearing().paired:
	case m.word == "ALIVE":
		u.send("ALIVE_ACK", m.seq, from)
	case m.word == "ALIVE_ACK" && s.waiting && m.seq == s.seq && u.env.Uptime() <= s.until:
		s.waiting = false
		u.peer.phase, u.peer.revision = m.phase, m.revision
		s.answered.Broadcast()
	}
}

// message is a check or its answer, in words: what it is, its number, and the sender's role, state and
// revision of the settings. A proof is the last word.
type message struct {
	word     string
	seq      uint64
	role     string
	phase    Phase
	revision uint64
}

func (u *Unit) send(word string, seq uint64, to netip.AddrPort) {
	role := u.bearing().role
	if role == "" {
		role = "none"
	}
	text := fmt.Sprintf("%s %d %s %s %d", word, seq, role, u.phase, u.record.Pair.Settings.Revision)
	p := &u.record.Pair
	proof := hex.EncodeToString(prove(p.Key, []byte(p.ID), []byte(text)))
	_, err := u.socket.conn.WriteToUDP([]byte(text+" "+proof), net.UDPAddrFromAddrPort(to))
	if err != nil {
		u.env.Log().Warn("check cannot be sent", "err", err)
	}
}

// parse reads a datagram, and refuses one that the peer has not proved.
func (u *Unit) parse(datagram string) (m message, ok bool) {
	i := strings.LastIndexByte(datagram, ' ')
	if i < 0 || u.record.Pair.ID == "" {
		return m, false
	}
	text, proof := datagram[:i], datagram[i+1:]
	words := strings.Fields(text)
	if len(words) != 5 || !proven(proof, u.record.Pair.Key, []byte(u.record.Pair.ID), []byte(text)) {
		return m, false
	}
	seq, err := strconv.ParseUint(words[1], 10, 64)
	revision, err2 := strconv.ParseUint(words[4], 10, 64)
	m = message{word: words[0], seq: seq, role: words[2], phase: Phase(words[3]), revision: revision}
	return m, err == nil && err2 == nil
}

// pace decides when checks are due and how many failures are too many. It is reckoned in uptime, which no
// step of the wall clock moves (D-46, D-LIV-1).
//
// The next check is due one interval after the last scheduled one was due: were it counted from the end of
// the last one, each timeout would push it back, and the window of D-46 would not hold.
type pace struct {
	semantics string
	interval  time.Duration
	checks    int
	cycle     time.Duration // when the last scheduled check is or was due; retries within its interval have the same
	due       time.Duration // the next check or retry
	try       int           // retries in this cycle
	failed    int           // consecutive failures that count
}

func newPace(semantics string, s *settings, now time.Duration) pace {
	first := now + s.Interval
	return pace{semantics: semantics, interval: s.Interval, checks: s.Checks, cycle: first, due: first}
}

// limit is how many consecutive failures mean that the peer is lost (D-47).
func (p *pace) limit() int {
	if p.semantics == Total {
		return p.checks
	}
	return p.checks + 1
}

// settle takes in the result of the check that was due, and reports whether the peer is lost. One success
// forgives every failure (D-47).
func (p *pace) settle(answered, counts bool) (lost bool) {
	switch {
	case answered:
		p.failed = 0
	case counts:
		p.failed++
	}
	if p.semantics == Within && !answered && p.try < p.checks {
		p.try++
		p.due = p.cycle + time.Duration(p.try)*p.interval/time.Duration(p.checks+1)
	} else {
		p.try = 0
		p.cycle += p.interval
		p.due = p.cycle
	}
	return p.failed >= p.limit()
}

// skipTo lets go of the checks that fell due while the machine stood still, but for the last of them.
func (p *pace) skipTo(now time.Duration) {
	if late := now - p.due; late >= p.interval {
		p.cycle = p.due + late/p.interval*p.interval
		p.due, p.try = p.cycle, 0
	}
}
