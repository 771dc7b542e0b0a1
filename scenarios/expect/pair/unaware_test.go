package pair_test

import (
	"strings"
	"testing"
	"time"

	"firedrill/faults"
	"firedrill/scenarios/expect"
)

// TestActiveUnaware: an active that is back before the takeover can be heard, unless its disk tells it of no pair; then the
// time of its return does not matter.
func TestActiveUnaware(t *testing.T) {
	const m = time.Minute
	late := takes(10*m + 40*time.Second)
	back := death + "10m5s nas-a booted\n"
	disk := func(how, asOf string) *faults.Entry {
		return &faults.Entry{Fault: &faults.ReplaceDisk{Machine: "nas-a", How: how, AsOf: asOf}, From: 10*m + time.Second, Until: -1,
			Receipt: faults.Receipt{{N: 1, What: "disk replaced"}}}
	}
	broken := func(machine string, until time.Duration) *faults.Entry {
		return &faults.Entry{Fault: &faults.BreakDisk{Machine: machine, How: "full"}, From: 10*m + time.Second, Until: until}
	}
	for _, x := range []struct {
		name, script string
		fault        *faults.Entry
		want         expect.Verdict
		says         string
	}{
		{"its own disk", back + late, nil, expect.Violation, "could be heard"},
		{"a blank one", back + late, disk("empty", ""), expect.Pass, ""},
		{"a blank one, and too early", back + takes(10*m+20*time.Second), disk("empty", ""), expect.Violation, "too early"},
		{"a blank one, and nobody takes over", back, disk("empty", ""), expect.Violation, "nas-b never took over"},
		{"a copy from before it was set up", "step 9s bare\n" + back + late, disk("earlier-copy", "bare"), expect.Pass, ""},
		{"a copy from since it was set up", "step 5m paired\n" + back + late, disk("earlier-copy", "paired"), expect.Violation, "could be heard"},
		{"one that it cannot use", back + "10m6s nas-a phase: disk-failed\n" + late, broken("nas-a", -1), expect.Pass, ""},
		{"one that hangs", back + late, broken("nas-a", -1), expect.Pass, ""},
		{"one that it can use all the same", back + "10m6s nas-a phase: active\n" + late, broken("nas-a", -1), expect.Violation, "could be heard"},
		{"one that it says it cannot use", back + "10m6s nas-a phase: disk-failed\n" + late, nil, expect.Violation, "could be heard"},
		{"one that was mended before", back + "10m6s nas-a phase: disk-failed\n" + late, broken("nas-a", 10*m+2*time.Second), expect.Violation,
			"could be heard"},
		{"another's disk", back + late, broken("nas-b", -1), expect.Violation, "could be heard"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := played(config("spaced"), 1, x.script)
			if x.fault != nil {
				r.Faults = []*faults.Entry{x.fault}
			}
			f := standing("takeover").Judge(r)
			if text := strings.Join(f.Evidence, "\n"); f.Verdict != x.want || !strings.Contains(text, x.says) {
				t.Errorf("is %s, want %s that says %q\n%s", f.Verdict, x.want, x.says, text)
			}
		})
	}
}
