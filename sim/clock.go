package sim

import (
	"fmt"
	"math/bits"
	"time"

	"firedrill/nodes"
)

// Clock is what a machine takes the time to be. Arithmetic is in integers: a drift is applied to nanoseconds, rounded down.
type Clock struct {
	start  time.Time // wall clock at true time 0, offset included
	zone   *time.Location
	drift  nodes.Drift
	since  time.Duration // true time at which local was exact
	local  time.Duration // local time then; never stepped
	booted time.Duration // local time of the last boot
	still  bool          // suspended
	slept  time.Duration // true time lost in suspension: the wall clock goes on

	// Changed is called after a change of the rate, and after Wake, so that whoever waits for a local time can set the timer
	// anew. It is the world's.
	Changed func()
	// Moved is called after any change: of the rate, of the wall clock, and at boot, suspension and wake. It is the world's.
	Moved func()
}

// ClockState is all that a clock is made of, to be sent to where a second one shows the same.
type ClockState struct {
	Start         time.Time
	Zone          string // as time.LoadLocation takes it
	Drift         nodes.Drift
	Since, Local  time.Duration
	Booted, Slept time.Duration
	Still         bool
}

// State is the clock as it stands.
func (c *Clock) State() ClockState {
	return ClockState{c.start, c.zone.String(), c.drift, c.since, c.local, c.booted, c.slept, c.still}
}

// SetState makes the clock another's. The zone is loaded where it is another one; one that is unknown is an error, and then
// nothing changes.
func (c *Clock) SetState(s ClockState) error {
	if c.zone == nil || c.zone.String() != s.Zone {
		zone, err := time.LoadLocation(s.Zone)
		if err != nil {
			return fmt.Errorf("zone of a clock: %w", err)
		}
		c.zone = zone
	}
	c.start, c.drift, c.since, c.local = s.Start, s.Drift, s.Since, s.Local
	c.booted, c.slept, c.still = s.Booted, s.Slept, s.Still
	return nil
}

// NewClock makes the clock of a machine for which the drill starts at start.
func NewClock(spec ClockSpec, start time.Time) *Clock {
	zone := spec.Zone
	if zone == nil {
		zone = time.UTC
	}
	return &Clock{start: start.Add(spec.Offset), zone: zone, drift: spec.Drift}
}

// parts is the number in which a drift is counted.
const parts = 1_000_000

// Local is the machine's time since the start of the drill, by its own drifting clock, at true time t.
func (c *Clock) Local(t time.Duration) time.Duration {
	if c.still || t <= c.since {
		return c.local
	}
	return c.local + muldiv(t-c.since, parts+int64(c.drift), parts)
}

// True is the first true time at which Local is at least local, if nothing changes.
func (c *Clock) True(local time.Duration) time.Duration {
	if local <= c.local {
		return c.since
	}
	if c.drift == 0 {
		return c.since + (local - c.local)
	}
	rate := parts + int64(c.drift)
	return c.since + muldivUp(local-c.local, parts, rate)
}

// Uptime is the local time since boot.
func (c *Clock) Uptime(t time.Duration) time.Duration { return c.Local(t) - c.booted }

// Now is the wall clock.
func (c *Clock) Now(t time.Duration) time.Time {
	lost := c.slept
	if c.still && t > c.since {
		lost += t - c.since
	}
	return c.start.Add(c.Local(t) + lost).In(c.zone)
}

// Boot lets Uptime begin anew.
func (c *Clock) Boot(t time.Duration) {
	c.booted = c.Local(t)
	c.moved()
}

// Step moves the wall clock by offset, and nothing else.
func (c *Clock) Step(offset time.Duration) {
	c.start = c.start.Add(offset)
	c.moved()
}

func (c *Clock) changed() {
	if c.Changed != nil {
		c.Changed()
	}
}

func (c *Clock) moved() {
	if c.Moved != nil {
		c.Moved()
	}
}

// SetDrift changes the rate from t on.
func (c *Clock) SetDrift(t time.Duration, d nodes.Drift) {
	c.settle(t)
	c.drift = d
	c.changed()
	c.moved()
}

// Drift is the present rate.
func (c *Clock) Drift() nodes.Drift { return c.drift }

// Suspend lets local time stand still from t on, until Wake. The wall clock is right again after Wake, as with a
// battery-backed clock.
func (c *Clock) Suspend(t time.Duration) {
	c.settle(t)
	c.still = true
	c.moved()
}

// Wake ends Suspend.
func (c *Clock) Wake(t time.Duration) {
	if c.still && t > c.since {
		c.slept += t - c.since
		c.since = t
	}
	c.still = false
	c.changed()
	c.moved()
}

// settle makes t the point from which the rate counts.
func (c *Clock) settle(t time.Duration) {
	c.local = c.Local(t)
	if t > c.since && !c.still {
		c.since = t
	}
}

// muldiv is a*b/c, rounded down, without overflow in between. All are above zero.
func muldiv(a time.Duration, b, c int64) time.Duration {
	if b == c {
		return a
	}
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	q, _ := bits.Div64(hi, lo, uint64(c))
	return time.Duration(q)
}

func muldivUp(a time.Duration, b, c int64) time.Duration {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	lo, carry := bits.Add64(lo, uint64(c-1), 0)
	q, _ := bits.Div64(hi+carry, lo, uint64(c))
	return time.Duration(q)
}
