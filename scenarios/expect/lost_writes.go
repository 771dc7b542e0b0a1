package expect

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"firedrill/nodes"
)

// LostWrites claims which acknowledged writes a client that follows the advertised name does not find at the end:
// exactly these, neither more nor fewer.
//
//   - none: every one is present or superseded.
//   - after-last-image: those that were acknowledged after the snapshot instant of the newest image that the machine
//     which took over had committed. One under way at that instant may be on either side. One that is older may not be
//     lost, and one that is newer may not be there unless the image shows the same: then what is served is no image.
//   - divergent: those that some servers of the service show and others do not.
//   - backlog, unmirrored: those of which no other machine had noted a durable copy when they were lost.
//
// Vacuous where nothing was at risk: no acknowledged write, or, where a loss is claimed, none of the sort.
//
// Source: IDEAL-2; spec 8.5, loss ledger; D-50, D-INV-5 (after-last-image), D-56 (divergent), HZ-B6 (backlog), HZ-C7
// (unmirrored).
type LostWrites struct {
	Lost  string `yaml:"lost_writes" choices:"none after-last-image backlog unmirrored divergent" doc:"which are lost"`
	Since string `yaml:"since" ref:"step" doc:"only writes that were sent after this step"`
}

// Check finds what is wrong with the claim as a whole.
func (c *LostWrites) Check() error {
	return wantSubject(c.Name(), c.Lost, "one of none, after-last-image, backlog, unmirrored, divergent")
}

// Name implements Claim.
func (c *LostWrites) Name() string { return "lost_writes" }

// The sets of lost writes that can be claimed.
const (
	LostNone           = "none"
	LostAfterLastImage = "after-last-image"
	LostBacklog        = "backlog"
	LostUnmirrored     = "unmirrored"
	LostDivergent      = "divergent"
)

// Judge implements Claim.
func (c *LostWrites) Judge(r *Run) Finding {
	since, missing := r.from(c.Since)
	if missing != nil {
		missing.Subject = c.Lost
		return *missing
	}
	s := settlement{run: r, claim: c.Lost, aftermaths: r.aftermaths()}
	for i, fate := range r.Ledger().Fates {
		if op := &r.History[i]; fate != Unjudged && op.Sent >= since.at {
			s.add(op, fate)
		}
	}
	f := Finding{Verdict: Pass, Subject: c.Lost, Breaches: s.breaches()}
	switch {
	case s.acknowledged == 0:
		f.Verdict = Vacuous
		f.Evidence = []string{"no write was acknowledged"}
	case len(f.Breaches) == 0 && c.Lost != LostNone && len(s.wanted) == 0:
		f.Verdict = Vacuous
		f.Evidence = []string{"no write was lost, nor could any have been: " + nothingAtRisk[c.Lost]}
	}
	f = f.broken(r)
	f.Evidence = append(f.Evidence, r.damaged()...)
	f.Measures = s.measures()
	if len(s.wanted) > 0 {
		f.Evidence = append(f.Evidence, fmt.Sprintf("lost as claimed: %s", s.tell(s.wanted)))
	}
	return f
}

var nothingAtRisk = map[string]string{
	LostAfterLastImage: "nothing was written between an image and a takeover from it",
	LostBacklog:        "every write had a second copy",
	LostUnmirrored:     "every write had a second copy",
	LostDivergent:      "no two servers show different things",
}

// settlement sorts acknowledged writes by their fate and by what was claimed.
type settlement struct {
	run          *Run
	claim        string
	acknowledged int
	wanted       []*nodes.Operation // lost as claimed
	kept         []*nodes.Operation // claimed to be lost, but there
	unwanted     [Gone + 1][]*nodes.Operation
	lost         [Gone + 1]int
	aftermaths   []aftermath
	copies       map[copied]bool
}

func (s *settlement) add(op *nodes.Operation, fate Fate) {
	s.acknowledged++
	if fate.Lost() {
		s.lost[fate]++
	}
	switch {
	case fate.Lost() && s.may(op, fate):
		s.wanted = append(s.wanted, op)
	case fate.Lost():
		s.unwanted[fate] = append(s.unwanted[fate], op)
	case fate == Present && s.claim == LostAfterLastImage && s.must(op):
		s.kept = append(s.kept, op)
	}
}

// may reports whether the claim covers the loss of the write.
func (s *settlement) may(op *nodes.Operation, fate Fate) bool {
	switch s.claim {
	case LostDivergent:
		return fate == Divergent
	case LostAfterLastImage:
		_, lost := s.run.AfterImage(op)
		return lost
	case LostBacklog, LostUnmirrored:
		return fate == Gone && !s.hasCopy(op)
	}
	return false
}

// AfterImage finds the takeover that left a write behind: it came from an image, and the write was acknowledged by
// another machine of the service after the snapshot instant of that image, before redundancy was set up again.
func (r *Run) AfterImage(op *nodes.Operation) (*Restore, bool) {
	for i := range r.Images().Restores {
		x := &r.Images().Restores[i]
		if x.Image != nil && r.behind(op, x) && op.Done >= x.Image.Snapshot && op.Sent < x.Over {
			return x, true
		}
	}
	return nil, false
}

// behind reports whether the write was for the service that the machine took over, and went to another one.
func (r *Run) behind(op *nodes.Operation, x *Restore) bool {
	return op.ServedBy != x.Machine && r.Services().Serves(op) == r.Services().Of(x.Machine)
}

// aftermath is a takeover from an image by a machine that still serves at the end.
type aftermath struct {
	*Restore
	rewritten map[copied]bool // what clients put there themselves
}

func (r *Run) aftermaths() []aftermath {
	var found []aftermath
	for i := range r.Images().Restores {
		x := &r.Images().Restores[i]
		if x.Image == nil || !slices.Contains(r.Servers(r.Services().Of(x.Machine)), x.Machine) {
			continue
		}
		a := aftermath{x, map[copied]bool{}}
		for _, op := range r.WritesIn(x.Machine, x.At, r.End) {
			a.rewritten[copied{op.Path, op.Hash}] = true
		}
		found = append(found, a)
	}
	return found
}

// must reports whether the write cannot be there: it was sent wholly after the snapshot to the machine that was
// replaced, acknowledged before anything could have been served from the image, the image does not show the same by
// itself, and nobody wrote the same again.
func (s *settlement) must(op *nodes.Operation) bool {
	for _, x := range s.aftermaths {
		if s.run.behind(op, x.Restore) && op.Sent > x.Image.Snapshot && op.Done < x.At {
			return !x.rewritten[copied{op.Path, op.Hash}] && !s.run.imageShows(x.Image, op)
		}
	}
	return false
}

// imageShows reports whether what the write left behind may be what the image holds under its path as well: where it
// is a delete, that nothing was there yet. A delete that was acknowledged did delete something (see the dialect of
// files); where no client can have put that there, the machine had it from the start, and so has the image.
func (r *Run) imageShows(i *Image, op *nodes.Operation) bool {
	held := r.Holdings().At(i.From, op.Path, i.Snapshot, i.Snapshot)
	if op.Verb == "delete" && held.Begun {
		since := r.Holdings().At(i.From, op.Path, i.Snapshot, op.Done)
		return slices.ContainsFunc(since.Hashes, func(hash uint64) bool { return hash != 0 })
	}
	return held.Allows(op.Hash)
}

// hasCopy reports whether another machine had noted a durable copy of the write.
func (s *settlement) hasCopy(op *nodes.Operation) bool {
	if s.copies == nil {
		s.copies = map[copied]bool{}
		for i := range s.run.Events {
			e := &s.run.Events[i]
			if hash, err := strconv.ParseUint(e.Attr("hash"), 16, 64); e.Name == FactCopied && err == nil {
				s.copies[copied{e.Value, hash}] = true
			}
		}
	}
	return s.copies[copied{op.Path, op.Hash}]
}

// breaches are one for each fate that was not claimed, and one for what should have been lost and is there.
func (s *settlement) breaches() []Breach {
	var breaches []Breach
	for fate := Divergent; fate <= Gone; fate++ {
		if ops := s.unwanted[fate]; len(ops) > 0 {
			b := s.breach(ops, fmt.Sprintf("%s: %s", fate, s.tell(ops)))
			b.Lost = b.Operations
			breaches = append(breaches, b)
		}
	}
	if len(s.kept) > 0 {
		b := s.breach(s.kept, "newer than the image that is served, and yet there: "+s.tell(s.kept))
		b.Firm = true
		breaches = append(breaches, b)
	}
	return breaches
}

func (s *settlement) breach(ops []*nodes.Operation, text string) Breach {
	b := Breach{From: ops[0].Sent, Until: ops[0].Done, Text: text, Operations: idsOf(ops)}
	for _, op := range ops {
		b.From, b.Until = min(b.From, op.Sent), max(b.Until, op.Done)
		if op.ServedBy != "" && !slices.Contains(b.Machines, op.ServedBy) {
			b.Machines = append(b.Machines, op.ServedBy)
		}
	}
	return b
}

// tell says how many, how much and how old: the age is that of the oldest when its loss came about.
func (s *settlement) tell(ops []*nodes.Operation) string {
	first, last := ops[0], ops[0]
	for _, op := range ops {
		if op.Done < first.Done {
			first = op
		}
		if op.Done > last.Done {
			last = op
		}
	}
	text := fmt.Sprintf("%d acknowledged writes (%s), from %s to %s, up to %s old; the first is %s %s",
		len(ops), sizeOf(ops), about(first.Done), about(last.Done), about(s.age(ops)), first.Verb, first.Path)
	if len(ops) == 1 {
		text = fmt.Sprintf("1 acknowledged write (%s), at %s, %s old: %s %s",
			sizeOf(ops), about(first.Done), about(s.age(ops)), first.Verb, first.Path)
	}
	return text
}

// age is how old the oldest of the writes was when another machine took over, or else at the end.
func (s *settlement) age(ops []*nodes.Operation) time.Duration {
	var oldest time.Duration
	for _, op := range ops {
		at := s.run.End
		for _, x := range s.run.Images().Restores {
			if x.At >= op.Done && s.run.behind(op, &x) {
				at = x.At
				break
			}
		}
		oldest = max(oldest, at-op.Done)
	}
	return oldest
}

func (s *settlement) measures() []Measure {
	all := slices.Clone(s.wanted)
	var measures []Measure
	for fate := Divergent; fate <= Gone; fate++ {
		all = append(all, s.unwanted[fate]...)
		measures = append(measures, Measure{fate.String(), float64(s.lost[fate]), "operations"})
	}
	if len(all) == 0 {
		return nil
	}
	return append(measures,
		Measure{"lost_bytes", float64(Bytes(all)), "bytes"}, Measure{"lost_age", s.age(all).Seconds(), "s"})
}

// damaged says whose contents could not be read whole, so that a loss may be a matter of the disk.
func (r *Run) damaged() []string {
	var lines []string
	for _, m := range r.Machines {
		if m.Damage != nil {
			lines = append(lines, fmt.Sprintf("the disk of %s could not be read whole: %v", m.Name, m.Damage))
		}
	}
	return lines
}
