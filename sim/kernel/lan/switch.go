//go:build linux

// Package lan is the network between machines of the kernel world: a switch that carries frames from TAP to TAP, and
// asks the links of sim about each of them. So every fault of a link acts here as it does in the virtual world, by the
// same code.
//
// One thread does all of it. Two locks matter: the world's, which guards the links, and the switch's own, which is taken
// after it and only for moments; so every method may be called with the world's lock held and without.
package lan

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/sim"
)

// Options are what a switch needs of the world around it.
type Options struct {
	Network *sim.Network         // the links, which the world furnishes, as it does those of every world
	Lock    sync.Locker          // guards the network; the switch holds it while it asks a link
	Now     func() time.Duration // true time; it takes no lock
	Scale   int64                // by how much true time is faster than the kernel's; 0: 1
	Rand    *rand.Rand           // of the switch alone: which port a broadcast reaches first, which bit is corrupted
	// Owner is the machine on a segment that has an address, or "": whom a routed way leads to. It is called with Lock held,
	// and only where segments are joined.
	Owner func(segment string, address netip.Addr) string
}

// Switch carries frames between the machines of all segments.
type Switch struct {
	options Options

	mu       sync.Mutex // after Options.Lock, never before
	segments []*segment
	routers  []*router
	ports    []*Port // whose devices are open
	changed  bool    // the loop has to look at ports again
	closed   bool
	coming   arrivals
	flows    map[flow]string // who answered
	late     Lateness
	lost     uint64                                               // frames that the kernels of ports now closed dropped
	direct   bool                                                 // the loop is at it: what arrives now, arrives without being kept
	show     func(segment string, at time.Duration, frame []byte) // nil: nobody captures
	shown    []shownFrame                                         // waits to be shown
	more     chan struct{}                                        // there are some

	unwritten atomic.Uint64 // frames that a kernel did not take

	bell    int // an eventfd: wakes the loop
	ticker  ticker
	over    chan struct{}  // the loop has ended
	closing sync.WaitGroup // devices on their way out

	loop // what only the loop touches
}

// Lateness tells how far the switch was from an ideal one.
type Lateness struct {
	// Worst is by how much, in true time, a frame was or would have been late at the worst moment.
	Worst time.Duration
	// Frames is how many were carried; a burst that a kernel sent as one counts as one.
	Frames uint64
	// Dropped is how many the kernel threw away, in the machines' queues and on delivery.
	Dropped uint64
}

// flow names a TCP connection.
type flow struct{ local, remote netip.AddrPort }

// New makes a switch without segments, and starts it.
func New(o Options) (*Switch, error) {
	if o.Scale == 0 {
		o.Scale = 1
	}
	s := &Switch{options: o, flows: map[flow]string{}, over: make(chan struct{})}
	var err error
	if s.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("open an eventfd: %w", err)
	}
	if s.ticker, err = newTicker(); err != nil {
		_ = unix.Close(s.bell) // What is wrong is known.
		return nil, err
	}
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err == nil {
		if err = errors.Join(s.hear(s.bell), s.hear(s.ticker.fd)); err == nil {
			s.heard, s.room, s.scratch = map[int32]*Port{}, make(wire, roomLen), make(wire, 0, roomLen)
			go s.run()
			return s, nil
		}
		_ = unix.Close(s.epoll)
	}
	return nil, errors.Join(err, unix.Close(s.bell), s.ticker.close())
}

// AddSegment adds a broadcast domain, or a router between some that are there. The world's network has it too.
func (s *Switch) AddSegment(spec sim.Segment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.segment(spec.Name) != nil || slices.ContainsFunc(s.routers, func(r *router) bool { return r.name == spec.Name }):
		return fmt.Errorf("segment %q is there already", spec.Name)
	case len(spec.Joins) > 0:
		return s.addRouter(spec)
	case len(spec.Name) == 0 || len(spec.Name) >= unix.IFNAMSIZ:
		return fmt.Errorf("segment %q: want a name of 1 to %d bytes, which interfaces bear", spec.Name, unix.IFNAMSIZ-1)
	}
	s.segments = append(s.segments, &segment{name: spec.Name, subnet: spec.Subnet, at: map[hardware]*jack{}})
	return nil
}

func (s *Switch) segment(name string) *segment {
	for _, g := range s.segments {
		if g.name == name {
			return g
		}
	}
	return nil
}

// Capture implements sim.Capturer for a world that embeds the switch. What a kernel sent as one is shown as the frames that
// it stands for, and checksums are those on a wire. Take is called on the side, without a lock: it may be slow, and no frame
// is late by that. When Close returns it has had all of them.
func (s *Switch) Capture(take func(segment string, at time.Duration, frame []byte)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.more == nil && !s.closed {
		s.more = make(chan struct{}, 1)
		s.closing.Go(s.showAll)
	}
	s.show = take
}

// ServedBy is the machine that answered a TCP connection, as seen from the one that asked: whose SYN-ACK reached it last.
// Nobody's name is "".
func (s *Switch) ServedBy(local, remote netip.AddrPort) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flows[flow{local, remote}]
}

// Late tells how late the switch has been, up to now. It asks the kernel of every machine, which takes some 20 us each.
func (s *Switch) Late() Lateness {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.late
	l.Dropped = s.lost + s.unwritten.Load()
	for _, p := range s.ports {
		if !p.closed {
			l.Dropped += p.dropped()
		}
	}
	return l
}

// Close powers every port off and ends the switch. When it returns nothing of it is left.
func (s *Switch) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errors.New("the switch is closed already")
	}
	s.closed = true
	for _, p := range s.ports {
		p.close()
	}
	s.mu.Unlock()
	s.wake()
	<-s.over
	s.closing.Wait()
	return errors.Join(unix.Close(s.epoll), unix.Close(s.bell), s.ticker.close())
}

// wake makes the loop look at what changed.
func (s *Switch) wake() {
	one := [8]byte{7: 1}
	_, _ = unix.Write(s.bell, one[:]) // It only fails when it is full, and then the loop wakes too.
}

// segment is one broadcast domain.
type segment struct {
	name   string
	subnet netip.Prefix
	jacks  []*jack
	at     map[hardware]*jack // where an address was last seen
}

// jack is where a machine's cable goes in, or a router's. It outlives the machine's boots.
type jack struct {
	segment *segment
	machine string
	place   int         // among the jacks of the segment
	port    *Port       // nil: the machine is off
	side    *side       // of the router; nil: it is a machine's
	links   []*sim.Link // to the jack of that place
}

// jack returns the machine's place on a segment, made at its first boot.
func (g *segment) jack(machine string) *jack {
	for _, j := range g.jacks {
		if j.machine == machine {
			return j
		}
	}
	j := &jack{segment: g, machine: machine, place: len(g.jacks)}
	g.jacks = append(g.jacks, j)
	g.at[hardwareOf(g.name, machine)] = j
	return j
}

// link is the path to another jack of the segment.
func (s *Switch) link(from, to *jack) *sim.Link {
	for len(from.links) <= to.place {
		from.links = append(from.links, nil)
	}
	l := from.links[to.place]
	if l == nil {
		if l = s.options.Network.Link(from.segment.name, from.machine, to.machine); l != nil {
			s.tend(l)
			from.links[to.place] = l
		}
	}
	return l
}

// tend lets a link tell when what it held goes on.
func (s *Switch) tend(l *sim.Link) {
	if l.Release == nil {
		l.Release = func() { s.release(l) }
	}
}
