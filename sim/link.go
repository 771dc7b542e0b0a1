package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"firedrill/nodes"
)

// FrameClass is what a fault can choose frames by: arp, gratuitous-arp, udp, tcp, vrrp.
type FrameClass string

// The classes. A gratuitous ARP frame is an ARP frame too.
const (
	FrameARP           FrameClass = "arp"
	FrameGratuitousARP FrameClass = "gratuitous-arp"
	FrameUDP           FrameClass = "udp"
	FrameTCP           FrameClass = "tcp"
	FrameVRRP          FrameClass = "vrrp"
)

// Frame is what a link needs to know of a frame.
type Frame struct {
	Class            FrameClass
	FromPort, ToPort uint16 // of UDP and TCP
	Size             int    // bytes on the wire
	Count            int    // the frames that it stands for, where a burst goes as one; 0 is 1
}

// Refusal is how a frame is turned away aloud.
type Refusal string

// The refusals.
const (
	RefuseReset       Refusal = "reset"       // a TCP RST, an ICMP port unreachable for the rest
	RefuseUnreachable Refusal = "unreachable" // an ICMP host unreachable
)

// Condition is what a segment or a fault makes of a link. Nil and zero fields leave what is below as it is.
type Condition struct {
	Cut    bool    // frames are lost, those in flight too
	Hold   bool    // frames wait for the release
	Refuse Refusal // frames are turned away

	Latency   *time.Duration
	Jitter    *time.Duration // up to so much more, evenly
	Loss      *nodes.Share
	Duplicate *nodes.Share
	Reorder   *nodes.Share // frames that overtake: they take no jitter and half the latency
	Corrupt   *nodes.Share
	Bandwidth *nodes.Bandwidth

	Frames []string // the frames meant: a FrameClass, or tcp/PORT, udp/PORT; nil: every one
}

// covers reports whether the condition is about such a frame.
func (c *Condition) covers(f *Frame) bool {
	if c.Frames == nil {
		return true
	}
	return slices.ContainsFunc(c.Frames, func(word string) bool {
		switch f.Class {
		case FrameGratuitousARP:
			return word == string(FrameGratuitousARP) || word == string(FrameARP)
		case FrameUDP, FrameTCP:
			proto := string(f.Class)
			return word == proto || word == proto+"/"+strconv.Itoa(int(f.FromPort)) || word == proto+"/"+strconv.Itoa(int(f.ToPort))
		}
		return word == string(f.Class)
	})
}

// Imposition is a condition that a fault put on links, and a count of what it did to frames.
type Imposition struct {
	Condition
	Lost, Held, Refused, Delayed, Duplicated, Overtaking, Corrupted int64
}

// Hits is in how many ways a frame was touched, all told.
func (i *Imposition) Hits() int64 {
	return i.Lost + i.Held + i.Refused + i.Delayed + i.Duplicated + i.Overtaking + i.Corrupted
}

// port is one side of a machine's interface: frames leave it one after the other.
type port struct{ busy time.Duration }

// Link is the directed path from one machine's interface to another's. It is passive: asked, it tells the fate of a frame,
// and the world does the waiting. Conditions stack; a later one wins where both speak of the same thing, whatever the
// order in which they are lifted.
type Link struct {
	Segment, From, To string

	// Held are the frames that wait for a release, in order; Release is called when there is one. Both are the world's.
	Held    []any
	Release func()

	base    Condition
	imposed []*Imposition
	now     Condition     // base and imposed, for frames that no imposition singles out
	chosen  bool          // an imposition singles out frames
	begun   []*Imposition // every cut that ever began
	out, in *port
	own     port // of a bandwidth that a fault gave this one path
	rand    *rand.Rand
	carried int64
}

// Fate is what becomes of a frame.
type Fate struct {
	Lost      bool
	Held      bool
	Refuse    Refusal
	Arrive    time.Duration // when the last bit is there
	Copy      time.Duration // when a second copy is there; 0: none
	Corrupt   bool
	Overtakes bool
}

// Impose puts a condition on the link.
func (l *Link) Impose(i *Imposition) {
	l.imposed = append(l.imposed, i)
	l.settle()
	if i.Cut {
		l.begun = append(l.begun, i)
	}
}

// Lift takes it off again, and reports whether it was there.
func (l *Link) Lift(i *Imposition) bool {
	n := slices.Index(l.imposed, i)
	if n < 0 {
		return false
	}
	l.imposed = slices.Delete(l.imposed, n, n+1)
	l.settle()
	if i.Hold && l.Release != nil {
		l.Release() // What another hold still covers is held again.
	}
	return true
}

// Imposed are the impositions in force, the oldest first.
func (l *Link) Imposed() []*Imposition { return l.imposed }

// Open reports whether a frame of no special class gets through at all.
func (l *Link) Open() bool {
	return !l.now.Cut && !l.now.Hold && l.now.Refuse == "" && (l.now.Loss == nil || *l.now.Loss < nodes.ShareAll)
}

// Cuts counts the cuts that have begun on this link. A frame that was sent under another count may have been in flight
// when one began; Severed tells.
func (l *Link) Cuts() int { return len(l.begun) }

// Severed reports whether a frame that was sent when Cuts was sent is lost in flight, and counts it. The cut may be over by
// the time at which the frame would have arrived: it is lost all the same.
func (l *Link) Severed(f *Frame, sent int) bool {
	for _, i := range l.begun[sent:] {
		if i.covers(f) {
			i.Lost += int64(max(1, f.Count))
			return true
		}
	}
	return false
}

// Carried is how many bytes were handed over to the link for good: of every frame that left for the other end, with its headers
// and at the moment of sending, though the port may need a while to put it on the wire. What becomes of the frame then does not
// matter: lost by chance, damaged or cut off in flight, it took its place. One that a cut, a refusal or a full queue stops never
// left; one that is held leaves with the release. A copy that the network makes is not the sender's, and counts once. A broadcast
// counts on every link that it goes over.
func (l *Link) Carried() int64 { return l.carried }

// Carry tells the fate of a frame that is sent now. It draws from the link's stream only where a chance is to be taken.
func (l *Link) Carry(now time.Duration, f *Frame) Fate {
	c := &l.now
	if l.chosen {
		folded := l.fold(func(i *Imposition) bool { return i.covers(f) })
		c = &folded
	}
	switch {
	case c.Cut:
		l.count(f, func(i *Imposition) *int64 { return pick(i.Cut, &i.Lost) })
		return Fate{Lost: true}
	case c.Refuse != "":
		l.count(f, func(i *Imposition) *int64 { return pick(i.Condition.Refuse != "", &i.Refused) })
		return Fate{Refuse: c.Refuse}
	case c.Hold:
		l.count(f, func(i *Imposition) *int64 { return pick(i.Hold, &i.Held) })
		return Fate{Held: true}
	}
	left, room := l.serialise(now, f, c)
	if !room {
		l.count(f, func(i *Imposition) *int64 { return pick(i.Bandwidth != nil, &i.Lost) })
		return Fate{Lost: true}
	}
	l.carried += int64(f.Size)
	fate := Fate{Arrive: left}
	if l.chance(c.Loss) {
		l.count(f, func(i *Imposition) *int64 { return pick(i.Loss != nil, &i.Lost) })
		return Fate{Lost: true}
	}
	latency := value(c.Latency)
	if l.chance(c.Reorder) {
		fate.Overtakes = true
		latency /= 2
		l.count(f, func(i *Imposition) *int64 { return pick(i.Reorder != nil, &i.Overtaking) })
	} else if c.Jitter != nil && *c.Jitter > 0 {
		latency += time.Duration(l.rand.Int64N(int64(*c.Jitter) + 1))
	}
	fate.Arrive += latency
	if l.in != nil && c.Bandwidth != nil && !fate.Overtakes {
		// The far end's port takes one frame after the other too: two senders at full speed do not both get through at it.
		l.in.busy = max(l.in.busy+airtime(f.Size, *c.Bandwidth), fate.Arrive)
		fate.Arrive = l.in.busy
	}
	if len(l.imposed) > 0 {
		l.count(f, func(i *Imposition) *int64 {
			return pick(i.Latency != nil || i.Jitter != nil || i.Bandwidth != nil, &i.Delayed)
		})
	}
	if l.chance(c.Duplicate) {
		fate.Copy = fate.Arrive + value(c.Latency)/2 + 1
		l.count(f, func(i *Imposition) *int64 { return pick(i.Duplicate != nil, &i.Duplicated) })
	}
	if l.chance(c.Corrupt) {
		fate.Corrupt = true
		l.count(f, func(i *Imposition) *int64 { return pick(i.Corrupt != nil, &i.Corrupted) })
	}
	return fate
}

// Burst is how many bytes may go as one frame so that nobody can tell: none of them has a fate of its own, and the link
// is not busy with them for longer than d.
func (l *Link) Burst(d time.Duration) int {
	for _, c := range []*nodes.Share{l.now.Loss, l.now.Duplicate, l.now.Reorder, l.now.Corrupt} {
		if c != nil && *c > 0 {
			return 0
		}
	}
	if l.chosen {
		return 0
	}
	if b := l.now.Bandwidth; b != nil && *b > 0 {
		return int(int64(*b) / 8 * int64(d) / int64(time.Second))
	}
	return math.MaxInt
}

// Backlog is how long the interfaces of the link will be busy with what they have.
func (l *Link) Backlog(now time.Duration) time.Duration {
	if l.now.Bandwidth == nil {
		return 0
	}
	return max(l.out.busy, l.own.busy, l.in.busy-value(l.now.Latency)) - now
}

// Airtime is how long so many bytes keep the sending interface busy.
func (l *Link) Airtime(bytes int) time.Duration {
	if b := l.now.Bandwidth; b != nil && *b > 0 {
		return airtime(bytes, *b)
	}
	return 0
}

// Latency is what a frame takes, jitter and bandwidth aside.
func (l *Link) Latency() time.Duration { return value(l.now.Latency) }

// queueFrames is how many full frames wait at an interface at most; one more is lost. It is what Linux has by default.
const queueFrames = 1000

// serialise returns when the last bit of the frame has left, or that the queue had no room for it.
func (l *Link) serialise(now time.Duration, f *Frame, c *Condition) (left time.Duration, room bool) {
	if c.Bandwidth == nil || *c.Bandwidth == 0 {
		return now, true
	}
	p := l.out
	if l.base.Bandwidth == nil || *c.Bandwidth != *l.base.Bandwidth {
		p = &l.own
	}
	if p.busy-now > airtime(queueFrames*frameMax, *c.Bandwidth) {
		return 0, false
	}
	p.busy = max(p.busy, now) + airtime(f.Size, *c.Bandwidth)
	return p.busy, true
}

// frameMax is the size of a full frame.
const frameMax = 1514

// airtime is how long a frame takes at a bandwidth.
func airtime(bytes int, b nodes.Bandwidth) time.Duration {
	return time.Duration(int64(bytes) * 8 * int64(time.Second) / int64(b))
}

func (l *Link) chance(s *nodes.Share) bool {
	return s != nil && *s > 0 && l.rand.Int64N(int64(nodes.ShareAll)) < int64(*s)
}

// count raises a counter of the impositions that cover the frame and say which one.
func (l *Link) count(f *Frame, counter func(*Imposition) *int64) {
	for _, i := range l.imposed {
		if n := counter(i); n != nil && i.covers(f) {
			*n += int64(max(1, f.Count))
		}
	}
}

func pick(yes bool, n *int64) *int64 {
	if yes {
		return n
	}
	return nil
}

func value(d *time.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return *d
}

// settle works out what holds for the frames that nobody singles out.
func (l *Link) settle() {
	l.now = l.fold(func(i *Imposition) bool { return i.Frames == nil })
	l.chosen = slices.ContainsFunc(l.imposed, func(i *Imposition) bool { return i.Frames != nil })
}

// fold lays the impositions that are meant over the base, the oldest first.
func (l *Link) fold(meant func(*Imposition) bool) Condition {
	c := l.base
	for _, i := range l.imposed {
		if meant(i) {
			c.lay(&i.Condition)
		}
	}
	return c
}

// lay puts o over c.
func (c *Condition) lay(o *Condition) {
	c.Cut = c.Cut || o.Cut
	c.Hold = c.Hold || o.Hold
	if o.Refuse != "" {
		c.Refuse = o.Refuse
	}
	over(&c.Latency, o.Latency)
	over(&c.Jitter, o.Jitter)
	over(&c.Loss, o.Loss)
	over(&c.Duplicate, o.Duplicate)
	over(&c.Reorder, o.Reorder)
	over(&c.Corrupt, o.Corrupt)
	over(&c.Bandwidth, o.Bandwidth)
}

func over[T any](below **T, above *T) {
	if above != nil {
		*below = above
	}
}
