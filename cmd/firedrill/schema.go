package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of scenario files, for an editor",
		Long: `schema prints a JSON schema of scenario files. An editor with a YAML language
server that is given it proposes keys, says what they mean and marks mistakes:

  firedrill schema > firedrill.schema.json

and, as the first line of a scenario:

  # yaml-language-server: $schema=firedrill.schema.json

A schema knows nothing of the order of steps, of names and of sums; check does.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			text, err := catalogue().Schema()
			if err != nil {
				return &exit{statusFault, fmt.Errorf("the catalogue: %w", err)}
			}
			_, err = c.OutOrStdout().Write(text)
			return unwritten(err)
		},
	}
}
