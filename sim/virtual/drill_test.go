//go:build linux

package virtual

import (
	"testing"

	"firedrill/sim"
	"firedrill/sim/internal/conform"
)

// Package sim/kernel plays the same, through FUSE, and holds it against what is shown here.
func TestDrills(t *testing.T) {
	conform.TestDrills(t, conform.Virtual, func(seed uint64) sim.World { return New(seed) })
}
