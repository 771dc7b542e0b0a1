package pair

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/web"
)

const (
	// initialPause is between two tries of the initial sync.
	initialPause = time.Second
	// syncPatience is how long the standby may take for one step of a sync, and syncPace the bytes a second that
	// it must take beyond.
	syncPatience = time.Minute
	syncPace     = 16 << 10
	// clockPause is the longest that the schedule sleeps: the wall clock may be stepped meanwhile.
	clockPause = time.Minute
)

var (
	errNotActive = errors.New("no longer the active of this pair")
	errSyncing   = errors.New("a sync is still running")
)

// syncInitially repeats the first sync until it is committed or the pair is no more (D-27, D-52).
func (u *Unit) syncInitially(id string) {
	for {
		u.env.Sleep(initialPause)
		if u.phase != ActiveInit || u.record.Pair.ID != id {
			return
		}
		if err := u.synchronize(id); err != nil {
			u.env.Log().Warn("initial sync failed", "err", err)
		}
	}
}

// keepSchedule starts a sync at each boundary of the schedule, by this unit's local clock (D-16, D-28,
// D-LIV-2). A boundary that passes while a sync is running is skipped (D-Q6); one that is missed, or whose
// sync fails, is made good at the next.
func (u *Unit) keepSchedule() {
	var next, done time.Time // done is until when boundaries have had their syncs
	schedule := ""
	for {
		now := u.env.Now()
		s := u.record.Pair.Settings.Schedule
		if u.phase != Active || s == "" {
			schedule = ""
			u.changed.Wait(-1)
			continue
		}
		if s != schedule {
			schedule, next, done = s, boundary(s, now), time.Time{}
		}
		// Where the clock was set back, what comes before next has not had its sync, or had it: it runs once.
		if b := boundary(s, now); b.Before(next) && (b.After(done) || done.Sub(now) > 2*period(s)) {
			next = b
		}
		if wait := next.Sub(now); wait > 0 {
			u.changed.Wait(min(wait, clockPause))
			continue
		}
		next, done = boundary(s, now), now
		if u.syncing {
			u.env.Log().Warn("sync skipped: the one before is still running", "schedule", s)
			continue
		}
		id := u.record.Pair.ID
		u.env.Go("sync", func() {
			if err := u.synchronize(id); err != nil {
				u.env.Log().Warn("sync failed", "err", err)
			}
		})
	}
}

// boundary is the first one of the schedule after now: the full hour, midnight, or that before Sunday, in
// now's zone (D-16, D-Q7).
func boundary(schedule string, now time.Time) time.Time {
	if schedule == "hourly" {
		into := time.Duration(now.Minute())*time.Minute + time.Duration(now.Second())*time.Second +
			time.Duration(now.Nanosecond())
		return now.Add(time.Hour - into)
	}
	y, m, d := now.Date()
	days := 1
	if schedule == "weekly" {
		days = 7 - int(now.Weekday())
	}
	return time.Date(y, m, d+days, 0, 0, 0, 0, now.Location())
}

// period is the usual time between two boundaries.
func period(schedule string) time.Duration {
	switch schedule {
	case "hourly":
		return time.Hour
	case "daily":
		return 24 * time.Hour
	}
	return 7 * 24 * time.Hour
}

// synchronize copies the volume and the system configuration, as they are at one instant, to the standby
// (D-28, D-50). Only what its last image lacks travels; what was deleted here is missing from the manifest,
// and so from the image (D-69).
func (u *Unit) synchronize(id string) error {
	if u.syncing {
		return errSyncing
	}
	u.syncing = true
	defer func() { u.syncing = false }()
	p := u.record.Pair
	wire := u.caller(p.Own, syncPatience)
	defer wire.CloseIdle()
	var peer stateAnswer
	if err := u.tell(&p, wire, http.MethodGet, "/state", nil, &peer); err != nil {
		return fmt.Errorf("ask for the standby: %w", err)
	}
	if peer.State == ActiveSolo {
		u.alarm("peer-took-over")
	}
	if peer.State != Standby && peer.State != StandbyInit {
		return fmt.Errorf("want a standby, have a peer in state %s", peer.State)
	}
	if err := u.save(func(r *record) { r.Image++ }); err != nil {
		return err // The number of an image is used once, even if the power fails in the middle of it.
	}
	if !u.activeOf(id) {
		return errNotActive
	}
	c := u.newCopying(&p, wire)
	defer c.snapshot.release()
	err := c.run()
	if err == nil {
		err = u.committed(id, c.image)
	}
	if err != nil {
		u.note(nodes.Fact{Name: FactSyncAborted, Value: c.image})
		u.abort(&p, c.image)
		return fmt.Errorf("image %s: %w", c.image, err)
	}
	return nil
}

func (u *Unit) activeOf(id string) bool {
	return u.record.Pair.ID == id && (u.phase == Active || u.phase == ActiveInit)
}

// committed makes durable that the standby holds the image, and then says so.
func (u *Unit) committed(id, image string) error {
	u.changes.take()
	defer u.changes.release()
	if !u.activeOf(id) {
		return errNotActive
	}
	if err := u.save(func(r *record) { r.Phase, r.Committed = Active, image }); err != nil {
		return err
	}
	u.peer.phase = Standby
	u.note(nodes.Fact{Name: FactSyncCommitted, Value: image})
	if u.phase == ActiveInit {
		u.setup = nil
		u.enter(Active)
		u.note(nodes.Fact{Name: nodes.FactReady})
	}
	return nil
}

// abort tells the standby to discard what it has of an image. If it does not hear of it, the next image does
// so.
func (u *Unit) abort(p *pairing, image string) {
	t := u.caller(p.Own, u.config.CheckTimeout)
	t.OneShot = true
	if err := u.tell(p, t, http.MethodPost, "/sync/abort", []byte(image), nil); err != nil {
		u.env.Log().Info("standby has not heard of the abort", "err", err)
	}
}

// copying is one image on its way.
type copying struct {
	u        *Unit
	pair     *pairing
	image    string
	snapshot *snapshot
	system   system
	wire     *web.Transport
	percent  int // noted last
}

// newCopying fixes the instant of the snapshot: nothing gives way between that and the fact that tells of it.
func (u *Unit) newCopying(p *pairing, wire *web.Transport) *copying {
	services := list(u.services())
	c := &copying{u: u, pair: p, image: strconv.FormatUint(u.record.Image, 10), snapshot: u.volume.snapshot(),
		system: system{Services: &services, Notification: u.record.System.Notification}, wire: wire, percent: -1}
	u.note(nodes.Fact{Name: FactSyncBegun, Value: c.image,
		Attrs: []nodes.Attr{{Key: "at", Value: u.env.Now().Format(time.RFC3339Nano)}}})
	return c
}

// run sends the image and waits until the standby has committed it.
func (c *copying) run() error {
	m := manifest(c.snapshot.files)
	begin, err := json.Marshal(syncBegin{Image: c.image, Manifest: m.String()})
	if err != nil {
		return err
	}
	var answer syncBegun
	if err := c.tell(http.MethodPost, "/sync/begin", begin, &answer); err != nil {
		return err
	}
	var sum, sent int64
	for _, i := range answer.Want {
		if i < 0 || i >= len(m) {
			return fmt.Errorf("standby wants file %d of %d", i, len(m))
		}
		sum += m[i].Size
	}
	c.progress(0, sum)
	for _, i := range answer.Want {
		data, err := c.snapshot.read(m[i])
		if err != nil {
			return err
		}
		if err := c.tell(http.MethodPut, "/sync/file/"+url.PathEscape(m[i].Path), data, nil); err != nil {
			return err
		}
		sent += m[i].Size
		c.progress(sent, sum)
	}
	c.progress(sum, sum)
	commit, err := json.Marshal(syncCommit{Image: c.image, Digest: m.digest(), System: c.system})
	if err != nil {
		return err
	}
	return c.tell(http.MethodPost, "/sync/commit", commit, nil)
}

// tell sends one step of the sync, unless the pair has ended meanwhile.
func (c *copying) tell(method, path string, body []byte, into any) error {
	if !c.u.activeOf(c.pair.ID) {
		return errNotActive
	}
	c.wire.Timeout = syncPatience + time.Duration(len(body)/syncPace)*time.Second
	return c.u.tell(c.pair, c.wire, method, path, body, into)
}

// progress notes how much of the image has been sent, once for each percent.
func (c *copying) progress(sent, sum int64) {
	percent := 100
	if sent < sum {
		percent = int(sent * 100 / sum)
	}
	if percent != c.percent {
		c.percent = percent
		c.u.note(nodes.Fact{Name: nodes.FactSync, Scope: c.image,
			Attrs: []nodes.Attr{{Key: "done", Value: strconv.Itoa(percent)}}})
	}
}

// manifest lists the files of an image by path: all that an image is, but for the contents.
type manifest []entry

// String is the form that travels: a line for each file, the path last since it may hold anything but a
// newline.
func (m manifest) String() string {
	var b strings.Builder
	for _, e := range m {
		fmt.Fprintf(&b, "%d %d %d %s\n", e.Version, e.Size, e.Sum, e.Path)
	}
	return b.String()
}

// digest tells two manifests apart.
func (m manifest) digest() string {
	sum := sha256.Sum256([]byte(m.String()))
	return hex.EncodeToString(sum[:])
}

func parseManifest(text string) (m manifest, err error) {
	for line := range strings.Lines(text) {
		var e entry
		words := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(words) != 4 || words[3] == "" {
			return nil, fmt.Errorf("want a version, a size, a checksum and a path, have %q", line)
		}
		sum, err := strconv.ParseUint(words[2], 10, 32)
		version, err2 := strconv.ParseUint(words[0], 10, 64)
		size, err3 := strconv.ParseInt(words[1], 10, 64)
		if err := errors.Join(err, err2, err3); err != nil {
			return nil, err
		}
		e.Version, e.Size, e.Sum, e.Path = version, size, uint32(sum), words[3]
		if len(m) > 0 && m[len(m)-1].Path >= e.Path {
			return nil, fmt.Errorf("want paths in order, have %q after %q", e.Path, m[len(m)-1].Path)
		}
		m = append(m, e)
	}
	return m, nil
}

// syncBegin is SYNC_BEGIN, syncBegun its answer: which files of the manifest are wanted. syncCommit is
// SYNC_COMMIT.
type syncBegin struct {
	Image    string
	Manifest string
}

type syncBegun struct{ Want []int }

type syncCommit struct {
	Image  string
	Digest string
	System system
}
