package faults

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"firedrill/nodes"
	"firedrill/sim"
)

// Facts that a disturbance notes of the faults it draws.
const (
	FactDisturbed = "disturbed" // scope: the step's name; value: the fault
	FactUndone    = "undone"    // likewise, when the fault is over
)

// Disturb lets faults happen that the seed draws: one in each stretch of Every, and each is over before the next. It begins in
// the first quarter of its stretch and lasts for a quarter to a half of it. Each is an entry of its own; as a whole they have to
// hit something once in a batch. A program cannot be suspended, since its uptime is not ours: it is frozen in place of that.
type Disturb struct {
	Targets []string      `yaml:"disturb" ref:"segment all" doc:"segments and the machines on them; all: every one, management too"`
	With    []string      `yaml:"with" choices:"cut refuse degrade hold unplug split power_off crash pause freeze suspend" doc:"only these faults (all of them)"` //nolint:lll // A tag cannot be broken.
	Every   time.Duration `yaml:"every" doc:"how far the faults are apart"`
	For     time.Duration `yaml:"for" doc:"for how long (to the end of the drill)"`
}

func (f *Disturb) String() string { return Print(f) }

// Check finds a disturbance without a rate.
func (f *Disturb) Check() error {
	switch {
	case f.Every <= 0:
		return errors.New("disturb wants every: how far the faults are apart")
	case f.For > 0 && f.For < f.Every:
		return errors.New("want a for of at least one every, have less: it would cut the first fault short")
	}
	return nil
}

// disturbance is a Disturb in force.
type disturbance struct {
	*Disturb
	board *Board
	own   *Entry
	rand  *rand.Rand
	drawn []*Entry
}

// Inject begins it. Undone, the fault under way is over too.
func (f *Disturb) Inject(b *Board) Effect {
	d := &disturbance{Disturb: f, board: b, own: b.injecting, rand: b.World.Stream("disturb " + b.injecting.Step)}
	d.stretch(b.World.Now())
	if f.For > 0 {
		b.World.At(b.World.Now()+f.For, func() { b.Undo(d.own) })
	}
	return Effect{
		Undo: func() {
			for _, e := range d.drawn {
				d.undo(e)
			}
		},
		Receipt: d.receipt,
		Chance:  true,
	}
}

// over reports whether nothing more is to be drawn.
func (d *disturbance) over() bool { return d.own.Until >= 0 }

// stretch draws the fault of the stretch that begins at a time, and sees to the next one.
func (d *disturbance) stretch(begin time.Duration) {
	w, quarter := d.board.World, int64(d.Every)/4
	from := begin + time.Duration(d.rand.Int64N(quarter+1))
	until := from + time.Duration(quarter+d.rand.Int64N(quarter+1))
	w.At(from, func() {
		if d.over() {
			return
		}
		fault := d.draw()
		if fault == nil {
			return
		}
		w.Note(nodes.Fact{Name: FactDisturbed, Scope: d.own.Step, Value: fault.String()})
		e := d.board.Inject(d.own.Step, fault)
		e.Chance, e.effect.Stays = true, false
		d.drawn = append(d.drawn, e)
		w.At(until, func() { d.undo(e) })
	})
	if d.For == 0 || begin+d.Every-d.own.From < d.For {
		w.At(begin+d.Every, func() {
			if !d.over() {
				d.stretch(begin + d.Every)
			}
		})
	}
}

func (d *disturbance) undo(e *Entry) {
	if e.Until < 0 {
		d.board.World.Note(nodes.Fact{Name: FactUndone, Scope: e.Step, Value: e.Fault.String()})
		d.board.Undo(e)
	}
}

// receipt counts the faults that hit something.
func (d *disturbance) receipt() Receipt {
	hit := 0
	for _, e := range d.drawn {
		if e.Until < 0 {
			d.board.take(e)
		}
		if e.Hit() {
			hit++
		}
	}
	return Receipt{count(hit, "fault", "faults", "drawn that hit something")}
}

// field is where a fault may be drawn: a segment with links between machines.
type field struct {
	segment  string
	links    []*sim.Link
	machines []string // that have software of their own
}

// draw makes a fault, or none where there is nothing that it could be about.
func (d *disturbance) draw() Fault {
	fields := d.fields()
	if len(fields) == 0 {
		return nil
	}
	with := d.With
	if with == nil {
		with = Fields(d.Disturb)[1].Choices
	}
	verb := with[d.rand.IntN(len(with))]
	f := fields[d.rand.IntN(len(fields))]
	switch verb {
	case "cut":
		return &Cut{Segment: f.segment, Scope: d.scope(f)}
	case "refuse":
		return &Refuse{Segment: f.segment, Scope: d.scope(f)}
	case "degrade":
		return d.degrade(f)
	case "hold":
		return &Hold{Segment: f.segment, Scope: d.scope(f)}
	}
	machine := f.machines[d.rand.IntN(len(f.machines))]
	rest := slices.DeleteFunc(slices.Clone(f.machines), func(name string) bool { return name == machine })
	one := []string{machine}
	switch verb {
	case "unplug":
		if slices.Contains(d.board.Paths, f.segment) {
			return &Cut{Segment: f.segment, Scope: Scope{From: machine}} // There is no cable to pull.
		}
		return &Unplug{Segment: f.segment, Machine: machine}
	case "split":
		if len(rest) == 0 {
			return &Cut{Segment: f.segment, Scope: Scope{From: machine}}
		}
		return &Split{Segment: f.segment, Into: [][]string{one, rest}}
	case "power_off":
		return &PowerOff{Machines: one}
	case "crash":
		return &Crash{Machines: one}
	case "pause":
		return &Pause{Machines: one}
	case "freeze":
		return &Freeze{Machines: one}
	}
	if d.board.World.Machine(machine).Kind().Program != nil {
		return &Freeze{Machines: one}
	}
	return &Suspend{Machines: one}
}

// fields are the segments that are meant and have something on them, in the order of the machines.
func (d *disturbance) fields() []field {
	var names []string
	for _, m := range d.board.World.Machines() {
		for _, i := range m.Interfaces() {
			if m.Kind() != nil && !slices.Contains(names, i.Segment) {
				names = append(names, i.Segment)
			}
		}
	}
	var fields []field
	for _, name := range append(names, d.board.Paths...) {
		if !slices.Contains(d.Targets, "all") && !slices.Contains(d.Targets, name) {
			continue
		}
		f := field{segment: name}
		for _, l := range d.board.World.Links(name) {
			from, to := d.board.World.Machine(l.From), d.board.World.Machine(l.To)
			if from == nil || to == nil {
				continue // Whoever routes is no machine that a fault could name.
			}
			f.links = append(f.links, l)
			if from.Kind() != nil && !slices.Contains(f.machines, l.From) {
				f.machines = append(f.machines, l.From)
			}
		}
		if len(f.machines) > 0 {
			fields = append(fields, f)
		}
	}
	return fields
}

// scope draws the whole segment, one way, or both ways between two.
func (d *disturbance) scope(f field) Scope {
	l := f.links[d.rand.IntN(len(f.links))]
	switch d.rand.IntN(3) {
	case 0:
		return Scope{}
	case 1:
		return Scope{From: l.From, To: l.To}
	}
	return Scope{Between: []string{l.From, l.To}}
}

// degrade draws one thing that is worse.
func (d *disturbance) degrade(f field) Fault {
	g := &Degrade{Segment: f.segment, Scope: d.scope(f)}
	share := nodes.ShareAll / 100 * nodes.Share(1+d.rand.IntN(50))
	latency := time.Duration(10+d.rand.IntN(1990)) * time.Millisecond
	bandwidth := nodes.Bandwidth(64_000 * (1 + d.rand.Int64N(100)))
	switch d.rand.IntN(6) {
	case 0:
		g.Latency = &latency
	case 1:
		g.Jitter = &latency
	case 2:
		g.Loss = &share
	case 3:
		g.Duplicate = &share
	case 4:
		g.Reorder = &share
	default:
		g.Bandwidth = &bandwidth
	}
	return g
}
