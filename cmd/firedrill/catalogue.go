package main

import (
	"slices"

	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/nodes/program"
	"firedrill/scenarios"
	"firedrill/scenarios/expect"
	expectpair "firedrill/scenarios/expect/pair"
)

// catalogue lists the kinds, claims and hazards that ship.
func catalogue() *scenarios.Catalogue {
	return &scenarios.Catalogue{
		Kinds:   []*nodes.Kind{pair.Kind(), program.Kind()},
		Claims:  slices.Concat(expect.Forms(), expectpair.Forms()),
		Hazards: expectpair.Hazards(),
	}
}
