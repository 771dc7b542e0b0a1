package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"firedrill/scenarios/expect"
)

// isTerminal reports whether w is a terminal, by all that can be told without asking it: a device
// of characters that is not the null device.
func isTerminal(w io.Writer) bool {
	if p, is := w.(*printed); is {
		w = p.to
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	null, errNull := os.Stat(os.DevNull)
	return err == nil && errNull == nil && info.Mode()&os.ModeCharDevice != 0 && !os.SameFile(info, null)
}

// wantsColour reports whether colours may be written to w.
func wantsColour(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

// progress is a line on a terminal that says how far a batch is. A nil progress says nothing.
type progress struct {
	out         io.Writer
	done, plays float64
	bad         int
	begin, last time.Time
	shown       bool
}

// newProgress shows the progress of so many plays, if w is a terminal.
func newProgress(w io.Writer, plays float64) *progress {
	if !isTerminal(w) {
		return nil
	}
	return &progress{out: w, plays: plays, begin: time.Now()}
}

// step counts a play.
func (p *progress) step(v expect.Verdict) {
	if p == nil {
		return
	}
	p.done++
	if v != expect.Pass && v != expect.HazardSeen {
		p.bad++
	}
	if now := time.Now(); now.Sub(p.last) > 100*time.Millisecond {
		p.last, p.shown = now, true
		const width = 30
		bar := strings.Repeat("=", int(width*p.done/p.plays))
		_, _ = fmt.Fprintf(p.out, "\r\x1b[K[%-*s] %.0f of %.0f plays, %d not passed, %.0fs",
			width, bar, p.done, p.plays, p.bad, now.Sub(p.begin).Seconds())
	}
}

// clear takes the line away, so that something else can be printed.
func (p *progress) clear() {
	if p != nil && p.shown {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
		p.shown, p.last = false, time.Time{}
	}
}

// self is the command as its user types it: ./firedrill, where it is not found by its name.
func self() string {
	if name := os.Args[0]; !filepath.IsAbs(name) && strings.ContainsRune(name, filepath.Separator) {
		return quote(name)
	}
	return "firedrill"
}

// quote makes one word of s for a shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./,:@%+=", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
