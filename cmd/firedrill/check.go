package main

import (
	"bufio"
	"fmt"

	"github.com/spf13/cobra"
)

func newCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE|DIR|NAME...]",
		Short: "Find the mistakes in scenarios, without playing them",
		Long: `check reads scenarios and reports all their mistakes, each with its place. Without
arguments it checks those that ship with firedrill.`,
		ValidArgsFunction: completeTargets,
		RunE: func(c *cobra.Command, args []string) error {
			selections, err := resolve(args)
			if err != nil {
				return err
			}
			out := bufio.NewWriter(c.OutOrStdout())
			for _, s := range selections {
				fmt.Fprintf(out, "ok  %s  %s\n", s.file.Name, s.extent())
			}
			return unwritten(out.Flush())
		},
	}
}

// extent is `2 cases, seeds 1..50`.
func (s selection) extent() string {
	text := "1 case"
	if len(s.cases) != 1 {
		text = fmt.Sprintf("%d cases", len(s.cases))
	}
	first := s.cases[0].Seeds
	for _, c := range s.cases {
		if c.Seeds != first {
			return text + ", seeds differ"
		}
	}
	return fmt.Sprintf("%s, seeds %d..%d", text, first.First, first.Last)
}
