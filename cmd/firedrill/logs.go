package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"firedrill/sim/kernel"
	"firedrill/sim/kernel/door"
)

func newLogs() *cobra.Command {
	run, follow := "", false
	c := &cobra.Command{
		Use:   "logs [-f] [--run PID] MACHINE",
		Short: "Print what a program of a run that is up has said",
		Long: `logs prints the log of a machine of kind program in a run that is up: what its
programs have said so far, and what befell the machine meanwhile, byte for byte
as MACHINE.log in the results will begin. That a program is killed or stands
still is told a second later, when all has come that it said before.

A log is the first 8 MiB and the last 8 MiB, and says how much is left out. With
--follow the middle is printed too, but for what is overwritten before it can be
read. That ends when the play is over, or the run.`,
		Example: `  firedrill logs lb-a
  firedrill logs -f lb-a | grep STATE`,
		ValidArgsFunction: completeLogs,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("want one machine, have %d: firedrill logs lb-a", len(args))
			}
			r, play, err := findMachine(args[0], run)
			if err != nil {
				return err
			}
			return r.ReadLog(play, args[0], func(log *os.File, over <-chan struct{}) error {
				err := kernel.CopyLog(os.Stdout, log, over, follow)
				if err == nil || errors.Is(err, syscall.EPIPE) {
					return unwritten(err)
				}
				return &exit{statusFault, err}
			})
		},
	}
	c.Flags().StringVar(&run, "run", "", "of several runs with the machine, the one that ps lists as `PID`")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the play is over")
	c.DisableFlagsInUseLine = true
	return c
}

// completeLogs offers the machines that have a log.
func completeLogs(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return machineWords(word, func(m *door.Standing) bool { return m.Log }), cobra.ShellCompDirectiveNoFileComp
}
