package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"firedrill/nodes"
	"firedrill/scenarios"
)

// newTopics are the reference, one help topic per part of the language and one per kind. Each is made when it is asked for.
func newTopics() []*cobra.Command {
	cat := catalogue()
	topics := []*cobra.Command{
		topic("scenario", "The keys of scenario files, their steps and variants", cat.ScenarioReference),
		topic("faults", "What can go wrong, and how it is put right", scenarios.FaultReference),
		topic("claims", "What can be claimed of a run, and the hazards", cat.ClaimReference),
		topic("kinds", "The kinds of machines", func() []scenarios.Table { return []scenarios.Table{kindTable(cat.Kinds)} }),
	}
	for _, k := range cat.Kinds {
		reference := func() []scenarios.Table { return scenarios.KindReference(k) }
		topics = append(topics, topic(k.Name, "Machines of this kind: keys, verbs, probes, facts", reference))
	}
	return topics
}

// topic is a command that only has a help.
func topic(name, short string, tables func() []scenarios.Table) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short}
	c.SetHelpFunc(func(c *cobra.Command, _ []string) {
		out := bufio.NewWriter(c.OutOrStdout())
		for i, t := range tables() {
			if i > 0 {
				fmt.Fprintln(out)
			}
			printTable(out, t)
		}
		if err := unwritten(out.Flush()); err != nil {
			complain(c.ErrOrStderr(), err)
		}
	})
	return c
}

func kindTable(kinds []*nodes.Kind) scenarios.Table {
	t := scenarios.Table{Title: "kinds", Doc: "firedrill help KIND has the keys, verbs, probes and facts of each"}
	for _, k := range kinds {
		t.Entries = append(t.Entries, scenarios.Entry{Word: k.Name, Doc: k.Doc})
	}
	return t
}

// Columns of a terminal, and where the second column of a table begins.
const (
	terminalColumns = 80
	docColumn       = 27
)

// printTable prints a table in two columns.
func printTable(out io.Writer, t scenarios.Table) {
	head := t.Title
	if t.Doc != "" {
		head += ": " + t.Doc
	}
	for _, line := range wrap(head, terminalColumns) {
		_, _ = fmt.Fprintln(out, line)
	}
	for _, e := range t.Entries {
		word := "  " + strings.TrimSpace(e.Word+" "+e.Value)
		lines := wrap(docOf(e), terminalColumns-docColumn)
		if len(word) > docColumn-2 {
			_, _ = fmt.Fprintln(out, word)
			word = ""
		}
		for _, line := range lines {
			_, _ = fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("%-*s%s", docColumn, word, line), " "))
			word = ""
		}
	}
}

// docOf is what an entry means, with its choices and what holds without it.
func docOf(e scenarios.Entry) string {
	doc := e.Doc
	if len(e.Choices) > 1 {
		doc += ": " + strings.Join(e.Choices, ", ")
	}
	if e.Default != "" && e.Default != e.Value {
		doc += " (" + e.Default + ")"
	}
	return doc
}

// wrap breaks a text into lines of at most so many characters.
func wrap(text string, columns int) []string {
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case len([]rune(*last))+1+len([]rune(word)) > columns:
			lines = append(lines, word)
		default:
			*last += " " + word
		}
	}
	return lines
}
