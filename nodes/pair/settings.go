package pair

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/web"
)

// settings are what may be changed while the service runs (D-17, D-36). Both units have the same, and know by
// the revision that they do (D-INV-7).
type settings struct {
	Interval time.Duration
	Checks   int
	Schedule string
	Revision uint64
}

// schedules are the choices of D-16.
var schedules = []string{"hourly", "daily", "weekly"}

// The ranges that the vendor leaves open (D-Q4).
const (
	intervalMin, intervalMax = 5 * time.Second, 600 * time.Second
	checksMin, checksMax     = 1, 10
	codeMax                  = 32 // characters
)

// parse changes the settings that are given, and returns what is wrong with them.
func (s *settings) parse(interval, checks, schedule text) error {
	if interval != "" {
		d, err := nodes.ParseDuration(string(interval))
		if err != nil {
			return fmt.Errorf("interval: %w", err)
		}
		s.Interval = d
	}
	if checks != "" {
		n, err := strconv.Atoi(string(checks))
		if err != nil {
			return fmt.Errorf("want a number of checks such as 1, have %q", checks)
		}
		s.Checks = n
	}
	if schedule != "" {
		s.Schedule = string(schedule)
	}
	return nil
}

// check returns what is wrong with the settings as a whole. All retries of a check have to end before the
// next one is due (D-46).
func (s *settings) check(timeout time.Duration) error {
	switch {
	case s.Interval < intervalMin || s.Interval > intervalMax:
		return fmt.Errorf("want an interval from %s to %s, have %s", nodes.FormatDuration(intervalMin),
			nodes.FormatDuration(intervalMax), nodes.FormatDuration(s.Interval))
	case s.Checks < checksMin || s.Checks > checksMax:
		return fmt.Errorf("want %d to %d checks, have %d", checksMin, checksMax, s.Checks)
	case !slices.Contains(schedules, s.Schedule):
		return fmt.Errorf("want a schedule out of %s, have %q", strings.Join(schedules, ", "), s.Schedule)
	case timeout*time.Duration(s.Checks+1) >= s.Interval:
		return fmt.Errorf("want an interval of more than %s for %d checks that may take %s each, have %s",
			nodes.FormatDuration(timeout*time.Duration(s.Checks+1)), s.Checks, nodes.FormatDuration(timeout),
			nodes.FormatDuration(s.Interval))
	}
	return nil
}

// changeSettings changes the checks and the schedule on both units (D-36). The standby has them first: it is
// the one that acts on failed checks. If it does not answer, nobody knows which it has; the active then keeps
// the old ones under a later revision, and imposes them as soon as it is heard of again (D-41).
func (u *Unit) changeSettings(next settings) (reason string) {
	u.changes.take()
	defer u.changes.release()
	if !u.allows(itemSettings) {
		return u.refusal(itemSettings)
	}
	old := u.record.Pair.Settings
	next.Revision = old.Revision + 1
	if err := u.pushSettings(next); err != nil {
		u.env.Log().Warn("settings have not reached the standby", "err", err)
		u.alarm("settings-not-sent")
		old.Revision = next.Revision + 1
		if err := u.adopt(old); err != nil {
			u.env.Log().Error("settings cannot be saved", "err", err)
		}
		return "standby-unreachable"
	}
	if err := u.adopt(next); err != nil {
		u.env.Log().Error("settings cannot be saved", "err", err)
		u.alarm("disk") // The revisions differ: the next check finds that out, and the old settings are imposed.
		return "disk"
	}
	return ""
}

// repairSettings imposes this unit's settings on a standby that has others (D-41). Its revision is raised
// above that of the standby first, which would not take an older one.
func (u *Unit) repairSettings(id string) {
	u.changes.take()
	defer u.changes.release()
	s := u.record.Pair.Settings
	if !u.activeOf(id) || u.peer.revision == s.Revision {
		return
	}
	if u.peer.revision > s.Revision {
		s.Revision = u.peer.revision + 1
		if err := u.adopt(s); err != nil {
			u.env.Log().Error("settings cannot be saved", "err", err)
			return
		}
	}
	if err := u.pushSettings(s); err != nil {
		u.env.Log().Warn("settings have not reached the standby", "err", err)
	}
}

// pushSettings sends CFG_PUSH, and knows afterwards which settings the peer has.
func (u *Unit) pushSettings(s settings) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	p := u.record.Pair
	t := u.caller(p.Own, u.config.CheckTimeout)
	t.OneShot = true
	if err := u.tell(&p, t, http.MethodPost, "/settings", body, nil); err != nil {
		return err
	}
	u.peer.revision = s.Revision
	return nil
}

// answerSettings takes the active's settings (D-36). A unit that took over refuses (D-66).
func (u *Unit) answerSettings(w http.ResponseWriter, body []byte) {
	var s settings
	if json.Unmarshal(body, &s) != nil || s.check(u.config.CheckTimeout) != nil {
		web.Refuse(w, http.StatusBadRequest, "invalid")
		return
	}
	u.changes.take()
	defer u.changes.release()
	if !u.receives(w) {
		return
	}
	if s.Revision < u.record.Pair.Settings.Revision {
		web.Refuse(w, http.StatusConflict, "old-settings")
		return
	}
	if err := u.adopt(s); err != nil {
		u.env.Log().Error("settings cannot be saved", "err", err)
		web.Reply(w, http.StatusInsufficientStorage, map[string]string{"reason": "disk"})
		return
	}
	web.Reply(w, http.StatusOK, struct{}{})
}

// adopt makes settings durable and lets them act.
func (u *Unit) adopt(s settings) error {
	same := s
	same.Revision = u.record.Pair.Settings.Revision
	old := u.record.Pair.Settings
	if err := u.save(func(r *record) { r.Pair.Settings = s }); err != nil {
		return err
	}
	if same != old {
		u.noteSettings()
	}
	u.changed.Broadcast()
	return nil
}

// noteSettings says which settings are in force here.
func (u *Unit) noteSettings() {
	s := &u.record.Pair.Settings
	u.note(nodes.Fact{Name: FactSettings, Attrs: []nodes.Attr{
		{Key: "interval", Value: nodes.FormatDuration(s.Interval)},
		{Key: "checks", Value: strconv.Itoa(s.Checks)},
		{Key: "check_semantics", Value: u.config.CheckSemantics},
		{Key: "schedule", Value: s.Schedule},
	}})
}
