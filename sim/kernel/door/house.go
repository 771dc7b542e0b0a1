//go:build linux

package door

import (
	"fmt"
	"net"
	"os"
	"time"

	"firedrill/sim/kernel/netns"
)

// House is what is behind a door.
type House interface {
	// Plays tells of every world that is up, in the order in which they began, with a descriptor of the process of each of
	// its machines, nil where there is none. They are closed after tell.
	Plays(tell func(p Play, processes []*os.File) error) error

	// Admit finds the way onto a machine of a play and has the visit made. It returns when that is over, which the way's
	// world waits for; or why there is no way.
	Admit(play int, machine string, visit func(*Way)) error

	// Log opens the log of a machine of a play, for somebody who reads along and can do nothing else; over is closed when it
	// says no more, which nobody waits for. Or it returns why there is none.
	Log(play int, machine string) (log *os.File, over <-chan struct{}, err error)
}

// Way is how a command gets onto a machine, and what it finds there.
type Way struct {
	Machine     string
	Hosts       []string // lines of /etc/hosts
	Environment []string
	Network     *netns.Namespace // closed after the visit, as Process is
	Process     *os.File         // of the machine's software, whose namespaces are entered; nil: there is none
	Program     bool             // that looks after a program
	Down        <-chan struct{}  // closed when the machine is off
}

// Server answers callers for a house.
type Server struct {
	House House
	Again string // in the environment of this program, started again, it says that KeepCompany is to be called
}

// Receive takes those whom the process outside has let in, until that process is gone. The descriptor is of the file that
// it got from Open.
func (s *Server) Receive(fd int) error {
	door, err := packets(fd)
	if err != nil {
		return fmt.Errorf("take over the door: %w", err)
	}
	go s.receive(door)
	return nil
}

func (s *Server) receive(door *net.UnixConn) {
	for {
		var nothing any
		files, err := hear(door, &nothing, 1)
		if err != nil {
			return // The process outside is gone, and so will be this one.
		}
		for _, f := range files {
			go func() {
				defer f.Close()
				if c, err := net.FileConn(f); err == nil {
					s.Serve(c.(*net.UnixConn)) // Nobody else hands anything in.
					c.Close()
				}
			}()
		}
	}
}

// Serve answers one caller.
func (s *Server) Serve(c *net.UnixConn) {
	_ = c.SetDeadline(time.Now().Add(Patience)) // Of a socket that is open.
	var r request
	files, err := hear(c, &r, 3)
	if err != nil {
		_ = say(c, answer{Error: "want a request: " + err.Error(), Status: statusNot}) // Whoever does not listen is not told.
		return
	}
	defer closeAll(files)
	least, most := r.files()
	switch {
	case len(r.Command) == 0 && r.Log:
		err = s.show(c, &r)
	case len(r.Command) == 0:
		if s.House.Plays(func(p Play, processes []*os.File) error { return tell(c, p, processes) }) == nil {
			_ = say(c, answer{Done: true})
		}
	case len(files) < least || len(files) > most:
		err = fmt.Errorf("want from %d to %d files with the command, have %d", least, most, len(files))
	default:
		err = s.House.Admit(r.Play, r.Machine, func(w *Way) {
			v := &visit{Way: w, c: c, files: files, again: s.Again}
			v.run(&r)
		})
	}
	if err != nil {
		_ = say(c, answer{Error: err.Error(), Status: statusNot})
	}
}

// show lets a caller read a log, and says when it is over.
func (s *Server) show(c *net.UnixConn, r *request) error {
	log, over, err := s.House.Log(r.Play, r.Machine)
	if err != nil {
		return err
	}
	err = say(c, answer{Log: true}, int(log.Fd()))
	log.Close()
	if err != nil {
		return nil // The caller is gone.
	}
	_ = c.SetDeadline(time.Time{}) // They may read for as long as they like.
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		var nothing any
		_, _ = hear(c, &nothing, 0) // There is nothing to be said.
	}()
	select {
	case <-over:
		_ = say(c, answer{Done: true})
	case <-gone:
	}
	return nil
}

// tell tells of a play and its machines.
func tell(c *net.UnixConn, p Play, processes []*os.File) error {
	err := say(c, answer{Play: &p})
	for i, m := range p.Machines {
		if err == nil {
			var with []int
			if f := processes[i]; f != nil {
				with = append(with, int(f.Fd()))
			}
			err = say(c, answer{Machine: &m}, with...)
		}
	}
	for _, f := range processes {
		f.Close() // Of a nil file this is an error, and nothing else.
	}
	return err
}
