// Package pair is system D: two NAS units behind one virtual address (D-01). The active serves clients and copies
// its volume to the standby on a schedule; the standby asks it every interval whether it is alive, and when
// the checks have failed it serves the last image that it committed and takes the address. Nothing ever hands
// the role back: the pair is set up anew (D-58, D-59).
//
// Checks and copies go over the heartbeat path alone, which may be the clients' own network (D-15). So a standby
// cannot tell a cut cable from a dead active, and then both serve (D-56, HZ-D1).
package pair

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/journal"
)

// Unit is the software of one NAS of the two (D-01). A new one is made at every boot: what outlives a boot is
// record and volume.
type Unit struct {
	config *Config
	env    nodes.Env

	record record // durable: see save
	ledger *journal.Journal
	// unrestored: the journal broke, and could not be opened again. That comes before anything else is put there.
	unrestored bool
	volume     *volume // the clients' files, durable
	saving     turn    // one save at a time
	changes    turn    // one change of state at a time

	phase    Phase
	previous Phase        // before a pairing, which falls back to it
	said     appearance   // what was noted last
	setup    *application // what the operator applied for, during a pairing and the initial sync
	changed  nodes.Signal // the state or the settings are new

	socket   *socket       // for checks
	grace    time.Duration // uptime before which failed checks do not count
	peer     peerView      // what the last check told
	syncing  bool          // an image is being sent
	incoming *incoming     // an image is being received
	failure  string        // why the last pairing failed
	alarms   []string      // reasons, in the order in which they were first raised
}

// record is what a unit remembers. It is written whole, and before anything that depends on it is said or
// done.
type record struct {
	Phase     Phase  // the last durable state
	Epoch     uint64 // how often authority over this unit's data was given, by pairing or takeover
	Pair      pairing
	Image     uint64    // number of the newest image that was begun or received here
	Committed string    // the last image that the standby acknowledged
	Untold    bool      // the unit took over, and nobody has been told yet (D-57)
	Farewell  *farewell // the peer that has not heard of our leaving yet
	Hardware  hardware
	System    system
}

// hardware is what operators have changed about this one machine; empty fields are as in the config.
type hardware struct {
	Firmware    string `json:",omitempty"`
	RaidVolumes *int   `json:",omitempty"`
	RaidLevel   string `json:",omitempty"`
}

// system is the system configuration as operators have changed it; nil is as in the config. It is part of
// every image (D-28).
type system struct {
	Services     *[]string `json:",omitempty"`
	Notification string    `json:",omitempty"`
}

const (
	recordPath = "/system/record"
	ledgerMax  = 1 << 20 // bytes of the record's journal at which it is written anew
)

// Run serves until the software is stopped. A unit whose disk is full, read-only or broken serves nobody, but says so
// to operators, and goes on as soon as the disk is well.
func (u *Unit) Run(env nodes.Env) error {
	u.env = env
	u.saving, u.changes = newTurn(env), newTurn(env)
	u.changed = env.NewSignal()
	u.said = appearance{"unsaid", "unsaid", "unsaid"} // Whatever it is, it is said at every boot.
	if err := u.open(); err != nil {
		u.standAside(err)
		env.Go("disk", u.awaitDisk)
	} else if err := u.start(); err != nil {
		return err
	}
	return u.serveOperators()
}

// start lets an opened unit take part.
func (u *Unit) start() (err error) {
	if u.socket, err = listen(u.env); err != nil {
		return err
	}
	u.env.Go("peer-datagrams", u.hear)
	if err := u.serve(peerPort, "peer-requests", u.peerHandler()); err != nil {
		return err
	}
	if err := u.boot(); err != nil {
		return err
	}
	u.env.Go("schedule", u.keepSchedule)
	return nil
}

// open reads what the disk holds. It writes too: a disk that takes nothing is of no use to a unit.
func (u *Unit) open() error {
	if err := u.load(); err != nil {
		return fmt.Errorf("read the record: %w", err)
	}
	v, err := openVolume(u.env, u.config.Sync == "in-place")
	if err != nil {
		return errors.Join(fmt.Errorf("read the volume: %w", err), u.ledger.Close())
	}
	if err := u.fill(v); err != nil {
		return errors.Join(fmt.Errorf("fill the volume: %w", err), u.ledger.Close())
	}
	u.volume = v
	return nil
}

// load reads the record, or leaves that of a unit fresh from the factory.
func (u *Unit) load() error {
	ledger, records, err := journal.Open(u.env, recordPath)
	if err != nil {
		return err
	}
	u.ledger, u.record.Phase = ledger, Standalone
	if len(records) == 0 {
		return nil
	}
	return json.Unmarshal(records[len(records)-1], &u.record) // Each entry is the whole record.
}

// save makes a change of the record durable. On an error the record is as it was.
func (u *Unit) save(change func(*record)) error {
	u.saving.take()
	defer u.saving.release()
	if u.unrestored {
		if err := u.reopen(); err != nil {
			return fmt.Errorf("save the record: %w", err)
		}
	}
	next := u.record
	change(&next)
	err := u.keep(&next)
	if err == nil {
		u.record = next
		return nil
	}
	if errors.Is(err, journal.ErrBroken) {
		// Whether the new record is on the disk nobody knows: the old one is put after it.
		if err := u.reopen(); err != nil {
			u.env.Log().Error("record cannot be restored", "err", err)
			u.alarm("disk")
		}
	}
	return fmt.Errorf("save the record: %w", err)
}

func (u *Unit) keep(r *record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if u.ledger.Size() > ledgerMax {
		return u.ledger.Compact(b)
	}
	return u.ledger.Append(b)
}

// reopen opens the journal of the record again and puts the present record into it.
func (u *Unit) reopen() error {
	u.unrestored = true
	ledger, _, err := journal.Open(u.env, recordPath)
	if err != nil {
		return err
	}
	u.ledger = ledger
	if err := u.keep(&u.record); err != nil {
		return err
	}
	u.unrestored = false
	return nil
}

// alarm tells the operator, and does so once for each reason until the pair is set up anew.
func (u *Unit) alarm(reason string) {
	if slices.Contains(u.alarms, reason) {
		return
	}
	u.alarms = append(u.alarms, reason)
	u.note(nodes.Fact{Name: FactAlarm, Value: reason})
	u.env.Log().Warn("alarm", "reason", reason)
}

func (u *Unit) firmware() string {
	if u.record.Hardware.Firmware != "" {
		return u.record.Hardware.Firmware
	}
	return u.config.Firmware
}

func (u *Unit) services() []string {
	if u.record.System.Services != nil {
		return *u.record.System.Services
	}
	return u.config.Services
}

func (u *Unit) raidVolumes() int {
	if u.record.Hardware.RaidVolumes != nil {
		return *u.record.Hardware.RaidVolumes
	}
	return u.config.RaidVolumes
}

// turn lets one task at a time through a stretch of code in which calls give way. It is not a lock of package
// sync, for which nobody else could run to open it.
type turn struct {
	taken bool
	free  nodes.Signal
}

func newTurn(env nodes.Env) turn { return turn{free: env.NewSignal()} }

func (t *turn) take() {
	for t.taken {
		t.free.Wait(-1)
	}
	t.taken = true
}

func (t *turn) release() {
	t.taken = false
	t.free.Broadcast()
}

// interfaceOf returns the interface whose subnet holds the address, with the unit's own address there.
func (u *Unit) interfaceOf(a netip.Addr) (name string, own netip.Prefix, ok bool) {
	for _, i := range u.interfaces() {
		if i.address.Contains(a) {
			return i.name, i.address, true
		}
	}
	return "", netip.Prefix{}, false
}

// netInterface is one interface with its own address, the virtual one not counted.
type netInterface struct {
	name    string
	address netip.Prefix
}

// interfaces are the unit's own, in the order in which the machine has them.
func (u *Unit) interfaces() (all []netInterface) {
	found, err := u.env.Net().Interfaces()
	if err != nil {
		u.env.Log().Error("interfaces cannot be listed", "err", err)
	}
	for _, i := range found {
		addresses, err := i.Addrs()
		if err != nil {
			continue // An interface without an address.
		}
		for _, a := range addresses {
			p, err := netip.ParsePrefix(a.String())
			if err == nil && p.Addr().Is4() && p.Addr() != u.record.Pair.VirtualIP && !p.Addr().IsLoopback() {
				all = append(all, netInterface{i.Name, p})
			}
		}
	}
	return all
}
