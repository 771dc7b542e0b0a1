package nodes

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes: `4096B`, `64KiB`, `4TB`.
type Size int64

// Bandwidth is in bits per second: `100mbit`, `20MB/s`. Zero is no limit.
type Bandwidth int64

// Share is in parts per million: `50%` is 500,000.
type Share int64

// Drift is in parts per million, and may be negative: `200ppm` gains 200 us every second.
type Drift int64

// Rate is N in every Per: `5/s`, `1/m`. The zero value is never.
type Rate struct {
	N   int64
	Per time.Duration
}

// ShareAll is 100%.
const ShareAll Share = 1_000_000

// rateUnit is the index of the first unit of time in which a rate may be: milliseconds.
const rateUnit = 2

type unit struct {
	name  string
	value int64
}

// The first unit of a size is the one that a zero is printed in; printing takes the last one that divides the value.
var (
	sizeUnits = []unit{
		{"B", 1}, {"kB", 1e3}, {"KB", 1e3}, {"KiB", 1 << 10}, {"MB", 1e6}, {"MiB", 1 << 20},
		{"GB", 1e9}, {"GiB", 1 << 30}, {"TB", 1e12}, {"TiB", 1 << 40},
	}
	bandwidthUnits = []unit{
		{"bit", 1}, {"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9},
		{"B/s", 8}, {"kB/s", 8e3}, {"KB/s", 8e3}, {"MB/s", 8e6}, {"GB/s", 8e9},
	}
	durationUnits = []unit{
		{"ns", 1}, {"us", int64(time.Microsecond)}, {"ms", int64(time.Millisecond)}, {"s", int64(time.Second)},
		{"m", int64(time.Minute)}, {"h", int64(time.Hour)}, {"d", int64(24 * time.Hour)},
	}
)

// Notation is how values of a type are written. A type that is an encoding.TextUnmarshaler says it by a method Notation;
// of one that has none, any word is taken.
type Notation struct {
	Word    string // for a value, in the reference: SIZE
	Example string
	// Pattern is a regular expression that all of a value's text matches. What matches may still be wrong, such as a share
	// above 100%.
	Pattern string
}

// number is the pattern of a number with or without a fraction.
const number = `[0-9]+(\.[0-9]+)?`

// unitNames is a pattern of the names of units.
func unitNames(units []unit) string {
	names := make([]string, len(units))
	for i, u := range units {
		names[i] = u.name
	}
	return "(" + strings.Join(names, "|") + ")"
}

// DurationNotation is what ParseDuration reads; offsets may be negative.
func DurationNotation() Notation {
	return Notation{"T", "59.9s", `-?(` + number + unitNames(durationUnits) + `)+`}
}

// Notation is what UnmarshalText reads.
func (Size) Notation() Notation { return Notation{"SIZE", "64KiB", number + unitNames(sizeUnits)} }

// Notation is what UnmarshalText reads.
func (Bandwidth) Notation() Notation {
	return Notation{"BANDWIDTH", "100mbit", number + unitNames(bandwidthUnits)}
}

// Notation is what UnmarshalText reads.
func (Share) Notation() Notation { return Notation{"SHARE", "50%", number + "%"} }

// Notation is what UnmarshalText reads.
func (Drift) Notation() Notation { return Notation{"DRIFT", "200ppm", `[+-]?[0-9]+ppm`} }

// Notation is what UnmarshalText reads.
func (Rate) Notation() Notation {
	return Notation{"RATE", "5/s", `\+?[0-9]+/` + unitNames(durationUnits[rateUnit:])}
}

// longest is how long a duration may be: sums of two or three are times still.
const longest = 36_500 * 24 * time.Hour

// ParseDuration reads `50us`, `59.9s`, `1h30m`, `8d`, up to 100 years; offsets may be negative.
func ParseDuration(s string) (time.Duration, error) {
	rest, negative := strings.CutPrefix(s, "-")
	var sum time.Duration
	last := int64(math.MaxInt64)
	for rest != "" {
		n := 0
		for n < len(rest) && (rest[n] >= '0' && rest[n] <= '9' || rest[n] == '.') {
			n++
		}
		m := n
		for m < len(rest) && rest[m] >= 'a' && rest[m] <= 'z' {
			m++
		}
		value, err := scaled(rest[:n], rest[n:m], durationUnits)
		u := lookUp(durationUnits, rest[n:m])
		if errors.Is(err, strconv.ErrRange) || err == nil && value > int64(longest-sum) {
			return 0, fmt.Errorf("want a duration of at most 36500d, have %q", s)
		}
		if err != nil || u >= last {
			return 0, fmt.Errorf("want a duration such as 250ms, 59.9s or 1h30m, have %q", s)
		}
		last, sum, rest = u, sum+time.Duration(value), rest[m:]
	}
	if last == math.MaxInt64 {
		return 0, fmt.Errorf("want a duration such as 250ms, 59.9s or 1h30m, have %q", s)
	}
	if negative {
		sum = -sum
	}
	return sum, nil
}

// FormatDuration is the shortest form that ParseDuration reads back.
func FormatDuration(d time.Duration) string {
	if d < 0 {
		return "-" + FormatDuration(-d)
	}
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	for i := len(durationUnits) - 1; i >= 4; i-- { // Days, hours, minutes.
		if n := int64(d) / durationUnits[i].value; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, durationUnits[i].name)
			d -= time.Duration(n * durationUnits[i].value)
		}
	}
	switch {
	case d == 0:
	case b.Len() > 0 || d >= time.Second:
		b.WriteString(decimal(int64(d), int64(time.Second)) + "s")
	case d >= time.Millisecond:
		b.WriteString(decimal(int64(d), int64(time.Millisecond)) + "ms")
	case d >= time.Microsecond:
		b.WriteString(decimal(int64(d), int64(time.Microsecond)) + "us")
	default:
		fmt.Fprintf(&b, "%dns", int64(d))
	}
	return b.String()
}

// decimal prints n/unit exactly; unit is a power of ten.
func decimal(n, unit int64) string {
	s := strconv.FormatInt(n/unit, 10)
	if rest := n % unit; rest != 0 {
		digits := strconv.FormatInt(unit+rest, 10)[1:] // With its leading zeros.
		s += "." + strings.TrimRight(digits, "0")
	}
	return s
}

// UnmarshalText reads a size such as 64KiB.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := parseUnits(string(text), sizeUnits)
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("want a size of at most 9223372TB, have %q", text)
	}
	if err != nil || n < 0 {
		return fmt.Errorf("want a size such as 4096B, 64KiB or 4TB, have %q", text)
	}
	*s = Size(n)
	return nil
}

func (s Size) String() string { return formatUnits(int64(s), sizeUnits) }

// MarshalText is String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a bandwidth such as 100mbit.
func (b *Bandwidth) UnmarshalText(text []byte) error {
	n, err := parseUnits(string(text), bandwidthUnits)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("want a bandwidth of at most 9223372036gbit, have %q", text)
	case err == nil && n == 0:
		return fmt.Errorf("want a bandwidth above 0bit, have %q", text)
	case err != nil:
		return fmt.Errorf("want a bandwidth such as 100mbit or 20MB/s, have %q", text)
	}
	*b = Bandwidth(n)
	return nil
}

func (b Bandwidth) String() string { return formatUnits(int64(b), bandwidthUnits[:4]) }

// MarshalText is String.
func (b Bandwidth) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads a share such as 0.1%.
func (s *Share) UnmarshalText(text []byte) error {
	number, found := strings.CutSuffix(string(text), "%")
	n, err := scaled(number, "%", []unit{{"%", 10_000}})
	if found && errors.Is(err, errFine) {
		return fmt.Errorf("want a share in steps of 0.0001%%, have %q", text)
	}
	if !found || err != nil || n > int64(ShareAll) {
		return fmt.Errorf("want a share from 0%% to 100%%, have %q", text)
	}
	*s = Share(n)
	return nil
}

func (s Share) String() string { return decimal(int64(s), 10_000) + "%" }

// MarshalText is String.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a drift such as -200ppm.
func (d *Drift) UnmarshalText(text []byte) error {
	number, found := strings.CutSuffix(string(text), "ppm")
	n, err := strconv.ParseInt(number, 10, 64)
	if !found || err != nil || n < -500_000 || n > 1_000_000 {
		return fmt.Errorf("want a drift from -500000ppm to 1000000ppm, such as 200ppm, have %q", text)
	}
	*d = Drift(n)
	return nil
}

func (d Drift) String() string { return strconv.FormatInt(int64(d), 10) + "ppm" }

// MarshalText is String.
func (d Drift) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a rate such as 5/s.
func (r *Rate) UnmarshalText(text []byte) error {
	number, per, found := strings.Cut(string(text), "/")
	n, err := strconv.ParseInt(number, 10, 32)
	i := lookUp(durationUnits, per)
	known := found && i != math.MaxInt64 && i >= rateUnit
	if known && (errors.Is(err, strconv.ErrRange) || err == nil && n <= 0) {
		return fmt.Errorf("want a rate from 1/%s to %d/%s, have %q", per, math.MaxInt32, per, text)
	}
	if !known || err != nil {
		return fmt.Errorf("want a rate such as 5/s or 1/m, have %q", text)
	}
	*r = Rate{N: n, Per: time.Duration(durationUnits[i].value)}
	return nil
}

func (r Rate) String() string {
	for _, u := range durationUnits {
		if u.value == int64(r.Per) {
			return fmt.Sprintf("%d/%s", r.N, u.name)
		}
	}
	return fmt.Sprintf("%d/%s", r.N, FormatDuration(r.Per))
}

// MarshalText is String.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Interval is the mean time between two; 0: there is none.
func (r Rate) Interval() time.Duration {
	if r.N == 0 {
		return 0
	}
	return r.Per / time.Duration(r.N)
}

// lookUp returns the index of the named unit, or MaxInt64.
func lookUp(units []unit, name string) int64 {
	for i, u := range units {
		if u.name == name {
			return int64(i)
		}
	}
	return math.MaxInt64
}

// errFine is what is wrong with a number that is no whole multiple of the smallest unit.
var errFine = errors.New("finer than the smallest unit")

// digitsMax bounds what a number may cost to read.
const digitsMax = 24

// scaled is number x unit, exactly: floats would make 59.9s one nanosecond less on some machine. The error is strconv.ErrSyntax,
// strconv.ErrRange or errFine.
func scaled(number, name string, units []unit) (int64, error) {
	i := lookUp(units, name)
	if number == "" || i == math.MaxInt64 {
		return 0, strconv.ErrSyntax
	}
	digits := strings.Replace(number, ".", "", 1)
	if strings.Trim(digits, "0123456789") != "" || digits == "" || number[0] == '.' || number[len(number)-1] == '.' {
		return 0, strconv.ErrSyntax
	}
	if whole, _, _ := strings.Cut(number, "."); len(whole) > digitsMax {
		return 0, strconv.ErrRange
	}
	if len(number) > 2*digitsMax {
		return 0, errFine
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, strconv.ErrSyntax
	}
	r.Mul(r, new(big.Rat).SetInt64(units[i].value))
	if !r.IsInt() {
		return 0, errFine
	}
	if !r.Num().IsInt64() {
		return 0, strconv.ErrRange
	}
	return r.Num().Int64(), nil
}

func parseUnits(s string, units []unit) (int64, error) {
	n := 0
	for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] == '.') {
		n++
	}
	return scaled(s[:n], s[n:], units)
}

// formatUnits takes the largest unit that divides n.
func formatUnits(n int64, units []unit) string {
	best := units[0]
	for _, u := range units {
		if n != 0 && n%u.value == 0 && u.value > best.value {
			best = u
		}
	}
	return strconv.FormatInt(n/best.value, 10) + best.name
}
