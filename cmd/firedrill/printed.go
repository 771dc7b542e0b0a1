package main

import (
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"

	"firedrill/reports"
)

// statusUnread is that of a command that SIGPIPE has killed, as shells tell it.
const statusUnread = 128 + int(syscall.SIGPIPE)

// outliveReaders lets a write fail when nobody reads standard output any more, as behind `| head -1`, and this process go on:
// it is to write its results, and in the kernel world to clear away. What it starts is not touched by that.
func outliveReaders() { signal.Ignore(syscall.SIGPIPE) }

// printed is standard output. It knows whether somebody reads it still, since not all that is written reports how that went.
type printed struct {
	to     io.Writer
	unread atomic.Bool
}

// Write implements io.Writer.
func (p *printed) Write(b []byte) (int, error) {
	n, err := p.to.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		p.unread.Store(true)
	}
	return n, err
}

// unwritten is the error of standard output, as one that ends the command. That nobody reads it is no fault, and there is nothing
// to say about it.
func unwritten(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EPIPE):
		return &exit{statusUnread, nil}
	}
	return &exit{statusFault, fmt.Errorf("write standard output: %w", err)}
}

// complain tells what is wrong, if there is anything to say.
func complain(stderr io.Writer, err error) {
	var lines []string
	for line := range strings.Lines(err.Error()) { // Paths, and what results say, come from anywhere.
		if line = strings.TrimSuffix(line, "\n"); line != "" || len(lines) > 0 {
			lines = append(lines, reports.Printable(line))
		}
	}
	if text := strings.TrimRight(strings.Join(lines, "\n"), "\n"); text != "" {
		_, _ = fmt.Fprintf(stderr, "firedrill: %s\n", text) // There is nowhere else to say it.
	}
}
