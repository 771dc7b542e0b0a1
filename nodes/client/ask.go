package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"firedrill/nodes"
	"firedrill/nodes/web"
)

// maxAnswer is how much of an answer to an operator is read.
const maxAnswer = 4 << 20

// Ask sends an operator's request to a machine and waits for the answer, connecting included, for at most timeout.
// Whatever goes wrong on the way is in the Answer: an answer that breaks off is none.
func Ask(env nodes.Env, to netip.AddrPort, r nodes.Request, timeout time.Duration) nodes.Answer {
	if !strings.HasPrefix(r.Path, "/") {
		return nodes.Answer{Err: fmt.Sprintf("want a path that begins with /, have %q", r.Path)}
	}
	req, err := http.NewRequest(r.Method, "http://"+Place{Dial: to}.host()+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return nodes.Answer{Err: err.Error()}
	}
	if len(r.Body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	t := web.Transport{Env: env, Via: to, Timeout: timeout, Connect: timeout, OneShot: true}
	response, err := t.RoundTrip(req)
	if err != nil {
		return nodes.Answer{Err: err.Error()}
	}
	var body bytes.Buffer
	if err := read(&body, response.Body, maxAnswer); err != nil {
		return nodes.Answer{Err: err.Error()}
	}
	return nodes.Answer{Status: response.StatusCode, Fields: members(body.Bytes())}
}

// members are those of a JSON object, in its order: strings as they are, null as "", all else as its JSON text. Of
// what is not an object there are none.
func members(body []byte) []nodes.Attr {
	d := json.NewDecoder(bytes.NewReader(body))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	var fields []nodes.Attr
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil
		}
		fields = append(fields, nodes.Attr{Key: key.(string), Value: text(value)})
	}
	if end, err := d.Token(); err != nil || end != json.Delim('}') {
		return nil
	}
	return fields
}

// text is a JSON value as a person would write it in a scenario.
func text(value json.RawMessage) string {
	var s *string
	if json.Unmarshal(value, &s) == nil {
		if s == nil {
			return ""
		}
		return *s
	}
	var compact bytes.Buffer
	if json.Compact(&compact, value) != nil {
		return string(value)
	}
	return compact.String()
}
