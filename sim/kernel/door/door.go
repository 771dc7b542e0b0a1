//go:build linux

package door

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/sim/kernel/room"
)

// The door is how others on this system look into a run that is up: a socket with an abstract name, which is nowhere in a file
// system and is gone with its last descriptor. An abstract name is one of a network namespace, so the socket is that of the
// process outside of the tree. That one asks the kernel who calls, since inside of the tree nobody could tell users apart: all
// but one may have no number there. Whom it lets in it hands on to the inner process as a descriptor.
//
// Each message is one packet of JSON. Callers send a request, and with a command its standard files; the answer to a command
// comes when it has ended, and until then signals go the other way. A command that is to have a terminal gets one of its
// machine's, where it is known by its name; of that the caller is sent the other side. A log is sent as a descriptor, which the
// caller reads along without the run: that only tells when it is over.

// doorPrefix is how the names of doors begin. The user and the process follow, and something that nobody can guess: a name that
// could be foreseen could be taken by another user first.
const doorPrefix = "@firedrill/"

// messageLimit bounds a message, in bytes: a command with its arguments, as a rule.
const messageLimit = 64 << 10

// Patience is how long the other side of a door may take to say what it has to say.
const Patience = 5 * time.Second

// request is what a caller says first.
type request struct {
	Command []string `json:"command,omitempty"` // to be run; empty: tell what is up, or
	Log     bool     `json:"log,omitempty"`     // show the machine's log, until the caller hangs up
	Play    int      `json:"play,omitempty"`
	Machine string   `json:"machine,omitempty"`
	// Terminal is the size of the one that the command is to have. Then of the files there is standard error alone, or none
	// where that is the terminal too.
	Terminal *unix.Winsize `json:"terminal,omitempty"`
	Term     string        `json:"term,omitempty"` // TERM
}

// files is the least and the most of them that come with the request.
func (r *request) files() (least, most int) {
	switch {
	case len(r.Command) == 0:
		return 0, 0
	case r.Terminal != nil:
		return 0, 1
	}
	return 3, 3
}

// follow is what a caller says while its command runs.
type follow struct {
	Signal unix.Signal `json:"signal"`
}

// answer is what a caller is told: a play, a machine of the play told before, with its process as a descriptor; or that a command
// has a terminal, with the caller's side of it, and how it ended; or that there is a log, as a descriptor, and that it is over.
// An error ends it.
type answer struct {
	Error    string    `json:"error,omitempty"`
	Play     *Play     `json:"play,omitempty"`
	Machine  *Standing `json:"machine,omitempty"`
	Terminal bool      `json:"terminal,omitempty"`
	Log      bool      `json:"log,omitempty"`
	Done     bool      `json:"done,omitempty"`
	Status   int       `json:"status,omitempty"` // of the command
}

// Open listens for callers for as long as this process lives, and hands those who may come in to the process that gets
// the file.
func Open() (theirs *os.File, err error) {
	name := fmt.Sprintf("%s%d/%d/%s", doorPrefix, os.Geteuid(), os.Getpid(), rand.Text())
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: name, Net: "unixpacket"})
	if err != nil {
		return nil, fmt.Errorf("open a door for exec, logs and ps: %w", err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("open a door for exec, logs and ps: %w", err)
	}
	ours, err := packets(fds[0])
	if err != nil {
		l.Close()
		_ = unix.Close(fds[1])
		return nil, err
	}
	go keepDoor(l, ours)
	return os.NewFile(uintptr(fds[1]), "door"), nil
}

// keepDoor lives as long as the process.
func keepDoor(l *net.UnixListener, inner *net.UnixConn) {
	whole := room.EveryUser()
	for {
		c, err := l.AcceptUnix()
		if err != nil { // There are too many open files: not for ever.
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if who, err := caller(c); err == nil && mayEnter(int(who.Uid), os.Geteuid(), whole) {
			_ = pass(inner, c) // The inner process is gone, or this one soon.
		}
		c.Close()
	}
}

// mayEnter reports whether a user may look into a run of the user own, or the other way round: its own user and root may. Where
// not every user has a number, many share one, and if it is the own one nobody is known.
func mayEnter(who, own int, everyUser bool) bool {
	const nobody = 65534
	if !everyUser && who == nobody {
		return false
	}
	return who == own || who == 0
}

// pass hands a connection on.
func pass(to, c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		_, _, failed = to.WriteMsgUnix([]byte("{}"), unix.UnixRights(int(fd)), nil)
	})
	return errors.Join(err, failed)
}

// caller is who made the other end of a connection: who connected, or who listened.
func caller(c *net.UnixConn) (who *unix.Ucred, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { who, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return who, errors.Join(err, failed)
}

// packets makes a connection of a descriptor, which is its own from then on.
func packets(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "packets")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, errors.New("want a Unix socket")
	}
	return u, nil
}

// say sends a message with descriptors.
func say(c *net.UnixConn, message any, fds ...int) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(text) > messageLimit {
		return fmt.Errorf("want a message of at most %d bytes, have %d", messageLimit, len(text))
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	_, _, err = c.WriteMsgUnix(text, rights, nil)
	return err
}

// hear reads a message with at most so many descriptors, which are the caller's to close. What is more than that, or no message,
// is an error, and so is a connection that is closed.
func hear(c *net.UnixConn, message any, most int) (files []*os.File, err error) {
	text, rights := make([]byte, messageLimit+1), make([]byte, unix.CmsgSpace(4*most))
	n, rn, flags, _, err := c.ReadMsgUnix(text, rights)
	for _, fd := range descriptors(rights[:rn]) {
		files = append(files, os.NewFile(uintptr(fd), "passed"))
	}
	switch {
	case err != nil:
	case n > messageLimit:
		err = fmt.Errorf("want a message of at most %d bytes", messageLimit)
	case len(files) > most || flags&unix.MSG_CTRUNC != 0:
		err = fmt.Errorf("want at most %d descriptors", most)
	default:
		err = json.Unmarshal(text[:n], message)
	}
	if err != nil {
		closeAll(files)
		return nil, err
	}
	return files, nil
}

// descriptors are those that came with a message.
func descriptors(rights []byte) (fds []int) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil
	}
	for i := range messages {
		more, err := unix.ParseUnixRights(&messages[i])
		if err == nil {
			fds = append(fds, more...)
		}
	}
	return fds
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
