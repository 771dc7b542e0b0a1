package pair

import (
	"fmt"
)

// receive begins a new image; what was received of another one is forgotten.
func (v *volume) receive() {
	v.using.take()
	v.staged = map[string]entry{}
	v.using.release()
}

// discard forgets what was received of an image that is not committed (D-51). It waits for a file that is
// just being taken, which would otherwise come to lie in a volume that has become somebody's live one.
func (v *volume) discard() {
	v.using.take()
	v.staged = nil
	v.using.release()
}

// stage takes one file of the image that is being received.
func (v *volume) stage(want entry, data []byte) error {
	if err := v.begin(); err != nil {
		return err
	}
	defer v.using.release()
	if v.staged == nil {
		return errNotStaging
	}
	e, err := v.appendBlocks(want.Path, data, want.Version)
	if err != nil {
		return err
	}
	if !e.same(want) {
		return errDamaged
	}
	if v.inPlace {
		if err := v.blocks.Sync(); err != nil {
			return err
		}
		if err := v.write(change{Put: &e}); err != nil {
			return err
		}
	}
	v.end = max(v.end, e.Offset+e.Size)
	v.staged[e.Path] = e
	return nil
}

// commit makes the files of the manifest the volume, in one step: those that were received and those that
// stay from the image before. A file that is in neither is an error, and the old image stays (D-51, D-69,
// D-INV-8).
func (v *volume) commit(m manifest, i image) error {
	if err := v.begin(); err != nil {
		return err
	}
	defer v.using.release()
	if v.staged == nil {
		return errNotStaging
	}
	var changes []change
	stays := map[string]bool{}
	for _, want := range m {
		stays[want.Path] = true
		if have, ok := v.files[want.Path]; ok && have.same(want) {
			continue
		}
		e, ok := v.staged[want.Path]
		if !ok || !e.same(want) {
			return fmt.Errorf("image %s lacks %s", i.ID, want.Path)
		}
		changes = append(changes, change{Put: &e})
	}
	for _, e := range v.list() {
		if !stays[e.Path] {
			changes = append(changes, change{Remove: &e.Path}) // Deletions are part of the image.
		}
	}
	if err := v.blocks.Sync(); err != nil {
		v.staged = nil // What failed to be synced is never written again: it has to come anew.
		return err
	}
	if err := v.write(append(changes, change{Image: &i})...); err != nil {
		return err
	}
	v.staged = nil
	v.tidy()
	return nil
}
