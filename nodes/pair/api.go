package pair

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"

	"firedrill/nodes"
	"firedrill/nodes/web"
)

// operatorPort is where operators and clients find the unit, at every address that it has (D-30, D-31).
const operatorPort = 80

// item is one entry of the operator's menu. What the menu of a state lacks, the unit refuses (D-34).
type item string

const (
	itemStatus        item = "view-status"
	itemNotification  item = "set-notification"
	itemApply         item = "apply"
	itemDisconnect    item = "disconnect"
	itemSettings      item = "change-settings"
	itemShutdown      item = "shutdown"
	itemReboot        item = "reboot"
	itemUpgrade       item = "upgrade"
	itemRAID          item = "change-raid"
	itemEnableService item = "enable-service"
	itemStopService   item = "disable-service"
)

// menu is what operators may do in a state (D-32, D-33, D-35, D-36, D-37, D-39, D-42).
func (p Phase) menu() []item {
	items := []item{itemStatus, itemNotification}
	switch p {
	case DiskFailed:
		return []item{itemStatus, itemShutdown, itemReboot}
	case Standalone:
		return append(items, itemApply, itemShutdown, itemReboot, itemUpgrade, itemRAID, itemEnableService, itemStopService)
	case ActiveInit, Active:
		return append(items, itemDisconnect, itemSettings)
	case StandbyInit, Standby, Takeover:
		return append(items, itemDisconnect)
	case ActiveSolo, StaleActive:
		return append(items, itemDisconnect, itemApply)
	}
	return items // While a pairing lasts.
}

func (u *Unit) allows(i item) bool { return slices.Contains(u.phase.menu(), i) }

// refusal is why an item is not to be had.
func (u *Unit) refusal(i item) string {
	if u.phase == Standalone && (i == itemDisconnect || i == itemSettings) {
		return "not-paired"
	}
	return "not-available"
}

// serveOperators answers operators and clients until the software is stopped.
func (u *Unit) serveOperators() error {
	l, err := u.env.Net().ListenTCP("tcp", &net.TCPAddr{Port: operatorPort})
	if err != nil {
		return fmt.Errorf("listen for operators and clients: %w", err)
	}
	return web.Serve(u.env, l, http.HandlerFunc(u.answer))
}

// answer finds the handler of a request: files first, since they are what nearly every request is about.
func (u *Unit) answer(w http.ResponseWriter, r *http.Request) {
	if path, ok := pathOf(r.URL.Path); ok {
		u.answerFile(w, r, path)
		return
	}
	if all, name, ok := u.attached(r.URL.Path); ok {
		u.answerAttached(w, r, all, name)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "POST /failover/apply":
		u.answerApply(w, r)
	case "POST /failover/disconnect":
		u.answerDisconnect(w)
	case "PATCH /failover":
		u.answerChange(w, r)
	case "GET /failover/status":
		u.answerStatus(w)
	case "GET /failover/interfaces":
		u.answerInterfaces(w)
	case "GET /failover/data":
		web.Reply(w, http.StatusOK, map[string]string{"data": u.dataState()})
	case "GET /menu":
		web.Reply(w, http.StatusOK, map[string]any{"items": u.phase.menu()})
	case "GET /system/services":
		u.answerServices(w)
	case "POST /system/notification", "POST /system/shutdown", "POST /system/reboot", "POST /system/upgrade",
		"POST /system/services/enable", "POST /system/services/disable", "POST /raid/settings":
		u.answerSystem(w, r)
	default:
		web.Refuse(w, http.StatusNotFound, "no-such-function")
	}
}

// text is a value of an operator's request, which may be written as a string or a number.
type text string

// UnmarshalJSON takes a string or a number.
func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '"' {
		var n json.Number
		if err := json.Unmarshal(b, &n); err != nil {
			return fmt.Errorf("want a string or a number, have %s", b)
		}
		*t = text(n)
		return nil
	}
	return json.Unmarshal(b, (*string)(t))
}

// requestMax bounds an operator's request.
const requestMax = 64 << 10

// applyRequest is the body of apply (D-12, D-13, D-21).
type applyRequest struct {
	Role               text   `json:"role"`
	PairIP             text   `json:"pair_ip"`
	PairCode           text   `json:"pair_code"`
	VirtualIP          text   `json:"virtual_ip"`
	VirtualInterface   text   `json:"virtual_interface"`
	HeartbeatInterface text   `json:"heartbeat_interface"`
	HeartbeatIPs       []text `json:"heartbeat_ips"` // of the active and the standby
	Interval           text   `json:"interval"`
	Checks             text   `json:"checks"`
	Schedule           text   `json:"schedule"`
}

// answerApply sets the unit up. The active's answer says that it waits for the standby; the standby's comes
// when the pairing has succeeded or failed (D-18, D-22).
func (u *Unit) answerApply(w http.ResponseWriter, r *http.Request) {
	var req applyRequest
	if web.Decode(w, r, requestMax, &req) != nil {
		return
	}
	if !u.allows(itemApply) {
		web.Refuse(w, http.StatusForbidden, u.refusal(itemApply))
		return
	}
	a, err := u.application(&req)
	if err != nil {
		u.answerInvalid(w, err)
		return
	}
	reason, warning := "", ""
	if a.role == RoleActive {
		reason = u.applyActive(a)
	} else {
		reason, warning = u.applyStandby(a)
	}
	if reason != "" {
		web.Refuse(w, statusOf(reason), reason)
		return
	}
	answer := struct {
		State   Phase  `json:"state"`
		Warning string `json:"warning,omitempty"`
	}{u.phase, warning}
	web.Reply(w, http.StatusOK, answer)
}

// statusOf a refusal.
func statusOf(reason string) int {
	switch reason {
	case "not-available", "read-only":
		return http.StatusForbidden
	case "invalid":
		return http.StatusBadRequest
	case "disk":
		return http.StatusInternalServerError
	}
	return http.StatusConflict
}

// answerInvalid tells what is wrong with a request.
func (u *Unit) answerInvalid(w http.ResponseWriter, err error) {
	w.Header().Set(web.HeaderNotDone, "invalid")
	web.Reply(w, http.StatusBadRequest, map[string]string{"reason": "invalid", "detail": err.Error()})
}

// application reads what the operator entered. A standby is told no more than whom to ask: everything else
// comes from the active (D-21).
func (u *Unit) application(req *applyRequest) (*application, error) {
	a := &application{role: string(req.Role), code: string(req.PairCode), virtualInterface: string(req.VirtualInterface),
		heartbeatInterface: string(req.HeartbeatInterface), settings: settings{Revision: 1}}
	if a.role != RoleActive && a.role != RoleStandby {
		return nil, fmt.Errorf("want a role of active or standby, have %q", req.Role)
	}
	if len(a.code) < 1 || len(a.code) > codeMax {
		return nil, fmt.Errorf("want a pair_code of 1 to %d characters, have %d", codeMax, len(a.code))
	}
	var err error
	if a.pairIP, err = address("pair_ip", req.PairIP); err != nil {
		return nil, err
	}
	if a.role == RoleStandby {
		if req.VirtualIP+req.VirtualInterface+req.HeartbeatInterface+req.Interval+req.Checks+req.Schedule != "" ||
			len(req.HeartbeatIPs) > 0 {
			return nil, errors.New("want only pair_ip and pair_code for a standby: the rest comes from the active")
		}
		return a, nil
	}
	if a.virtualIP, err = address("virtual_ip", req.VirtualIP); err != nil {
		return nil, err
	}
	if err := u.heartbeat(a, req.HeartbeatIPs); err != nil {
		return nil, err
	}
	if err := a.settings.parse(req.Interval, req.Checks, req.Schedule); err != nil {
		return nil, err
	}
	return a, a.settings.check(u.config.CheckTimeout)
}

// heartbeat reads both addresses, or the standby's alone where the heartbeat interface is named: the active's
// is that interface's own (D-14). It may be the interface that clients use (D-15), which HZ-D9 is the price of.
func (u *Unit) heartbeat(a *application, ips []text) (err error) {
	if len(ips) == 1 {
		for _, i := range u.interfaces() {
			if i.name == a.heartbeatInterface {
				ips = []text{text(i.address.Addr().String()), ips[0]}
			}
		}
	}
	if len(ips) != 2 {
		return fmt.Errorf("want heartbeat_ips of the active and the standby, have %d", len(ips))
	}
	for i, ip := range ips {
		if a.heartbeat[i], err = address("heartbeat_ips", ip); err != nil {
			return err
		}
	}
	return nil
}

func address(key string, value text) (netip.Addr, error) {
	a, err := netip.ParseAddr(string(value))
	if err != nil || !a.Is4() {
		return a, fmt.Errorf("want %s to be an IPv4 address, have %q", key, value)
	}
	return a, nil
}

// answerDisconnect stops the service (D-38, D-39).
func (u *Unit) answerDisconnect(w http.ResponseWriter) {
	reason, told := u.disconnect()
	if reason != "" {
		web.Refuse(w, statusOf(reason), reason)
		return
	}
	answer := struct {
		State   Phase  `json:"state"`
		Warning string `json:"warning,omitempty"`
	}{State: u.phase}
	if !told {
		answer.Warning = "peer-not-told"
	}
	web.Reply(w, http.StatusOK, answer)
}

// answerChange changes the settings. Any other member is one that cannot be changed without disconnecting
// (D-36, D-37).
func (u *Unit) answerChange(w http.ResponseWriter, r *http.Request) {
	if !u.allows(itemSettings) {
		reason := u.refusal(itemSettings)
		web.Refuse(w, statusOf(reason), reason)
		return
	}
	var members map[string]text
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, requestMax))
	if err == nil {
		err = json.Unmarshal(body, &members)
	}
	if err != nil {
		u.answerInvalid(w, err)
		return
	}
	for name := range members {
		if !slices.Contains([]string{"interval", "checks", "schedule"}, name) {
			web.Refuse(w, http.StatusForbidden, "not-available")
			return
		}
	}
	next := u.record.Pair.Settings
	if err := next.parse(members["interval"], members["checks"], members["schedule"]); err != nil {
		u.answerInvalid(w, err)
		return
	}
	if err := next.check(u.config.CheckTimeout); err != nil {
		u.answerInvalid(w, err)
		return
	}
	if reason := u.changeSettings(next); reason != "" {
		web.Refuse(w, statusOf(reason), reason)
		return
	}
	web.Reply(w, http.StatusOK, struct{}{})
}

// status is what operators see of a unit (D-33, D-57).
type status struct {
	Role         string   `json:"role"`
	State        Phase    `json:"state"`
	Access       string   `json:"access"`
	Redundancy   string   `json:"redundancy"`
	PeerState    Phase    `json:"peer_state"`
	FailedChecks int      `json:"failed_checks"`
	LastImage    string   `json:"last_image"`
	Syncing      bool     `json:"syncing"`
	Interval     string   `json:"interval"`
	Checks       int      `json:"checks"`
	Schedule     string   `json:"schedule"`
	VirtualIP    string   `json:"virtual_ip"`
	Firmware     string   `json:"firmware"`
	Notification string   `json:"notification"`
	Failure      string   `json:"failure"` // why the last pairing failed
	Peer         string   `json:"peer"`    // peer-not-told: it has not heard that the service was stopped here (D-68)
	Alarms       []string `json:"alarms"`
}

func (u *Unit) answerStatus(w http.ResponseWriter) {
	b := u.bearing()
	s := status{Role: b.role, State: u.phase, Access: b.access, Redundancy: u.redundancy(), PeerState: u.peer.phase,
		FailedChecks: u.peer.failed, LastImage: u.record.Committed, Syncing: u.syncing, Firmware: u.firmware(),
		Notification: u.record.System.Notification, Failure: u.failure, Alarms: u.alarms}
	if b.role == RoleStandby || u.phase == ActiveSolo {
		s.LastImage = u.volume.image.ID
	}
	if b.paired {
		p := &u.record.Pair
		s.VirtualIP, s.Interval = p.VirtualIP.String(), nodes.FormatDuration(p.Settings.Interval)
		s.Checks, s.Schedule = p.Settings.Checks, p.Settings.Schedule
	}
	if u.record.Farewell != nil {
		s.Peer = "peer-not-told"
	}
	web.Reply(w, http.StatusOK, s)
}

// redundancy is full while a peer with an image answers, and none otherwise (D-60, HZ-D7).
func (u *Unit) redundancy() string {
	switch {
	case u.phase == Active && u.peer.phase == Standby && u.peer.failed == 0, u.phase == Standby && u.peer.failed == 0:
		return "full"
	}
	return "none"
}

// answerInterfaces lists the unit's own addresses, from which operators choose that of the heartbeat (D-14).
func (u *Unit) answerInterfaces(w http.ResponseWriter) {
	type one struct {
		Name    string       `json:"name"`
		Address netip.Prefix `json:"address"`
	}
	all := []one{}
	for _, i := range u.interfaces() {
		all = append(all, one{i.name, i.address})
	}
	web.Reply(w, http.StatusOK, map[string]any{"interfaces": all})
}

// answerServices lists what this machine offers beside files. Modules and devices are this machine's own:
// they are not part of an image and do not move with the role (D-53, D-54).
func (u *Unit) answerServices(w http.ResponseWriter) {
	web.Reply(w, http.StatusOK, map[string]any{"services": list(u.services()), "modules": list(u.config.Modules),
		"peripherals": list(u.config.Peripherals)})
}

// list is never null in JSON.
func list(words []string) []string {
	if words == nil {
		return []string{}
	}
	return words
}
