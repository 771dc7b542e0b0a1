//go:build linux

package supervisor

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"firedrill/sim"
)

// A log has its beginning and its end, wherever writes begin and end, and is taken up where it was left.
func TestLog(t *testing.T) {
	for name, sizes := range map[string][]int{
		"nothing": {}, "little": {3, 5}, "half": {LogHalf}, "just over half": {LogHalf - 1, 2}, "all": {LogHalf, LogHalf},
		"one too many": {2 * LogHalf, 1}, "over the edge": {LogHalf + 7, LogHalf - 3, 11}, "at once": {5*LogHalf + 13},
		"many": {LogHalf, LogHalf / 2, LogHalf, LogHalf/3 + 1, 17},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := NewLog()
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var all []byte
			for i, size := range sizes {
				piece := bytes.Repeat([]byte{byte('a' + i)}, size)
				for n := range piece { // No two places look alike.
					piece[n] += byte(n % 7)
				}
				all = append(all, piece...)
				again, err := OpenLog(l.file) // As the next process of the machine.
				if err != nil {
					t.Fatal(err)
				}
				again.write(piece)
			}
			want := all
			if over := len(all) - 2*LogHalf; over > 0 {
				want = fmt.Appendf(bytes.Clone(all[:LogHalf]), "\n=== %d bytes are left out here\n", over)
				want = append(want, all[len(all)-LogHalf:]...)
			}
			if have, err := l.Text(); err != nil || !bytes.Equal(have, want) {
				t.Errorf("have %d bytes, %v, want %d", len(have), err, len(want))
			}
		})
	}
}

// What befell the machine stands between what its programs wrote before and after, on lines of its own, and is there
// even where what they wrote is not.
func TestMarks(t *testing.T) {
	const s, gap = time.Second, "\n=== 17 bytes are left out here\n"
	half := strings.Repeat("x", LogHalf)
	type step struct {
		write    string
		mark     string
		silences bool
	}
	for name, x := range map[string]struct {
		steps []step
		want  string
	}{
		"none":     {nil, ""},
		"alone":    {[]step{{mark: "booted"}, {mark: "power cut", silences: true}}, "=== 0.500s booted\n=== 1.500s power cut\n"},
		"at once":  {[]step{{write: "a\n"}, {mark: "resumed"}, {write: "b\n"}}, "a\n=== 1.500s resumed\nb\n"},
		"silences": {[]step{{mark: "killed", silences: true}, {write: "late\n"}, {mark: "restarted"}, {write: "b\n"}}, "late\n=== 0.500s killed\n=== 2.500s restarted\nb\n"},
		"and ends": {[]step{{write: "a\n"}, {mark: "power cut", silences: true}, {write: "late\n"}}, "a\nlate\n=== 1.500s power cut\n"},
		"in a line": {[]step{{write: "a li"}, {mark: "paused", silences: true}, {mark: "resumed"}, {write: "ne\n"}},
			"a li\n=== 1.500s paused\n=== 2.500s resumed\nne\n"},
		"left out": {[]step{{write: half}, {mark: "first"}, {write: "seventeen"}, {mark: "second"}, {write: " letters"}, {mark: "third"}, {write: half}, {mark: "last"}},
			half + "\n=== 1.500s first\n" + gap[1:] + "=== 3.500s second\n=== 5.500s third\n" + half + "\n=== 7.500s last\n"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := NewLog()
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for i, step := range x.steps {
				again, err := OpenLog(l.file) // In another process, where no mark is known.
				if err == nil && step.mark != "" {
					_, err = l.Mark(time.Duration(i)*s+s/2, step.mark, step.silences)
				}
				if err != nil {
					t.Fatal(err)
				}
				again.write([]byte(step.write))
			}
			for range 2 { // It can be read again.
				if have, err := l.Text(); err != nil || string(have) != x.want {
					t.Fatalf("want %d bytes, have %d, %v:\n%.300s", len(x.want), len(have), err, bytes.ReplaceAll(have, []byte(half), []byte("HALF")))
				}
			}
		})
	}
}

// Lines are the same however their bytes arrive.
func TestLinesOfOutput(t *testing.T) {
	long := strings.Repeat("x", LineMax)
	text := "one\n\ntwo\r\n" + long + "\n" + long + "y\n" + long + long + "\nthree"
	want := []string{"one", "", "two", long, long, long, "three"}
	for _, step := range []int{1, 7, LineMax, LineMax + 1, len(text)} {
		o := &output{}
		o.more.L = &o.mu
		for rest := text + "\n"; rest != ""; {
			n := min(step, len(rest))
			o.take(1, []byte(rest[:n]), &o.written)
			rest = rest[n:]
		}
		var have []string
		cuts := 0
		for _, q := range o.queue {
			have = append(have, q.Fact.Value)
			cuts += len(q.Fact.Attrs)
		}
		if strings.Join(have, "|") != strings.Join(want, "|") || cuts != 2 {
			t.Errorf("in steps of %d: %d lines, %d cut", step, len(have), cuts)
		}
	}
}

// After so many lines, or bytes, one line says that there are more; what makes a program ready is seen all the same.
func TestLimitOfLines(t *testing.T) {
	for name, x := range map[string]struct {
		line  string
		lines int
	}{
		"lines": {"x", LinesMax},
		"bytes": {strings.Repeat("x", 4000), bytesMax / 4000},
	} {
		o := &output{ready: "go"}
		o.more.L = &o.mu
		for range 2 * x.lines {
			o.take(1, []byte(x.line+"\n"), &o.written)
		}
		o.take(1, []byte("go\ngo\n"), &o.written)
		if n := len(o.queue); n != x.lines+2 {
			t.Errorf("%s: %d facts, want %d", name, n, x.lines+2)
			continue
		}
		if f := o.queue[x.lines].Fact; f.Attr("level") != "WARN" || f.Attr(sim.AttrUntold) == "" {
			t.Errorf("%s: the last line is %q", name, f.Value)
		}
		if f := o.queue[x.lines+1].Fact; f.Name != "ready" {
			t.Errorf("%s: the last fact is %s", name, f.Name)
		}
	}
}

// What a daemon says to the system's log is told as it would say it to its output.
func TestPlainMessages(t *testing.T) {
	for message, want := range map[string]string{
		"<30>Nov 21 16:10:30 keepalived[12]: text": "keepalived[12]: text",
		"<30>Nov  1 06:10:30 a: b\n":               "a: b",
		"<13>text\x00":                             "text",
		"text > more":                              "text > more",
		"<30":                                      "<30",
		"":                                         "",
		"Nov 21":                                   "Nov 21",
	} {
		if have := plain(message); have != want {
			t.Errorf("of %q: want %q, have %q", message, want, have)
		}
	}
}
