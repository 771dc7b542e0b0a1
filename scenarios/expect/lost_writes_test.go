package expect_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
	"firedrill/scenarios/expect/internal/made"
)

// replaced is nas-a dead at 4m, and nas-b in its place with an image whose snapshot was at 2m.
const replaced = `
	2m nas-a sync-begun: 7
	2m10s nas-b image-committed: 7
	4m nas-a powered-off
	5m nas-b role: active, access: read-write, address-bound: 10.0.0.40 (lan)
	5m nas-b took-over image=7
`

// both is nas-b beside nas-a, which lives.
const both = `
	2m nas-a sync-begun: 7
	2m10s nas-b image-committed: 7
	5m nas-b role: active, access: read-write, address-bound: 10.0.0.40 (lan)
	5m nas-b took-over image=7
`

func TestFates(t *testing.T) {
	for _, x := range []struct {
		name, script string
		want         []expect.Fate // of each operation
	}{
		{"present", `1m..1m1s c put /a v1 by nas-a
			disk nas-a /a=v1`, []expect.Fate{expect.Present}},
		{"overwritten", `1m..1m1s c put /a v1 by nas-a
			2m..2m1s c put /a v2 by nas-a
			disk nas-a /a=v2`, []expect.Fate{expect.Superseded, expect.Present}},
		{"deleted", `1m..1m1s c put /a v1 by nas-a
			2m..2m1s c delete /a by nas-a
			disk nas-a /b=x`, []expect.Fate{expect.Superseded, expect.Present}},
		{"gone", `1m..1m1s c put /a v1 by nas-a
			disk nas-a /b=x`, []expect.Fate{expect.Gone}},
		{"gone back to what was before", `1m..1m1s c put /a v1 by nas-a
			2m..2m1s c put /a v2 by nas-a
			3m..3m1s c put /a v3 by nas-a
			disk nas-a /a=v1`, []expect.Fate{expect.Present, expect.Gone, expect.Gone}},
		{"at once: either may be last", `1m..1m5s c put /a v1 by nas-a
			1m1s..1m4s c put /a v2 by nas-a
			disk nas-a /a=v2`, []expect.Fate{expect.Superseded, expect.Present}},
		{"at once, the other way", `1m..1m5s c put /a v1 by nas-a
			1m1s..1m4s c put /a v2 by nas-a
			disk nas-a /a=v1`, []expect.Fate{expect.Present, expect.Superseded}},
		{"one ends as the other is sent", `1m..1m5s c put /a v1 by nas-a
			1m5s..1m6s c put /a v2 by nas-a
			disk nas-a /a=v1`, []expect.Fate{expect.Present, expect.Superseded}},
		{"one ends just before", `1m..1m4.999999999s c put /a v1 by nas-a
			1m5s..1m6s c put /a v2 by nas-a
			disk nas-a /a=v1`, []expect.Fate{expect.Present, expect.Gone}},
		{"an unknown write may come late, and supersede", `1m..1m10s c put /a v1 by nas-a unknown
			2m..2m1s c put /a v2 by nas-a
			disk nas-a /a=v1`, []expect.Fate{expect.Unjudged, expect.Superseded}},
		{"an unknown write is never lost", `1m..1m10s c put /a v1 by nas-a unknown
			disk nas-a /b=x`, []expect.Fate{expect.Unjudged}},
		{"an unknown delete may have been", `1m..1m1s c put /a v1 by nas-a
			2m..2m10s c delete /a by nas-a unknown
			disk nas-a /b=x`, []expect.Fate{expect.Superseded, expect.Unjudged}},
		{"a failed write was none, and excuses nothing", `1m..1m1s c put /a v1 by nas-a
			2m..2m1s c put /a v2 by nas-a failed
			disk nas-a /a=v2`, []expect.Fate{expect.Gone, expect.Unjudged}},
		{"a delete that came back", `1m..1m1s c put /a v1 by nas-a
			2m..2m1s c delete /a by nas-a
			disk nas-a /a=v1`, []expect.Fate{expect.Present, expect.Gone}},
		{"somebody else's bytes", `1m..1m1s c put /a v1 by nas-a
			disk nas-a /a=garbage`, []expect.Fate{expect.Gone}},
		{"left on the dead one's disk", replaced + `
			3m..3m1s c put /a v1 by nas-a
			3m2s..3m3s c put /a v2 by nas-a
			disk nas-a /a=v2
			disk nas-b /b=x`, []expect.Fate{expect.Stranded, expect.Stranded}},
		{"in an older image", `1m..1m1s c put /a v1 by nas-a
			image nas-b 3 /a=v1`, []expect.Fate{expect.Stranded}},
		{"a delete that only the dead one made", replaced + `
			1m..1m1s c put /a v1 by nas-a
			3m..3m1s c delete /a by nas-a
			disk nas-a /b=x
			disk nas-b /a=v1 /b=x`, []expect.Fate{expect.Present, expect.Stranded}},
		{"a delete, and an erased disk", replaced + `
			3m..3m1s c delete /a by nas-a
			disk nas-b /a=v0`, []expect.Fate{expect.Gone}},
		{"divergent", both + `
			6m..6m1s c put /a v1 by nas-a
			7m..7m1s c put /b v2 by nas-b
			8m..8m1s c put /c v3 by nas-b
			disk nas-a /a=v1 /c=v3
			disk nas-b /b=v2 /c=v3`, []expect.Fate{expect.Divergent, expect.Divergent, expect.Present}},
		{"the last who served counts where nobody does", replaced + `
			1m..1m1s c put /a v1 by nas-a
			6m..6m1s c put /b v2 by nas-b
			3m..3m1s c put /c v3 by nas-a
			10m nas-b powered-off
			disk nas-a /a=v1 /c=v3
			disk nas-b /a=v1 /b=v2`, []expect.Fate{expect.Present, expect.Present, expect.Stranded}},
		{"a crashed owner of the address serves nobody", both + `
			10m nas-b crashed
			6m..6m1s c put /a v1 by nas-a
			disk nas-a /a=v1`, []expect.Fate{expect.Present}},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := made.Run(kind, nil, units, x.script)
			for i, want := range x.want {
				if have := r.Ledger().Fates[i]; have != want {
					t.Errorf("operation %d (%s %s) is %s, want %s", i+1, r.History[i].Verb, r.History[i].Path, have, want)
				}
			}
		})
	}
}

func TestTwoStandAloneUnitsKeepTwoBooks(t *testing.T) {
	r := made.Run(kind, nil, `
		machine nas-a lan=10.0.0.1
		machine nas-b lan=10.0.0.2
		1m..1m1s c put /a v1 by nas-a
		2m..2m1s c put /a v2 by nas-b
		disk nas-a /a=v1
		disk nas-b /a=v2`)
	if f := r.Ledger().Fates; f[0] != expect.Present || f[1] != expect.Present {
		t.Errorf("have %v, want both present", f)
	}
}

func TestLostWrites(t *testing.T) {
	lost := func(mode string) expect.Claim { return &expect.LostWrites{Lost: mode} }
	const kept = `
		1m..1m1s c put /old v0 by nas-a
		6m..6m1s c put /new v9 by nas-b
	`
	const disks = `
		disk nas-b /old=v0 /new=v9`
	for _, x := range []trial{
		{"none", lost("none"), `1m..1m1s c put /a v1 by nas-a
			disk nas-a /a=v1`, expect.Pass, nil},
		{"one", lost("none"), `1m..1m1s c put /a v1 by nas-a`, expect.Violation,
			[]string{"gone: 1 acknowledged write (100B), at 1m1s, 58m59s old: put /a"}},
		{"none, and nobody wrote", lost("none"), ``, expect.Vacuous, []string{"no write was acknowledged"}},
		{"none of those since", &expect.LostWrites{Lost: "none", Since: "late"}, `1m..1m1s c put /a v1 by nas-a
			step 2m late
			3m..3m1s c put /b v1 by nas-a
			disk nas-a /b=v1`, expect.Pass, nil},
		{"none since a step that never acted", &expect.LostWrites{Lost: "none", Since: "late"}, ``, expect.Vacuous, nil},

		{"after the last image", lost("after-last-image"), replaced + kept + `
			3m..3m1s c put /a v1 by nas-a
			3m30s..3m31s c put /b v2 by nas-a
			disk nas-a /old=v0 /a=v1 /b=v2` + disks, expect.Pass,
			[]string{"lost as claimed: 2 acknowledged writes (200B), from 3m1s to 3m31s, up to 1m59s old; the first is put /a"}},
		{"one older than the image", lost("after-last-image"), replaced + kept + `
			1m30s..1m59.999999999s c put /a v1 by nas-a` + disks, expect.Violation, []string{"gone: 1 acknowledged write"}},
		{"one older than the image, overwritten after it", lost("after-last-image"), replaced + kept + `
			1m30s..1m40s c put /a v1 by nas-a
			3m..3m1s c put /a v2 by nas-a
			disk nas-b /old=v0 /new=v9 /a=initial`, expect.Violation, []string{"gone: 1 acknowledged write (100B), at 1m40s"}},
		{"one under way at the snapshot, lost", lost("after-last-image"), replaced + kept + `
			1m59s..2m c put /a v1 by nas-a` + disks, expect.Pass, nil},
		{"one under way at the snapshot, kept", lost("after-last-image"), replaced + kept + `
			1m59s..2m1s c put /a v1 by nas-a
			3m..3m1s c put /b v2 by nas-a
			disk nas-b /old=v0 /new=v9 /a=v1`, expect.Pass, nil},
		{"one sent as the snapshot was made, and kept", lost("after-last-image"), replaced + kept + `
			2m..3m1s c put /a v1 by nas-a
			3m..3m1s c put /b v2 by nas-a
			disk nas-b /old=v0 /new=v9 /a=v1`, expect.Pass, nil},
		{"an image that was erased again", lost("after-last-image"), `
			1m nas-a sync-begun: 6
			1m1s nas-b image-committed: 6
			1m30s nas-b erased
			4m nas-a powered-off
			5m nas-b role: active, access: read-write, address-bound: 10.0.0.40 (lan)
			5m nas-b took-over image=6
			3m..3m1s c put /a v1 by nas-a` + kept + disks, expect.Violation, nil},
		{"one newer than the image, and there", lost("after-last-image"), replaced + kept + `
			2m0.000000001s..3m1s c put /a v1 by nas-a
			3m..3m1s c put /b v2 by nas-a
			disk nas-b /old=v0 /new=v9 /a=v1`, expect.Violation, []string{"newer than the image that is served, and yet there: 1"}},
		{"one newer than the image, and written anew", lost("after-last-image"), replaced + kept + `
			3m..3m1s c put /a v1 by nas-a
			3m..3m1s c put /b v2 by nas-a
			7m..7m1s c put /a v1 by nas-b
			disk nas-b /old=v0 /new=v9 /a=v1`, expect.Pass, nil},
		{"a delete of what came after the image", lost("after-last-image"), replaced + kept + `
			3m..3m1s c put /a v1 by nas-a
			3m10s..3m11s c delete /a by nas-a
			3m..3m1s c put /b v2 by nas-a` + disks, expect.Pass, []string{"lost as claimed: 1 acknowledged write"}},
		{"a delete of what was under way at the snapshot", lost("after-last-image"), replaced + kept + `
			1m59s..2m1s c put /a v1 by nas-a
			3m10s..3m11s c delete /a by nas-a
			3m..3m1s c put /b v2 by nas-a` + disks, expect.Pass, nil},
		{"a delete of what the image holds, and it is gone", lost("after-last-image"), replaced + kept + `
			1m30s..1m31s c put /a v1 by nas-a
			3m10s..3m11s c delete /a by nas-a` + disks, expect.Violation,
			[]string{"newer than the image that is served, and yet there: 1 acknowledged write", "delete /a"}},
		{"a delete of what was there from the start, and it is gone", lost("after-last-image"), replaced + kept + `
			3m10s..3m11s c delete /a by nas-a` + disks, expect.Violation, []string{"newer than the image", "delete /a"}},
		{"the same as the image holds, written again", lost("after-last-image"), replaced + kept + `
			1m30s..1m31s c put /a v1 by nas-a
			2m30s..2m31s c put /a v2 by nas-a
			3m..3m1s c put /a v1 by nas-a
			3m..3m1s c put /b v2 by nas-a
			disk nas-b /old=v0 /new=v9 /a=v1`, expect.Pass, nil},
		{"an image that came too late to count", lost("after-last-image"), replaced + kept + `
			3m..3m1s c put /a v1 by nas-a
			5m1s nas-a sync-begun: 8
			5m2s nas-b image-committed: 8` + disks, expect.Pass, nil},
		{"what was lost after redundancy was back", lost("after-last-image"), replaced + kept + `
			10m nas-a booted
			11m nas-b ready
			12m..12m1s c put /a v1 by nas-a
			20m nas-b ready` + disks, expect.Violation, nil},
		{"nothing was written since the image", lost("after-last-image"), replaced + kept + disks, expect.Vacuous, nil},
		{"no takeover", lost("after-last-image"), `1m..1m1s c put /a v1 by nas-a
			disk nas-a /a=v1`, expect.Vacuous, nil},
		{"lost without a takeover", lost("after-last-image"), `1m..1m1s c put /a v1 by nas-a`, expect.Violation, nil},
		{"after the last image, but none was claimed", lost("none"), replaced + kept + `
			3m..3m1s c put /a v1 by nas-a` + disks, expect.Violation, nil},

		{"divergent", lost("divergent"), both + `
			6m..6m1s c put /a v1 by nas-a
			disk nas-a /a=v1`, expect.Pass, []string{"lost as claimed: 1 acknowledged write"}},
		{"divergent, and gone besides", lost("divergent"), both + `
			6m..6m1s c put /a v1 by nas-a
			6m..6m1s c put /b v1 by nas-a
			disk nas-a /a=v1`, expect.Violation, []string{"gone: 1"}},
		{"nothing divergent", lost("divergent"), both + `
			6m..6m1s c put /a v1 by nas-a
			disk nas-a /a=v1
			disk nas-b /a=v1`, expect.Vacuous, nil},

		{"backlog", lost("backlog"), replaced + kept + `
			3m..3m1s c put /a v1 by nas-a` + disks, expect.Pass, nil},
		{"backlog that had a copy", lost("backlog"), fmt.Sprintf(`3m2s nas-b copied: /a hash=%x
			`, made.Hash("v1")) + replaced + kept + `
			3m..3m1s c put /a v1 by nas-a` + disks, expect.Violation, nil},
		{"unmirrored", lost("unmirrored"), replaced + kept + `
			3m..3m1s c put /a v1 by nas-a` + disks, expect.Pass, nil},
		{"nothing unmirrored", lost("unmirrored"), replaced + kept + disks, expect.Vacuous, nil},
	} {
		x.play(t)
	}
}

// plan is a small history and small disks, each drawn from a few numbers, so that a failure shrinks to something readable.
type plan struct {
	ops   []uint32
	disks []uint32
}

const (
	paths  = 3
	values = 4
)

func (p plan) run() *expect.Run {
	r := made.Run(kind, nil, units, both)
	results := []nodes.Result{nodes.ResultOK, nodes.ResultOK, nodes.ResultFailed, nodes.ResultUnknown}
	for i, n := range p.ops {
		draw := func(below uint32) uint32 { v := n % below; n /= below; return v }
		op := nodes.Operation{ID: uint64(i + 1), Verb: "put", Path: fmt.Sprintf("/%d", draw(paths))}
		if draw(4) == 0 {
			op.Verb = "delete"
		} else {
			op.Hash = uint64(1 + draw(values))
		}
		op.Result = results[draw(4)]
		op.ServedBy = []string{"nas-a", "nas-b"}[draw(2)]
		op.Sent = time.Duration(draw(40)) * time.Second
		op.Done = op.Sent + time.Duration(draw(10))*time.Second
		r.History = append(r.History, op)
	}
	for i, n := range p.disks {
		m := &r.Machines[i%2]
		item := nodes.Item{Path: fmt.Sprintf("/%d", n%paths), Hash: uint64(1 + n/paths%values)}
		if n/(paths*values)%3 == 0 {
			item.Place, item.Image = "image", "1"
		}
		m.Contents = append(m.Contents, item)
	}
	return r
}

// naiveFate looks at every other operation for each one, straight from the definition.
func naiveFate(r *expect.Run, w *nodes.Operation) expect.Fate {
	if w.Result != nodes.ResultOK {
		return expect.Unjudged
	}
	machines := []*expect.Machine{r.Machine("nas-a"), r.Machine("nas-b")}
	shows := func(m *expect.Machine, x *nodes.Operation) bool {
		hash, there := uint64(0), false
		for _, item := range m.Contents {
			if item.Place == "" && item.Path == x.Path {
				hash, there = item.Hash, true
			}
		}
		return x.Verb == "put" && there && hash == x.Hash || x.Verb == "delete" && !there
	}
	keeps := func(m *expect.Machine) bool {
		for i := range r.History {
			x := &r.History[i]
			surelyBefore := x.Result == nodes.ResultOK && x.Done < w.Sent
			if x.Path == w.Path && x.Result != nodes.ResultFailed && shows(m, x) && !surelyBefore {
				return true
			}
		}
		return false
	}
	kept, same, stored := 0, 0, false
	for _, m := range machines {
		live := false
		for _, item := range m.Contents {
			live = live || item.Place == ""
			stored = stored || w.Verb == "put" && item.Path == w.Path && item.Hash == w.Hash
		}
		if keeps(m) {
			kept++
			stored = stored || live
		}
		if shows(m, w) {
			same++
		}
	}
	switch {
	case kept == 2 && same == 2:
		return expect.Present
	case kept == 2:
		return expect.Superseded
	case kept == 1:
		return expect.Divergent
	case stored:
		return expect.Stranded
	}
	return expect.Gone
}

func TestLedgerIsTheDefinition(t *testing.T) {
	seen := map[expect.Fate]int{}
	properties := gopter.NewProperties(gopter.DefaultTestParametersWithSeed(1))
	properties.Property("every fate is what the definition says", prop.ForAll(
		func(ops, disks []uint32) (string, error) {
			r := plan{ops, disks}.run()
			for i := range r.History {
				have, want := r.Ledger().Fates[i], naiveFate(r, &r.History[i])
				if have != want {
					return "", fmt.Errorf("operation %d %+v is %s, want %s", i+1, r.History[i], have, want)
				}
				seen[have]++
			}
			return "", nil
		},
		gen.SliceOf(gen.UInt32()), gen.SliceOf(gen.UInt32()),
	))
	properties.TestingRun(t)
	for fate := expect.Unjudged; fate <= expect.Gone; fate++ {
		if seen[fate] < 20 {
			t.Errorf("only %d operations were %s: the property says little of that", seen[fate], fate)
		}
	}
}

// long is a history of n operations under n/50 paths, with a takeover in the middle.
func long(n int) *expect.Run {
	r := made.Run(kind, nil, units, both)
	r.End = time.Duration(n+10) * time.Second
	live := map[string]uint64{}
	for i := range n {
		op := nodes.Operation{ID: uint64(i + 1), Client: "office-1", Group: "office", Verb: "put", Size: 4096, Result: nodes.ResultOK,
			Path: fmt.Sprintf("/data/k%d", i*7919%(n/50)), Hash: uint64(i + 1), ServedBy: "nas-a",
			Sent: time.Duration(i) * time.Second, Done: time.Duration(i)*time.Second + time.Millisecond}
		if i > n/2 {
			op.ServedBy = "nas-b"
		}
		live[op.Path] = op.Hash
		r.History = append(r.History, op)
	}
	for path, hash := range live {
		r.Machines[1].Contents = append(r.Machines[1].Contents, nodes.Item{Path: path, Hash: hash})
	}
	return r
}

// BenchmarkLedger shows that the ledger is linear: what it takes for one operation stays the same for ten times as many.
func BenchmarkLedger(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("%d-operations", n), func(b *testing.B) {
			r := long(n)
			b.ReportAllocs()
			for b.Loop() {
				again := &expect.Run{Events: r.Events, History: r.History, Machines: r.Machines, End: r.End}
				if again.Ledger().Counts[expect.Divergent] == 0 {
					b.Fatal("nothing was lost: the benchmark does not do what it says")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/operation")
		})
	}
}
