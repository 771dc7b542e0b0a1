package pair

import (
	"strconv"

	"firedrill/nodes/pair"
	"firedrill/scenarios/expect"
	"firedrill/sim"
)

// ImagesInOrder claims that the images of a pairing are committed in order: each is newer than the one before, each
// was begun by the active before the standby committed it, no other is begun while one is under way, and the active
// takes none for committed before the standby has it.
//
// Vacuous where no image was committed.
//
// Source: D-INV-8, D-Q6, D-69.
type ImagesInOrder struct {
	All string `yaml:"images_in_order" choices:"all" doc:"all"`
}

// Name implements expect.Claim.
func (c *ImagesInOrder) Name() string { return "images_in_order" }

// Judge implements expect.Claim.
func (c *ImagesInOrder) Judge(r *expect.Run) expect.Finding {
	u := &ruling{run: r}
	for _, p := range pairings(r) {
		o := order{ruling: u, pairing: p, begun: map[string]bool{}, committed: map[string]bool{}}
		for i := range r.Events {
			if e := &r.Events[i]; p.From <= e.At && e.At < p.Until {
				o.next(e)
			}
		}
	}
	return u.finding("no image was committed")
}

// order is what of a pairing's images has been seen so far.
type order struct {
	*ruling
	*pairing
	open      string // under way at the active
	newest    string // committed by the standby
	begun     map[string]bool
	committed map[string]bool
}

func (o *order) next(e *sim.Event) {
	wrong := func(format string, args ...any) {
		o.breach(expect.Breach{From: e.At, Machines: []string{e.Machine}, Events: []int{e.Seq}, Firm: true}, format, args...)
	}
	switch {
	case e.Machine == o.Active:
		switch e.Name {
		case pair.FactSyncBegun:
			if o.open != "" {
				wrong("%s began image %s at %s, while image %s was under way", e.Machine, e.Value, told(e.At), o.open)
			}
			if o.begun[e.Value] {
				wrong("%s began image %s for the second time at %s", e.Machine, e.Value, told(e.At))
			}
			o.open, o.begun[e.Value] = e.Value, true
		case pair.FactSyncCommitted:
			if !o.committed[e.Value] {
				wrong("%s took image %s for committed at %s, and %s had not committed it",
					e.Machine, e.Value, told(e.At), o.Standby)
			}
			o.open = ""
		case pair.FactSyncAborted, sim.FactBooted, sim.FactRestarted, sim.FactPoweredOff, sim.FactCrashed, sim.FactStopped:
			o.open = ""
		}
	case e.Machine != o.Standby:
	case e.Name == pair.FactErased:
		o.newest = ""
	case e.Name == pair.FactImageCommitted:
		o.tried++
		switch {
		case !o.begun[e.Value]:
			wrong("%s committed image %s at %s, which %s had not begun", e.Machine, e.Value, told(e.At), o.Active)
		case !later(e.Value, o.newest):
			wrong("%s committed image %s at %s, after image %s", e.Machine, e.Value, told(e.At), o.newest)
		}
		o.newest, o.committed[e.Value] = e.Value, true
	}
}

// later reports whether image numbers are in this order; "" is none.
func later(image, than string) bool {
	n, err := strconv.ParseUint(image, 10, 64)
	old, err2 := strconv.ParseUint(than, 10, 64)
	return err == nil && (than == "" || err2 == nil && n > old)
}
