// Package program is the kind of machine whose software is any program that lies on this system: a daemon that nobody here wrote,
// a tool, a script. It is judged as other software is, by what the world sees of it. Only the kernel world can run it.
package program

import "firedrill/nodes"

// Kind is `kind: program`. There are no verbs, probes and dialect: operators and clients would have to know what it speaks.
func Kind() *nodes.Kind {
	return &nodes.Kind{
		Name:    "program",
		Doc:     "Any program of this system, in the kernel world: a command with its environment and files.",
		Config:  func() any { return &nodes.Program{StopSignal: "TERM"} },
		Program: func(config any) nodes.Program { return *config.(*nodes.Program) },
	}
}
