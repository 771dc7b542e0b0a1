package reports

import (
	"cmp"
	"io"
	"slices"
	"time"

	"firedrill/scenarios"
	"firedrill/scenarios/expect"
)

// Agreement is what comparing two worlds comes to.
type Agreement string

// The agreements, worst first.
const (
	Differs   Agreement = "differs"
	Undecided Agreement = "inconclusive" // the kernel world could not be believed
	Agrees    Agreement = "agrees"
)

// Tries is how often one play is played in the kernel world at most: on a system on which every second play cannot be believed
// they are used up once in 256 times.
const Tries = 8

// agreements are worst first.
var agreements = []Agreement{Differs, Undecided, Agrees}

// Comparison is what one case showed in both worlds: in the virtual one over many seeds, and play by play in the kernel world.
// What a play in the kernel world came to agrees if it came to that in at least one virtual seed: what hangs on chance there may
// hang on it here. A time agrees if it lies within the range of the virtual seeds, widened at both ends by a tenth of its
// width or by 100 ms of real time, whichever is more. How many operations and bytes there were is the clients' own chance, and
// is not compared.
//
// One play of a busy kernel may differ by chance. A seed whose play differs is played again, and what most of its plays say
// counts; those that cannot be believed do not.
type Comparison struct {
	Case      string    `json:"case"`
	Agreement Agreement `json:"agreement"`
	TimeScale string    `json:"time_scale"`
	Virtual   int       `json:"virtual_plays"`
	Kernel    int       `json:"kernel_plays"`    // those that could be believed
	Differing int       `json:"differing_plays"` // of those
	Aspects   []*Aspect `json:"aspects"`
	Timings   []*Timing `json:"timings"`
	Doubts    []string  `json:"doubts,omitempty"` // why plays in the kernel world could not be believed
	Again     []string  `json:"again,omitempty"`  // what plays it again, in the virtual world and in the kernel world
	scale     time.Duration
	tried     map[uint64]tried
}

// tried is how often a seed was played in the kernel world.
type tried struct{ agreed, differed, doubted int }

// settled reports whether another play could not change what this seed comes to, or is not worth its time.
func (t tried) settled() bool {
	return t.agreed == 1 && t.differed == 0 || t.agreed == 2 || t.differed == 2 || t.agreed+t.differed+t.doubted >= Tries
}

// agreement is what most of its plays say.
func (t tried) agreement() Agreement {
	switch {
	case t.differed > t.agreed && (t.differed > 1 || t.doubted == 0):
		return Differs
	case t.agreed > t.differed:
		return Agrees
	}
	return Undecided
}

// Aspect is one thing that a play comes to: its verdict, the verdict of a claim, a hazard that shows itself.
type Aspect struct {
	What      string           `json:"what"`               // `verdict`, the claim as the scenario has it, or the hazard's id
	Agreement Agreement        `json:"agreement"`          // of the play that differs most
	Virtual   []Share          `json:"virtual"`            // most plays first
	Kernel    []expect.Verdict `json:"kernel"`             // play by play
	Evidence  []string         `json:"evidence,omitempty"` // of the first play that differs
	nth       int
}

// Share is how many plays came to a verdict.
type Share struct {
	Verdict expect.Verdict `json:"verdict"`
	Plays   int            `json:"plays"`
}

// Timing is a phase of a takeover, or another figure in seconds.
type Timing struct {
	Name      string    `json:"name"`
	Claim     string    `json:"claim"`         // that measured it
	Agreement Agreement `json:"agreement"`     // of the play that differs most
	Seeds     int       `json:"virtual_plays"` // in so many it was measured
	Least     float64   `json:"least"`         // of the virtual plays
	Most      float64   `json:"most"`
	Margin    float64   `json:"margin"` // how far beyond is near enough
	Kernel    []float64 `json:"kernel"` // those that measured it, play by play
	Beyond    float64   `json:"beyond"` // how far outside of the range the farthest is: below 0 before it, 0 within
	nth       int
}

// nearEnough is by how much of real time a play may miss the range of the virtual seeds.
const nearEnough = 100 * time.Millisecond

// NewComparison compares plays of a case that goes so many times faster than life in the kernel world.
func NewComparison(of string, scale scenarios.Scale) *Comparison {
	return &Comparison{Case: of, Agreement: Undecided, TimeScale: scale.String(), Aspects: []*Aspect{}, Timings: []*Timing{},
		scale: time.Duration(max(1, scale)), tried: map[uint64]tried{}}
}

// AddVirtual takes a play in the virtual world. All of them come before those in the kernel world.
func (c *Comparison) AddVirtual(o *scenarios.Outcome) {
	c.Virtual++
	met := map[*Aspect]bool{}
	for _, r := range remarks(o) {
		p := c.aspect(r)
		p.tell(r.found, 1)
		met[p] = true
	}
	for _, p := range c.Aspects {
		if !met[p] {
			p.tell(expect.Idle, 1) // What nobody speaks of had nothing to judge.
		}
	}
	for _, m := range timed(o) {
		t := c.timing(m)
		if t.Seeds == 0 {
			t.Least, t.Most = m.value, m.value
		}
		t.Seeds++
		t.Least, t.Most = min(t.Least, m.value), max(t.Most, m.value)
	}
}

// AddDoubt takes a play in the kernel world that cannot be believed.
func (c *Comparison) AddDoubt(o *scenarios.Outcome) {
	why := o.Doubt
	for _, claim := range o.Claims {
		if why == "" && claim.Asked && claim.Verdict == expect.Inconclusive {
			why = claim.Text + " could not be decided"
		}
	}
	c.Doubts = append(c.Doubts, why)
	c.try(o, tried{doubted: 1})
}

// AddKernel takes a play in the kernel world, and reports whether it agrees with the virtual ones.
func (c *Comparison) AddKernel(o *scenarios.Outcome) bool {
	before := c.Kernel
	c.Kernel++
	agrees := true
	for _, r := range remarks(o) {
		p := c.aspect(r)
		p.Kernel = append(p.Kernel, r.found)
		if !p.shown(r.found) {
			agrees = false
			if p.Agreement == Agrees {
				p.Agreement, p.Evidence = Differs, r.evidence
			}
		}
	}
	for _, p := range c.Aspects {
		if len(p.Kernel) == before {
			p.Kernel = append(p.Kernel, expect.Idle)
			if !p.shown(expect.Idle) {
				agrees, p.Agreement = false, Differs
			}
		}
	}
	if !c.addTimes(o) {
		agrees = false
	}
	if agrees {
		c.try(o, tried{agreed: 1})
	} else {
		c.Differing++
		c.try(o, tried{differed: 1})
	}
	return agrees
}

// addTimes compares the times of a play in the kernel world.
func (c *Comparison) addTimes(o *scenarios.Outcome) bool {
	agrees := true
	met := map[*Timing]bool{}
	for _, m := range timed(o) {
		t := c.timing(m)
		met[t] = true
		t.Kernel = append(t.Kernel, m.value)
		beyond := max(0, m.value-t.Most) + min(0, m.value-t.Least)
		if max(beyond, -beyond) > max(t.Beyond, -t.Beyond) {
			t.Beyond = beyond
		}
		t.Margin = max((t.Most-t.Least)/10, (nearEnough * c.scale).Seconds())
		if t.Seeds == 0 || max(beyond, -beyond) > t.Margin {
			agrees, t.Agreement = false, Differs
		}
	}
	for _, t := range c.Timings {
		if !met[t] && t.Seeds == c.Virtual { // Each virtual seed has measured it.
			agrees, t.Agreement = false, Differs
		}
	}
	return agrees
}

// try counts a play, and says what all of them come to: the worst that a seed does.
func (c *Comparison) try(o *scenarios.Outcome, more tried) {
	t := c.tried[o.Scenario.Seed]
	c.tried[o.Scenario.Seed] = tried{t.agreed + more.agreed, t.differed + more.differed, t.doubted + more.doubted}
	have := map[Agreement]bool{}
	for _, t := range c.tried {
		have[t.agreement()] = true
	}
	for _, a := range agreements {
		if have[a] {
			c.Agreement = a
			return
		}
	}
}

// Settled reports whether a seed need not be played in the kernel world again.
func (c *Comparison) Settled(seed uint64) bool {
	return c.tried[seed].settled()
}

// remark is what one play says of an aspect.
type remark struct {
	what     string
	nth      int // of those with the same words
	found    expect.Verdict
	evidence []string
}

// remarks are what a play came to.
func remarks(o *scenarios.Outcome) []remark {
	list := []remark{{what: "verdict", found: o.Verdict, evidence: o.Misses}}
	add := func(what string, found expect.Verdict, evidence []string) {
		nth := 0
		for _, r := range list {
			if r.what == what {
				nth++
			}
		}
		list = append(list, remark{what, nth, found, evidence})
	}
	for _, claim := range o.Claims {
		add(claim.Text, claim.Verdict, claim.Evidence)
	}
	if o.Judgement != nil {
		for _, h := range o.Judgement.Hazards {
			add(h.Hazard, expect.HazardSeen, nil)
		}
	}
	return list
}

// aspect is the aspect that a remark is about. One that is new had nothing to judge in the plays before.
func (c *Comparison) aspect(r remark) *Aspect {
	for _, p := range c.Aspects {
		if p.What == r.what && p.nth == r.nth {
			return p
		}
	}
	p := &Aspect{What: r.what, nth: r.nth, Agreement: Agrees, Virtual: []Share{}, Kernel: []expect.Verdict{}}
	if c.Kernel > 0 {
		p.tell(expect.Idle, c.Virtual)
		p.Kernel = slices.Repeat([]expect.Verdict{expect.Idle}, c.Kernel-1)
	} else if c.Virtual > 1 {
		p.tell(expect.Idle, c.Virtual-1)
	}
	c.Aspects = append(c.Aspects, p)
	return p
}

// tell counts virtual plays that came to a verdict.
func (p *Aspect) tell(v expect.Verdict, plays int) {
	n := slices.IndexFunc(p.Virtual, func(s Share) bool { return s.Verdict == v })
	if n < 0 {
		p.Virtual = append(p.Virtual, Share{v, plays})
	} else {
		p.Virtual[n].Plays += plays
	}
	slices.SortStableFunc(p.Virtual, func(a, b Share) int { return cmp.Compare(b.Plays, a.Plays) })
}

// shown reports whether a virtual play came to a verdict.
func (p *Aspect) shown(v expect.Verdict) bool {
	return slices.ContainsFunc(p.Virtual, func(s Share) bool { return s.Verdict == v })
}

// idle reports whether there was nothing to judge, in either world.
func (p *Aspect) idle() bool {
	return len(p.Virtual) == 1 && p.Virtual[0].Verdict == expect.Idle &&
		!slices.ContainsFunc(p.Kernel, func(v expect.Verdict) bool { return v != expect.Idle })
}

// sample is a figure in seconds of one play.
type sample struct {
	name, claim string
	nth         int // of those with the same words
	value       float64
}

// timed are the figures in seconds of a play. What a claim measures that nobody asked for is left out where one that is asked for
// measures the same.
func timed(o *scenarios.Outcome) []sample {
	var list []sample
	var asked []string
	for _, claim := range o.Claims {
		nth := map[string]int{}
		for _, m := range claim.Measures {
			if m.Unit != "s" || !claim.Asked && slices.Contains(asked, m.Name) {
				continue
			}
			if claim.Asked {
				asked = append(asked, m.Name)
			}
			list = append(list, sample{m.Name, claim.Text, nth[m.Name], m.Value})
			nth[m.Name]++
		}
	}
	return list
}

func (c *Comparison) timing(m sample) *Timing {
	for _, t := range c.Timings {
		if t.Name == m.name && t.Claim == m.claim && t.nth == m.nth {
			return t
		}
	}
	t := &Timing{Name: m.name, Claim: m.claim, nth: m.nth, Agreement: Agrees, Kernel: []float64{}}
	c.Timings = append(c.Timings, t)
	return t
}

// WriteComparison writes it as one line of JSON.
func WriteComparison(w io.Writer, c *Comparison) error {
	b, err := encode(c, "")
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}
