package scenarios

import (
	"strings"
	"testing"

	"firedrill/nodes"
	"firedrill/scenarios/expect"
)

// TestCatalogue checks what is said to somebody whose own kind or claim cannot be read from a file.
func TestCatalogue(t *testing.T) {
	if err := testCatalogue().Check(); err != nil {
		t.Error(err)
	}
	kind := func(config any) *nodes.Kind { return &nodes.Kind{Name: "own", Config: func() any { return config }} }
	for _, c := range []struct {
		kind *nodes.Kind
		want string
	}{
		{kind(&struct{}{}), ""},
		{kind(&struct {
			Disk string `yaml:"disk"`
		}{}), `kind own: key "disk" is taken`},
		{kind(&struct {
			A int `yaml:"a"`
			B int `yaml:"a"`
		}{}), `kind own: key "a" is taken`},
		{kind(&struct {
			On bool `yaml:"enabled"`
		}{}), `key "enabled" is a bool; want an integer`},
		{kind(&struct {
			Deep map[string][]struct {
				F float64 `yaml:"f"`
			} `yaml:"deep"`
		}{}), `key "deep" is a map`},
		{kind(struct{}{}), "want a Config that returns a pointer to a struct"},
		{&nodes.Kind{Name: "own"}, "want a Config that returns a pointer to a struct"},
		{&nodes.Kind{Name: "Own", Config: kind(&struct{}{}).Config}, `kind "Own": want a name of its own`},
		{&nodes.Kind{Name: "pair", Config: kind(&struct{}{}).Config}, `kind "pair": want a name of its own`},
		{&nodes.Kind{Name: "own", Config: kind(&struct{}{}).Config, Probes: []nodes.Probe{{Name: "up"}}}, `probe "up" is one that every kind has`},
		{&nodes.Kind{Name: "own", Config: kind(&struct{}{}).Config, Roles: []string{"all"}}, `role "all" means something else`},
	} {
		cat := testCatalogue()
		cat.Kinds = append(cat.Kinds, c.kind)
		_, err := Parse("small.yaml", []byte(small), cat)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("want %q, have %v", c.want, err)
		}
	}
	cat := testCatalogue()
	cat.Claims = append(cat.Claims, expect.Form{Name: "own", New: cat.Claims[0].New})
	if err := cat.Check(); err == nil || !strings.Contains(err.Error(), `claim "own": want a name of its own`) {
		t.Errorf("want a claim refused whose struct has another key first, have %v", err)
	}
}
