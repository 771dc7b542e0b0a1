package client_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"firedrill/nodes"
	"firedrill/nodes/client"
	"firedrill/nodes/web"
)

func TestAsk(t *testing.T) {
	h := newHall(t, 1)
	long := strings.Repeat("x", 5<<20)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/status":
			io.WriteString(w, `{"z": "last \"first\"", "a": 1.50, "role": "", "peer": null, "up": true,
				"list": [1, "b"], "in": {"k": 2}}`)
		case "/echo":
			web.Reply(w, http.StatusOK, map[string]string{"body": string(body), "method": r.Method,
				"type": r.Header.Get("Content-Type"), "zclose": fmt.Sprint(r.Close)})
		case "/no":
			web.Refuse(w, http.StatusForbidden, "not-available")
		case "/list":
			io.WriteString(w, `["a"]`)
		case "/text":
			io.WriteString(w, `{"a": 1`)
		case "/empty":
		case "/long":
			io.WriteString(w, long)
		}
	})
	h.Machine("two").Go("server", func(env nodes.Env) {
		l, err := env.Net().ListenTCP("tcp", &net.TCPAddr{Port: 8080})
		if err != nil {
			t.Error(err)
			return
		}
		web.Serve(env, l, handler)
	})
	ask := func(to string, r nodes.Request) (a nodes.Answer) {
		h.Machine("office").Go("ask", func(env nodes.Env) {
			a = client.Ask(env, netip.MustParseAddrPort(to), r, 5*time.Second)
		})
		h.run(h.Now() + 20*time.Second)
		return a
	}
	get := func(path string) nodes.Answer { return ask("10.0.0.12:8080", nodes.Request{Method: "GET", Path: path}) }
	cases := []struct {
		name       string
		have, want nodes.Answer
	}{
		{"members in their order", get("/status"), nodes.Answer{Status: 200, Fields: []nodes.Attr{
			{Key: "z", Value: `last "first"`}, {Key: "a", Value: "1.50"}, {Key: "role"}, {Key: "peer"},
			{Key: "up", Value: "true"}, {Key: "list", Value: `[1,"b"]`}, {Key: "in", Value: `{"k":2}`}}}},
		{"a body", ask("10.0.0.12:8080", nodes.Request{Method: "POST", Path: "/echo", Body: []byte(`{}`)}),
			nodes.Answer{Status: 200, Fields: []nodes.Attr{{Key: "body", Value: "{}"}, {Key: "method", Value: "POST"},
				{Key: "type", Value: "application/json"}, {Key: "zclose", Value: "true"}}}},
		{"a refusal", get("/no"), nodes.Answer{Status: 403, Fields: []nodes.Attr{{Key: "reason", Value: "not-available"}}}},
		{"a list", get("/list"), nodes.Answer{Status: 200}},
		{"half an object", get("/text"), nodes.Answer{Status: 200}},
		{"nothing", get("/empty"), nodes.Answer{Status: 200}},
		{"too much", get("/long"), nodes.Answer{Err: "want a body of at most 4194304 bytes, have more"}},
		{"a wrong path", get("status"), nodes.Answer{Err: `want a path that begins with /, have "status"`}},
		{"a wrong method", ask("10.0.0.12:8080", nodes.Request{Method: "G T", Path: "/"}),
			nodes.Answer{Err: `net/http: invalid method "G T"`}},
	}
	for _, c := range cases {
		if diff := cmp.Diff(c.want, c.have); diff != "" {
			t.Errorf("%s: want -, have +:\n%s", c.name, diff)
		}
	}
	for _, to := range []string{"10.0.0.12:81", "10.0.0.99:80"} {
		a := ask(to, nodes.Request{Method: "GET", Path: "/status"})
		if a.Status != 0 || !strings.HasPrefix(a.Err, "connect: ") {
			t.Errorf("%s: want no answer, have %+v", to, a)
		}
	}
}
