//go:build linux

package supervisor

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// LogHalf is how much of a log is kept from its beginning, and as much from its end, in bytes.
const LogHalf = 8 << 20

// Log is what the programs of a machine wrote, one start after the other. It is a file in memory that the harness
// and the machine's process share, so that it outlives every kill: eight bytes that count, the beginning, and a ring of
// the end.
type Log struct {
	mu   sync.Mutex
	file *os.File
	size int64 // of all that was written
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
	l.write(fmt.Appendf(nil, "=== %.3fs %s\n", at.Seconds(), text))
}

// Text is what the log has, and says how much is missing in the middle.
func (l *Log) Text() ([]byte, error) {
	if err := l.count(); err != nil {
		return nil, err
	}
	all := make([]byte, min(l.size, 2*LogHalf))
	if _, err := l.file.ReadAt(all, logHeader); err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	if l.size <= 2*LogHalf {
		return all, nil
	}
	ring, begin := all[LogHalf:], l.size%LogHalf
	text := append([]byte(nil), all[:LogHalf]...)
	text = fmt.Appendf(text, "\n=== %d bytes are left out here\n", l.size-2*LogHalf)
	text = append(text, ring[begin:]...)
	return append(text, ring[:begin]...), nil
}

// File is what another process needs to go on with the log.
func (l *Log) File() *os.File { return l.file }

// Close lets go of the log. It is gone when every process has.
func (l *Log) Close() { l.file.Close() }
