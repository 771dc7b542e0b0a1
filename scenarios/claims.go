package scenarios

import (
	"fmt"
	"slices"
	"strings"

	"firedrill/faults"
	"firedrill/nodes"
	"firedrill/scenarios/expect"
)

// form is the claim of this name, or nil.
func (b *builder) form(name string) *expect.Form {
	for i := range b.cat.Claims {
		if b.cat.Claims[i].Name == name {
			return &b.cat.Claims[i]
		}
	}
	return nil
}

// claimKeys are the keys that every claim has.
type claimKeys struct {
	Covers []string `yaml:"covers" doc:"ids of what the claim shows"`
}

func (b *builder) readExpect() {
	n := b.root.get("expect")
	if n == nil {
		return
	}
	if n.shape != list {
		b.fault(n.at, "want expect as a list of claims, have %s", n.shape)
		return
	}
	b.step = len(b.steps)
	for i, item := range n.items {
		if c := b.readClaim(item, i); c != nil {
			b.s.Expect = append(b.s.Expect, c)
		}
	}
}

func (b *builder) readClaim(n *node, i int) expect.Claim {
	name, at := "", n.at
	switch {
	case n.shape == scalar:
		name = n.text
	case n.shape == mapping && len(n.entries) > 0:
		name, at = n.entries[0].key, n.entries[0].at
	default:
		b.fault(n.at, "want a claim, or {CLAIM: subject, ..}, have %s", n.shape)
		return nil
	}
	form := b.form(name)
	if form == nil {
		b.noClaim(n, name, at)
		return nil
	}
	about := func(k *nodes.Kind) bool { return slices.Contains(form.Kinds, k.Name) }
	if form.Kinds != nil && !b.blind && !slices.ContainsFunc(b.kinds, about) {
		b.fault(at, "claim %q is about machines of kind %s; there is none", name, strings.Join(form.Kinds, ", "))
	}
	claim := form.New()
	if n.shape == scalar {
		n = &node{shape: mapping, at: n.at}
		if first := faults.Fields(claim); len(first) > 0 && first[0].Key == name && slices.Contains(first[0].Choices, "all") {
			n = n.with(name, scalarf(at, "all")) // A claim about the whole run may leave its subject out.
		}
	}
	b.checkCovers(n)
	keys := claimKeys{}
	if !b.fields(n, fmt.Sprintf("expect/%d", i), "claim "+name, nil, claim, &keys) {
		return nil
	}
	b.s.Covers = union(b.s.Covers, keys.Covers)
	if c, ok := claim.(*expect.Measured); ok {
		b.checkMeasured(n, c)
	}
	for _, f := range faults.Fields(claim) {
		if s, ok := f.Value.Interface().(expect.Service); ok && s.Address.IsValid() {
			if problem := b.inSomeSubnet(s.Address); problem != "" {
				b.fault(n.get(f.Key).at, "%s", problem)
			}
		}
	}
	if times := n.get("times"); times != nil && times.text == "0" {
		b.fault(times.at, "want at least 1 time, have 0; never says that there is none")
	}
	return claim
}

// noClaim says what is wrong with a claim that does not begin with the name of one.
func (b *builder) noClaim(n *node, name string, at place) {
	if later(name, "claim") {
		b.fault(at, "claim %q is not supported yet", name)
		return
	}
	for _, e := range n.entries {
		if b.form(e.key) != nil {
			b.fault(e.at, "%q comes after %q; a claim begins with its name", e.key, name)
			return
		}
	}
	b.fault(at, "%s", no("claim", name, b.names("claim")))
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(slices.Clone(a), s)
		}
	}
	return a
}
