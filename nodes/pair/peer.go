package pair

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"firedrill/nodes/web"
)

// The peer protocol: HTTP on TCP, checks on UDP, both on this port. Pairing goes to the Pair IP, all else to
// the heartbeat address of the peer (D-28, D-29).
const peerPort = 7300

// Every message carries the id of the pair and a proof: an HMAC with the pair's key, which is drawn from the
// pair code. The code itself never travels (D-13). Whoever has no proof is told 404, as by a unit that waits
// for nobody: to a stranger there is no difference between a wrong code and no pairing at all.
const (
	headerPair  = "X-Pair"
	headerProof = "X-Proof"
)

// messageMax is the most that a peer may send at once, a file excepted: a manifest of a hundred thousand
// files.
const messageMax = 16 << 20

// prove is the proof of some parts under a key.
func prove(key []byte, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, p := range parts {
		var length [8]byte
		for i := range length {
			length[i] = byte(len(p) >> (8 * i))
		}
		mac.Write(length[:])
		mac.Write(p)
	}
	return mac.Sum(nil)
}

func proven(proof string, key []byte, parts ...[]byte) bool {
	got, err := hex.DecodeString(proof)
	return err == nil && hmac.Equal(got, prove(key, parts...))
}

// peerHandler answers what the peer asks.
func (u *Unit) peerHandler() http.Handler {
	paired := map[string]func(http.ResponseWriter, []byte){
		"GET /state":        u.answerState,
		"POST /settings":    u.answerSettings,
		"POST /bye":         u.answerBye,
		"POST /sync/begin":  u.answerSyncBegin,
		"POST /sync/commit": u.answerSyncCommit,
		"POST /sync/abort":  u.answerSyncAbort,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/pair" {
			u.answerPairing(w, r)
			return
		}
		answer := paired[r.Method+" "+r.URL.Path]
		limit := int64(messageMax)
		if path, ok := strings.CutPrefix(r.URL.Path, "/sync/file/"); ok && r.Method == http.MethodPut {
			limit = fileMax
			answer = func(w http.ResponseWriter, body []byte) { u.answerSyncFile(w, path, body) }
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
		if err != nil || answer == nil || !u.fromPeer(r, body) {
			web.Refuse(w, http.StatusNotFound, "not-here")
			return
		}
		answer(w, body)
	})
}

// fromPeer reports whether a message comes from this unit's peer: of the present pair, or of one that it has
// left.
func (u *Unit) fromPeer(r *http.Request, body []byte) bool {
	p := u.record.Pair
	return p.ID != "" && r.Header.Get(headerPair) == p.ID &&
		proven(r.Header.Get(headerProof), p.Key, []byte(r.Method), []byte(r.URL.Path), []byte(p.ID), body)
}

// refused is an answer of the peer that says no.
type refused struct {
	status int
	reason string
}

func (e *refused) Error() string {
	return fmt.Sprintf("peer refuses: %s (status %d)", e.reason, e.status)
}

// tell sends a message to the heartbeat address of the peer, and reads the answer into into, unless that is
// nil. A no of the peer is a *refused; any other error leaves it open whether the message arrived.
func (u *Unit) tell(p *pairing, t *web.Transport, method, path string, body []byte, into any) error {
	url := "http://" + netip.AddrPortFrom(p.Peer, peerPort).String() + path
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set(headerPair, p.ID)
	req.Header.Set(headerProof, hex.EncodeToString(
		prove(p.Key, []byte(method), []byte(req.URL.Path), []byte(p.ID), body)))
	return exchange(t, req, into)
}

func exchange(t *web.Transport, req *http.Request, into any) error {
	response, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, messageMax))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		var no struct {
			Reason string `json:"reason"`
		}
		if json.Unmarshal(body, &no) != nil || no.Reason == "" {
			no.Reason = "unknown"
		}
		return &refused{response.StatusCode, no.Reason}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}

// answerState tells the peer what this unit is, by which it knows whether a sync makes sense.
func (u *Unit) answerState(w http.ResponseWriter, _ []byte) {
	web.Reply(w, http.StatusOK, stateAnswer{u.phase, u.record.Pair.Settings.Revision})
}

type stateAnswer struct {
	State    Phase
	Revision uint64
}

// serve answers requests at a port of every address that the unit has or will have.
func (u *Unit) serve(port int, name string, h http.Handler) error {
	l, err := u.env.Net().ListenTCP("tcp", &net.TCPAddr{Port: port})
	if err != nil {
		return fmt.Errorf("listen for %s on port %d: %w", name, port, err)
	}
	u.env.Go(name, func() {
		u.env.Log().Error("no longer listening", "for", name, "err", web.Serve(u.env, l, h))
	})
	return nil
}

// caller is a transport over the heartbeat path, or from any address where from is the zero value.
func (u *Unit) caller(from netip.Addr, timeout time.Duration) *web.Transport {
	return &web.Transport{Env: u.env, From: from, Connect: min(timeout, 10*time.Second), Timeout: timeout}
}
