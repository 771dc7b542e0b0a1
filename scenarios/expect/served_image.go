package expect

import (
	"fmt"
	"time"

	"firedrill/nodes"
)

// ServedImage claims that what is served after a takeover is the newest image that had been committed, with what
// clients wrote since on top: each answer to a get, and what lies on the disk at the end. A deleted file that comes
// back, a file that the image has and nobody finds, and one that is newer than the image are all breaches. So is a
// unit that says it serves from another image, or takes over without any. What else of the machine is part of an image
// is for claims of its kind (served_configuration).
//
// Vacuous where nobody took over, or where no read and no disk shows what is served since.
//
// Source: IDEAL-4; D-INV-2, D-49, D-51, D-52; HZ-D4.
type ServedImage struct {
	Image string `yaml:"served_image" choices:"newest-committed" doc:"newest-committed"`
}

// NewestCommitted is the one choice of ServedImage.
const NewestCommitted = "newest-committed"

// Name implements Claim.
func (c *ServedImage) Name() string { return "served_image" }

// Judge implements Claim.
func (c *ServedImage) Judge(r *Run) Finding {
	f := Finding{Verdict: Vacuous, Subject: NewestCommitted, Evidence: []string{"nobody took over"}}
	for i := range r.Images().Restores {
		x := &r.Images().Restores[i]
		s := served{run: r, restore: x, until: r.Holdings().Replaced(x.Machine, x.At)}
		s.read()
		s.lie()
		f.Breaches = append(f.Breaches, s.breaches()...)
		if s.seen == 0 && len(f.Breaches) == 0 {
			f.Evidence = []string{"nothing shows what is served since the takeover"}
			continue
		}
		if f.Verdict == Vacuous {
			f.Verdict, f.Evidence = Pass, nil
		}
		f.Evidence = append(f.Evidence, fmt.Sprintf("%s took over at %s: %d reads and files were compared",
			x.Machine, clock(x.At), s.seen))
	}
	return f.broken(r)
}

// served compares what one takeover brought to light.
type served struct {
	run     *Run
	restore *Restore
	until   time.Duration // when the unit was filled anew, or the end of the run
	seen    int
	wrong   []string // the first few, for people
	count   int      // of all that are wrong
	last    time.Duration
	ids     []uint64
}

func (s *served) compare(path string, hash uint64, from, until time.Duration, how string) bool {
	s.seen++
	if s.run.Holdings().At(s.restore.Machine, path, from, until).Allows(hash) {
		return true
	}
	s.count++
	s.last = max(s.last, until)
	if len(s.wrong) < linesMax {
		what := "something else"
		if hash == 0 {
			what = "nothing"
		}
		s.wrong = append(s.wrong, fmt.Sprintf("%s under %s %s", what, path, how))
	}
	return false
}

// read holds every answered get against what the image had.
func (s *served) read() {
	for i := range s.run.History {
		op := &s.run.History[i]
		if op.Verb != "get" || op.Result != nodes.ResultOK || op.ServedBy != s.restore.Machine ||
			op.Sent < s.restore.At || op.Done > s.until {
			continue
		}
		if !s.compare(op.Path, op.Hash, op.Sent, op.Done, "at "+about(op.Done)) {
			s.ids = append(s.ids, op.ID)
		}
	}
}

// lie holds what lies on the disk at the end against it, unless the unit was filled anew meanwhile.
func (s *served) lie() {
	m := s.run.Machine(s.restore.Machine)
	if m == nil || m.Damage != nil || len(m.Contents) == 0 || s.until < s.run.End {
		return
	}
	live := map[string]uint64{}
	for _, item := range m.Contents {
		if item.Place == "" {
			live[item.Path] = item.Hash
		}
	}
	for _, path := range s.run.Holdings().Paths() {
		s.compare(path, live[path], s.run.End, s.run.End, "on the disk at the end")
	}
}

func (s *served) breaches() []Breach {
	x := s.restore
	breach := func(until time.Duration, firm bool, format string, args ...any) Breach {
		return Breach{From: x.At, Until: until, Machines: []string{x.Machine}, Events: []int{x.Event}, Firm: firm,
			Operations: s.ids, Text: fmt.Sprintf(format, args...)}
	}
	says := s.run.Events[x.Event].Attr("image")
	switch {
	case x.Image == nil:
		return []Breach{breach(x.At, true, "%s took over at %s, and had committed no image", x.Machine, clock(x.At))}
	case says != x.Image.ID:
		return []Breach{breach(x.At, true, "%s says that it serves image %q, and the newest that it had committed was %s",
			x.Machine, says, x.Image.ID)}
	case s.count > 0:
		return []Breach{breach(s.last, false,
			"%s took over with image %s, of %s, and %d of %d reads and files are not of it: %s",
			x.Machine, x.Image.ID, clock(x.Image.Snapshot), s.count, s.seen, join(s.wrong, s.count))}
	}
	return nil
}

// join lists the first few of many.
func join(lines []string, count int) string {
	text := ""
	for i, line := range lines {
		if i > 0 {
			text += "; "
		}
		text += line
	}
	if more := count - len(lines); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}
