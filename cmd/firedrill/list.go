package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"firedrill/reports"
)

func newList() *cobra.Command {
	return &cobra.Command{
		Use:   "list [FILE|DIR|NAME...]",
		Short: "Show scenarios, why they exist, and their cases",
		Long: `list shows the scenarios that ship with firedrill and why each exists. Of those
that are named it also shows the cases, as run takes them, and what they cover.`,
		ValidArgsFunction: completeTargets,
		RunE: func(c *cobra.Command, args []string) error {
			selections, err := resolve(args)
			if err != nil {
				return err
			}
			out := bufio.NewWriter(c.OutOrStdout())
			for i, s := range selections {
				if i > 0 {
					fmt.Fprintln(out)
				}
				s.print(out, len(args) > 0)
			}
			return unwritten(out.Flush())
		},
	}
}

// print writes a scenario's name, its extent and its comment, and its cases if wanted.
func (s selection) print(out *bufio.Writer, cases bool) {
	fmt.Fprintf(out, "%s  (%s)\n", s.file.Name, s.extent())
	fill(out, s.file.Doc)
	if !cases {
		return
	}
	if len(s.file.Covers) > 0 {
		fill(out, "covers "+strings.Join(s.file.Covers, ", "))
	}
	for _, c := range s.cases {
		fmt.Fprintf(out, "  %s\n", c.Name)
	}
}

// fill writes a text of a file in lines that fit a terminal, indented by four.
func fill(out *bufio.Writer, text string) {
	const indent = 4
	for _, line := range wrap(printable(text), terminalColumns-indent) {
		fmt.Fprintf(out, "%*s%s\n", indent, "", line)
	}
}

// printable is a text of a file in one line, as it may be shown.
func printable(text string) string {
	return reports.Printable(strings.Join(strings.Fields(text), " "))
}

// firstSentence is as much of a comment as a menu has room for.
func firstSentence(doc string) string {
	doc = printable(doc)
	if sentence, _, found := strings.Cut(doc, ". "); found {
		return sentence
	}
	return strings.TrimSuffix(doc, ".")
}
