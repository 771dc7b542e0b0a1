package faults

// Heal undoes what network, disk and clock faults did to a segment, or to a machine: those of its disk, its clock and its cable,
// and those of the network that name it. `all` is every segment and machine. A machine that is off, or whose software is gone,
// stays so.
type Heal struct {
	Target string `yaml:"heal" ref:"segment machine all" doc:"the segment or the machine, or all"`
}

func (f *Heal) String() string { return Print(f) }

// Inject undoes them.
func (f *Heal) Inject(b *Board) Effect {
	b.heal(f.Target)
	return Effect{Undoing: true}
}
