package pair

import (
	"net/http"
	"slices"
	"strings"

	"firedrill/nodes/web"
)

// attached are what a machine has beside its files: installed modules at /modules/NAME and attached devices at
// /devices/NAME. They are the machine's own. No image has them, and nothing moves them with the role: whoever takes
// over answers for those that it has itself (D-53, D-54, HZ-D6).
func (u *Unit) attached(urlPath string) (all []string, name string, ok bool) {
	if name, ok = strings.CutPrefix(urlPath, "/modules/"); ok {
		return u.config.Modules, name, true
	}
	name, ok = strings.CutPrefix(urlPath, "/devices/")
	return u.config.Peripherals, name, ok
}

// answerAttached serves clients of modules and devices, as the unit serves those of its files: a standby refuses them
// (D-33).
func (u *Unit) answerAttached(w http.ResponseWriter, r *http.Request, all []string, name string) {
	switch {
	case u.bearing().access == NoAccess:
		web.Refuse(w, http.StatusForbidden, "not-available")
	case r.Method != http.MethodGet:
		web.Refuse(w, http.StatusMethodNotAllowed, "method")
	case !slices.Contains(all, name):
		web.Refuse(w, http.StatusNotFound, "not-attached")
	default:
		web.Reply(w, http.StatusOK, map[string]string{"name": name, "state": "ready"})
	}
}
