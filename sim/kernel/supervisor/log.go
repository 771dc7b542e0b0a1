//go:build linux

package supervisor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// LogHalf is how much of a log is kept from its beginning, and as much from its end, in bytes.
const LogHalf = 8 << 20

// Log is what the programs of a machine wrote, one start after the other, with what befell the machine. It is a file in
// memory that the harness and the machine's process share, so that it outlives every kill, and in which whoever is given
// it reads along. The machine's process writes what programs say: the beginning, and a ring of the end. The harness writes
// the marks of what befell the machine, each with its place in the former. Neither waits for the other, nor for a Reader.
type Log struct {
	mu   sync.Mutex
	file *os.File

	size  int64 // of all that was written
	ahead int64 // how far it may have come by now, or before it was killed: so much of the ring is no more

	marks   int64 // their size
	last    int64 // where among them the last one is
	settled bool  // that one has its place, or there is none
}

// Where in the file what is. A word has eight bytes.
const (
	sizeWord  = 0
	aheadWord = 8
	marksWord = 16 // the size of the marks; its complement while they change
	textAt    = 24
	marksAt   = textAt + 2*LogHalf // of each its place, its length, and its line
	markHead  = 16
)

// unsettled is the place of a mark that comes behind all that is written until the next one, or until it is settled.
const unsettled = -1

// NewLog makes an empty one.
func NewLog() (*Log, error) {
	fd, err := unix.MemfdCreate("log", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a log: %w", err)
	}
	l := &Log{file: os.NewFile(uintptr(fd), "log"), settled: true}
	// Whoever is given it to read cannot open it anew to write.
	if err := errors.Join(l.file.Chmod(0o400), l.file.Truncate(marksAt)); err != nil { // What is not written takes no memory.
		l.Close()
		return nil, fmt.Errorf("make a log: %w", err)
	}
	return l, nil
}

// OpenLog goes on with one that has been made, in the machine's process.
func OpenLog(f *os.File) (l *Log, err error) {
	unix.CloseOnExec(int(f.Fd()))
	l = &Log{file: f}
	if l.size, err = readWord(f, sizeWord); err == nil {
		l.ahead, err = readWord(f, aheadWord)
	}
	return l, err
}

func readWord(f *os.File, at int64) (int64, error) {
	var b [8]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		return 0, fmt.Errorf("read the log: %w", err)
	}
	return int64(binary.LittleEndian.Uint64(b[:])), nil
}

func (l *Log) putWord(at, word int64) error {
	_, err := l.file.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(word)), at)
	return err
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
		l.ahead = max(l.ahead, l.size+n)
		_ = l.putWord(aheadWord, l.ahead) // First: a Reader may be where the ring is overwritten.
		_, _ = l.file.WriteAt(b[:n], textAt+at)
		l.size += n
		_ = l.putWord(sizeWord, l.size)
		b = b[n:]
	}
}

// note writes a line of ours.
func (l *Log) note(at time.Duration, text string) {
	l.write([]byte(noteLine(at, text)))
}

func noteLine(at time.Duration, text string) string {
	return fmt.Sprintf("=== %.3fs %s\n", at.Seconds(), text)
}

// Mark notes, in the harness, what befell the machine. Where it silences the program, by an end or a pause, what is still
// on its way comes before it: its place is behind all that is written until the next mark, or until it is settled by
// its number.
func (l *Log) Mark(at time.Duration, what string, silences bool) (number int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err = l.change(func(size int64) error {
		if err := l.settle(size); err != nil {
			return err
		}
		place := size
		if silences {
			place = unsettled
		}
		line := noteLine(at, what)
		record := binary.LittleEndian.AppendUint64(nil, uint64(place))
		record = binary.LittleEndian.AppendUint64(record, uint64(len(line)))
		if _, err := l.file.WriteAt(append(record, line...), marksAt+l.marks); err != nil {
			return fmt.Errorf("mark the log: %w", err)
		}
		l.last, l.settled = l.marks, !silences
		l.marks += markHead + int64(len(line))
		return nil
	})
	return l.last, err
}

// Settle gives a mark its place, unless there is one behind it: what it silenced says nothing more.
func (l *Log) Settle(number int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.settled || number != l.last {
		return nil
	}
	return l.change(l.settle)
}

// settle gives the last mark its place.
func (l *Log) settle(size int64) error {
	if l.settled {
		return nil
	}
	l.settled = true
	return l.putWord(marksAt+l.last, size)
}

// change changes the marks. A Reader that has seen none of it goes no further than the size, which is read after it is said that
// they change: where it reads on, it sees them all.
func (l *Log) change(act func(size int64) error) error {
	if err := l.putWord(marksWord, ^l.marks); err != nil {
		return err
	}
	size, err := readWord(l.file, sizeWord)
	if err == nil {
		err = act(size)
	}
	return errors.Join(err, l.putWord(marksWord, l.marks))
}

// Text is what the log has, with the marks where they belong, and says how much is missing in the middle. It is for when
// nobody writes any more.
func (l *Log) Text() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	over := make(chan struct{})
	close(over)
	return NewReader(l.file).Next(over)
}

// File is what another process needs to go on with the log.
func (l *Log) File() *os.File { return l.file }

// Close lets go of the log. It is gone when every process has.
func (l *Log) Close() { l.file.Close() }
