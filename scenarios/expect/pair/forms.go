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
			Name: "choices", Kinds: kinds,
			Doc:      "marks the choices that were made where the vendor is silent",
			New:      func() expect.Claim { return &Choices{All: "all"} },
			Standing: func(*expect.Run) []expect.Claim { return []expect.Claim{&Choices{All: "all"}} },
		},
	}
}
