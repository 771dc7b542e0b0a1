package pair

import "firedrill/scenarios/expect"

// Forms are the claims about pairs. All of them are judged though nobody asks.
func Forms() []expect.Form {
	forms := []expect.Form{{
		Name: "takeover", Kinds: kinds,
		Doc:      "a standby takes over in the window of D-46, or in that of the scenario",
		New:      func() expect.Claim { return &Takeover{} },
		Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&everyTakeover{}} },
	}}
	for _, f := range []struct {
		name, doc string
		claim     func() expect.Claim
	}{
		{"no_silent_merge", "after a takeover nothing is copied between the units until they are set up again",
			func() expect.Claim { return &NoSilentMerge{All: "all"} }},
		{"erase_after_pairing", "a unit is erased if and only if it was paired as standby",
			func() expect.Claim { return &EraseAfterPairing{All: "all"} }},
		{"standby_takes_no_write", "a standby acknowledges no client's write",
			func() expect.Claim { return &StandbyTakesNoWrite{All: "all"} }},
		{"restricted_operations", "units in service refuse what their menu leaves out, and nothing changes by it",
			func() expect.Claim { return &RestrictedOperations{All: "all"} }},
		{"role_changes", "no role changes by itself but that of a standby which takes over",
			func() expect.Claim { return &RoleChanges{All: "all"} }},
		{"parameters_equal", "both units go by the same settings whenever they are connected",
			func() expect.Claim { return &ParametersEqual{All: "all"} }},
		{"images_in_order", "images are begun and committed one after the other",
			func() expect.Claim { return &ImagesInOrder{All: "all"} }},
		{"syncs_at_boundaries", "a sync starts at each boundary of the schedule",
			func() expect.Claim { return &SyncsAtBoundaries{All: "all"} }},
		{"pairing_concludes", "setting up ends in time, one way or the other",
			func() expect.Claim { return &PairingConcludes{All: "all"} }},
		{"clients_follow", "clients of the virtual address reach the unit that took over",
			func() expect.Claim { return &ClientsFollow{All: "all"} }},
		{"newest_copy_kept", "setting up again destroys no newest copy",
			func() expect.Claim { return &NewestCopyKept{All: "all"} }},
		{"moves_with_role", "modules and devices are there after a takeover",
			func() expect.Claim { return &MovesWithRole{All: "all"} }},
		{"served_configuration", "after a takeover the system configuration is that of the newest image",
			func() expect.Claim { return &ServedConfiguration{All: "all"} }},
		{"converged", "after the drill every pair that stands is whole again",
			func() expect.Claim { return &Converged{All: "all"} }},
		{"choices", "marks the choices that were made where the vendor is silent",
			func() expect.Claim { return &Choices{All: "all"} }},
	} {
		forms = append(forms, expect.Form{Name: f.name, Kinds: kinds, Doc: f.doc, New: f.claim,
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{f.claim()} }})
	}
	return forms
}
