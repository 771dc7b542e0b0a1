package sim

import (
	"testing"
	"time"
)

// A clock that is given another's state shows what that one shows, whatever happened to it before, and at every later time.
func TestClockStateShowsTheSame(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 29, 0, 30, 0, 0, time.UTC) // Half an hour before summer time.
	one := NewClock(ClockSpec{Offset: -time.Second, Drift: 200, Zone: berlin}, start)
	other := NewClock(ClockSpec{}, time.Time{})
	moves := 0
	one.Moved = func() { moves++ }
	for i, change := range []func(){
		func() { one.Boot(time.Minute) },
		func() { one.Step(-time.Hour) },
		func() { one.SetDrift(2*time.Minute, -300) },
		func() { one.Suspend(3 * time.Minute) },
		func() { one.Wake(5 * time.Minute) },
	} {
		change()
		if moves != i+1 {
			t.Fatalf("change %d was told %d times in all", i+1, moves)
		}
		if err := other.SetState(one.State()); err != nil {
			t.Fatal(err)
		}
		for _, at := range []time.Duration{4 * time.Minute, 6 * time.Minute, time.Hour} {
			if a, b := one.Now(at).String(), other.Now(at).String(); a != b {
				t.Errorf("after change %d at %v: wall clock %s, have %s", i+1, at, a, b)
			}
			if a, b := one.Uptime(at), other.Uptime(at); a != b {
				t.Errorf("after change %d at %v: uptime %v, have %v", i+1, at, a, b)
			}
		}
	}
	if err := other.SetState(ClockState{Zone: "Nowhere/None"}); err == nil || !other.Now(0).Equal(one.Now(0)) {
		t.Errorf("an unknown zone changes the clock, or is no error: %v", err)
	}
}
