package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"firedrill/nodes"
	"firedrill/reports"
	"firedrill/sim/kernel/door"
)

func newPs() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:   "ps",
		Short: "List the machines of runs that are up",
		Long: `ps lists the runs of this user that are up in the kernel world, and the machines
of each with their state, kind, process and addresses. Root sees those of every
user. The process is that of the machine's software, with its number here.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			runs, err := door.Runs()
			if err != nil {
				err = &exit{statusFault, err}
			}
			out := bufio.NewWriter(c.OutOrStdout())
			if asJSON {
				return errors.Join(unwritten(tellLines(out, runs)), unwritten(out.Flush()), err)
			}
			for i, r := range runs {
				if i > 0 {
					fmt.Fprintln(out)
				}
				tellRun(out, r)
			}
			if len(runs) == 0 {
				fmt.Fprintln(out, noRun)
			}
			return errors.Join(unwritten(out.Flush()), err)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON per machine, and nothing else")
	return c
}

// tellRun prints a run: a line for each play, and a table of its machines.
func tellRun(out *bufio.Writer, r *door.Running) {
	whose := ""
	if r.User != os.Geteuid() {
		whose = fmt.Sprintf(" of user %d", r.User)
	}
	if len(r.Plays) == 0 {
		fmt.Fprintf(out, "run %d%s: nothing is up at the moment\n", r.Pid, whose)
	}
	for i, p := range r.Plays {
		if i > 0 {
			fmt.Fprintln(out)
		}
		held := ""
		if p.Held {
			held = ", held"
		}
		title := reports.Printable(cmp.Or(p.Title, "without a name"))
		fmt.Fprintf(out, "run %s%s: %s, seed %d, at %s%s\n", playName(r, &p), whose, title, p.Seed,
			nodes.FormatDuration(p.At.Truncate(100*time.Millisecond)), held)
		tellMachines(out, p.Machines)
	}
}

// tellMachines prints a table. The last column is wrapped, so that all fits a terminal.
func tellMachines(out *bufio.Writer, machines []door.Standing) {
	rows := [][]string{{"MACHINE", "STATE", "KIND", "PID", "ADDRESSES"}}
	for _, m := range machines {
		pid := "-"
		if m.Pid != 0 {
			pid = strconv.Itoa(m.Pid)
		}
		var addresses []string
		for _, a := range m.Addresses {
			addresses = append(addresses, fmt.Sprintf("%s:%s", a.Segment, a.Address.Addr()))
		}
		rows = append(rows, []string{m.Name, string(m.State), cmp.Or(m.Kind, "-"), pid, strings.Join(addresses, " ")})
	}
	widths := make([]int, 4)
	for _, row := range rows {
		for i := range widths {
			widths[i] = max(widths[i], len(row[i]))
		}
	}
	for _, row := range rows {
		line := ""
		for i, width := range widths {
			line += fmt.Sprintf("%-*s  ", width, row[i])
		}
		for _, part := range wrap(row[4], terminalColumns-len(line)) {
			fmt.Fprintln(out, strings.TrimRight(line+part, " "))
			line = strings.Repeat(" ", len(line))
		}
	}
}

// machineLine is what ps tells programs of a machine.
type machineLine struct {
	Run       int                 `json:"run"`
	User      int                 `json:"user"`
	Play      int                 `json:"play"`
	Case      string              `json:"case"`
	Seed      uint64              `json:"seed"`
	At        float64             `json:"at_seconds"`
	Held      bool                `json:"held"`
	Machine   string              `json:"machine"`
	State     string              `json:"state"`
	Kind      string              `json:"kind,omitempty"`
	Pid       int                 `json:"pid,omitempty"`
	Addresses map[string][]string `json:"addresses,omitempty"` // by segment
}

func tellLines(out *bufio.Writer, runs []*door.Running) error {
	to := json.NewEncoder(out)
	for _, r := range runs {
		for _, p := range r.Plays {
			for _, m := range p.Machines {
				line := machineLine{Run: r.Pid, User: r.User, Play: p.Number, Case: p.Title, Seed: p.Seed, At: p.At.Seconds(), Held: p.Held,
					Machine: m.Name, State: string(m.State), Kind: m.Kind, Pid: m.Pid, Addresses: map[string][]string{}}
				for _, a := range m.Addresses {
					line.Addresses[a.Segment] = append(line.Addresses[a.Segment], a.Address.Addr().String())
				}
				if err := to.Encode(line); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
