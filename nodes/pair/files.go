package pair

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"firedrill/nodes/journal"
	"firedrill/nodes/web"
)

// answerFile serves clients (D-31, D-48). A put is acknowledged when it is durable. A standby refuses
// everything (D-INV-4); a stale active lets its old data be read, for rescue (D-64).
func (u *Unit) answerFile(w http.ResponseWriter, r *http.Request, path string) {
	access := u.bearing().access
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case access == NoAccess:
		web.Refuse(w, http.StatusForbidden, "not-available")
	case reading:
		data, err := u.volume.get(path)
		if err != nil {
			u.answerDiskError(w, "get", path, err)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.Write(data)
	case access == ReadOnly:
		web.Refuse(w, http.StatusForbidden, "read-only")
	case r.Method == http.MethodPut:
		u.answerPut(w, r, path)
	case r.Method == http.MethodDelete:
		found, err := u.volume.remove(path)
		if err == nil && !found {
			err = os.ErrNotExist
		}
		if err != nil {
			u.answerDiskError(w, "delete", path, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		web.Refuse(w, http.StatusMethodNotAllowed, "method")
	}
}

func (u *Unit) answerPut(w http.ResponseWriter, r *http.Request, path string) {
	if strings.ContainsAny(path, "\n\r\x00") {
		web.Refuse(w, http.StatusBadRequest, "path")
		return
	}
	data, err := readBody(w, r)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		web.Refuse(w, http.StatusRequestEntityTooLarge, "too-large")
		return
	case err != nil:
		web.Refuse(w, http.StatusBadRequest, "body") // It broke off: nothing of it is kept.
		return
	}
	if err := u.volume.put(path, data); err != nil {
		u.answerDiskError(w, "put", path, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// readBody reads a body of at most fileMax bytes, in one piece where its length is told.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if n := r.ContentLength; n >= 0 && n <= fileMax {
		data := make([]byte, n)
		_, err := io.ReadFull(r.Body, data)
		return data, err
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, fileMax))
}

// answerDiskError tells a client what is known. Only where the index is broken it is not known whether a
// change was made.
func (u *Unit) answerDiskError(w http.ResponseWriter, doing, path string, err error) {
	switch {
	case errors.Is(err, os.ErrNotExist):
		web.Refuse(w, http.StatusNotFound, "no-such-file")
	case errors.Is(err, errNotWritable):
		web.Refuse(w, http.StatusForbidden, "not-available")
	case errors.Is(err, journal.ErrBroken):
		u.env.Log().Error("disk", "doing", doing, "path", path, "err", err)
		web.Reply(w, http.StatusInternalServerError, map[string]string{"reason": "disk"})
	default:
		u.env.Log().Error("disk", "doing", doing, "path", path, "err", err)
		web.Refuse(w, http.StatusInternalServerError, "disk")
	}
}
