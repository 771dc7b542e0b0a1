// Command firedrill rehearses failover before it happens for real: it plays scenarios in which
// machines, networks and disks fail, and judges what the software on them made of it. `firedrill
// help` lists the commands; each has a file of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"firedrill/scenarios"
	"firedrill/sim/kernel"
)

// Exit statuses.
const (
	statusPass        = 0   // everything passed, or showed the hazards that it was to show
	statusFailed      = 1   // a violation, an expected hazard not seen, or one seen that was not expected
	statusUsage       = 2   // bad arguments, a mistake in a scenario, a folder that cannot be written
	statusUnclear     = 3   // vacuous or inconclusive
	statusFault       = 4   // a fault of firedrill itself, or of the machine that it runs on
	statusHungUp      = 129 // its terminal was closed; what was finished is written
	statusInterrupted = 130 // interrupted; what was finished is written
)

// exit is an error that ends the command with a status. Without err there is nothing more to say.
type exit struct {
	status int
	err    error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

func main() {
	kernel.Host(catalogue().Kinds...)
	if os.Getenv("GOGC") == "" {
		// A play makes much garbage and holds little: for some 200 MB more, it takes an eighth less of the processor.
		debug.SetGCPercent(400)
	}
	outliveReaders()
	os.Exit(firedrill(os.Args[1:], os.Stdout, os.Stderr))
}

// firedrill runs the command with these arguments and returns its exit status.
func firedrill(args []string, stdout, stderr io.Writer) int {
	out := &printed{to: stdout}
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	root.InitDefaultCompletionCmd() // It writes to what is the output by now.
	err := root.ExecuteContext(context.Background())
	status := statusPass
	if err != nil {
		if !errors.Is(err, syscall.EPIPE) || !out.unread.Load() {
			complain(stderr, err)
		}
		status = statusUsage // What cobra itself finds wrong is in the arguments.
		var e *exit
		if errors.As(err, &e) {
			status = e.status
		}
	}
	if out.unread.Load() {
		status = statusUnread
	}
	return status
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "firedrill",
		Short: "Rehearse failover before it happens for real",
		Long: `firedrill plays scenarios in which machines, networks, disks and clocks fail,
and judges what the software on them made of it: never two writers, no
acknowledged write lost beyond what is promised, back in service in time.

Exit status: 0 passed or showed the expected hazards, 1 failed, 2 bad arguments
or scenario, 3 vacuous or inconclusive, 4 a fault of firedrill itself,
129 its terminal was closed, 130 interrupted, 141 nobody read what it had to
say, as behind | head -1.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			var names []string
			for _, sub := range c.Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, sub.Name())
				}
			}
			return fmt.Errorf("no command %q; the commands are %s", args[0], choices(args[0], names))
		},
	}
	root.AddCommand(newRun(), newCompare(), newReport(), newCheck(), newList(), newExec(), newLogs(), newPs(), newSchema(),
		newVersion())
	root.AddCommand(newTopics()...)
	root.SetHelpCommand(newHelp())
	return root
}

// shownChoices is how many choices a message lists.
const shownChoices = 8

// choices lists what could have been meant, the nearest first.
func choices(have string, names []string) string {
	sorted := scenarios.Nearest(have, names)
	text := ""
	for i, name := range sorted[:min(len(sorted), shownChoices)] {
		if i > 0 {
			text += ", "
		}
		text += name
	}
	if more := len(sorted) - shownChoices; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
