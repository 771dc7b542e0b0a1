package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// HeaderNotDone in a response says that nothing of what was asked has been done, nor will be, whatever the status; its
// value says why. Without it, a status of 500 and above leaves the client in doubt.
const HeaderNotDone = "X-Not-Done"

// Reply answers with a JSON object. A value that cannot be marshalled is a mistake of the caller, and panics.
func Reply(w http.ResponseWriter, status int, object any) {
	body, err := json.Marshal(object)
	if err != nil {
		panic(fmt.Sprintf("web: reply of type %T: %v", object, err))
	}
	w.Header()["Content-Type"] = []string{"application/json"}
	w.WriteHeader(status)
	w.Write(body)
}

// Refuse answers {"reason": reason} for a request of which nothing has been done, nor will be; only a status of 500
// leaves the client in doubt.
func Refuse(w http.ResponseWriter, status int, reason string) {
	if status != http.StatusInternalServerError {
		w.Header()[HeaderNotDone] = []string{reason}
	}
	Reply(w, status, struct {
		Reason string `json:"reason"`
	}{reason})
}

// Decode reads the JSON object that a request's body is, of at most limit bytes, into a pointer. Where it cannot, it
// has answered: 413 too-large, or 400 bad-json; the error says more, for the log. Unknown members are refused: an
// operator's slip of the pen must not become a default. An empty body reads as {}.
func Decode(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == io.EOF {
		return nil
	}
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("want one JSON object, have more after it")
		}
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		Refuse(w, http.StatusRequestEntityTooLarge, "too-large")
	case err != nil:
		Refuse(w, http.StatusBadRequest, "bad-json")
	}
	return err
}
