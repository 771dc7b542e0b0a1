package pair

import (
	"encoding/hex"
	"testing"
)

// TestProof: only who has the key can say something as the peer, and only what was said counts (D-13).
func TestProof(t *testing.T) {
	key := []byte("key")
	proof := func(key []byte, parts ...[]byte) string { return hex.EncodeToString(prove(key, parts...)) }
	ab, c := []byte("ab"), []byte("c")
	if !proven(proof(key, ab, c), key, ab, c) {
		t.Error("a proof does not prove what it is of")
	}
	for name, wrong := range map[string]string{
		"another key":      proof([]byte("kez"), ab, c),
		"other words":      proof(key, ab, []byte("d")),
		"words run over":   proof(key, []byte("a"), []byte("bc")),
		"one word fewer":   proof(key, ab),
		"none":             "",
		"no hexadecimal":   "zz",
		"the half of one":  proof(key, ab, c)[:32],
		"with a tail":      proof(key, ab, c) + "00",
		"words the longer": proof(key, ab, c, nil),
	} {
		if proven(wrong, key, ab, c) {
			t.Errorf("%s is taken for a proof", name)
		}
	}
}

// TestDatagram: what the peer did not prove is not heard (D-43).
func TestDatagram(t *testing.T) {
	u := &Unit{record: record{Pair: pairing{ID: "p", Key: []byte("key")}}}
	const text = "ALIVE_ACK 42 standby standby 3"
	proof := hex.EncodeToString(prove(u.record.Pair.Key, []byte("p"), []byte(text)))
	m, ok := u.parse(text + " " + proof)
	if want := (message{"ALIVE_ACK", 42, "standby", Standby, 3}); !ok || m != want {
		t.Errorf("want %v, have %v, %v", want, m, ok)
	}
	for _, bad := range []string{"", " ", text, "ALIVE_ACK 43 standby standby 3 " + proof, text + " " + proof[1:]} {
		if m, ok := u.parse(bad); ok {
			t.Errorf("want %q not heard, have %v", bad, m)
		}
	}
	other := &Unit{record: record{Pair: pairing{ID: "q", Key: []byte("key")}}}
	if _, ok := other.parse(text + " " + proof); ok {
		t.Error("a datagram of another pair is heard")
	}
}
