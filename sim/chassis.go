package sim

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"firedrill/nodes"
)

// Chassis is what a machine of every world is: a name, a disk, a clock, and the switches at which its owner stands. It alone
// knows which of them does something in which state, and which facts tell of it. A world embeds it in its machines, and does
// by Works what the switch means there; so the same acts give the same facts in the same order wherever they are played.
//
// A transition changes the state, notes its fact, and then lets Works act. Whoever waits for the fact may act on the machine
// before Works does: what Works does goes by the state that it finds, and software whose start or crash was overtaken is
// neither started nor dropped. Only a loss of power comes before its fact: nothing of the machine may follow that.
type Chassis struct {
	Config any // of the software; what the next start gives it

	world Surroundings
	works Works
	name  string
	kind  *nodes.Kind
	specs []Interface
	disk  *Disk
	clock *Clock

	on      bool
	retired bool
	fate    State // of the software: StateCrashed, StateStopped; "": it has not ended
	paused  bool
	still   State // StateFrozen, StateSuspended; "": it goes on
	out     map[string]bool
	lives   int        // starts and ends of the software so far
	role    nodes.Fact // the last fact role, without a scope
}

// Works is what a world does for the switches of one machine.
type Works interface {
	// Up begins a kernel, with empty memory. The clock is not yet set, the fact booted not yet noted.
	Up()
	// Start lets the software run, if there is any: after booted or restarted.
	Start()
	// Drop ends the software where it stands, after it has crashed or stopped. The kernel lives on and closes what it had open.
	Drop()
	// Down ends software and kernel in silence. The disk loses after that what it will lose.
	Down()
	// Hold lets what Still and Held name stand still.
	Hold()
	// Release lets go on what they name no longer, with all that had to wait.
	Release()
	// Cable gives the interface on a segment its carrier, or takes it.
	Cable(segment string, in bool)
}

// Surroundings is what a Chassis needs of its World.
type Surroundings interface {
	Now() time.Duration
	At(t time.Duration, act func())
	Stream(name string) *rand.Rand
	Add(at time.Duration, machine string, f nodes.Fact)
	Glimpse(at time.Duration, machine string, f nodes.Fact)
}

// Init makes it the chassis of a machine that is off. The machine stays where it is in memory from then on.
func (c *Chassis) Init(w Surroundings, works Works, spec MachineSpec) {
	*c = Chassis{Config: spec.Config, world: w, works: works, name: spec.Name, kind: spec.Kind, specs: spec.Interfaces,
		disk: NewDisk(spec.Disk, w.Stream("disk "+spec.Name)), clock: NewClock(spec.Clock, spec.Start), out: map[string]bool{}}
	c.disk.SetNow(func() time.Time { return c.clock.Now(w.Now()) })
	c.disk.SetElapsed(w.Now)
	c.disk.OnCrash = func() { c.PowerOff() }
	c.disk.OnSync = func(path string) { w.Glimpse(w.Now(), c.name, nodes.Fact{Name: FactDiskSync, Value: path}) }
}

// Name implements Machine.
func (c *Chassis) Name() string { return c.name }

// Kind implements Machine.
func (c *Chassis) Kind() *nodes.Kind { return c.kind }

// Interfaces implements Machine.
func (c *Chassis) Interfaces() []Interface { return c.specs }

// Disk implements Machine.
func (c *Chassis) Disk() *Disk { return c.disk }

// Clock implements Machine.
func (c *Chassis) Clock() *Clock { return c.clock }

// State implements Machine. What hides the rest comes first: a machine that is frozen with crashed software is frozen.
func (c *Chassis) State() State {
	switch {
	case !c.on:
		return StateOff
	case c.still != "":
		return c.still
	case c.fate != "":
		return c.fate
	case c.paused:
		return StatePaused
	}
	return StateUp
}

// On reports whether the machine has power.
func (c *Chassis) On() bool { return c.on }

// Fate is what became of the software: StateCrashed, StateStopped, or "" where it has not ended.
func (c *Chassis) Fate() State { return c.fate }

// Still reports whether the whole machine stands still, frozen or suspended: frames and timers wait.
func (c *Chassis) Still() bool { return c.still != "" }

// Held reports whether the software is not to go on: it is paused, or the machine stands still.
func (c *Chassis) Held() bool { return c.paused || c.still != "" }

// Unplugged reports whether the cable of the interface on a segment is out.
func (c *Chassis) Unplugged(segment string) bool { return c.out[segment] }

// Boot implements Machine.
func (c *Chassis) Boot(config any) bool {
	if c.on || c.retired {
		return false
	}
	c.on = true
	c.works.Up()
	c.clock.Boot(c.world.Now())
	c.begin(FactBooted, config)
	return true
}

// Restart implements Machine: software that has ended runs again.
func (c *Chassis) Restart(config any) bool {
	if !c.on || c.kind == nil || c.fate == "" {
		return false
	}
	c.begin(FactRestarted, config)
	return true
}

func (c *Chassis) begin(fact string, config any) {
	if config != nil {
		c.Config = config
	}
	c.fate, c.paused = "", false
	c.lives++
	own := c.lives
	c.Note(nodes.Fact{Name: fact})
	if c.lives == own {
		c.works.Start()
	}
}

// Crash implements Machine: software that runs, or is paused, is dropped.
func (c *Chassis) Crash() bool {
	if !c.on || c.kind == nil || c.fate != "" {
		return false
	}
	own := c.lives
	c.Note(nodes.Fact{Name: FactCrashed})
	if c.lives == own {
		c.Ended(StateCrashed)
	}
	return true
}

// Ended is told by the world that the software has ended, StateCrashed or StateStopped; the world has noted why. Only the first
// end of a start counts.
func (c *Chassis) Ended(how State) {
	if c.kind == nil || c.fate != "" {
		return
	}
	c.lives++
	c.fate, c.paused, c.role = how, false, nodes.Fact{}
	c.works.Drop()
}

// PowerOff implements Machine: the disk keeps what was synced.
func (c *Chassis) PowerOff() bool { return c.end((*Disk).PowerLoss) }

// Halt is a shutdown in good order, asked for by the software: the disk keeps everything.
func (c *Chassis) Halt(reboot bool) {
	if c.end((*Disk).SyncAll) && reboot {
		c.world.At(c.world.Now()+RebootTime, func() { c.Boot(nil) })
	}
}

func (c *Chassis) end(disk func(*Disk)) bool {
	if !c.on {
		return false
	}
	c.on = false
	c.lives++
	c.works.Down()
	disk(c.disk)
	if c.still == StateSuspended {
		c.clock.Wake(c.world.Now())
	}
	c.still, c.paused, c.role = "", false, nodes.Fact{}
	c.Note(nodes.Fact{Name: FactPoweredOff})
	return true
}

// Retire takes the machine out of a world that closes, and notes nothing: it is off, and never boots again.
func (c *Chassis) Retire() { c.on, c.retired = false, true }

// Pause implements Machine: of a machine that is up, and of one without software.
func (c *Chassis) Pause() bool {
	if c.State() != StateUp {
		return false
	}
	c.paused = true
	c.hold(StatePaused)
	return true
}

// Resume implements Machine. A machine that stands still has to go on first.
func (c *Chassis) Resume() bool {
	if !c.paused || c.still != "" {
		return false
	}
	c.paused = false
	c.release(StatePaused)
	return true
}

// Freeze implements Machine: of one that is on, whatever its software does.
func (c *Chassis) Freeze() bool { return c.stand(StateFrozen) }

// Thaw implements Machine. Software that was paused stays so.
func (c *Chassis) Thaw() bool { return c.move(StateFrozen) }

// Suspend implements Machine: as Freeze, with the clock.
func (c *Chassis) Suspend() bool { return c.stand(StateSuspended) }

// Wake implements Machine. Timers go by uptime, so that none of them has moved on.
func (c *Chassis) Wake() bool { return c.move(StateSuspended) }

func (c *Chassis) stand(how State) bool {
	if !c.on || c.still != "" {
		return false
	}
	c.still = how
	if how == StateSuspended {
		c.clock.Suspend(c.world.Now())
	}
	c.hold(how)
	return true
}

func (c *Chassis) move(from State) bool {
	if c.still != from {
		return false
	}
	if from == StateSuspended {
		c.clock.Wake(c.world.Now())
	}
	c.still = ""
	c.release(from)
	return true
}

func (c *Chassis) hold(how State) {
	c.Note(nodes.Fact{Name: FactPaused, Value: string(how)})
	c.works.Hold()
}

func (c *Chassis) release(from State) {
	c.Note(nodes.Fact{Name: FactResumed, Value: string(from)})
	c.works.Release()
}

// Plug implements Machine.
func (c *Chassis) Plug(segment string) bool { return c.cable(segment, true) }

// Unplug implements Machine.
func (c *Chassis) Unplug(segment string) bool { return c.cable(segment, false) }

// cable works in every state: whoever pulls a cable does not ask the machine.
func (c *Chassis) cable(segment string, in bool) bool {
	if c.out[segment] != in || !slices.ContainsFunc(c.specs, func(i Interface) bool { return i.Segment == segment }) {
		return false
	}
	c.out[segment] = !in
	c.works.Cable(segment, in)
	return true
}

// Note adds a fact of the machine to the trace.
func (c *Chassis) Note(f nodes.Fact) { c.NoteAt(c.world.Now(), f) }

// NoteAt adds a fact of a time that may have passed.
func (c *Chassis) NoteAt(at time.Duration, f nodes.Fact) {
	if f.Name == nodes.FactRole && f.Scope == "" {
		c.role = f
	}
	c.world.Add(at, c.name, f)
}

// Bound notes that an address was taken, or given up.
func (c *Chassis) Bound(segment string, a netip.Addr, bound bool) {
	name := FactAddressReleased
	if bound {
		name = FactAddressBound
	}
	c.Note(nodes.Fact{Name: name, Scope: segment, Value: a.String()})
}

// Log notes a line that the software, or a task of the harness, has logged.
func (c *Chassis) Log(level, text string, attrs []nodes.Attr) {
	c.Note(nodes.Fact{Name: FactLogLine, Value: text, Attrs: append([]nodes.Attr{{Key: "level", Value: level}}, attrs...)})
}

// Sign fills in that this machine served an operation, and in which role.
func (c *Chassis) Sign(op *nodes.Operation) {
	op.ServedBy, op.Role, op.Epoch = c.name, c.role.Value, c.role.Epoch
}
