package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"firedrill/nodes"
	"firedrill/nodes/client"
	"firedrill/nodes/web"
)

func TestFilesJudges(t *testing.T) {
	unsent := &web.Error{Doing: "connect", Err: errors.New("no route to host")}
	sent := &web.Error{Doing: "receive", Sent: true, Err: errors.New("reset")}
	done := []nodes.Result{nodes.ResultOK, nodes.ResultOK, nodes.ResultOK}
	failed := []nodes.Result{nodes.ResultFailed, nodes.ResultFailed, nodes.ResultFailed}
	unknown := []nodes.Result{nodes.ResultUnknown, nodes.ResultUnknown, nodes.ResultUnknown}
	cases := []struct {
		status  int
		notDone string
		err     error
		want    []nodes.Result // of put, get, delete
	}{
		{status: 200, want: done}, {status: 201, want: done}, {status: 204, want: done},
		{status: 404, want: []nodes.Result{nodes.ResultFailed, nodes.ResultOK, nodes.ResultFailed}},
		{status: 301, want: failed}, {status: 400, want: failed}, {status: 403, want: failed}, {status: 405, want: failed},
		{status: 409, want: failed}, {status: 412, want: failed}, {status: 423, want: failed},
		{status: 500, want: unknown}, {status: 503, want: unknown}, {status: 503, notDone: "busy", want: failed},
		{status: 507, notDone: "full", want: failed},
		{err: unsent, want: failed}, {err: sent, want: unknown}, {err: io.ErrUnexpectedEOF, want: unknown},
		{err: fmt.Errorf("wrapped: %w", unsent), want: failed},
	}
	for _, c := range cases {
		var response *http.Response
		if c.err == nil {
			response = &http.Response{StatusCode: c.status, Header: http.Header{}}
			if c.notDone != "" {
				response.Header.Set(web.HeaderNotDone, c.notDone)
			}
		}
		for i, verb := range []string{client.VerbPut, client.VerbGet, client.VerbDelete} {
			if have := client.Files.Result(&nodes.Operation{Verb: verb}, response, nil, c.err); have != c.want[i] {
				t.Errorf("%s, status %d %s, error %v: want %s, have %s", verb, c.status, c.notDone, c.err, c.want[i], have)
			}
		}
	}
}
