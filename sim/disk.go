package sim

import (
	"math/rand/v2"
	"time"

	"github.com/spf13/afero"
)

// Pacer makes the task that uses a disk wait for it. Only a world can.
type Pacer interface {
	// Pause lets d of true time pass; for 0 it may give way. It does not return to a task that is dropped meanwhile.
	Pause(d time.Duration)
	// Hang stops the task until the function that it hands to register is called.
	Hang(register func(wake func()))
}

// Disk is one machine's disk.
type Disk struct{}

// NewDisk makes an empty disk.
func NewDisk(spec DiskSpec, r *rand.Rand) *Disk { return &Disk{} }

// Fs is the disk's file system as a task of the machine sees it. With a nil pacer nothing waits and no fault acts: the
// harness's own view.
func (d *Disk) Fs(p Pacer) afero.Fs { return nil }

// PowerLoss forgets what was not synced.
func (d *Disk) PowerLoss() {}
