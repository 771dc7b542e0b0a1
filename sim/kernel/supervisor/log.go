//go:build linux

package supervisor

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// LogHalf is how much of a log is kept from its beginning, and as much from its end, in bytes.
const LogHalf = 8 << 20

// Log is what the programs of a machine wrote, one start after the other. It is a file in memory that the harness
// and the machine's process share, so that it outlives every kill: eight bytes that count, the beginning, and a ring of
// the end. What befell the machine is not in the file, since only one of two processes can write there: the harness
// keeps it by its place.
type Log struct {
	mu    sync.Mutex
	file  *os.File
	size  int64  // of all that was written
	marks []mark // in their order
}

// mark is what befell the machine, at a place in what was written; -1: behind all that is there when the next one comes.
type mark struct {
	place int64
	line  string
}

const logHeader = 8

// NewLog makes an empty one.
func NewLog() (*Log, error) {
	fd, err := unix.MemfdCreate("log", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a log: %w", err)
	}
	return &Log{file: os.NewFile(uintptr(fd), "log")}, nil
}

// OpenLog goes on with one that has been made, in another process.
func OpenLog(f *os.File) (*Log, error) {
	unix.CloseOnExec(int(f.Fd()))
	l := &Log{file: f}
	return l, l.count()
}

// count reads how much there is.
func (l *Log) count() error {
	var header [logHeader]byte
	if n, err := l.file.ReadAt(header[:], 0); n == logHeader {
		l.size = int64(binary.LittleEndian.Uint64(header[:]))
	} else if n != 0 {
		return fmt.Errorf("read the log: %w", err)
	}
	return nil
}

// write appends to the log. What cannot be written (there is no memory) is lost, as with any log.
func (l *Log) write(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(b) > 0 {
		at, room := l.size, LogHalf-l.size
		if room <= 0 {
			in := l.size % LogHalf
			at, room = LogHalf+in, LogHalf-in
		}
		n := min(int64(len(b)), room)
		_, _ = l.file.WriteAt(b[:n], logHeader+at)
		l.size += n
		b = b[n:]
	}
	_, _ = l.file.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(l.size)), 0)
}

// note writes a line of ours.
func (l *Log) note(at time.Duration, text string) {
	l.write([]byte(noteLine(at, text)))
}

func noteLine(at time.Duration, text string) string {
	return fmt.Sprintf("=== %.3fs %s\n", at.Seconds(), text)
}

// Mark notes, in the harness, what befell the machine. Where it silences the program, by an end or a pause, what is still
// on its way comes before it: its place is behind all that is written until the next mark.
func (l *Log) Mark(at time.Duration, what string, silences bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.count(); err != nil {
		return err
	}
	l.settle()
	place := l.size
	if silences {
		place = -1
	}
	l.marks = append(l.marks, mark{place, noteLine(at, what)})
	return nil
}

// settle gives the last mark its place: what it silenced says nothing more.
func (l *Log) settle() {
	if n := len(l.marks) - 1; n >= 0 && l.marks[n].place < 0 {
		l.marks[n].place = l.size
	}
}

// Text is what the log has, with the marks where they belong, and says how much is missing in the middle.
func (l *Log) Text() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.count(); err != nil {
		return nil, err
	}
	l.settle()
	all := make([]byte, min(l.size, 2*LogHalf))
	if _, err := l.file.ReadAt(all, logHeader); err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	if l.size <= 2*LogHalf {
		return marked(nil, all, 0, l.marks), nil
	}
	last := l.size - LogHalf // Where the ring begins.
	left, _ := slices.BinarySearchFunc(l.marks, LogHalf+1, comparePlaces)
	right, _ := slices.BinarySearchFunc(l.marks, last, comparePlaces)
	gap := mark{LogHalf, fmt.Sprintf("=== %d bytes are left out here\n", last-LogHalf)}
	text := marked(nil, all[:LogHalf], 0, append(l.marks[:left:left], gap))
	text = marked(text, nil, last, l.marks[left:right])
	ring, begin := all[LogHalf:], l.size%LogHalf
	return marked(text, slices.Concat(ring[begin:], ring[:begin]), last, l.marks[right:]), nil
}

func comparePlaces(m mark, place int64) int { return cmp.Compare(m.place, place) }

// marked appends a piece of what was written, which begins at a place, with its marks. Each is a line of its own. Marks of
// what is not there come first.
func marked(text, piece []byte, from int64, marks []mark) []byte {
	for _, m := range marks {
		n := max(0, m.place-from)
		text, piece, from = append(text, piece[:n]...), piece[n:], from+n
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		text = append(text, m.line...)
	}
	return append(text, piece...)
}

// File is what another process needs to go on with the log.
func (l *Log) File() *os.File { return l.file }

// Close lets go of the log. It is gone when every process has.
func (l *Log) Close() { l.file.Close() }
