package pair

import (
	"fmt"
	"math/bits"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/pair"
)

// window is when a takeover may show its first sign and has to be complete, since the active died.
type window struct{ Lower, Upper time.Duration }

// window is that of D-46 for a reading of the number of checks, by a true clock:
//
//	spaced  n*I        .. (n+1)*I + timeout + work
//	within  n*I/(n+1)  .. I + n*I/(n+1) + timeout + work
//	total   (n-1)*I    .. n*I + timeout + work
func (c checking) window() (window, error) {
	n, interval := time.Duration(c.Checks), c.Interval
	tail := c.Timeout + c.Work
	switch c.Semantics {
	case pair.Spaced:
		return window{n * interval, (n+1)*interval + tail}, nil
	case pair.Within:
		lower, rest := n*interval/(n+1), n*interval%(n+1)
		upper := lower
		if rest > 0 {
			upper++ // Both ends are included, so that neither may be narrowed by the rest of a division.
		}
		return window{lower, interval + upper + tail}, nil
	case pair.Total:
		return window{(n - 1) * interval, n*interval + tail}, nil
	}
	return window{}, fmt.Errorf("no window for check_semantics %q", c.Semantics)
}

// widened is the window for a clock that drifts: a standby whose clock gains is early, one that loses is late.
// Which of the two it is hangs on when the drift began, so both ends give way.
func (w window) widened(drift nodes.Drift) window {
	d := int64(drift)
	if d < 0 {
		d = -d
	}
	return window{scale(w.Lower, million, million+d, false), scale(w.Upper, million, million-d, true)}
}

const million = 1_000_000

// scale is t*a/b, exactly, rounded down or up.
func scale(t time.Duration, a, b int64, up bool) time.Duration {
	hi, lo := bits.Mul64(uint64(t), uint64(a))
	q, rest := bits.Div64(hi, lo, uint64(b))
	if up && rest > 0 {
		q++
	}
	return time.Duration(q)
}

func (w window) String() string {
	return fmt.Sprintf("%s to %s", nodes.FormatDuration(w.Lower), nodes.FormatDuration(w.Upper))
}
