//go:build linux

package door

import "testing"

// Only its own user and root look into a run, and where users cannot be told apart nobody that may be another.
func TestWhoMayEnter(t *testing.T) {
	for _, x := range []struct {
		who, own  int
		everyUser bool
		want      bool
	}{
		{1000, 1000, true, true}, {0, 1000, true, true}, {1001, 1000, true, false}, {1000, 0, true, false},
		{65534, 65534, true, true}, {65534, 65534, false, false}, {0, 65534, false, true}, {1000, 1000, false, true},
	} {
		if have := mayEnter(x.who, x.own, x.everyUser); have != x.want {
			t.Errorf("%+v: have %t", x, have)
		}
	}
}
