package web_test

import (
	"net/http"
	"strings"
	"testing"

	"firedrill/nodes/web"
)

func TestJSON(t *testing.T) {
	type settings struct{ Interval int }
	cases := []struct {
		body, want string
		err        bool
	}{
		{`{"interval": 3}`, "200 OK " + `{"Interval":3}`, false},
		{``, "200 OK " + `{"Interval":0}`, false},
		{`{"interval": "x"}`, "400 Bad Request " + `{"reason":"bad-json"}`, true},
		{`{"intervall": 3}`, "400 Bad Request " + `{"reason":"bad-json"}`, true},
		{`{"interval": 3} {}`, "400 Bad Request " + `{"reason":"bad-json"}`, true},
		{`{"interval": 3`, "400 Bad Request " + `{"reason":"bad-json"}`, true},
		{`{"interval": ` + strings.Repeat(" ", 100) + `3}`, "413 Request Entity Too Large " + `{"reason":"too-large"}`, true},
	}
	for _, c := range cases {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var s settings
			err := web.Decode(w, r, 50, &s)
			if (err != nil) != c.err {
				t.Errorf("%s: want an error: %v, have %v", c.body, c.err, err)
			}
			if err == nil {
				web.Reply(w, http.StatusOK, s)
			}
		})
		server := &machine{}
		var sent strings.Builder
		request(t, "POST", "http://h/", c.body).Write(&sent)
		s := &script{m: server, in: []any{sent.String()}}
		web.Serve(server, &listener{waiting: []any{s}}, h)
		m, _ := answers([]any{})
		m.lines[0].(*script).in = []any{s.out.String()}
		if have, _ := fetch(&web.Transport{Env: m}, request(t, "GET", "http://10.0.0.1/", "")); have != c.want {
			t.Errorf("%s: want %s, have %s", c.body, c.want, have)
		}
	}
}

func TestRefuseSaysThatNothingWasDone(t *testing.T) {
	for status, want := range map[int]string{403: "no", 503: "no", 500: ""} {
		m := &machine{}
		s := &script{m: m, in: []any{crlf("GET / HTTP/1.1\nHost: h\n\n")}}
		web.Serve(m, &listener{waiting: []any{s}}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			web.Refuse(w, status, "no")
		}))
		if have := strings.Contains(s.out.String(), "X-Not-Done: no"); have != (want != "") {
			t.Errorf("%d: want %s %q, have %q", status, web.HeaderNotDone, want, s.out.String())
		}
	}
}
