package scenarios

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// draw decides what `A..B` is: the lower end, the upper end, or what a seed draws. Each place in a
// scenario has a stream of its own, so that one more range changes nothing elsewhere.
type draw struct {
	end  end
	seed uint64
	// world is the one for which the scenario is made.
	world string
	// ranges is raised whenever a range was met.
	ranges *int
}

type end uint8

const (
	lowEnd end = iota
	highEnd
	bySeed
)

// between returns a number from low to high, both included.
func (d draw) between(path string, low, high int64) int64 {
	*d.ranges++
	switch d.end {
	case lowEnd:
		return low
	case highEnd:
		return high
	}
	width := uint64(high) - uint64(low)
	stream := sim.Stream(d.seed, "draw "+path)
	if width == math.MaxUint64 {
		return int64(stream.Uint64())
	}
	return int64(uint64(low) + stream.Uint64N(width+1))
}

// quantity is a value that may be written as A..B: how to read one end, and how to store what was drawn.
type quantity struct {
	value reflect.Value
	read  func(string) (int64, error)
	store func(int64)
	same  func(low, high string) error // whether the ends can be of one range
	time  bool                         // it is a time; only offsets may be below zero
}

// quantityOf returns the quantity that v is, if it is one.
func quantityOf(v reflect.Value) (quantity, bool) {
	q := quantity{value: v, store: v.SetInt, same: func(string, string) error { return nil }}
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		q.time = true
		q.read = func(s string) (int64, error) {
			d, err := nodes.ParseDuration(s)
			return int64(d), err
		}
		return q, true
	case *nodes.Rate:
		q.read = func(s string) (int64, error) {
			err := p.UnmarshalText([]byte(s))
			return p.N, err
		}
		q.store = func(n int64) { p.N = n }
		q.same = func(low, high string) error {
			if _, a, _ := strings.Cut(low, "/"); !strings.HasSuffix(high, "/"+a) {
				return fmt.Errorf("want the same unit of time at both ends, have %q", low+".."+high)
			}
			return nil
		}
		return q, true
	case encoding.TextUnmarshaler:
		q.read = func(s string) (int64, error) {
			err := p.UnmarshalText([]byte(s))
			return v.Int(), err
		}
		return q, v.CanInt()
	}
	if v.CanInt() {
		q.read = integer
		return q, true
	}
	if v.CanUint() {
		q.read = func(s string) (int64, error) {
			n, err := integer(s)
			if err == nil && n < 0 {
				err = fmt.Errorf("want a number of at least 0, have %q", s)
			}
			return n, err
		}
		q.store = func(n int64) { v.SetUint(uint64(n)) }
		return q, true
	}
	return q, false
}

// quantity reads a quantity or a range of them.
func (d *decoder) quantity(q quantity, n *node, path, key string) {
	low, high, isRange := strings.Cut(n.text, "..")
	if isRange && (low == "" || high == "") {
		d.fault(n.at, "want both ends of a range, have %q", n.text)
		return
	}
	a, err := q.read(low)
	b := a
	if err == nil && isRange {
		if b, err = q.read(high); err == nil {
			err = q.same(low, high)
		}
	}
	switch {
	case err != nil:
		d.fault(n.at, "%s%s", err, unitHint(n.text, q))
		return
	case a < 0 && q.time && !signed(key):
		d.fault(n.at, "want %s of at least 0s, have %q", key, n.text)
		return
	case isRange && a > b:
		d.fault(n.at, "want the lower end of a range first, have %q", n.text)
		return
	case isRange:
		a = d.draw.between(path, a, b)
	}
	if q.value.CanInt() && q.value.OverflowInt(a) || q.value.CanUint() && q.value.OverflowUint(uint64(a)) {
		d.fault(n.at, "%q is too large", n.text)
		return
	}
	q.store(a)
}

// unitHint says what is wrong with a bare number, the usual mistake.
func unitHint(text string, q quantity) string {
	if _, err := integer(text); err == nil && q.value.Kind() != reflect.Int && q.value.Type().PkgPath() != "" {
		return ": the unit is missing"
	}
	return ""
}

// Notation is what UnmarshalText reads.
func (Seeds) Notation() nodes.Notation {
	return nodes.Notation{Word: "SEEDS", Example: "1..50", Pattern: `[0-9]+(\.\.[0-9]+)?`}
}

func (s Seeds) String() string {
	if s.First == s.Last {
		return strconv.FormatUint(s.First, 10)
	}
	return fmt.Sprintf("%d..%d", s.First, s.Last)
}

func (r SizeRange) String() string {
	if r.Min == r.Max {
		return r.Min.String()
	}
	return r.Min.String() + ".." + r.Max.String()
}

func (b Begin) String() string {
	if b.Fact != "" {
		return b.Fact
	}
	return nodes.FormatDuration(b.At)
}

// Notation is what UnmarshalText reads.
func (SizeRange) Notation() nodes.Notation {
	size := nodes.Size(0).Notation()
	size.Pattern += `(\.\.` + size.Pattern + `)?`
	return size
}

// Notation is what UnmarshalText reads.
func (Begin) Notation() nodes.Notation {
	return nodes.Notation{Word: "T or FACT", Example: "30s",
		Pattern: "(" + strings.TrimPrefix(nodes.DurationNotation().Pattern, "-?") + "|[^0-9-].*)"}
}

// UnmarshalText reads `1..50`, or one number.
func (s *Seeds) UnmarshalText(text []byte) error {
	low, high, isRange := strings.Cut(string(text), "..")
	first, err := integer(low)
	last := first
	if err == nil && isRange {
		last, err = integer(high)
	}
	if err != nil || first < 0 || last < first {
		return fmt.Errorf("want seeds such as 7 or 1..50, have %q", text)
	}
	*s = Seeds{uint64(first), uint64(last)}
	return nil
}

// UnmarshalText reads `4KiB`, or `4KiB..64KiB`.
func (r *SizeRange) UnmarshalText(text []byte) error {
	low, high, isRange := strings.Cut(string(text), "..")
	if err := r.Min.UnmarshalText([]byte(low)); err != nil {
		return err
	}
	r.Max = r.Min
	if isRange {
		if err := r.Max.UnmarshalText([]byte(high)); err != nil {
			return err
		}
	}
	if r.Max < r.Min {
		return fmt.Errorf("want the lower end of a range first, have %q", text)
	}
	return nil
}

// UnmarshalText reads a time, or the name of a fact.
func (b *Begin) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("want a time such as 30s or a fact such as ready, have nothing")
	}
	if d, err := nodes.ParseDuration(string(text)); err == nil && d >= 0 {
		*b = Begin{At: d}
		return nil
	}
	if text[0] == '-' || text[0] >= '0' && text[0] <= '9' {
		return fmt.Errorf("want a time such as 30s or a fact such as ready, have %q", text)
	}
	*b = Begin{Fact: string(text)}
	return nil
}

// addressPattern is an address, as far as a pattern can tell.
const addressPattern = `[0-9]{1,3}(\.[0-9]{1,3}){3}`

// readsText reports whether a value is read from one word by a method of its own.
func readsText(v reflect.Value) bool {
	_, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	return ok
}

// notationOf is how what the decoder reads into v is written, ranges included. Of words there is none.
func notationOf(v reflect.Value, key string) (nodes.Notation, bool) {
	n := nodes.Notation{}
	switch value := v.Interface().(type) {
	case interface{ Notation() nodes.Notation }:
		n = value.Notation()
	case time.Duration:
		n = nodes.DurationNotation()
		if !signed(key) {
			n.Pattern = strings.TrimPrefix(n.Pattern, "-?")
		}
	case time.Time:
		n = nodes.Notation{Word: "TIME", Example: "2026-01-05T00:00:00Z", Pattern: `[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|\+00:00)`}
	case netip.Addr:
		n = nodes.Notation{Word: "ADDRESS", Example: "10.0.0.7", Pattern: addressPattern}
	case netip.Prefix:
		n = nodes.Notation{Word: "SUBNET", Example: "10.0.0.0/24", Pattern: addressPattern + "/[0-9]{1,2}"}
	default:
		switch {
		case readsText(v):
			return n, false
		case v.CanInt():
			n = nodes.Notation{Word: "N", Pattern: "-?[0-9]+"}
		case v.CanUint():
			n = nodes.Notation{Word: "N", Pattern: "[0-9]+"}
		default:
			return n, false
		}
	}
	if _, ranged := quantityOf(v); ranged {
		n.Pattern = n.Pattern + `(\.\.` + n.Pattern + ")?"
	}
	return n, true
}

// signed reports whether a time with this key may be below zero: only offsets may.
func signed(key string) bool { return key == "offset" }
