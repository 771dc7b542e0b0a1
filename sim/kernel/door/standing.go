// Package door lets others on this system look into a run of the kernel world that is up, run commands on its machines, and
// read along in their logs: callers find the doors of runs, the process outside of a run's namespaces lets in those who may,
// and the one inside answers for its house.
package door

import (
	"os"
	"time"

	"firedrill/sim"
)

// Running is one command that plays in the kernel world, as somebody else on this system sees it.
type Running struct {
	Pid   int    // of the command itself
	User  int    // whose it is
	Plays []Play // worlds that are up, in the order in which they began

	door string // the name of its socket
}

// Play is a world that is up.
type Play struct {
	Number   int           `json:"number"` // counted from 1 in its command
	Title    string        `json:"title"`  // of what is played
	Seed     uint64        `json:"seed"`
	At       time.Duration `json:"at"` // true time since its start
	Held     bool          `json:"held"`
	Machines []Standing    `json:"-"`
}

// Standing is how a machine stands.
type Standing struct {
	Name      string          `json:"name"`
	State     sim.State       `json:"state"`
	Kind      string          `json:"kind"` // "": it has no software of its own
	Log       bool            `json:"log"`  // it has one
	Addresses []sim.Interface `json:"addresses"`
	Pid       int             `json:"pid"` // of the process that is its software, as the reader sees it; 0: there is none
}

// Errand is a command for a machine of a run that is up.
type Errand struct {
	Play    int // the number of the play
	Machine string
	Command []string
	// Stdin, Stdout and Stderr are the command's own. Where the first two are a terminal, the command gets one of its own, which
	// this one shows: keys that mean a signal mean it there.
	Stdin, Stdout, Stderr *os.File
}
