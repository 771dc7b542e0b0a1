package pair

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/journal"
)

// bootProbes is how often a booting unit asks for the owner of its address: one lost frame must not make it a
// second one.
const bootProbes = 3

// boot takes up the state that the record holds (5.3).
func (u *Unit) boot() error {
	p := &u.record.Pair
	u.say(nodes.FactServing, "", &u.said.serving)
	switch u.record.Phase {
	case Active, ActiveInit, ActiveSolo:
		return u.bootOwner()
	case StandbyInit:
		u.release(p.VirtualIP)
		u.grace = u.config.BootGrace
		if u.volume.head.Lineage == p.ID && u.volume.image.ID != "" {
			u.enter(Standby)
		} else {
			u.enter(StandbyInit)
			u.erase() // Unless that was done before the boot.
			u.alarm("no-image")
		}
		u.noteSettings()
		u.env.Go("checks", func() { u.watch(p.ID) })
	case StaleActive:
		u.release(p.VirtualIP)
		u.enter(StaleActive)
		u.alarm("replaced")
	case Standalone:
		if p.ID != "" {
			u.release(p.VirtualIP) // The software may have stopped between saving and releasing.
		}
		u.enter(Standalone)
		if f := u.record.Farewell; f != nil {
			u.env.Go("bye", func() { u.repeatBye(*f) })
		}
	default:
		return fmt.Errorf("record holds the state %q, which no unit boots in", u.record.Phase)
	}
	return nil
}

// bootOwner boots a unit that held the virtual address. What the vendor's does is not documented (D-63): in
// mode naive it takes the address back at once, in mode probe it asks first, and one that was replaced
// meanwhile shows its old data, read-only, at its own address alone (D-64).
//
// A survivor that finds its address taken binds it all the same: it has the newest data, and no peer to which
// it could have lost the role (5.3, D-Q8).
func (u *Unit) bootOwner() error {
	p := &u.record.Pair
	taken := (u.config.Return == "probe" || u.record.Phase == ActiveSolo) && u.addressTaken()
	if taken && u.record.Phase != ActiveSolo {
		u.release(p.VirtualIP)
		if err := u.save(func(r *record) { r.Phase = StaleActive }); err != nil {
			u.env.Log().Error("state cannot be saved", "err", err)
			u.alarm("disk") // The next boot will ask for the owner anew.
		}
		u.enter(StaleActive)
		u.alarm("replaced")
		return nil
	}
	if taken {
		u.alarm("address-in-use")
	}
	u.bind()
	u.enter(u.record.Phase)
	if u.phase == ActiveSolo {
		if u.record.Untold {
			u.tellOfTakeover()
		}
		u.alarm("not-redundant")
		return nil
	}
	u.noteSettings()
	u.env.Go("checks", func() { u.watch(p.ID) })
	if u.phase == ActiveInit {
		u.env.Go("initial-sync", func() { u.syncInitially(p.ID) })
	}
	return nil
}

// addressTaken asks for the owner of the virtual address.
func (u *Unit) addressTaken() bool {
	name, _, ok := u.interfaceOf(u.record.Pair.VirtualIP)
	if !ok {
		return false
	}
	for range bootProbes {
		if u.env.Arping(name, u.record.Pair.VirtualIP, addressWait) {
			return true
		}
	}
	return false
}

// diskPause is between two looks at a disk that cannot be used.
const diskPause = 10 * time.Second

// standAside is the boot of a unit that cannot use its disk. What it was it may still be able to read; a virtual address
// that its kernel holds since before the boot is released, since nobody is served here.
func (u *Unit) standAside(err error) {
	u.env.Log().Error("disk cannot be used", "err", err)
	u.enter(DiskFailed)
	u.alarm("disk")
	records, _, err := journal.Read(u.env.Disk(), recordPath)
	if err != nil || len(records) == 0 {
		return
	}
	var r record
	if json.Unmarshal(records[len(records)-1], &r) == nil {
		u.release(r.Pair.VirtualIP)
	}
}

// awaitDisk boots the unit as soon as its disk can be used.
func (u *Unit) awaitDisk() {
	for {
		u.env.Sleep(diskPause)
		if err := u.open(); err == nil {
			break
		}
	}
	if err := u.start(); err != nil {
		u.env.Log().Error("cannot start", "err", err)
	}
}

// fill gives a unit that boots for the first time the data that it is to have from the start: files of random
// bytes from the machine's own stream.
func (u *Unit) fill(v *volume) error {
	if !v.fresh() {
		return nil
	}
	left := int64(u.config.Data)
	piece := max(fillPiece, (left+fillFiles-1)/fillFiles)
	source := rand.New(rand.NewPCG(u.env.Rand().Uint64(), u.env.Rand().Uint64()))
	n := 0
	return v.store(func() (string, []byte) {
		if left == 0 {
			return "", nil
		}
		data := make([]byte, (min(piece, left)+7)&^7)
		for at := 0; at < len(data); at += 8 {
			binary.LittleEndian.PutUint64(data[at:], source.Uint64())
		}
		data = data[:min(piece, left)]
		left -= int64(len(data))
		n++
		return fmt.Sprintf("stored/%04d", n), data
	})
}

const (
	fillPiece = 64 << 10 // bytes of a file that a unit holds from the start
	fillFiles = 1000     // at most
)
