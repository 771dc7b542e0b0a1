package pair

import (
	"net/netip"
	"strconv"
	"time"

	"firedrill/nodes"
)

// takeOver makes the unit active with the last image that it committed (D-44, D-48, D-49, D-51, D-57). The
// role is durable before the address moves: a unit that forgot it in a crash would come back as a standby of
// nobody. Nothing else changes a role without an operator (D-INV-6).
func (u *Unit) takeOver(id string) {
	u.changes.take()
	defer u.changes.release()
	if u.phase != Standby || u.record.Pair.ID != id {
		return // The operator was faster.
	}
	decided := u.env.Uptime()
	u.enter(Takeover)
	u.incoming = nil
	if err := u.promote(); err != nil {
		u.env.Log().Error("cannot take over", "err", err)
		u.alarm("disk")
		u.enter(Standby) // The next failed check tries again.
		return
	}
	u.say(nodes.FactRole, RoleActive, &u.said.role)
	u.warnOfOwner(decided + u.config.TakeoverWork/2)
	u.bind()
	u.enter(ActiveSolo)
	u.tellOfTakeover()
}

// tellOfTakeover says that this unit serves now, and from which image (D-57, D-58, D-60). A unit whose power fails between
// the change of its role and this says so when it boots.
func (u *Unit) tellOfTakeover() {
	image := u.volume.image.ID
	u.note(nodes.Fact{Name: FactTookOver, Attrs: []nodes.Attr{
		{Key: "image", Value: image}, {Key: "check_semantics", Value: u.config.CheckSemantics}}})
	u.env.Log().Warn("took over", "image", image)
	u.alarm("not-redundant")
	if err := u.save(func(r *record) { r.Untold = false }); err != nil {
		u.env.Log().Error("state cannot be saved", "err", err) // It is said once more, which is no harm.
	}
}

// promote makes the role durable, and the image with its system configuration the unit's own. Modules and
// devices stay with the machine that they are on (D-53, D-54).
func (u *Unit) promote() error {
	u.volume.discard()
	image := u.volume.image
	return u.save(func(r *record) {
		r.Phase, r.System, r.Untold = ActiveSolo, image.System, true
		r.Epoch++
		if n, err := strconv.ParseUint(image.ID, 10, 64); err == nil {
			r.Image = n // The next image that is begun here is a newer one.
		}
	})
}

// warnOfOwner raises an alarm if somebody answers for the virtual address; the unit takes it all the same
// (D-Q8). It asks no longer than until end, since clients wait.
func (u *Unit) warnOfOwner(end time.Duration) {
	name, _, ok := u.interfaceOf(u.record.Pair.VirtualIP)
	wait := min(addressWait, end-u.env.Uptime())
	if ok && wait > 0 && u.env.Arping(name, u.record.Pair.VirtualIP, wait) {
		u.alarm("address-in-use")
	}
}

// bind takes the virtual address and announces it, so that clients find its owner at once (D-30, D-31, D-48,
// D-LIV-3). No other unit has it while the pair is whole: a standby binds it only after a takeover (D-INV-1). Where
// that fails clients still find the unit at its own address, and the operator is told.
func (u *Unit) bind() {
	a := u.record.Pair.VirtualIP
	name, own, ok := u.interfaceOf(a)
	if !ok {
		u.env.Log().Error("no interface for the virtual address", "address", a)
		u.alarm("address")
		return
	}
	if err := u.env.Bind(name, netip.PrefixFrom(a, own.Bits())); err != nil {
		u.env.Log().Error("virtual address cannot be bound", "address", a, "err", err)
		u.alarm("address")
		return
	}
	u.say(nodes.FactServing, a.String(), &u.said.serving)
}

// release gives a virtual address up, if the unit has it (D-40).
func (u *Unit) release(a netip.Addr) {
	if name, own, ok := u.interfaceOf(a); ok {
		if err := u.env.Unbind(name, netip.PrefixFrom(a, own.Bits())); err != nil {
			u.env.Log().Info("virtual address was not bound", "address", a, "err", err)
		}
	}
	u.say(nodes.FactServing, "", &u.said.serving)
}
