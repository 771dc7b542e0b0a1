package expect

// Forms are the claims about any kind, in the order in which they are judged and listed.
func Forms() []Form {
	return []Form{
		{
			Name:     "software_sound",
			Doc:      "no node panics, spins or starts goroutines of its own, and programs can be started and do not break",
			New:      func() Claim { return &SoftwareSound{All: "all"} },
			Standing: func(*Run) []Claim { return []Claim{&SoftwareSound{All: "all"}} },
		},
		{
			Name: "no_dual_writers", Doc: "at no instant two machines of one service would both acknowledge a write",
			New:      func() Claim { return &NoDualWriters{} },
			Standing: func(*Run) []Claim { return []Claim{&NoDualWriters{}} },
		},
		{
			Name: "single_address_owner", Doc: "at no instant two machines answer ARP for one address",
			New:      func() Claim { return &SingleAddressOwner{} },
			Standing: func(*Run) []Claim { return []Claim{&SingleAddressOwner{}} },
		},
		{
			Name: "lost_writes", Doc: "exactly these acknowledged writes are lost",
			New:      func() Claim { return &LostWrites{} },
			Standing: func(*Run) []Claim { return []Claim{&LostWrites{Lost: LostNone}} },
		},
		{
			Name: "served_image", Doc: "what is served after a takeover is the newest committed image",
			New:      func() Claim { return &ServedImage{} },
			Standing: func(*Run) []Claim { return []Claim{&ServedImage{NewestCommitted}} },
		},
		{
			Name: "read_only_transitions", Doc: "a machine carries out nothing against the access that it declares",
			New:      func() Claim { return &ReadOnlyTransitions{All: "all"} },
			Standing: func(*Run) []Claim { return []Claim{&ReadOnlyTransitions{All: "all"}} },
		},
		{
			Name: "serving", Doc: "every client of a group is served",
			New: func() Claim { return &Serving{} },
		},
		{
			Name: "never", Doc: "a fact does not come",
			New: func() Claim { return &Never{} },
		},
		{
			Name: "happens", Doc: "a fact comes",
			New: func() Claim { return &Happens{} },
		},
		{
			Name: "hazard", Doc: "a hazard of the catalogue shows itself, its preconditions confirmed by the world",
			New: func() Claim { return &HazardShows{Seen: SeenEverySeed} },
		},
		{
			Name: "undocumented", Doc: "an option was exercised of which the vendor says nothing",
			New: func() Claim { return &Undocumented{} },
		},
		{
			Name: "breaks", Doc: "another claim does not hold here, as the drill is to show",
			New: func() Claim { return &Breaks{} },
		},
		{
			Name: "slips", Doc: "what a step cost that each_step_of left out: it is named with its damage, or did none",
			New: func() Claim { return &Slips{} },
		},
		{
			Name: "measured", Doc: "a measure of the scenario lies within bounds; every measure is told",
			New:      func() Claim { return &Measured{} },
			Standing: everyMeasure,
		},
	}
}
