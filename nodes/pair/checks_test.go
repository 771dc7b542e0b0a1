package pair

import (
	"testing"
	"time"
)

// TestPace plays checks against a peer that falls silent, for each reading of "number of checks" (D-17, D-43,
// D-46, D-47, D-LIV-1).
func TestPace(t *testing.T) {
	const interval = 30 * time.Second
	at := func(s ...float64) (all []time.Duration) {
		for _, x := range s {
			all = append(all, time.Duration(x*float64(time.Second)))
		}
		return all
	}
	for _, c := range []struct {
		semantics string
		checks    int
		due       []time.Duration // of the checks that fail, up to the one after which the peer is lost
	}{
		{Spaced, 1, at(30, 60)},
		{Spaced, 2, at(30, 60, 90)},
		{Spaced, 3, at(30, 60, 90, 120)},
		{Within, 1, at(30, 45)},
		{Within, 2, at(30, 40, 50)},
		{Within, 3, at(30, 37.5, 45, 52.5)},
		{Total, 1, at(30)},
		{Total, 2, at(30, 60)},
		{Total, 3, at(30, 60, 90)},
	} {
		p := newPace(c.semantics, &settings{Interval: interval, Checks: c.checks}, 0)
		for i, due := range c.due {
			if p.due != due {
				t.Errorf("%s, %d checks: want check %d at %s, have %s", c.semantics, c.checks, i+1, due, p.due)
			}
			if lost := p.settle(false, true); lost != (i == len(c.due)-1) {
				t.Errorf("%s, %d checks: after failure %d lost is %v", c.semantics, c.checks, i+1, lost)
			}
		}
	}
}

// TestPaceForgives: one success resets the count, wherever it comes (D-47).
func TestPaceForgives(t *testing.T) {
	for _, semantics := range []string{Spaced, Within, Total} {
		p := newPace(semantics, &settings{Interval: 30 * time.Second, Checks: 2}, 0)
		for range 5 {
			if p.settle(false, true) || p.settle(true, true) || p.failed != 0 {
				t.Fatalf("%s: a failure outlived a success", semantics)
			}
		}
		// A retry that succeeds leaves the next scheduled check where it was.
		if p.due%(30*time.Second) != 0 {
			t.Errorf("%s: want the next check on the scheduled beat, have %s", semantics, p.due)
		}
	}
}

// TestPaceDoesNotCount: failures in the time after a boot do not count, and later ones do (D-67).
func TestPaceDoesNotCount(t *testing.T) {
	p := newPace(Spaced, &settings{Interval: 30 * time.Second, Checks: 1}, 0)
	for range 10 {
		if p.settle(false, false) {
			t.Fatal("lost by failures that do not count")
		}
	}
	if p.settle(false, true) || !p.settle(false, true) {
		t.Error("want two further failures to be enough, and one not")
	}
}

// TestPaceStandsStill: a unit that stood still does not make up for the checks that it missed, and keeps its
// beat.
func TestPaceStandsStill(t *testing.T) {
	p := newPace(Within, &settings{Interval: 30 * time.Second, Checks: 2}, 0)
	p.settle(false, true) // The retry is due at 40 s.
	p.skipTo(10*time.Minute + 5*time.Second)
	if p.due > 10*time.Minute+5*time.Second || p.due < 9*time.Minute+35*time.Second || p.try != 0 {
		t.Errorf("want one check due, less than an interval ago; have %s, retry %d", p.due, p.try)
	}
	p.settle(true, true)
	if p.due < 10*time.Minute+5*time.Second {
		t.Errorf("want the next one ahead, have %s", p.due)
	}
	due := p.due
	p.skipTo(due + time.Millisecond)
	if p.due != due {
		t.Error("a moment's delay skips nothing")
	}
}
