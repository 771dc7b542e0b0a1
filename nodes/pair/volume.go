package pair

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/afero"

	"firedrill/nodes"
	"firedrill/nodes/journal"
)

// volume is a unit's RAID volume: the files of the clients, or, on a standby, those of the last committed
// image.
//
// Contents are appended to one file, the blocks, and never overwritten; a journal, the index, says which
// stretch of it is which file. So a put is two appends, a snapshot is a copy of the index in memory, and an
// image is committed by one atomic append to the index. What stood in the volume before stays there until
// that append is durable (D-69, D-INV-8).
type volume struct {
	env      nodes.Env
	inPlace  bool // files of an image count as soon as they come, not when it is committed (HZ-D4)
	writable bool // for clients

	// Durable, and here in memory.
	head  head
	files map[string]entry
	image image

	index   *journal.Journal
	blocks  afero.File
	end     int64            // of the blocks
	live    int64            // bytes of them that are some file's
	version uint64           // of the newest file
	staged  map[string]entry // of the image that is being received; nil: there is none
	broken  bool             // the index has to be opened again before the next write
	pins    int              // snapshots in use, for which the blocks stay as they are
	using   turn             // one writer at a time
}

// head says whose volume it is.
type head struct {
	Blocks  uint64 // number of the blocks file
	Lineage string // the pair for which the volume was erased last; "": it never was
}

// entry is one file. Version tells two contents of one path apart even if they are equal in length and
// checksum.
type entry struct {
	Path    string
	Offset  int64
	Size    int64
	Sum     uint32 // CRC-32C of the content
	Version uint64
}

// same reports whether two entries are the same content at the same path, wherever it stands.
func (e entry) same(o entry) bool {
	return e.Path == o.Path && e.Size == o.Size && e.Sum == o.Sum && e.Version == o.Version
}

// image is a committed one.
type image struct {
	ID     string // "": none was ever committed
	Digest string
	System system
}

// change is one record of the index; exactly one field is set.
type change struct {
	Head   *head   `json:",omitempty"`
	Put    *entry  `json:",omitempty"`
	Remove *string `json:",omitempty"`
	Image  *image  `json:",omitempty"`
}

const (
	volumeDir = "/volume"
	indexPath = volumeDir + "/index"
	// slackBytes is what may lie in the blocks, or in the index, that nothing refers to any more, before they
	// are written anew.
	slackBytes = 32 << 20
	// fileMax is the largest file that the unit takes.
	fileMax = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errNotWritable = errors.New("volume is not open for clients")
	errNotStaging  = errors.New("no image is being received")
	errDamaged     = errors.New("content does not match its checksum")
)

func blocksPath(n uint64) string { return fmt.Sprintf("%s/blocks-%d", volumeDir, n) }

// openVolume reads the index. A volume without one is fresh from the factory.
func openVolume(env nodes.Env, inPlace bool) (*volume, error) {
	v := &volume{env: env, inPlace: inPlace, using: newTurn(env)}
	return v, v.load()
}

// load reads the index and opens the blocks; what was only in memory is gone.
func (v *volume) load() error {
	index, records, err := journal.Open(v.env, indexPath)
	if err != nil {
		return err
	}
	next := &volume{files: map[string]entry{}}
	if err := next.replay(records); err != nil {
		return err
	}
	fs := v.env.Disk()
	blocks, err := fs.OpenFile(blocksPath(next.head.Blocks), os.O_RDWR|os.O_CREATE, 0o644)
	if err == nil {
		err = journal.SyncDir(fs, volumeDir)
	}
	if err != nil {
		return errors.Join(err, index.Close())
	}
	for _, n := range []uint64{next.head.Blocks - 1, next.head.Blocks + 1} {
		if _, err := fs.Stat(blocksPath(n)); err == nil { // The power failed while they were being replaced.
			if err := fs.Remove(blocksPath(n)); err != nil {
				v.env.Log().Warn("old blocks cannot be removed", "err", err)
			}
		}
	}
	if v.blocks != nil {
		v.blocks.Close()
	}
	v.index, v.blocks, v.broken, v.staged = index, blocks, false, nil
	v.head, v.files, v.image = next.head, next.files, next.image
	v.end, v.live, v.version = next.end, next.live, next.version
	return nil
}

func (v *volume) replay(records [][]byte) error {
	for i, b := range records {
		var c change
		if err := json.Unmarshal(b, &c); err != nil {
			return fmt.Errorf("record %d of the index: %w", i, err)
		}
		v.apply(c)
	}
	return nil
}

// apply makes a durable change visible.
func (v *volume) apply(c change) {
	switch {
	case c.Head != nil:
		v.head, v.files, v.image, v.end, v.live = *c.Head, map[string]entry{}, image{}, 0, 0
	case c.Put != nil:
		v.live += c.Put.Size - v.files[c.Put.Path].Size
		v.files[c.Put.Path] = *c.Put
		v.end = max(v.end, c.Put.Offset+c.Put.Size)
		v.version = max(v.version, c.Put.Version)
	case c.Remove != nil:
		v.live -= v.files[*c.Remove].Size
		delete(v.files, *c.Remove)
	case c.Image != nil:
		v.image = *c.Image
	}
}

// write makes changes durable, all or none, and then visible.
func (v *volume) write(changes ...change) error {
	records := make([][]byte, len(changes))
	for i := range changes {
		b, err := json.Marshal(&changes[i])
		if err != nil {
			return err
		}
		records[i] = b
	}
	if err := v.index.Append(records...); err != nil {
		v.broken = errors.Is(err, journal.ErrBroken)
		return err
	}
	for _, c := range changes {
		v.apply(c)
	}
	return nil
}

// begin takes the turn of a writer, over an index that can be written.
func (v *volume) begin() error {
	v.using.take()
	if !v.broken {
		return nil
	}
	err := v.load()
	if err != nil {
		v.using.release()
	}
	return err
}

// appendBlocks puts a content at the end of the blocks. It is durable only after a sync, and belongs to no
// file yet; what a failed put leaves there the next one overwrites.
func (v *volume) appendBlocks(path string, data []byte, version uint64) (entry, error) {
	e := entry{Path: path, Offset: v.end, Size: int64(len(data)), Sum: crc32.Checksum(data, castagnoli), Version: version}
	_, err := v.blocks.WriteAt(data, v.end)
	return e, err
}

// put stores a client's file and returns when it is durable.
func (v *volume) put(path string, data []byte) error {
	if err := v.begin(); err != nil {
		return err
	}
	defer v.using.release()
	if !v.writable {
		return errNotWritable // It was when the request came, and is no more.
	}
	e, err := v.appendBlocks(path, data, v.version+1)
	if err == nil {
		err = v.blocks.Sync()
	}
	if err == nil {
		err = v.write(change{Put: &e})
	}
	if err == nil {
		v.tidy()
	}
	return err
}

// remove deletes a client's file and returns when that is durable. It reports whether there was one.
func (v *volume) remove(path string) (found bool, err error) {
	if err := v.begin(); err != nil {
		return false, err
	}
	defer v.using.release()
	if !v.writable {
		return false, errNotWritable
	}
	if _, found = v.files[path]; !found {
		return false, nil
	}
	return true, v.write(change{Remove: &path})
}

// get reads a file; os.ErrNotExist where there is none.
func (v *volume) get(path string) ([]byte, error) {
	for {
		e, ok := v.files[path]
		if !ok {
			return nil, os.ErrNotExist
		}
		blocks := v.blocks
		data, err := readEntry(blocks, e)
		if err == nil || v.blocks == blocks {
			return data, err
		}
		// The blocks were written anew in the middle of reading.
	}
}

func readEntry(blocks io.ReaderAt, e entry) ([]byte, error) {
	data := make([]byte, e.Size)
	if n, err := blocks.ReadAt(data, e.Offset); n < len(data) {
		return nil, fmt.Errorf("read %s: %w", e.Path, err)
	}
	if crc32.Checksum(data, castagnoli) != e.Sum {
		return nil, fmt.Errorf("read %s: %w", e.Path, errDamaged)
	}
	return data, nil
}

// snapshot is the volume at one instant. Its owner releases it.
type snapshot struct {
	volume *volume
	blocks afero.File
	files  []entry // by path
}

// snapshot does not give way: what is acknowledged before it is in it, what is put after it is not. So a takeover
// from this image loses exactly what came after this instant (D-INV-5).
func (v *volume) snapshot() *snapshot {
	v.pins++
	return &snapshot{volume: v, blocks: v.blocks, files: v.list()}
}

func (s *snapshot) read(e entry) ([]byte, error) { return readEntry(s.blocks, e) }

func (s *snapshot) release() { s.volume.pins-- }

// list returns the files by path.
func (v *volume) list() []entry {
	files := make([]entry, 0, len(v.files))
	for _, path := range slices.Sorted(maps.Keys(v.files)) {
		files = append(files, v.files[path])
	}
	return files
}

// fresh reports whether the volume has never been used.
func (v *volume) fresh() bool { return v.head.Blocks == 0 }

// store fills a fresh volume with what next returns, until that is nil. A power loss on the way leaves it
// fresh.
func (v *volume) store(next func() (path string, data []byte)) error {
	v.using.take()
	defer v.using.release()
	changes := []change{{Head: &head{Blocks: 1}}}
	blocks, err := v.newBlocks(1)
	if err != nil {
		return err
	}
	v.blocks.Close()
	v.blocks = blocks
	for path, data := next(); data != nil; path, data = next() {
		e, err := v.appendBlocks(path, data, uint64(len(changes)))
		if err != nil {
			return err
		}
		v.end += e.Size
		changes = append(changes, change{Put: &e})
	}
	if err := v.blocks.Sync(); err != nil {
		return err
	}
	return v.write(changes...)
}

// newBlocks makes an empty blocks file.
func (v *volume) newBlocks(n uint64) (afero.File, error) {
	fs := v.env.Disk()
	f, err := fs.OpenFile(blocksPath(n), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	if err := journal.SyncDir(fs, volumeDir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// erase empties the volume for a pair, and returns when nothing of the old content can come back (D-24).
func (v *volume) erase(lineage string) error {
	if err := v.begin(); err != nil {
		return err
	}
	defer v.using.release()
	v.staged = nil
	return v.rewrite(head{Blocks: v.head.Blocks + 1, Lineage: lineage}, nil)
}

// tidy writes the volume anew without what nothing refers to any more, once that is worth it.
func (v *volume) tidy() {
	dead := v.end - v.live
	indexDead := v.index.Size() - int64(len(v.files))*128
	if v.pins > 0 || v.staged != nil || max(dead, indexDead) < slackBytes || max(dead, indexDead) < v.live {
		return
	}
	if err := v.rewrite(head{Blocks: v.head.Blocks + 1, Lineage: v.head.Lineage}, v.list()); err != nil {
		v.env.Log().Warn("volume cannot be tidied up", "err", err) // It is as it was.
	}
}

// rewrite makes new blocks of these files, and switches over to them by replacing the index.
func (v *volume) rewrite(h head, files []entry) error {
	blocks, err := v.newBlocks(h.Blocks)
	if err != nil {
		return err
	}
	changes := []change{{Head: &h}}
	end := int64(0)
	for _, e := range files {
		data, err := readEntry(v.blocks, e)
		if err == nil {
			_, err = blocks.WriteAt(data, end)
		}
		if err != nil {
			return errors.Join(err, blocks.Close())
		}
		e.Offset = end
		end += e.Size
		changes = append(changes, change{Put: &e})
	}
	if last := v.image; files != nil && last.ID != "" {
		changes = append(changes, change{Image: &last})
	}
	records := make([][]byte, len(changes))
	for i := range changes {
		if records[i], err = json.Marshal(&changes[i]); err != nil {
			return errors.Join(err, blocks.Close())
		}
	}
	if err = blocks.Sync(); err == nil {
		err = v.index.Compact(records...)
		v.broken = errors.Is(err, journal.ErrBroken)
	}
	if err != nil {
		return errors.Join(err, blocks.Close())
	}
	old, number := v.blocks, v.head.Blocks
	v.blocks = blocks
	for _, c := range changes {
		v.apply(c)
	}
	old.Close()
	if err := v.env.Disk().Remove(blocksPath(number)); err != nil {
		v.env.Log().Warn("old blocks cannot be removed", "err", err)
	}
	return nil
}

// verify reads every file back.
func (v *volume) verify() error {
	for _, e := range v.list() {
		if _, err := v.get(e.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
