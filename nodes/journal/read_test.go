package journal

import (
	"strings"
	"testing"
)

// A frame that is whole and in its place, and yet not the next one, is a sign that one between is gone.
func TestParseWantsEachFrame(t *testing.T) {
	const want6 = "want frame 6, have frame "
	for sequence, want := range map[uint64]string{6: "", 7: want6 + "7", 60: want6 + "60"} {
		data := appendHeader(nil, 5)
		data = appendFrame(data, int64(len(data)), 5, 1, appendRecord(nil, []byte("one")))
		data = appendFrame(data, int64(len(data)), sequence, 1, appendRecord(nil, []byte("two")))
		_, err := parse(data)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("frame %d after 5: want %q, have %v", sequence, want, err)
		}
	}
}

// A whole frame whose records do not fill it was written so: no power loss makes that.
func TestParseWantsFramesToBeFull(t *testing.T) {
	for _, c := range []struct {
		records int
		payload string
	}{{1, "\x03ab"}, {2, "\x01a"}, {1, "\x01ab"}, {0, "\x01a"}, {1, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}, {1, ""}} {
		data := appendHeader(nil, 1)
		data = appendFrame(data, int64(len(data)), 1, c.records, []byte(c.payload))
		if _, err := parse(data); err == nil {
			t.Errorf("%d records in %q: want an error", c.records, c.payload)
		}
	}
}
