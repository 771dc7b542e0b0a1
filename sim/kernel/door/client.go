//go:build linux

package door

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"firedrill/sim/kernel/room"
)

// Runs are those of this user that are up, for root those of every user, by the numbers of their processes. A run that does not
// answer is told of in an error, beside the others.
func Runs() ([]*Running, error) {
	names, err := doors()
	if err != nil {
		return nil, err
	}
	var runs []*Running
	var wrong []error
	for _, name := range names {
		r, err := lookInto(name)
		switch {
		case err == nil:
			runs = append(runs, r)
		case !ended(err) && !errors.Is(err, errNotOurs): // Somebody pretends.
			wrong = append(wrong, fmt.Errorf("a run does not answer: %w", err))
		}
	}
	slices.SortFunc(runs, func(a, b *Running) int { return a.Pid - b.Pid })
	return runs, errors.Join(wrong...)
}

// doors are the names of the sockets behind which there may be runs that this user can look into.
func doors() ([]string, error) {
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return nil, fmt.Errorf("find the runs that are up: %w", err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		_, rest, found := strings.Cut(strings.TrimSuffix(line, "\n"), " "+doorPrefix)
		user, _, whole := strings.Cut(rest, "/")
		if own := os.Geteuid(); !found || !whole || own != 0 && user != strconv.Itoa(own) {
			continue
		}
		if name := doorPrefix + rest; !slices.Contains(names, name) { // Those who have come in bear it too.
			names = append(names, name)
		}
	}
	return names, nil
}

// ended reports whether an error is that of a run that has just ended.
func ended(err error) bool {
	return slices.ContainsFunc([]error{io.EOF, unix.EPIPE, unix.ECONNRESET, unix.ECONNREFUSED},
		func(one error) bool { return errors.Is(err, one) })
}

// errNotOurs is the error of a door that is not what its name says.
var errNotOurs = errors.New("it belongs to another user")

// dial connects to a door, and makes sure that it is that of the user in its name.
func dial(name string) (c *net.UnixConn, user, pid int, err error) {
	c, err = net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: name, Net: "unixpacket"})
	if err != nil {
		return nil, 0, 0, err
	}
	who, err := caller(c)
	words := strings.Split(strings.TrimPrefix(name, doorPrefix), "/")
	if err == nil && words[0] != strconv.Itoa(int(who.Uid)) {
		err = errNotOurs
	}
	if err != nil {
		c.Close()
		return nil, 0, 0, err
	}
	return c, int(who.Uid), int(who.Pid), nil
}

// lookInto asks a run what is up.
func lookInto(name string) (*Running, error) {
	c, user, pid, err := dial(name)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	r := &Running{Pid: pid, User: user, door: name}
	if err := errors.Join(c.SetDeadline(time.Now().Add(2*Patience)), say(c, request{})); err != nil {
		return nil, err
	}
	for {
		var a answer
		files, err := hear(c, &a, 1)
		switch {
		case err != nil:
			return nil, err
		case a.Error != "":
			err = errors.New(a.Error)
		case a.Play != nil:
			r.Plays = append(r.Plays, *a.Play)
		case a.Machine != nil && len(r.Plays) > 0:
			for _, f := range files {
				a.Machine.Pid = processNumber(f)
			}
			p := &r.Plays[len(r.Plays)-1]
			p.Machines = append(p.Machines, *a.Machine)
		}
		closeAll(files)
		if err != nil || a.Done {
			return r, err
		}
	}
}

// processNumber is the number of a process here; 0: it has none.
func processNumber(process *os.File) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", process.Fd()))
	for line := range strings.Lines(string(text)) {
		if n, found := strings.CutPrefix(line, "Pid:"); found {
			pid, _ := strconv.Atoi(strings.TrimSpace(n))
			return max(0, pid)
		}
	}
	return 0
}

// Exec runs a command on a machine of the run, until it has ended, and returns its status: 127 where there is no such program,
// 126 where it cannot be executed, 128 and the number of a signal that killed it. With an error it is the status to end with.
// Signals that this process gets meanwhile go to the command, but for SIGQUIT, which ends Exec at once, and with it the command.
//
// The run has to be this user's own or root's: files and terminal are handed over.
func (r *Running) Exec(e *Errand) (status int, err error) {
	c, err := r.enter("a command in it is that user's to run")
	if err != nil {
		return statusNot, err
	}
	defer c.Close()
	t := ownTerminal(e)
	defer t.close()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGWINCH, unix.SIGUSR1, unix.SIGUSR2)
	defer signal.Stop(signals)
	t.lend()
	err = say(c, request{Command: e.Command, Play: e.Play, Machine: e.Machine, Terminal: t.size(), Term: os.Getenv("TERM")},
		t.files(e)...)
	if err != nil {
		return statusNot, fmt.Errorf("ask for the command: %w", err)
	}
	return r.await(c, t, signals)
}

// ReadLog opens the log of a machine of the run, and has it read. Over is closed when it says no more, since the play or the run
// has ended. Until read returns the log outlives both.
//
// The run has to be this user's own or root's: somebody else could hand over anything.
func (r *Running) ReadLog(play int, machine string, read func(log *os.File, over <-chan struct{}) error) error {
	c, err := r.enter("a log of it is that user's to read")
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * Patience)) // Of a socket that is open.
	if err := say(c, request{Log: true, Play: play, Machine: machine}); err != nil {
		return fmt.Errorf("ask for the log: %w", err)
	}
	var a answer
	files, err := hear(c, &a, 1)
	defer closeAll(files)
	switch {
	case err != nil:
		return fmt.Errorf("run %d does not answer: %w", r.Pid, err)
	case a.Error != "":
		return errors.New(a.Error)
	case len(files) == 0:
		return fmt.Errorf("run %d: want a log, have %+v", r.Pid, a)
	}
	_ = c.SetDeadline(time.Time{})
	over := make(chan struct{})
	go func() {
		defer close(over)
		var last answer
		_, _ = hear(c, &last, 0) // Whatever it is, nothing more comes.
	}()
	return read(files[0], over)
}

// enter goes in to have something handed over.
func (r *Running) enter(why string) (*net.UnixConn, error) {
	c, user, _, err := dial(r.door)
	if err != nil {
		return nil, fmt.Errorf("run %d: %w", r.Pid, err)
	}
	if !mayEnter(user, os.Geteuid(), room.EveryUser()) {
		c.Close()
		return nil, fmt.Errorf("run %d is that of user %d; %s", r.Pid, user, why)
	}
	return c, nil
}

// await waits for the end of the command.
func (r *Running) await(c *net.UnixConn, t *terminal, signals <-chan os.Signal) (status int, err error) {
	type told struct {
		answer
		files []*os.File
	}
	answers := make(chan told, 2) // It has a terminal, and has ended.
	go func() {
		for more := true; more; {
			var a told
			var err error
			if a.files, err = hear(c, &a.answer, 1); err != nil {
				a.answer = answer{Error: fmt.Sprintf("run %d has ended, and the command with it", r.Pid),
					Status: statusSignal + int(unix.SIGKILL)}
			}
			more = a.Terminal
			answers <- a
		}
	}()
	for {
		select {
		case a := <-answers:
			if a.Terminal && t != nil && t.master == nil && len(a.files) == 1 {
				t.show(a.files[0])
				continue
			}
			if a.Error != "" {
				return a.Status, errors.New(a.Error)
			}
			return a.Status, nil
		case s := <-signals:
			switch s {
			case unix.SIGQUIT:
				return statusSignal + int(unix.SIGQUIT), nil
			case unix.SIGWINCH:
				t.resize()
			default:
				_ = say(c, follow{s.(unix.Signal)}) // A command that has ended needs none.
			}
		}
	}
}
