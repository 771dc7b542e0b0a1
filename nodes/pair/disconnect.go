package pair

import (
	"net/http"

	"firedrill/nodes/web"
)

// disconnect ends the service on this unit (D-38, D-39, D-40): the address is released, the data stay, and
// the peer is told until it answers (D-68). It returns a reason, or "", and whether the peer knows.
func (u *Unit) disconnect() (reason string, told bool) {
	u.changes.take()
	if !u.allows(itemDisconnect) {
		defer u.changes.release()
		return u.refusal(itemDisconnect), false
	}
	goodbye := farewell{Pair: u.record.Pair, Left: byeTries}
	if reason := u.leave(&goodbye); reason != "" {
		u.changes.release()
		return reason, false
	}
	u.changes.release()
	if u.sayBye(goodbye) {
		return "", true
	}
	u.env.Go("bye", func() { u.repeatBye(goodbye) })
	return "", false
}

// leave makes the unit stand-alone, with the goodbye that it still owes, if any.
func (u *Unit) leave(goodbye *farewell) (reason string) {
	held, address := u.bearing().owns, u.record.Pair.VirtualIP
	if u.bearing().role == RoleStandby {
		u.volume.discard()
	}
	err := u.save(func(r *record) { r.Phase, r.Farewell = Standalone, goodbye })
	if err != nil {
		u.env.Log().Error("cannot leave the pair", "err", err)
		return "disk"
	}
	u.setup, u.incoming, u.alarms, u.peer = nil, nil, nil, peerView{}
	u.enter(Standalone)
	if held {
		u.release(address)
	}
	return ""
}

// farewell is a BYE that has not been answered yet.
type farewell struct {
	Pair pairing
	Left int // further tries
}

// byeTries bounds how often BYE is sent (D-68).
const byeTries = 10

// sayBye sends BYE once, and remembers that it was heard.
func (u *Unit) sayBye(f farewell) bool {
	t := u.caller(f.Pair.Own, u.config.CheckTimeout)
	t.OneShot = true
	if err := u.tell(&f.Pair, t, http.MethodPost, "/bye", nil, nil); err != nil {
		u.env.Log().Warn("peer has not heard that the service is stopped", "err", err)
		return false
	}
	err := u.save(func(r *record) {
		if r.Farewell != nil && r.Farewell.Pair.ID == f.Pair.ID {
			r.Farewell = nil
		}
	})
	return err == nil
}

// repeatBye goes on until BYE is answered, the tries are used up, or the unit is set up anew (D-68). What is
// left of the tries is not durable: a unit that boots in between begins again.
func (u *Unit) repeatBye(f farewell) {
	for f.Left--; f.Left > 0; f.Left-- {
		u.env.Sleep(f.Pair.Settings.Interval)
		if u.record.Farewell == nil || u.record.Farewell.Pair.ID != f.Pair.ID || u.sayBye(f) {
			return
		}
	}
	u.alarm("peer-not-told")
}

// answerBye leaves a pair whose peer has left it. A unit that took over has nobody to lose, and goes on
// (D-58).
func (u *Unit) answerBye(w http.ResponseWriter, _ []byte) {
	u.changes.take()
	defer u.changes.release()
	switch u.phase {
	case Active, ActiveInit, Standby, StandbyInit:
		if reason := u.leave(nil); reason != "" {
			web.Refuse(w, http.StatusInternalServerError, reason)
			return
		}
	}
	web.Reply(w, http.StatusOK, struct{}{})
}
