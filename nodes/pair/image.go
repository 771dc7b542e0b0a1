package pair

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"firedrill/nodes"
	"firedrill/nodes/web"
)

// incoming is an image that is being received. It is lost with the memory, and what it brought then belongs
// to nothing.
type incoming struct {
	image    string
	manifest manifest
	wanted   map[string]entry
}

// receives reports whether this unit takes images now. One that took over, or left, refuses whoever still
// claims to be its active (D-66).
func (u *Unit) receives(w http.ResponseWriter) bool {
	if u.phase == Standby || u.phase == StandbyInit {
		return true
	}
	if u.phase == ActiveSolo {
		u.alarm("sync-refused")
	}
	web.Refuse(w, http.StatusConflict, "not-standby")
	return false
}

// answerSyncBegin compares the manifest with the last committed image and asks for what that lacks. Images
// come in order: one that is not newer than the committed one is refused (D-INV-8).
func (u *Unit) answerSyncBegin(w http.ResponseWriter, body []byte) {
	var begin syncBegin
	if json.Unmarshal(body, &begin) != nil {
		web.Refuse(w, http.StatusBadRequest, "bad-json")
		return
	}
	m, err := parseManifest(begin.Manifest)
	if err != nil {
		u.env.Log().Error("manifest refused", "err", err)
		web.Refuse(w, http.StatusBadRequest, "bad-manifest")
		return
	}
	u.changes.take()
	defer u.changes.release()
	if !u.receives(w) {
		return
	}
	if !u.erase() { // It was done when the unit became standby, unless the disk failed then.
		web.Refuse(w, http.StatusInsufficientStorage, "disk")
		return
	}
	if !newer(begin.Image, u.volume.image.ID) {
		web.Refuse(w, http.StatusConflict, "old-image")
		return
	}
	u.volume.receive()
	in := &incoming{image: begin.Image, manifest: m, wanted: map[string]entry{}}
	answer := syncBegun{Want: []int{}}
	for i, e := range m {
		if have, ok := u.volume.files[e.Path]; !ok || !have.same(e) {
			answer.Want = append(answer.Want, i)
			in.wanted[e.Path] = e
		}
	}
	u.incoming = in
	web.Reply(w, http.StatusOK, answer)
}

// newer reports whether image numbers are in this order; "" is none.
func newer(image, than string) bool {
	n, err := strconv.ParseUint(image, 10, 64)
	if err != nil {
		return false
	}
	old, err := strconv.ParseUint(than, 10, 64)
	return than == "" || err == nil && n > old
}

// answerSyncFile takes one file. It is durable only with the whole image, for which alone the answer to
// SYNC_COMMIT stands.
func (u *Unit) answerSyncFile(w http.ResponseWriter, path string, data []byte) {
	if !u.receives(w) {
		return
	}
	in := u.incoming
	if in == nil {
		web.Refuse(w, http.StatusConflict, "no-image")
		return
	}
	want, ok := in.wanted[path]
	if !ok {
		web.Refuse(w, http.StatusConflict, "not-wanted")
		return
	}
	if err := u.volume.stage(want, data); err != nil {
		u.env.Log().Error("file of the image not taken", "path", path, "err", err)
		reason := "disk"
		if errors.Is(err, errDamaged) {
			reason = "damaged"
		}
		web.Refuse(w, http.StatusInsufficientStorage, reason)
		return
	}
	web.Reply(w, http.StatusOK, struct{}{})
}

// answerSyncCommit makes the image the one that a takeover would serve, once all of it is there and the
// digest is right (D-49, D-51, D-69, D-INV-2). It is durable before the answer.
func (u *Unit) answerSyncCommit(w http.ResponseWriter, body []byte) {
	var commit syncCommit
	if json.Unmarshal(body, &commit) != nil {
		web.Refuse(w, http.StatusBadRequest, "bad-json")
		return
	}
	u.changes.take()
	defer u.changes.release()
	if !u.receives(w) {
		return
	}
	in := u.incoming
	if in == nil || in.image != commit.Image || in.manifest.digest() != commit.Digest {
		web.Refuse(w, http.StatusConflict, "no-image")
		return
	}
	i := image{ID: commit.Image, Digest: commit.Digest, System: commit.System}
	if err := u.volume.commit(in.manifest, i); err != nil {
		u.env.Log().Error("image not committed", "image", commit.Image, "err", err)
		web.Refuse(w, http.StatusInsufficientStorage, "disk")
		return
	}
	u.incoming = nil
	u.note(nodes.Fact{Name: FactImageCommitted, Value: commit.Image})
	if u.phase == StandbyInit {
		u.enter(Standby)
	}
	web.Reply(w, http.StatusOK, struct{}{})
}

// answerSyncAbort discards what came of an image.
func (u *Unit) answerSyncAbort(w http.ResponseWriter, body []byte) {
	u.changes.take()
	defer u.changes.release()
	if in := u.incoming; in != nil && in.image == string(body) {
		u.incoming = nil
		u.volume.discard()
	}
	web.Reply(w, http.StatusOK, struct{}{})
}

// dataState says what the files of the volume are, by reading all of them back:
//
//   - intact: the unit's own, never erased
//   - erased: none, since the unit became standby
//   - same-as-active: those of the last image, as the active's digest has it
//   - moved-on: those of an image that was changed since, by clients after a takeover
//   - damaged: some cannot be read back
func (u *Unit) dataState() string {
	v := u.volume
	if v == nil {
		return "damaged"
	}
	if err := v.verify(); err != nil {
		u.env.Log().Error("volume is damaged", "err", err)
		return "damaged"
	}
	switch {
	case v.head.Lineage == "":
		return "intact"
	case v.image.ID == "":
		return "erased"
	case manifest(v.list()).digest() == v.image.Digest:
		return "same-as-active"
	}
	return "moved-on"
}
