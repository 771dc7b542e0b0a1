package client

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"firedrill/nodes"
	"firedrill/nodes/web"
)

// Files is the dialect of a plain file service: PUT, GET and DELETE of a path.
//
//   - 2xx is ok. So is 404 to a get: it has read that nothing is there, and Hash stays 0.
//   - Any other answer below 500 has failed: the server has refused. 404 to a delete has too, since it did nothing.
//   - 5xx is unknown, unless web.HeaderNotDone says that nothing was done.
//   - Without an answer it has failed if nothing was sent, and is unknown otherwise. An answer that broke off is none.
var Files nodes.Dialect = files{}

type files struct{}

func (files) Request(op *nodes.Operation, target string) (*http.Request, error) {
	var method string
	var body io.Reader
	switch op.Verb {
	case VerbPut:
		method, body = http.MethodPut, bytes.NewReader(op.Payload)
	case VerbGet:
		method = http.MethodGet
	case VerbDelete:
		method = http.MethodDelete
	default:
		return nil, fmt.Errorf("want put, get or delete, have %q", op.Verb)
	}
	return http.NewRequest(method, "http://"+target+op.Path, body)
}

func (files) Result(op *nodes.Operation, response *http.Response, _ []byte, err error) nodes.Result {
	switch {
	case err != nil && web.Sent(err):
		return nodes.ResultUnknown
	case err != nil:
		return nodes.ResultFailed
	case response.StatusCode/100 == 2:
		return nodes.ResultOK
	case response.StatusCode == http.StatusNotFound && op.Verb == VerbGet:
		return nodes.ResultOK
	case response.StatusCode < 500 || response.Header.Get(web.HeaderNotDone) != "":
		return nodes.ResultFailed
	}
	return nodes.ResultUnknown
}
