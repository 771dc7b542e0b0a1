package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// contents is what a journal file holds.
type contents struct {
	records [][]byte // parts of the file's data
	next    uint64   // sequence of the frame that would follow
	end     int      // where the last whole frame ends
}

// parse reads a whole file. The journal's last write alone can be torn: it is cut off. Damage with a whole frame
// after it is an error that names the offset: what is missing was durable once.
func parse(data []byte) (contents, error) {
	if len(data) < headerSize {
		return contents{}, fmt.Errorf("want a journal, have a file of %d bytes", len(data))
	}
	head := data[:headerSize]
	sum := binary.LittleEndian.Uint32(head[headerSize-4:])
	if !bytes.HasPrefix(head, []byte(magic)) || sum != crc32.Checksum(head[:headerSize-4], castagnoli) {
		return contents{}, fmt.Errorf("want a journal, have %q at offset 0", head)
	}
	c := contents{next: binary.LittleEndian.Uint64(head[len(magic):]), end: headerSize}
	for c.end < len(data) {
		f, ok := frameAt(data, c.end)
		if !ok || f.sequence != c.next {
			return c, damage(data, c)
		}
		records, err := f.split(c.records)
		if err != nil {
			return c, fmt.Errorf("frame at offset %d: %w", c.end, err)
		}
		c.records = records
		c.end += frameSize + len(f.payload)
		c.next++
	}
	return c, nil
}

// damage returns nil where what stands at c.end is the torn last frame.
func damage(data []byte, c contents) error {
	for at := c.end; at+frameSize <= len(data); at++ {
		// Sequences that cannot be are passed over before anything is summed up: a torn frame may be large.
		if n := binary.LittleEndian.Uint64(data[at+8:]); n < c.next || n-c.next > uint64(len(data)) {
			continue
		}
		if f, ok := frameAt(data, at); ok {
			return fmt.Errorf("damaged at offset %d: want frame %d, have frame %d whole at offset %d",
				c.end, c.next, f.sequence, at)
		}
	}
	return nil
}

// frame is one group of records as it stands in a file.
type frame struct {
	records  uint32
	sequence uint64
	payload  []byte
}

// frameAt reads the frame at an offset, and reports whether it is one.
func frameAt(data []byte, at int) (frame, bool) {
	if at+frameSize > len(data) {
		return frame{}, false
	}
	head := data[at : at+frameSize]
	length := binary.LittleEndian.Uint32(head)
	if length > math.MaxInt32 || int(length) > len(data)-at-frameSize {
		return frame{}, false
	}
	f := frame{
		records:  binary.LittleEndian.Uint32(head[4:]),
		sequence: binary.LittleEndian.Uint64(head[8:]),
		payload:  data[at+frameSize : at+frameSize+int(length)],
	}
	return f, frameSum(int64(at), head[:16], f.payload) == binary.LittleEndian.Uint32(head[16:])
}

// split adds the frame's records to those before.
func (f frame) split(records [][]byte) ([][]byte, error) {
	rest := f.payload
	for range f.records {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > uint64(len(rest)-size) {
			return nil, fmt.Errorf("want %d records, have a payload that ends before", f.records)
		}
		end := size + int(n)
		records = append(records, rest[size:end:end])
		rest = rest[end:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("want %d records, have %d bytes after them", f.records, len(rest))
	}
	return records, nil
}
