package pair

import "firedrill/scenarios/expect"

// Forms are the claims about pairs.
func Forms() []expect.Form {
	return []expect.Form{
		{
			Name: "takeover", Kinds: kinds,
			Doc:      "a standby takes over in the window of D-46, or in that of the scenario",
			New:      func() expect.Claim { return &Takeover{} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&everyTakeover{}} },
		},
		{
			Name: "no_silent_merge", Kinds: kinds,
			Doc:      "after a takeover nothing is copied between the units until they are set up again",
			New:      func() expect.Claim { return &NoSilentMerge{All: "all"} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&NoSilentMerge{All: "all"}} },
		},
		{
			Name: "erase_after_pairing", Kinds: kinds,
			Doc:      "a unit is erased if and only if it was paired as standby",
			New:      func() expect.Claim { return &EraseAfterPairing{All: "all"} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&EraseAfterPairing{All: "all"}} },
		},
		{
			Name: "standby_takes_no_write", Kinds: kinds,
			Doc:      "a standby acknowledges no client's write",
			New:      func() expect.Claim { return &StandbyTakesNoWrite{All: "all"} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&StandbyTakesNoWrite{All: "all"}} },
		},
		{
			Name: "restricted_operations", Kinds: kinds,
			Doc:      "units in service refuse what their menu leaves out, and nothing changes by it",
			New:      func() expect.Claim { return &RestrictedOperations{All: "all"} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&RestrictedOperations{All: "all"}} },
		},
		{
			Name: "role_changes", Kinds: kinds,
			Doc:      "no role changes by itself but that of a standby which takes over",
			New:      func() expect.Claim { return &RoleChanges{All: "all"} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&RoleChanges{All: "all"}} },
		},
		{
			Name: "parameters_equal", Kinds: kinds,
			Doc:      "both units go by the same settings whenever they are connected",
			New:      func() expect.Claim { return &ParametersEqual{All: "all"} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&ParametersEqual{All: "all"}} },
		},
		{
			Name: "images_in_order", Kinds: kinds,
			Doc:      "images are begun and committed one after the other",
			New:      func() expect.Claim { return &ImagesInOrder{All: "all"} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&ImagesInOrder{All: "all"}} },
		},
		{
			Name: "syncs_at_boundaries", Kinds: kinds,
			Doc:      "a sync starts at each boundary of the schedule",
			New:      func() expect.Claim { return &SyncsAtBoundaries{All: "all"} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&SyncsAtBoundaries{All: "all"}} },
		},
		{
			Name: "pairing_concludes", Kinds: kinds,
			Doc:      "setting up ends in time, one way or the other",
			New:      func() expect.Claim { return &PairingConcludes{All: "all"} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&PairingConcludes{All: "all"}} },
		},
		{
			Name: "clients_follow", Kinds: kinds,
			Doc:      "clients of the virtual address reach the unit that took over",
			New:      func() expect.Claim { return &ClientsFollow{All: "all"} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&ClientsFollow{All: "all"}} },
		},
		{
			Name: "newest_copy_kept", Kinds: kinds,
			Doc:      "setting up again destroys no newest copy",
			New:      func() expect.Claim { return &NewestCopyKept{All: "all"} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&NewestCopyKept{All: "all"}} },
		},
		{
			Name: "moves_with_role", Kinds: kinds,
			Doc:      "modules and devices are there after a takeover",
			New:      func() expect.Claim { return &MovesWithRole{All: "all"} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&MovesWithRole{All: "all"}} },
		},
		{
			Name: "converged", Kinds: kinds,
			Doc:      "after the drill every pair that stands is whole again",
			New:      func() expect.Claim { return &Converged{All: "all"} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&Converged{All: "all"}} },
		},
		{
			Name: "choices", Kinds: kinds,
			Doc:      "marks the choices that were made where the vendor is silent",
			New:      func() expect.Claim { return &Choices{All: "all"} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&Choices{All: "all"}} },
		},
	}
}
