//go:build linux

package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/nodes"
	"firedrill/sim"
)

// How much of what a program writes becomes facts: lines up to a length in bytes, and of each start so many lines and
// bytes. The machine's log has the rest.
const (
	LineMax  = 4 << 10
	LinesMax = 10_000
	bytesMax = 1 << 20
)

// drainTime is how long the end of a program's output may take to be read. All that could write to it is dead by then.
const drainTime = time.Second

// output takes what a program writes, as fast as it writes: the log gets all of it, and lines become facts. Nobody who
// is slow to take these holds the program up.
type output struct {
	log   *Log
	ready string // a line that contains it makes the program ready; "": none
	tells func([]Told)
	clock func() int64

	written, logged stream // what it writes to its output, and to the system's log

	mu    sync.Mutex // guards all of the above and below but channels
	lines int        // told so far
	bytes int
	more  sync.Cond
	queue []Told // never longer than the limits above
	over  bool   // nothing more comes

	pipe    syscall.RawConn
	reading sync.Mutex // held from a look at the pipe until what lay in it is taken; guards:
	taken   int64      // bytes
	ended   bool       // nobody can write any more

	read chan struct{} // closed at the end of the output
	sent chan struct{} // closed when all is told
}

// stream is where bytes come from that are to become lines.
type stream struct {
	line []byte // the last one, so far
	cut  bool   // it is longer, and told of already
}

func newOutput(c *Config) *output {
	o := &output{log: c.Log, ready: string(c.Program.Ready.Log), tells: c.Tell, clock: c.Clock, sent: make(chan struct{})}
	o.more.L = &o.mu
	go o.send()
	return o
}

// follow reads until nobody can write any more.
func (o *output) follow(from *os.File) error {
	pipe, err := from.SyscallConn()
	if err != nil {
		return err
	}
	o.pipe, o.read = pipe, make(chan struct{})
	go func() {
		defer close(o.read)
		defer from.Close()
		piece := make([]byte, 64<<10)
		for o.lacks(math.MaxInt64) {
			if err := pipe.Read(func(fd uintptr) bool { return o.swallow(int(fd), piece) }); err != nil {
				break // Nobody else closes it.
			}
		}
		o.reading.Lock()
		o.ended = true
		o.reading.Unlock()
		o.finish()
	}()
	return nil
}

// swallow takes what lies in the pipe, and reports whether there was anything.
func (o *output) swallow(fd int, piece []byte) bool {
	o.reading.Lock()
	defer o.reading.Unlock()
	switch n, err := unix.Read(fd, piece); {
	case errors.Is(err, unix.EAGAIN):
		return false
	case n > 0:
		o.taken += int64(n)
		o.add(o.clock(), piece[:n], &o.written)
	case !errors.Is(err, unix.EINTR):
		o.ended = true
	}
	return true
}

// catchUp returns when all that was written before is taken.
func (o *output) catchUp() {
	o.reading.Lock()
	lies := 0
	_ = o.pipe.Control(func(fd uintptr) { lies, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }) // Of a closed pipe all is taken.
	until := o.taken + int64(lies)
	o.reading.Unlock()
	for o.lacks(until) {
		time.Sleep(100 * time.Microsecond)
	}
}

// lacks reports whether less than that is taken, and more may come.
func (o *output) lacks(bytes int64) bool {
	o.reading.Lock()
	defer o.reading.Unlock()
	return o.taken < bytes && !o.ended
}

// add takes a piece of output.
func (o *output) add(at int64, piece []byte, of *stream) {
	o.log.write(piece)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.take(at, piece, of)
}

// finish makes a line of what has no end.
func (o *output) finish() {
	if len(o.written.line) > 0 {
		o.add(o.clock(), []byte("\n"), &o.written)
	}
}

// take makes lines of a piece of output. It is called with the lock, as tellLine is.
func (o *output) take(at int64, piece []byte, of *stream) {
	if o.lines > LinesMax && o.ready == "" { // Nobody wants to hear of lines any more.
		of.line = of.line[:0]
		return
	}
	for len(piece) > 0 {
		end := bytes.IndexByte(piece, '\n')
		part := piece
		if end >= 0 {
			part = piece[:end]
		}
		if !of.cut {
			of.line = append(of.line, part[:min(len(part), LineMax+1-len(of.line))]...)
			if len(of.line) > LineMax {
				of.cut = true
				o.tellLine(at, of.line[:LineMax], true)
			}
		}
		if end < 0 {
			return
		}
		if !of.cut {
			o.tellLine(at, of.line, false)
		}
		of.line, of.cut = of.line[:0], false
		piece = piece[end+1:]
	}
}

// tellLine makes a line a fact, as long as there were not too many.
func (o *output) tellLine(at int64, line []byte, cut bool) {
	text := strings.ToValidUTF8(string(bytes.TrimSuffix(line, []byte("\r"))), "\uFFFD")
	f := nodes.Fact{Name: sim.FactLogLine, Value: text}
	if cut {
		f.Attrs = []nodes.Attr{{Key: "cut", Value: fmt.Sprintf("after %d bytes", LineMax)}}
	}
	if o.lines <= LinesMax {
		o.lines++
		o.bytes += len(line)
		if o.lines > LinesMax || o.bytes > bytesMax {
			o.lines = LinesMax + 1
			f = warning(fmt.Sprintf("more than %d lines or %d bytes: what comes now is in the log of the machine alone",
				LinesMax, bytesMax))
			f.Attrs = append(f.Attrs, nodes.Attr{Key: sim.AttrUntold, Value: "all that comes now"})
		}
		o.append(Told{at, f})
	}
	if o.ready != "" && strings.Contains(text, o.ready) {
		o.ready = ""
		o.append(Told{at, nodes.Fact{Name: nodes.FactReady}})
	}
}

// tell tells a fact of now.
func (o *output) tell(f nodes.Fact) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.append(Told{o.clock(), f})
}

// warn tells a line of the harness's own.
func (o *output) warn(text string) { o.tell(warning(text)) }

func (o *output) append(t Told) {
	o.queue = append(o.queue, t)
	o.more.Signal()
}

// send tells the harness what there is to tell, in its order.
func (o *output) send() {
	defer close(o.sent)
	for {
		o.mu.Lock()
		for len(o.queue) == 0 && !o.over {
			o.more.Wait()
		}
		some := o.queue
		o.queue = nil
		over := o.over
		o.mu.Unlock()
		for len(some) > 0 {
			n := min(len(some), 256) // A message stays small.
			o.tells(some[:n])
			some = some[n:]
		}
		if over {
			return
		}
	}
}

func warning(text string) nodes.Fact {
	return nodes.Fact{Name: sim.FactLogLine, Value: text, Attrs: []nodes.Attr{{Key: "level", Value: "WARN"}}}
}

// drain returns when all that was written is read and told. Nothing is told after it.
func (o *output) drain() {
	if o.read != nil {
		select {
		case <-o.read:
		case <-time.After(drainTime): // One of the dead still waits for its disk.
		}
	}
	o.mu.Lock()
	o.over = true
	o.more.Signal()
	o.mu.Unlock()
	<-o.sent
}
