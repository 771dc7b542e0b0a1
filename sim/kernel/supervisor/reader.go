//go:build linux

package supervisor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// Reader reads a log, also while others write it. They know nothing of it.
type Reader struct {
	file   *os.File
	place  int64 // in what was written: what is before it is read
	marks  int64 // likewise, in bytes
	inLine bool  // what is read does not end a line
}

// NewReader reads a log from its beginning.
func NewReader(f *os.File) *Reader { return &Reader{file: f} }

// mark is what befell the machine, at a place in what was written.
type mark struct {
	place int64
	line  string
}

// Next is what the log has beyond what is read, with the marks where they belong, each a line of its own. Of what is so long that
// its middle is no more it says how much is missing. As long as over is open, it is what stays as it is: a mark without a place
// is still to come.
func (r *Reader) Next(over <-chan struct{}) (text []byte, err error) {
	size, marks, err := r.state(over)
	if err != nil {
		return nil, err
	}
	beginning, err := r.beginning(size)
	if err != nil {
		return nil, err
	}
	ring, whole, err := r.ring(size)
	if err != nil {
		return nil, err
	}
	n := 0 // Marks in the beginning, and before a gap.
	gap := max(r.place, LogHalf)
	for n < len(marks) && marks[n].place <= gap {
		n++
	}
	text = r.put(nil, beginning, marks[:n])
	if whole > gap {
		text = r.put(text, nil, []mark{{gap, fmt.Sprintf("=== %d bytes are left out here\n", whole-gap)}})
		r.place = whole
	}
	return r.put(text, ring, marks[n:]), nil
}

// state is how much was written, and the marks up to there that are not read.
func (r *Reader) state(over <-chan struct{}) (size int64, marks []mark, err error) {
	for {
		final := false
		select {
		case <-over:
			final = true
		default:
		}
		size, err = readWord(r.file, sizeWord)
		if err != nil {
			return 0, nil, err
		}
		end, err := readWord(r.file, marksWord)
		if err != nil {
			return 0, nil, err
		}
		if end < 0 && !final { // They change, and that takes no time, or the harness stands still.
			time.Sleep(time.Millisecond)
			continue
		}
		if end < 0 {
			end = ^end // The harness was killed in the midst.
		}
		marks, err = r.unread(size, end, final)
		return max(size, r.place), marks, err
	}
}

// unread are marks that are not read, and have their place in what was written so far. In the end all have one.
func (r *Reader) unread(size, end int64, final bool) (marks []mark, err error) {
	records, err := io.ReadAll(io.NewSectionReader(r.file, marksAt+r.marks, max(0, end-r.marks)))
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	for len(records) >= markHead {
		place := int64(binary.LittleEndian.Uint64(records))
		length := binary.LittleEndian.Uint64(records[8:])
		if place < 0 && final {
			place = size
		}
		if place < 0 || place > size || length > uint64(len(records)-markHead) {
			break
		}
		marks = append(marks, mark{place, string(records[markHead : markHead+length])})
		records = records[markHead+length:]
		r.marks += markHead + int64(length)
	}
	return marks, nil
}

// beginning is what is not read of the first half.
func (r *Reader) beginning(size int64) ([]byte, error) {
	text := make([]byte, max(0, min(size, LogHalf)-r.place))
	return text, r.readAt(text, r.place)
}

// ring is what is not read of what comes behind it, and its place: what comes before that, if anything, is no more.
func (r *Reader) ring(size int64) (text []byte, whole int64, err error) {
	from := max(r.place, LogHalf, size-LogHalf)
	text = make([]byte, max(0, size-from))
	until := min(int64(len(text)), LogHalf-from%LogHalf) // The edge.
	err = errors.Join(r.readAt(text[:until], LogHalf+from%LogHalf), r.readAt(text[until:], LogHalf))
	if err != nil || len(text) == 0 {
		return nil, 0, err
	}
	ahead, err := readWord(r.file, aheadWord)
	if err != nil {
		return nil, 0, err
	}
	whole = min(size, max(from, ahead-LogHalf)) // What was overwritten meanwhile is before it.
	return text[whole-from:], whole, nil
}

func (r *Reader) readAt(b []byte, at int64) error {
	if _, err := r.file.ReadAt(b, textAt+at); err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	return nil
}

// put appends a piece of what was written, with its marks. Marks of what is no more come first.
func (r *Reader) put(text, piece []byte, marks []mark) []byte {
	add := func(b []byte) {
		if len(b) > 0 {
			text = append(text, b...)
			r.inLine = b[len(b)-1] != '\n'
		}
	}
	text = slices.Grow(text, len(piece))
	for _, m := range marks {
		n := max(0, m.place-r.place)
		add(piece[:n])
		r.place += n
		piece = piece[n:]
		if r.inLine {
			add([]byte("\n"))
		}
		add([]byte(m.line))
	}
	add(piece)
	r.place += int64(len(piece))
	return text
}
