package main

import (
	"firedrill/nodes"
	"firedrill/nodes/pair"
	"firedrill/scenarios"
	"firedrill/scenarios/expect"
)

// catalogue lists the kinds, claims and hazards that ship.
func catalogue() *scenarios.Catalogue {
	return &scenarios.Catalogue{
		Kinds:  []*nodes.Kind{pair.Kind()},
		Claims: expect.Forms(),
	}
}
