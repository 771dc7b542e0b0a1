package expect_test

import (
	"testing"

	"firedrill/scenarios/expect"
	"firedrill/scenarios/expect/internal/made"
)

// imaged is a service of two, with an image of 20s that b has committed and takes over with at 1m.
const imaged = `
	machine a lan=10.0.0.8
	machine b lan=10.0.0.9
	1s a role: leader, access: read-write
	1s b role: follower, access: none
	5s..6s c put /kept v1 by a
	7s..8s c put /changed v1 by a
	9s..10s c put /deleted v1 by a
	11s..12s c delete /deleted by a
	19s..21s c put /around v1 by a
	20s a sync-begun: 1
	22s b image-committed: 1
	30s..31s c put /changed v2 by a
	32s..33s c put /new v1 by a
	34s..35s c put /lost v1 unknown
	1m a powered-off
	1m b role: leader, access: read-write
	1m b took-over image=1
`

func TestServedImage(t *testing.T) {
	claim := &expect.ServedImage{Image: expect.NewestCommitted}
	for _, x := range []trial{
		{"what the image has", claim, imaged + `
			2m..2m1s c get /kept v1 by b
			2m..2m1s c get /changed v1 by b
			2m..2m1s c get /deleted by b
			2m..2m1s c get /new by b
			2m..2m1s c get /around v1 by b
			2m..2m1s c get /around by b`, expect.Pass, []string{"6 reads and files were compared"}},
		{"a read of something newer", claim, imaged + "2m..2m1s c get /changed v2 by b", expect.Violation, []string{"something else under /changed at 2m1s"}},
		{"a read of nothing", claim, imaged + "2m..2m1s c get /kept by b", expect.Violation, []string{"nothing under /kept"}},
		{"a deleted file is back", claim, imaged + "2m..2m1s c get /deleted v1 by b", expect.Violation, nil},
		{"a file that was never there", claim, imaged + "2m..2m1s c get /new v1 by b", expect.Violation, nil},
		{"what was written since", claim, imaged + "2m..2m1s c put /kept v9 by b\n3m..3m1s c get /kept v9 by b", expect.Pass, nil},
		{"what was written over since", claim, imaged + "2m..2m1s c put /kept v9 by b\n3m..3m1s c get /kept v1 by b", expect.Violation, nil},
		{"a read beside a write", claim, imaged + "2m..2m5s c put /kept v9 by b\n2m1s..2m2s c get /kept v1 by b", expect.Pass, nil},
		{"the disk at the end", claim, imaged + "disk b /kept=v1 /changed=v1 /around=v1", expect.Pass, nil},
		{"the disk at the end is newer", claim, imaged + "disk b /kept=v1 /changed=v2 /around=v1", expect.Violation, []string{"on the disk at the end"}},
		{"it says another image", claim, imaged[:len(imaged)-2] + "0\n", expect.Violation, []string{`b says that it serves image "0"`}},
		{"no image at all", claim, "machine b lan=10.0.0.9\n1m b took-over image=1", expect.Violation, []string{"had committed no image"}},
		{"what others read elsewhere", claim, imaged + "2m..2m1s c get /changed v2 by a", expect.Vacuous, nil},
		{"nobody took over", claim, "2m..2m1s c get /changed v2 by a", expect.Vacuous, []string{"nobody took over"}},
	} {
		x.play(t)
	}
}

// TestHoldingsOfAChain follows an image that was made of what another image had brought.
func TestHoldingsOfAChain(t *testing.T) {
	r := made.Run(kind, nil, units, imaged, `
		2m..2m1s c put /second w1 by b
		3m a erased
		4m b sync-begun: 2
		5m a image-committed: 2
		6m..6m1s c put /second w2 by b
	`)
	for _, x := range []struct {
		machine, path, content string
		want                   bool
	}{
		{"a", "/kept", "v1", true}, {"a", "/kept", "", false}, {"a", "/second", "w1", true}, {"a", "/second", "w2", false},
		{"a", "/changed", "v1", true}, {"a", "/changed", "v2", false}, {"b", "/second", "w2", true}, {"b", "/second", "w1", false},
		{"a", "/foreign", "", true}, {"a", "/foreign", "anything", true},
	} {
		hash := uint64(0)
		if x.content != "" {
			hash = made.Hash(x.content)
		}
		if have := r.Holdings().At(x.machine, x.path, r.End, r.End).Allows(hash); have != x.want {
			t.Errorf("%q under %s of %s is allowed: %t, want %t", x.content, x.path, x.machine, have, x.want)
		}
	}
}

func TestReadOnlyTransitions(t *testing.T) {
	claim := &expect.ReadOnlyTransitions{All: "all"}
	const shut = "machine a lan=10.0.0.8\n1s a role: leader, access: read-write\n1m a access: read-only\n3m a access: none\n"
	for _, x := range []trial{
		{"refused", claim, shut + "2m..2m1s c put /a v by a failed", expect.Pass, []string{"1 operations reached"}},
		{"a write while read-only", claim, shut + "2m..2m1s c put /a v by a", expect.Violation, []string{"while its access was read-only"}},
		{"a read while read-only", claim, shut + "2m..2m1s c get /a v by a", expect.Vacuous, nil},
		{"a read while none", claim, shut + "4m..4m1s c get /a v by a", expect.Violation, []string{"while its access was none"}},
		{"a write under way", claim, shut + "59s..1m1s c put /a v by a", expect.Vacuous, nil},
		{"a write before", claim, shut + "50s..51s c put /a v by a", expect.Vacuous, nil},
		{"nobody says anything", claim, "2m..2m1s c put /a v by a", expect.Vacuous, nil},
	} {
		x.play(t)
	}
}
