package faults

import "firedrill/sim"

// PowerOff is silence at once; what was not synced is lost. The end of the drill does not undo it.
type PowerOff struct {
	Machines []string `yaml:"power_off" ref:"machine" doc:"the machines that lose power"`
}

func (f *PowerOff) String() string { return Print(f) }

// Inject cuts the power until it is undone or the machine boots.
func (f *PowerOff) Inject(b *Board) Effect {
	effect := b.stop(f.Machines, stop{
		begin: sim.Machine.PowerOff,
		end:   func(m sim.Machine) bool { return m.Boot(nil) },
		state: sim.StateOff, what: "powered off", lasting: "down",
	})
	effect.Stays = true
	return effect
}

// Boot powers machines on; they start from what their disks hold.
type Boot struct {
	Machines []string `yaml:"boot" ref:"machine" doc:"the machines that are powered on"`
	Config   `yaml:",inline"`
}

func (f *Boot) String() string { return Print(f) }

// Inject powers the machines on.
func (f *Boot) Inject(b *Board) Effect {
	return b.start(f.Machines, func(m sim.Machine) bool { return m.Boot(f.of(m.Name())) })
}
