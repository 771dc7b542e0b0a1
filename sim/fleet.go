package sim

// Fleet is the machines of one world, in the order in which they were added.
type Fleet[M interface {
	comparable
	Machine
}] []M

// Find is the named machine as its world knows it, or the zero value.
func (f Fleet[M]) Find(name string) (found M) {
	for _, m := range f {
		if m.Name() == name {
			return m
		}
	}
	return found
}

// Machine is for World.Machine.
func (f Fleet[M]) Machine(name string) Machine {
	var none M
	if m := f.Find(name); m != none {
		return m
	}
	return nil // Not a nil of the world's own type.
}

// Machines is for World.Machines.
func (f Fleet[M]) Machines() []Machine {
	all := make([]Machine, len(f))
	for i, m := range f {
		all[i] = m
	}
	return all
}
