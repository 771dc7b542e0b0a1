package pair

import (
	"slices"
	"testing"
	"time"
	_ "time/tzdata"
)

// TestBoundary: the boundaries of a schedule are those of the local clock, clock changes included (D-16,
// D-Q7).
func TestBoundary(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	kathmandu, err := time.LoadLocation("Asia/Kathmandu") // 45 minutes off the hour.
	if err != nil {
		t.Fatal(err)
	}
	const form = "2006-01-02 15:04:05 -0700"
	for _, c := range []struct {
		schedule, now string
		zone          *time.Location
		want          string
	}{
		{"hourly", "2026-01-05 10:15:30 +0100", berlin, "2026-01-05 11:00:00 +0100"},
		{"hourly", "2026-01-05 10:00:00 +0100", berlin, "2026-01-05 11:00:00 +0100"},
		{"hourly", "2026-01-05 10:15:00 +0545", kathmandu, "2026-01-05 11:00:00 +0545"},
		{"hourly", "2026-03-29 01:30:00 +0100", berlin, "2026-03-29 03:00:00 +0200"},
		{"daily", "2026-01-05 10:15:30 +0100", berlin, "2026-01-06 00:00:00 +0100"},
		{"daily", "2026-01-05 00:00:00 +0100", berlin, "2026-01-06 00:00:00 +0100"},
		{"daily", "2026-03-29 00:00:00 +0100", berlin, "2026-03-30 00:00:00 +0200"},
		{"daily", "2026-12-31 23:59:59 +0100", berlin, "2027-01-01 00:00:00 +0100"},
		{"weekly", "2026-01-10 23:50:00 +0100", berlin, "2026-01-11 00:00:00 +0100"}, // A Saturday.
		{"weekly", "2026-01-11 00:00:00 +0100", berlin, "2026-01-18 00:00:00 +0100"},
		{"weekly", "2026-01-12 12:00:00 +0100", berlin, "2026-01-18 00:00:00 +0100"},
	} {
		now, err := time.ParseInLocation(form, c.now, c.zone)
		if err != nil {
			t.Fatal(err)
		}
		if have := boundary(c.schedule, now.In(c.zone)).Format(form); have != c.want {
			t.Errorf("%s after %s: want %s, have %s", c.schedule, c.now, c.want, have)
		}
	}
}

func TestManifestTravels(t *testing.T) {
	m := manifest{
		{Path: "a", Size: 1, Sum: 2, Version: 3},
		{Path: "a b/c  d", Size: 0, Sum: 1<<32 - 1, Version: 1<<64 - 1},
		{Path: "ß", Size: 1 << 40, Sum: 0, Version: 1},
	}
	back, err := parseManifest(m.String())
	if err != nil || !slices.Equal(m, back) {
		t.Errorf("want %v back, have %v, %v", m, back, err)
	}
	if m.digest() == m[1:].digest() || m.digest() != back.digest() {
		t.Error("the digest does not tell manifests apart, or equal ones")
	}
	for _, bad := range []string{"1 2 3\n", "x 2 3 p\n", "1 -x 3 p\n", "1 2 4294967296 p\n", "1 2 3 \n",
		"1 2 3 b\n1 2 3 a\n", "1 2 3 a\n1 2 3 a\n"} {
		if m, err := parseManifest(bad); err == nil {
			t.Errorf("want %q refused, have %v", bad, m)
		}
	}
}

// TestImageOrder: an image is taken only if it is newer than the committed one (D-INV-8).
func TestImageOrder(t *testing.T) {
	for _, c := range []struct {
		image, than string
		want        bool
	}{
		{"1", "", true}, {"2", "1", true}, {"10", "9", true}, {"1", "1", false}, {"1", "2", false},
		{"", "", false}, {"x", "", false}, {"-1", "", false}, {"3", "x", false},
	} {
		if have := newer(c.image, c.than); have != c.want {
			t.Errorf("image %q after %q: want %v", c.image, c.than, c.want)
		}
	}
}
