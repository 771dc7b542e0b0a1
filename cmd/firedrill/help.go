package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newHelp is the command that shows what others are for. Unlike cobra's own, it fails for what is not there.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND|TOPIC]",
		Short: "Show what a command does, or a topic",
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var words []string
			if of, rest, err := c.Root().Find(args); err == nil && len(rest) == 0 {
				words = helpful(of)
			}
			return words, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			of, rest, err := c.Root().Find(args)
			switch {
			case err != nil:
				return err
			case len(rest) > 0 && of.HasSubCommands():
				return fmt.Errorf("no help on %q; there is help on %s", rest[0], choices(rest[0], helpful(of)))
			case len(rest) > 0:
				return fmt.Errorf("help on one command or topic at a time; have %q after %s", rest[0], of.Name())
			}
			of.InitDefaultHelpFlag() // So that it is listed among the flags.
			return of.Help()
		},
	}
}

// helpful are the names of what a command has below it: commands and topics.
func helpful(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			names = append(names, sub.Name())
		}
	}
	return names
}
