//go:build linux

package supervisor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// syslogAt is where daemons log that do not write to their output. On the machine of a program it is as if they did.
const syslogAt = "/dev/log"

// syslogPatience is how long it is waited for a message that is under way when a program has ended.
const syslogPatience = 5 * time.Millisecond

// syslog takes what daemons log.
type syslog struct {
	conn *net.UnixConn
	read chan struct{} // closed when no more is read
}

func listenSyslog(o *output) (*syslog, error) {
	if err := os.Remove(syslogAt); err != nil && !errors.Is(err, os.ErrNotExist) { // Of an earlier start.
		return nil, err
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: syslogAt, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", syslogAt, err)
	}
	if err := os.Chmod(syslogAt, 0o666); err != nil { // Daemons may be other users.
		return nil, err
	}
	s := &syslog{conn, make(chan struct{})}
	go func() {
		defer close(s.read)
		message := make([]byte, 64<<10)
		for {
			n, err := conn.Read(message)
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				o.warn("what is logged at " + syslogAt + " cannot be read: " + err.Error())
			}
			if err != nil {
				return
			}
			o.add(o.clock(), []byte(plain(string(message[:n]))+"\n"), &o.logged)
		}
	}()
	return s, nil
}

// end returns when all is read that was logged so far. No more is.
func (s *syslog) end() {
	_ = s.conn.SetReadDeadline(time.Now().Add(syslogPatience))
	<-s.read
	_ = s.conn.Close() // There is nothing left in it.
}

// plain is a message without what is said elsewhere: its priority, and a time.
func plain(message string) string {
	message = strings.TrimRight(message, "\n\x00")
	if rest, found := strings.CutPrefix(message, "<"); found {
		if _, after, found := strings.Cut(rest, ">"); found {
			message = after
		}
	}
	if n := len(time.Stamp); len(message) > n {
		if _, err := time.Parse(time.Stamp, message[:n]); err == nil {
			message = strings.TrimPrefix(message[n:], " ")
		}
	}
	return message
}
