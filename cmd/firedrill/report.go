package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"firedrill/reports"
)

func newReport() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "report DIR...",
		Short: "Build the HTML report of results again, or one of several",
		Long: `report reads results that run has written, in DIR or anywhere below it, and
writes one HTML file about all of them: without --out it is DIR/report.html, or
report.html where there are several. The file needs nothing else to be read.
Plays that an earlier batch left in DIR, and that its plays.jsonl does not name,
are left out, and told.`,
		Example: `  firedrill report .firedrill/heartbeat-cut/latest
  firedrill report monday/ tuesday/ --out week.html`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, dirs []string) error {
			if out == "" {
				out = "report.html"
				if len(dirs) == 1 {
					out = filepath.Join(dirs[0], out)
				}
			}
			return report(c, dirs, out)
		},
	}
	c.Flags().StringVar(&out, "out", "", "write the report to `FILE`")
	return c
}

// report writes one report of what lies in several places. Scenarios of one name count as one.
func report(c *cobra.Command, dirs []string, out string) error {
	all, leftOut, err := reports.Read(dirs...)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	for _, line := range leftOut.Lines {
		remark(c.ErrOrStderr(), "left out: %s", line)
	}
	if leftOut.More > 0 {
		remark(c.ErrOrStderr(), "left out: %d more", leftOut.More)
	}
	if err := reports.WriteReport(out, all); err != nil {
		return &exit{statusUsage, fmt.Errorf("report: %w", err)}
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), reports.Printable(out))
	return unwritten(err)
}
