package pair

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"firedrill/nodes/web"
)

// systemRequest is the body of a request about the system itself.
type systemRequest struct {
	Firmware text `json:"firmware"`
	Level    text `json:"level"`
	Volumes  text `json:"volumes"`
	Service  text `json:"service"`
	Mail     text `json:"mail"`
}

// answerSystem does what the menu allows (D-32, D-33, D-35, D-42).
func (u *Unit) answerSystem(w http.ResponseWriter, r *http.Request) {
	var req systemRequest
	if web.Decode(w, r, requestMax, &req) != nil {
		return
	}
	i := map[string]item{"/system/notification": itemNotification, "/system/shutdown": itemShutdown,
		"/system/reboot": itemReboot, "/system/upgrade": itemUpgrade, "/system/services/enable": itemEnableService,
		"/system/services/disable": itemStopService, "/raid/settings": itemRAID}[r.URL.Path]
	u.changes.take()
	defer u.changes.release()
	if !u.allows(i) {
		reason := u.refusal(i)
		web.Refuse(w, statusOf(reason), reason)
		return
	}
	if i == itemShutdown || i == itemReboot {
		u.env.Go("halt", func() {
			u.env.Sleep(haltPause)
			u.env.Halt(i == itemReboot)
		})
		web.Reply(w, http.StatusOK, struct{}{})
		return
	}
	change, err := u.systemChange(i, &req)
	if err != nil {
		u.answerInvalid(w, err)
		return
	}
	if err := u.save(change); err != nil {
		u.env.Log().Error("system configuration cannot be saved", "err", err)
		web.Reply(w, http.StatusInternalServerError, map[string]string{"reason": "disk"})
		return
	}
	web.Reply(w, http.StatusOK, struct{}{})
}

// haltPause lets the answer leave before the machine halts.
const haltPause = time.Second

// systemChange reads what is to become of the machine and its configuration.
func (u *Unit) systemChange(i item, req *systemRequest) (func(*record), error) {
	switch i {
	case itemNotification:
		return func(r *record) { r.System.Notification = string(req.Mail) }, nil
	case itemUpgrade:
		if req.Firmware == "" {
			return nil, errors.New("want a firmware version such as 5.04.00, have none")
		}
		return func(r *record) { r.Hardware.Firmware = string(req.Firmware) }, nil
	case itemRAID:
		n := u.raidVolumes()
		if req.Volumes != "" {
			var err error
			if n, err = strconv.Atoi(string(req.Volumes)); err != nil || n < 0 {
				return nil, fmt.Errorf("want a number of RAID volumes, have %q", req.Volumes)
			}
		}
		return func(r *record) { r.Hardware.RaidLevel, r.Hardware.RaidVolumes = string(req.Level), &n }, nil
	}
	service := string(req.Service)
	if !slices.Contains(blocking, service) {
		return nil, fmt.Errorf("want a service out of %s, have %q", strings.Join(blocking, ", "), service)
	}
	services := slices.DeleteFunc(slices.Clone(u.services()), func(s string) bool { return s == service })
	if i == itemEnableService {
		services = append(services, service)
	}
	return func(r *record) { r.System.Services = &services }, nil
}
