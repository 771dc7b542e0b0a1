//go:build linux

package kernel

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// logFD is where the process of a program finds the log of its machine.
const logFD = 4

// A log has this much from its beginning, and as much from its end.
const logHalf = 8 << 20

// logbook is what the programs of a machine wrote, one start after the other. It is a file in memory that the harness
// and the machine's process share, so that it outlives every kill: eight bytes that count, the beginning, and a ring of
// the end.
type logbook struct {
	mu   sync.Mutex
	file *os.File
	size int64 // of all that was written
}

const logHeader = 8

// newLogbook makes an empty one.
func newLogbook() (*logbook, error) {
	fd, err := unix.MemfdCreate("log", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a log: %w", err)
	}
	return &logbook{file: os.NewFile(uintptr(fd), "log")}, nil
}

// openLogbook goes on with one that has been made.
func openLogbook(f *os.File) (*logbook, error) {
	unix.CloseOnExec(int(f.Fd()))
	l := &logbook{file: f}
	return l, l.count()
}

// count reads how much there is.
func (l *logbook) count() error {
	var header [logHeader]byte
	if n, err := l.file.ReadAt(header[:], 0); n == logHeader {
		l.size = int64(binary.LittleEndian.Uint64(header[:]))
	} else if n != 0 {
		return fmt.Errorf("read the log: %w", err)
	}
	return nil
}

// write appends to the log. What cannot be written (there is no memory) is lost, as with any log.
func (l *logbook) write(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(b) > 0 {
		at, room := l.size, logHalf-l.size
		if room <= 0 {
			in := l.size % logHalf
			at, room = logHalf+in, logHalf-in
		}
		n := min(int64(len(b)), room)
		_, _ = l.file.WriteAt(b[:n], logHeader+at)
		l.size += n
		b = b[n:]
	}
	_, _ = l.file.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(l.size)), 0)
}

// note writes a line of ours.
func (l *logbook) note(at time.Duration, text string) {
	l.write(fmt.Appendf(nil, "=== %.3fs %s\n", at.Seconds(), text))
}

// text is what the log has, and says how much is missing in the middle.
func (l *logbook) text() ([]byte, error) {
	if err := l.count(); err != nil {
		return nil, err
	}
	all := make([]byte, min(l.size, 2*logHalf))
	if _, err := l.file.ReadAt(all, logHeader); err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	if l.size <= 2*logHalf {
		return all, nil
	}
	ring, begin := all[logHalf:], l.size%logHalf
	text := append([]byte(nil), all[:logHalf]...)
	text = fmt.Appendf(text, "\n=== %d bytes are left out here\n", l.size-2*logHalf)
	text = append(text, ring[begin:]...)
	return append(text, ring[:begin]...), nil
}

func (l *logbook) close() { l.file.Close() }
