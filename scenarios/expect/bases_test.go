package expect_test

import (
	"testing"
	"time"

	"firedrill/faults"
	"firedrill/scenarios/expect"
	"firedrill/scenarios/expect/internal/made"
)

// otherDisk is an entry of the board: another disk was in the machine from..until; below zero: to the end.
func otherDisk(machine, asOf string, from, until time.Duration) *faults.Entry {
	f := &faults.ReplaceDisk{Machine: machine, How: faults.DiskEmpty}
	if asOf != "" {
		f.How, f.AsOf = faults.DiskEarlierCopy, asOf
	}
	return &faults.Entry{Fault: f, From: from, Until: until, Receipt: faults.Receipt{{N: 1, What: "disk replaced"}}}
}

// disked is a machine with a copy of 2m, which is off from 10m to 50m.
const disked = `
	machine a lan=10.0.0.8
	1m..1m1s c put /kept v1 by a
	1m..1m1s c put /changed v1 by a
	step 2m copy
	3m..3m1s c put /changed v2 by a
	3m..3m1s c put /new v1 by a
	10m a powered-off
	50m a booted
`

func TestHoldingsOfOtherDisks(t *testing.T) {
	const m = time.Minute
	own := map[string]string{"/kept": "v1", "/changed": "v2", "/new": "v1"}
	earlier := map[string]string{"/kept": "v1", "/changed": "v1", "/new": ""}
	blank := map[string]string{"/kept": "", "/changed": "", "/new": ""}
	for _, x := range []struct {
		name   string
		faults []*faults.Entry
		want   map[string]string
	}{
		{"its own", nil, own},
		{"a blank one", []*faults.Entry{otherDisk("a", "", 11*m, -1)}, blank},
		{"an earlier copy", []*faults.Entry{otherDisk("a", "copy", 11*m, -1)}, earlier},
		{"of another machine", []*faults.Entry{otherDisk("b", "copy", 11*m, -1)}, own},
		{"one that hit nothing", []*faults.Entry{{Fault: otherDisk("a", "", 0, 0).Fault, From: 11 * m, Until: -1}}, own},
		{"a blank one, and its own again", []*faults.Entry{otherDisk("a", "", 11*m, 12*m)}, own},
		{"a blank one that stays, since the machine is on", []*faults.Entry{otherDisk("a", "", 11*m, 55*m)}, blank},
		{"two, the second undone", []*faults.Entry{otherDisk("a", "copy", 11*m, -1), otherDisk("a", "", 12*m, 13*m)}, earlier},
		{"two, the first undone", []*faults.Entry{otherDisk("a", "copy", 11*m, 13*m), otherDisk("a", "", 12*m, -1)}, blank},
		{"two, the first undone before the second", []*faults.Entry{otherDisk("a", "copy", 11*m, 13*m), otherDisk("a", "", 12*m, 14*m)}, own},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := made.Run(kind, nil, units, disked)
			r.Faults = x.faults
			for _, try := range []struct{ path, content string }{ // What was ever there.
				{"/kept", "v1"}, {"/changed", "v1"}, {"/changed", "v2"}, {"/new", "v1"}, {"/kept", ""}, {"/changed", ""}, {"/new", ""},
			} {
				hash := uint64(0)
				if try.content != "" {
					hash = made.Hash(try.content)
				}
				if have := r.Holdings().At("a", try.path, r.End, r.End).Allows(hash); have != (try.content == x.want[try.path]) {
					t.Errorf("%q under %s is allowed: %t, want %q", try.content, try.path, have, x.want[try.path])
				}
			}
		})
	}
}

// TestNewestImage: the image that a machine holds goes with its disk, and comes back with it.
func TestNewestImage(t *testing.T) {
	const script = `
		machine a lan=10.0.0.8
		machine b lan=10.0.0.9
		1m a sync-begun: 1
		2m b image-committed: 1
		step 3m copy
		4m a sync-begun: 2
		5m b image-committed: 2
		6m b powered-off
		20m b booted
	`
	for _, x := range []struct {
		name   string
		faults []*faults.Entry
		want   string
	}{
		{"its own disk", nil, "2"},
		{"an earlier copy", []*faults.Entry{otherDisk("b", "copy", 7*time.Minute, -1)}, "1"},
		{"a blank one", []*faults.Entry{otherDisk("b", "", 7*time.Minute, -1)}, ""},
		{"its own again", []*faults.Entry{otherDisk("b", "", 7*time.Minute, 8*time.Minute)}, "2"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := made.Run(kind, nil, script)
			r.Faults = x.faults
			have := ""
			if i := r.Images().Newest("b", r.End); i != nil {
				have = i.ID
			}
			if have != x.want {
				t.Errorf("have image %q, want %q", have, x.want)
			}
		})
	}
}

// TestServedImageOfAnEarlierCopy: what a unit took over with is what its disk held, and not what it had committed besides.
func TestServedImageOfAnEarlierCopy(t *testing.T) {
	const script = `
		machine a lan=10.0.0.8
		machine b lan=10.0.0.9
		1s a role: leader, access: read-write
		5s..6s c put /f v1 by a
		1m a sync-begun: 1
		2m b image-committed: 1
		step 3m copy
		3m..3m1s c put /f v2 by a
		4m a sync-begun: 2
		5m b image-committed: 2
		6m b powered-off
		8m b booted
		9m a powered-off
		10m b role: leader, access: read-write
	`
	claim := &expect.ServedImage{Image: expect.NewestCommitted}
	for _, x := range []struct {
		name, rest string
		want       expect.Verdict
	}{
		{"the image of the copy", "10m b took-over image=1\n11m..11m1s c get /f v1 by b", expect.Pass},
		{"the image of the disk that is gone", "10m b took-over image=2\n11m..11m1s c get /f v2 by b", expect.Violation},
		{"what the copy cannot hold", "10m b took-over image=1\n11m..11m1s c get /f v2 by b", expect.Violation},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := made.Run(kind, nil, script, x.rest)
			r.Faults = []*faults.Entry{otherDisk("b", "copy", 7*time.Minute, -1)}
			if f := claim.Judge(r); f.Verdict != x.want {
				t.Errorf("is %s, want %s: %v", f.Verdict, x.want, f.Evidence)
			}
		})
	}
}
