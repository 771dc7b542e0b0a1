package pair

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/web"
)

// pairing is what both units of a pair know of it, each from its own side.
type pairing struct {
	ID        string // drawn by the active; "": there is none
	Key       []byte // proves that a message comes from the peer
	VirtualIP netip.Addr
	Own, Peer netip.Addr // heartbeat addresses
	Settings  settings
}

// application is what an operator applies for.
type application struct {
	role               string
	pairIP             netip.Addr
	code               string
	virtualIP          netip.Addr
	virtualInterface   string
	heartbeatInterface string
	heartbeat          [2]netip.Addr // of the active and the standby
	settings           settings
	at                 time.Duration // uptime at which it was accepted
	id                 string        // of the pair, once there is one
	newer              bool          // the standby's data have changed hands more often than ours
}

const (
	// pairWindow is how long after the active's Apply the standby's request may arrive, this instant included
	// (D-19, D-20).
	pairWindow = 60 * time.Second
	// pairPause is between two requests of a standby that has had no answer.
	pairPause = time.Second
	// addressWait is how long an answer to an ARP question for the virtual address is waited for.
	addressWait = time.Second
)

// blocking are the services that exclude failover, in the order in which a refusal names them (D-05, D-06,
// D-07, D-08).
var blocking = []string{"power-schedule", "wake-on-lan", "snmp", "iscsi"}

// prerequisite returns the first of D-04..D-08 that does not hold, as a reason, or "".
func prerequisite(raidVolumes int, services []string) string {
	if raidVolumes != 1 {
		return "raid-volumes"
	}
	for _, s := range blocking {
		if slices.Contains(services, s) {
			return s
		}
	}
	return ""
}

// applyActive begins to wait for the standby (D-12, D-18, D-19). It returns the reason of a refusal, or "". A
// unit that serves goes on doing so, and what it has taken in since it took over goes to the new standby with
// the first image (D-59, D-62). Somebody else at the virtual address is a refusal (D-Q8).
func (u *Unit) applyActive(a *application) (reason string) {
	u.changes.take()
	defer u.changes.release()
	if !u.allows(itemApply) || u.phase == StaleActive {
		return u.refusal(itemApply)
	}
	if reason := prerequisite(u.raidVolumes(), u.services()); reason != "" {
		return reason
	}
	if !u.sameSubnet(a.heartbeat[0], a.heartbeat[1], a.heartbeatInterface) {
		return "subnet"
	}
	name, _, ok := u.interfaceOf(a.virtualIP)
	if !ok || a.virtualInterface != "" && a.virtualInterface != name || u.isOwn(a.virtualIP) {
		return "virtual-ip"
	}
	if u.env.Arping(name, a.virtualIP, addressWait) {
		return "address-in-use"
	}
	a.at = u.env.Uptime()
	u.setup, u.failure = a, ""
	u.enter(PairingA)
	u.env.Go("pairing-window", func() { u.closeWindow(a) })
	return ""
}

// closeWindow ends a pairing to which nobody came. It waits a moment longer than the window, since the
// sixtieth second is part of it.
func (u *Unit) closeWindow(a *application) {
	u.env.Sleep(a.at + pairWindow + 1 - u.env.Uptime())
	u.changes.take()
	defer u.changes.release()
	if u.phase == PairingA && u.setup == a {
		u.fallBack("timeout")
	}
}

// fallBack ends a pairing: everything is as it was before the Apply (D-20, D-25).
func (u *Unit) fallBack(reason string) {
	u.setup, u.failure = nil, reason
	u.env.Log().Warn("pairing failed", "reason", reason)
	u.enter(u.previous)
}

// answerPairing is the active's side of PAIR_REQ. Only the Pair IP, with the right code, within the window,
// is answered at all (D-19, D-20, D-23, D-26); a prerequisite that does not hold ends the pairing with a
// reason on both units (D-02..D-11).
func (u *Unit) answerPairing(w http.ResponseWriter, r *http.Request) {
	arrived := u.env.Uptime()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	var req pairRequest
	if err != nil || json.Unmarshal(body, &req) != nil {
		web.Refuse(w, http.StatusNotFound, "not-here")
		return
	}
	u.changes.take()
	defer u.changes.release()
	if u.phase == ActiveSolo {
		u.alarm("pairing-refused") // D-66: whoever it is, it has to wait until the operator applies here.
	}
	a := u.setup
	if a == nil || a.role != RoleActive || req.Role != RoleStandby || !from(r, a.pairIP) ||
		!proven(r.Header.Get(headerProof), []byte(a.code), []byte("request"), body) {
		web.Refuse(w, http.StatusNotFound, "not-here")
		return
	}
	answer := pairAnswer{Nonce: req.Nonce}
	switch {
	case u.phase == ActiveInit: // The answer was lost: the standby asks again.
		answer = u.welcome(a, &req)
	case u.phase != PairingA || arrived-a.at > pairWindow:
		web.Refuse(w, http.StatusNotFound, "not-here")
		return
	default:
		if answer.Reason = u.mismatch(a, &req); answer.Reason == "" {
			answer.Reason = u.becomeActive(a, &req)
		}
		if answer.Reason != "" {
			u.fallBack(answer.Reason)
		} else {
			answer = u.welcome(a, &req)
		}
	}
	b, err := json.Marshal(answer)
	if err != nil {
		web.Refuse(w, http.StatusInternalServerError, "internal")
		return
	}
	w.Header().Set(headerProof, hex.EncodeToString(prove([]byte(a.code), []byte("answer"), b)))
	w.Write(b)
}

// mismatch returns why these two units cannot be a pair, or "" (D-02, D-03, D-04, D-09, D-10, D-11).
func (u *Unit) mismatch(a *application, req *pairRequest) string {
	if reason := prerequisite(u.raidVolumes(), u.services()); reason != "" {
		return reason
	}
	switch {
	case req.Firmware != u.firmware():
		return "firmware"
	case req.Volume < u.config.Volume:
		return "volume-size"
	}
	if reason := prerequisite(req.RaidVolumes, req.Services); reason != "" {
		return reason
	}
	for _, p := range req.Addresses {
		if p.Addr() == a.heartbeat[1] && p.Contains(a.heartbeat[0]) {
			return ""
		}
	}
	return "subnet"
}

// sameSubnet reports whether own is an address of this unit in whose subnet, as its netmask has it, the
// peer's lies (D-10, D-11).
func (u *Unit) sameSubnet(own, peer netip.Addr, name string) bool {
	for _, i := range u.interfaces() {
		if i.address.Addr() == own && own != peer && (name == "" || name == i.name) {
			return i.address.Contains(peer)
		}
	}
	return false
}

// isOwn reports whether the address is one that the unit has anyway.
func (u *Unit) isOwn(a netip.Addr) bool {
	return slices.ContainsFunc(u.interfaces(), func(i netInterface) bool { return i.address.Addr() == a })
}

// becomeActive makes the new role durable before the address is bound or the standby hears of it: a unit that
// forgot it in a crash would leave a standby without an active. It returns the reason of a failure.
func (u *Unit) becomeActive(a *application, req *pairRequest) (reason string) {
	var id [8]byte
	for i := range id {
		id[i] = byte(u.env.Rand().Uint32())
	}
	a.id = hex.EncodeToString(id[:])
	before := u.record.Pair.VirtualIP
	heldBefore := u.bearing().owns
	next := pairing{ID: a.id, Key: prove([]byte(a.code), []byte("key"), []byte(a.id)), VirtualIP: a.virtualIP,
		Own: a.heartbeat[0], Peer: a.heartbeat[1], Settings: a.settings}
	a.newer = req.Epoch > u.record.Epoch
	err := u.save(func(r *record) {
		r.Phase, r.Pair, r.Committed, r.Farewell = ActiveInit, next, "", nil
		r.Epoch = max(r.Epoch, req.Epoch) + 1
	})
	if err != nil {
		u.env.Log().Error("cannot become active", "err", err)
		return "disk"
	}
	if heldBefore && before != a.virtualIP {
		u.release(before)
	}
	u.alarms, u.peer = nil, peerView{}
	u.enter(ActiveInit)
	u.noteSettings()
	u.bind()
	u.env.Go("checks", func() { u.watch(a.id) })
	u.env.Go("initial-sync", func() { u.syncInitially(a.id) })
	return ""
}

// welcome is PAIR_OK with the configuration that the standby takes over (D-21). Where the standby's data have
// changed hands more often than the active's they are the newer ones, and the operator is about to erase them
// (D-61, HZ-D5).
func (u *Unit) welcome(a *application, req *pairRequest) pairAnswer {
	p := &u.record.Pair
	answer := pairAnswer{Nonce: req.Nonce, ID: p.ID, Epoch: u.record.Epoch, VirtualIP: p.VirtualIP,
		Active: p.Own, Standby: p.Peer, Settings: p.Settings}
	if a.newer {
		answer.Warning = "erases-newer-data"
	}
	return answer
}

// applyStandby asks the active to pair until it answers or PairWait is over (D-21, D-22, D-LIV-4). Nothing is
// erased before its PAIR_OK is there (D-24, D-25, D-INV-3). It returns a reason, or "" and what the operator
// should be warned of.
func (u *Unit) applyStandby(a *application) (reason, warning string) {
	u.changes.take()
	if !u.allows(itemApply) || u.phase == ActiveSolo {
		defer u.changes.release()
		return u.refusal(itemApply), ""
	}
	if reason := prerequisite(u.raidVolumes(), u.services()); reason != "" {
		defer u.changes.release()
		return reason, ""
	}
	a.at = u.env.Uptime()
	u.setup, u.failure = a, ""
	u.enter(PairingS)
	u.changes.release()

	answer := u.requestPairing(a)

	u.changes.take()
	defer u.changes.release()
	switch {
	case answer == nil:
		reason = "no-answer"
	case answer.Reason != "":
		reason = answer.Reason
	default:
		reason = u.becomeStandby(a, answer)
	}
	if reason != "" {
		u.fallBack(reason)
		return reason, ""
	}
	return "", answer.Warning
}

// requestPairing sends PAIR_REQ until a proven answer comes, or returns nil.
func (u *Unit) requestPairing(a *application) *pairAnswer {
	req := pairRequest{Role: RoleStandby, Nonce: u.env.Rand().Uint64(), Firmware: u.firmware(), Volume: u.config.Volume,
		RaidVolumes: u.raidVolumes(), Services: u.services(), Epoch: u.record.Epoch}
	for _, i := range u.interfaces() {
		req.Addresses = append(req.Addresses, i.address)
	}
	body, err := json.Marshal(req)
	if err != nil {
		return nil
	}
	end := a.at + u.config.PairWait
	for {
		left := end - u.env.Uptime()
		if left <= 0 {
			return nil
		}
		answer, err := u.askToPair(a, body, left)
		if err == nil && answer.Nonce == req.Nonce {
			return answer
		}
		u.env.Log().Info("no answer to the pairing request", "err", err)
		u.env.Sleep(min(pairPause, end-u.env.Uptime()))
	}
}

// askToPair sends one PAIR_REQ. An answer without a proof is none.
func (u *Unit) askToPair(a *application, body []byte, wait time.Duration) (*pairAnswer, error) {
	url := "http://" + netip.AddrPortFrom(a.pairIP, peerPort).String() + "/pair"
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set(headerProof, hex.EncodeToString(prove([]byte(a.code), []byte("request"), body)))
	t := u.caller(netip.Addr{}, wait)
	t.OneShot = true
	response, err := t.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	if !proven(response.Header.Get(headerProof), []byte(a.code), []byte("answer"), b) {
		return nil, &refused{response.StatusCode, "unproven"}
	}
	answer := new(pairAnswer)
	return answer, json.Unmarshal(b, answer)
}

// becomeStandby makes the new role durable, and then erases: a crash in between is made good at boot, when
// the volume is found to belong to no pair or another one (D-24).
func (u *Unit) becomeStandby(a *application, answer *pairAnswer) (reason string) {
	next := pairing{ID: answer.ID, Key: prove([]byte(a.code), []byte("key"), []byte(answer.ID)),
		VirtualIP: answer.VirtualIP, Own: answer.Standby, Peer: answer.Active, Settings: answer.Settings}
	services := list(u.services()) // They were found to be in nobody's way, and stay so.
	err := u.save(func(r *record) {
		*r = record{Phase: StandbyInit, Pair: next, Epoch: answer.Epoch, Hardware: r.Hardware,
			System: system{Services: &services}} // All else of the system configuration goes too.
	})
	if err != nil {
		u.env.Log().Error("cannot become standby", "err", err)
		return "disk"
	}
	u.setup, u.alarms, u.peer = nil, nil, peerView{}
	u.enter(StandbyInit)
	u.noteSettings()
	u.erase()
	u.env.Go("checks", func() { u.watch(answer.ID) })
	return ""
}

// erase empties the volume of a unit that has become standby. Where the disk does not let it, the volume is
// no copy of anything, takes no image and is never served; the next sync tries again.
func (u *Unit) erase() bool {
	if u.volume.head.Lineage == u.record.Pair.ID {
		return true
	}
	if err := u.volume.erase(u.record.Pair.ID); err != nil {
		u.env.Log().Error("volume cannot be erased", "err", err)
		u.alarm("disk")
		return false
	}
	u.note(nodes.Fact{Name: FactErased})
	return true
}

// from reports whether a request comes from the address.
func from(r *http.Request, a netip.Addr) bool {
	p, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && p.Addr().Unmap() == a
}

// pairRequest is PAIR_REQ.
type pairRequest struct {
	Role        string
	Nonce       uint64
	Firmware    string
	Volume      nodes.Size
	RaidVolumes int
	Services    []string
	Epoch       uint64
	Addresses   []netip.Prefix
}

// pairAnswer is PAIR_OK with the pushed configuration, or PAIR_FAIL with a reason.
type pairAnswer struct {
	Nonce           uint64
	Reason          string `json:",omitempty"`
	Warning         string `json:",omitempty"`
	ID              string
	Epoch           uint64
	VirtualIP       netip.Addr
	Active, Standby netip.Addr
	Settings        settings
}
