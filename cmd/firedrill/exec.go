package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"firedrill/sim/kernel/door"
)

// noRun is what there is to say when nothing is up.
const noRun = "no run is up; start one with firedrill run --world kernel --hold FILE"

func newExec() *cobra.Command {
	run := ""
	c := &cobra.Command{
		Use:   "exec [--run PID] MACHINE -- COMMAND...",
		Short: "Run a command inside a machine of a run that is up",
		Long: `exec runs a command inside a machine of a run that is up in the kernel world, as
the user who started that. The command has the machine's network, processes,
name and files: those of this system, which it can read, and the machine's disk
at /srv. It is root there, and where an ordinary user plays it stays that. On
machines without software, such as clients and the operator, and where the
software has crashed or stopped, it is alone, and finds no disk.

A paused machine still runs new commands, but those under way beside a foreign
program stand still with that; to one that is frozen no frame comes. The command
ends with the machine's software, its power, the run, or this process, and with
it whatever it has started. On a terminal it has one of its own, with the keys
that are signals; elsewhere signals are passed on, and Ctrl-\ ends it.

The exit status is the command's, 127 if there is no such command, 126 if it
cannot be executed, 128 and the number of the signal that killed it; 2 if there
is no such run or machine.`,
		Example: `  firedrill exec nas-a -- ip addr
  firedrill exec office-1 -- curl -s http://172.16.66.40/data/k0001
  firedrill exec nas-a -- tcpdump -ni heartbeat
  firedrill exec nas-a sh                       an interactive shell`,
		ValidArgsFunction: completeMachines,
		RunE: func(c *cobra.Command, args []string) error {
			machine, command, err := wanted(args)
			if err != nil {
				return err
			}
			r, play, err := findMachine(machine, run)
			if err != nil {
				return err
			}
			status, err := r.Exec(&door.Errand{Play: play, Machine: machine, Command: command,
				Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
			if err != nil || status != statusPass {
				return &exit{status, err}
			}
			return nil
		},
	}
	c.Flags().StringVar(&run, "run", "", "of several runs with the machine, the one that ps lists as `PID`")
	c.DisableFlagsInUseLine = true
	c.Flags().SetInterspersed(false) // What comes behind the machine is the command's.
	return c
}

// wanted is what the arguments ask for. A flag behind the machine is a mistake: behind -- it would be a command.
func wanted(args []string) (machine string, command []string, err error) {
	example := "nas-a"
	if len(args) > 0 {
		machine, command = args[0], args[1:]
		example = quote(machine)
	}
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	} else if len(command) > 0 && strings.HasPrefix(command[0], "-") {
		return "", nil, fmt.Errorf("want flags such as %s before the machine: firedrill exec --run PID %s -- ip addr",
			command[0], example)
	}
	if len(command) == 0 {
		return "", nil, fmt.Errorf("want a machine and a command: firedrill exec %s -- ip addr", example)
	}
	return machine, command, nil
}

// findMachine finds the one run and play that has a machine. Of several, which says the one that is meant: PID, or PID/PLAY.
func findMachine(machine, which string) (*door.Running, int, error) {
	runs, err := door.Runs()
	if len(runs) == 0 {
		return nil, 0, errors.Join(errors.New(noRun), err)
	}
	var found *door.Running
	var number int
	var matches, plays, machines []string
	for _, r := range runs {
		for _, p := range r.Plays {
			name := playName(r, &p)
			plays = append(plays, name)
			if which != "" && which != fmt.Sprint(r.Pid) && which != fmt.Sprintf("%d/%d", r.Pid, p.Number) {
				continue
			}
			for _, m := range p.Machines {
				if !slices.Contains(machines, m.Name) {
					machines = append(machines, m.Name)
				}
				if m.Name == machine {
					found, number = r, p.Number
					matches = append(matches, fmt.Sprintf("--run %s (%s, seed %d)", name, p.Title, p.Seed))
				}
			}
		}
	}
	switch {
	case len(matches) == 1:
		return found, number, nil
	case len(matches) > 1:
		return nil, 0, fmt.Errorf("several have a machine %s; say which: %s", machine, strings.Join(matches, ", "))
	case len(plays) == 0:
		return nil, 0, errors.Join(fmt.Errorf("run %d has nothing up yet; try again in a moment", runs[0].Pid), err)
	case len(machines) == 0:
		return nil, 0, errors.Join(fmt.Errorf("no run %q is up; the runs are %s", which, choices(which, plays)), err)
	}
	return nil, 0, errors.Join(fmt.Errorf("no machine %q; the machines are %s", machine, choices(machine, machines)), err)
}

// playName is how --run means a play: its run, and its number where that has several.
func playName(r *door.Running, p *door.Play) string {
	if len(r.Plays) == 1 {
		return fmt.Sprint(r.Pid)
	}
	return fmt.Sprintf("%d/%d", r.Pid, p.Number)
}

// completeMachines offers the machines of the runs that are up. The command is left to the shell.
func completeMachines(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return machineWords(word, func(*door.Standing) bool { return true }), cobra.ShellCompDirectiveNoFileComp
}

// machineWords are the machines that begin with a word, each with what it is, as far as they fit.
func machineWords(word string, fits func(*door.Standing) bool) []string {
	runs, _ := door.Runs() // Of those that answer.
	var words []string
	for _, r := range runs {
		for _, p := range r.Plays {
			for _, m := range p.Machines {
				if strings.HasPrefix(m.Name, word) && fits(&m) {
					words = append(words, fmt.Sprintf("%s\t%s of %s, %s", m.Name, cmp.Or(m.Kind, "a machine"), p.Title, m.State))
				}
			}
		}
	}
	return words
}
