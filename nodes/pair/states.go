package pair

import "firedrill/nodes"

// Phase is a state of the unit's state machine (spec 5.3).
type Phase string

// The states. Takeover and the two pairings are never durable: a unit that stops in them boots as what it was
// before.
const (
	Standalone  Phase = "standalone"   // an ordinary NAS
	PairingA    Phase = "pairing-a"    // waits for the standby's request
	PairingS    Phase = "pairing-s"    // asks the active to pair
	ActiveInit  Phase = "active-init"  // serves, the standby has no image yet
	StandbyInit Phase = "standby-init" // erased, has no image yet
	Active      Phase = "active"
	Standby     Phase = "standby"
	Takeover    Phase = "takeover"     // between the decision and serving
	ActiveSolo  Phase = "active-solo"  // took over; nobody stands by
	StaleActive Phase = "stale-active" // came back after it was replaced
	DiskFailed  Phase = "disk-failed"  // booted on a disk that cannot be used: serves nobody, and says so
)

// Phases are all states, in the order of a pair's life.
var Phases = []Phase{
	Standalone, PairingA, PairingS, ActiveInit, StandbyInit, Active, Standby, Takeover, ActiveSolo, StaleActive,
	DiskFailed,
}

// Roles, as steps name machines.
const (
	RoleActive  = "active"
	RoleStandby = "standby"
)

// Access modes.
const (
	ReadWrite = "read-write"
	ReadOnly  = "read-only"
	NoAccess  = "none"
)

// bearing is how a unit in some state appears to others.
type bearing struct {
	role   string
	access string
	paired bool // belongs to a pair whose peer may speak to it
	owns   bool // holds the virtual address
	checks bool // asks whether its peer is alive
}

// bearing of a state. A standby refuses clients (D-INV-4), a stale active still shows its old data (D-64),
// and whoever took over asks nobody any more (D-60). The pairings have none of their own: a unit keeps the
// bearing that it had before.
func (p Phase) bearing() bearing {
	switch p {
	case ActiveInit, Active:
		return bearing{role: RoleActive, access: ReadWrite, paired: true, owns: true, checks: true}
	case StandbyInit, Standby:
		return bearing{role: RoleStandby, access: NoAccess, paired: true, checks: true}
	case Takeover:
		return bearing{role: RoleStandby, access: NoAccess, paired: true}
	case ActiveSolo:
		return bearing{role: RoleActive, access: ReadWrite, paired: true, owns: true}
	case StaleActive:
		return bearing{access: ReadOnly, paired: true}
	case DiskFailed:
		return bearing{access: NoAccess}
	}
	return bearing{access: ReadWrite}
}

// enter makes p the unit's state and says so. What survives a crash has been saved before.
func (u *Unit) enter(p Phase) {
	if p == PairingA || p == PairingS {
		u.previous = u.phase
	}
	u.phase = p
	u.note(nodes.Fact{Name: nodes.FactPhase, Value: string(p)})
	u.env.Log().Info("state", "state", string(p))
	u.appear(u.bearing())
	u.changed.Broadcast()
}

// bearing of the unit as it stands.
func (u *Unit) bearing() bearing {
	if u.phase == PairingA || u.phase == PairingS {
		return u.previous.bearing()
	}
	return u.phase.bearing()
}

// appear lets clients in or shuts them out, and says what is new about the unit. Saying takes time outside of the virtual
// world: who shuts clients out says that before it says what it is instead.
func (u *Unit) appear(b bearing) {
	if u.volume != nil { // Where the disk has failed there is none.
		u.volume.writable = b.access == ReadWrite
	}
	if b.access != ReadWrite {
		u.say(nodes.FactAccess, b.access, &u.said.access)
	}
	if u.phase != DiskFailed { // What role it has, such a unit cannot tell.
		u.say(nodes.FactRole, b.role, &u.said.role)
	}
	u.say(nodes.FactAccess, b.access, &u.said.access)
}

// say notes a fact unless it was the last thing said about it.
func (u *Unit) say(name, value string, said *string) {
	if *said != value {
		*said = value
		u.note(nodes.Fact{Name: name, Value: value})
	}
}

// appearance is what the unit last said of itself, so that it says nothing twice.
type appearance struct{ role, access, serving string }

// note says a fact, with the epoch: the number of times that the authority changed hands.
func (u *Unit) note(f nodes.Fact) {
	f.Epoch = u.record.Epoch
	u.env.Note(f)
}
