// Package journal keeps records on a machine's disk so that they survive power loss, and holds the few durable file
// operations that go with them.
//
// When Append or Compact has returned without an error, the records are durable. What was under way when the power
// failed is there whole or not at all, and nothing later is there without it.
//
// The file is a header and then frames, one for each Append:
//
//	header: "fdjournal1\n", sequence of the first frame uint64, CRC-32C uint32 of these
//	frame:  length of the payload uint32, number of records uint32, sequence uint64, CRC-32C uint32, payload
//	record: length uvarint, bytes
//
// Numbers are little-endian. A frame's checksum also covers its offset in the file, so that a journal inside a record
// is not taken for frames. Files are only ever appended to, or replaced whole by a rename.
package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"

	"github.com/spf13/afero"

	"firedrill/nodes"
)

// The limits of one Append. What is larger belongs into a file of its own.
const (
	MaxRecord = 1 << 20 // bytes of one record
	MaxGroup  = 8 << 20 // bytes of the records appended together
)

const (
	magic      = "fdjournal1\n"
	headerSize = len(magic) + 8 + 4
	frameSize  = 4 + 4 + 8 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrBroken is in the error of every call on a journal that could not write or sync once. What is on the disk is not
// known then: data whose sync failed is no longer dirty, and a second sync would succeed without writing it. Open
// finds out.
var ErrBroken = errors.New("journal is broken until it is opened again")

// Journal is an open journal. Its methods may be called by all tasks of the machine; they take turns.
type Journal struct {
	fs     afero.Fs
	path   string
	file   afero.File
	end    int64  // where the next frame goes
	next   uint64 // its sequence
	broken error
	busy   bool
	turn   nodes.Signal
	cut    int64
}

// Open reads the journal at path on the machine's disk, or makes an empty one with the directories above it, and
// returns the records in the order in which they were appended. A last frame that the power failed in is cut off; Cut
// tells.
//
// It writes what it has read to a new file before it returns. The old one may be in the page cache only, left there by
// a sync that failed before the software was started again. So Open fails on a disk that is full or read-only; Read
// does not.
func Open(env nodes.Env, path string) (*Journal, [][]byte, error) {
	fs := env.Disk()
	j := &Journal{fs: fs, path: path, turn: env.NewSignal(), next: 1}
	if err := MakeDir(fs, dirOf(path)); err != nil {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	data, err := afero.ReadFile(fs, path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	var records [][]byte
	if err == nil {
		c, err := parse(data)
		if err != nil {
			return nil, nil, fmt.Errorf("open journal %s: %w", path, err)
		}
		records, j.next, j.cut = c.records, c.next, int64(len(data)-c.end)
	}
	if err := j.replace(records); err != nil {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	return j, records, nil
}

// Read returns the records of the journal at path and how many bytes of a last frame that is not whole follow them. It
// changes nothing, and does not tell what of it is durable. A journal that is not there has no records, and no error.
func Read(fs afero.Fs, path string) (records [][]byte, torn int64, err error) {
	data, err := afero.ReadFile(fs, path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	c, err := parse(data)
	if err != nil {
		return nil, 0, fmt.Errorf("read journal %s: %w", path, err)
	}
	return c.records, int64(len(data) - c.end), nil
}

// Cut is how many bytes of a last frame that was not whole Open has cut off.
func (j *Journal) Cut() int64 { return j.cut }

// Size is that of the file in bytes, by which its owner knows when to compact.
func (j *Journal) Size() int64 { return j.end }

// Append adds records, all of them or none, and returns when they are durable. After an error that has ErrBroken in
// it, they may or may not be there when the journal is opened again; after any other, they are not.
func (j *Journal) Append(records ...[]byte) error {
	payload, err := group(records)
	if err != nil || len(records) == 0 {
		return err
	}
	j.begin()
	defer j.done()
	if j.broken != nil {
		return j.broken
	}
	frame := appendFrame(nil, j.end, j.next, len(records), payload)
	if _, err := j.file.WriteAt(frame, j.end); err != nil {
		return j.fail("append", err)
	}
	if err := j.file.Sync(); err != nil {
		return j.fail("append", err)
	}
	j.end += int64(len(frame))
	j.next++
	return nil
}

// Compact replaces all records by these and returns when that is durable. When the power fails meanwhile, either the
// old ones are there or the new ones.
func (j *Journal) Compact(records ...[]byte) error {
	for _, r := range records {
		if len(r) > MaxRecord {
			return errTooLarge(len(r))
		}
	}
	j.begin()
	defer j.done()
	if j.broken != nil {
		return j.broken
	}
	if err := j.replace(records); err != nil {
		return j.fail("compact", err)
	}
	return nil
}

// Close ends the use of the journal. There is nothing left to write.
func (j *Journal) Close() error {
	j.begin()
	defer j.done()
	if errors.Is(j.broken, os.ErrClosed) {
		return nil
	}
	j.broken = fmt.Errorf("journal %s: %w", j.path, os.ErrClosed)
	return j.file.Close()
}

// begin waits until no other task is at the file: file operations give way, and two appends must not.
func (j *Journal) begin() {
	for j.busy {
		j.turn.Wait(-1)
	}
	j.busy = true
}

func (j *Journal) done() {
	j.busy = false
	j.turn.Broadcast()
}

func (j *Journal) fail(doing string, err error) error {
	j.broken = fmt.Errorf("%s to journal %s: %w: %w", doing, j.path, ErrBroken, err)
	return j.broken
}

// replace puts a new file with these records in the place of the old one, and goes on in it.
func (j *Journal) replace(records [][]byte) error {
	data := appendHeader(nil, j.next)
	next := j.next
	for len(records) > 0 {
		n, payload := 0, []byte(nil)
		for n < len(records) && (n == 0 || len(payload)+len(records[n]) < MaxGroup) {
			payload = appendRecord(payload, records[n])
			n++
		}
		data = appendFrame(data, int64(len(data)), next, n, payload)
		records = records[n:]
		next++
	}
	file, err := replaceFile(j.fs, j.path, data)
	if err != nil {
		return err
	}
	if j.file != nil {
		_ = j.file.Close() // Nothing of it is wanted any more.
	}
	j.file, j.end, j.next = file, int64(len(data)), next
	return nil
}

// group joins the records of one frame.
func group(records [][]byte) ([]byte, error) {
	var payload []byte
	for _, r := range records {
		if len(r) > MaxRecord {
			return nil, errTooLarge(len(r))
		}
		payload = appendRecord(payload, r)
		if len(payload) > MaxGroup {
			return nil, fmt.Errorf("want records of at most %d bytes in one append, have more", MaxGroup)
		}
	}
	return payload, nil
}

func errTooLarge(n int) error {
	return fmt.Errorf("want a record of at most %d bytes, have %d", MaxRecord, n)
}

func appendRecord(to, record []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(record))), record...)
}

func appendHeader(to []byte, first uint64) []byte {
	start := len(to)
	to = append(to, magic...)
	to = binary.LittleEndian.AppendUint64(to, first)
	return binary.LittleEndian.AppendUint32(to, crc32.Checksum(to[start:], castagnoli))
}

// appendFrame adds the frame that stands at this offset of the file.
func appendFrame(to []byte, offset int64, sequence uint64, records int, payload []byte) []byte {
	start := len(to)
	to = binary.LittleEndian.AppendUint32(to, uint32(len(payload)))
	to = binary.LittleEndian.AppendUint32(to, uint32(records))
	to = binary.LittleEndian.AppendUint64(to, sequence)
	to = binary.LittleEndian.AppendUint32(to, frameSum(offset, to[start:start+16], payload))
	return append(to, payload...)
}

// frameSum is the checksum of a frame: of its offset, its lengths and sequence, and its payload.
func frameSum(offset int64, lengths, payload []byte) uint32 {
	var at [8]byte
	binary.LittleEndian.PutUint64(at[:], uint64(offset))
	sum := crc32.Update(0, castagnoli, at[:])
	sum = crc32.Update(sum, castagnoli, lengths)
	return crc32.Update(sum, castagnoli, payload)
}
