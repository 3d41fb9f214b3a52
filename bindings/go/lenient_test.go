package refit

import (
	"errors"
	"strings"
	"testing"
)

// Year -1, a size above 2^63 and a list where a text is: one image has them, and the others are read.
func TestAnOddValueFailsNoBatch(t *testing.T) {
	text := `{"images":[
		{"image":"a:1","state":"up_to_date","has_update":false,"checked_at":"2026-01-02T03:04:05Z","requests":1},
		{"image":"b:1","state":["odd"],"has_update":true,"checked_at":"-000001-01-01T00:00:00Z","requests":3,
		 "remote":{"digest":"sha256:b","created":"-000001-01-01T00:00:00Z","download_bytes":18446744073709551615},
		 "error":{"code":11,"message":"m","op":"o"},"notes":[{"code":7,"message":"said"}]},
		{"image":"c:1","state":"update_available","has_update":true,"checked_at":"2026-01-02T03:04:05Z"}],"requests":4}`
	var list struct {
		Images   []Check `json:"images"`
		Requests int     `json:"requests"`
	}
	if err := lenient([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Images) != 3 || list.Requests != 4 || list.Images[0].CheckedAt.Year() != 2026 || list.Images[2].State != "update_available" {
		t.Errorf("%+v", list)
	}
	odd := list.Images[1]
	if odd.Image != "b:1" || odd.State != "" || odd.HasUpdate == nil || !*odd.HasUpdate || !odd.CheckedAt.IsZero() || odd.Requests != 3 || odd.Local != nil {
		t.Errorf("%+v", odd)
	}
	if odd.Remote == nil || odd.Remote.Digest != "sha256:b" || odd.Remote.Created != nil || odd.Remote.DownloadBytes != nil {
		t.Errorf("%+v", odd.Remote)
	}
	if !errors.Is(odd.Error, ErrRegistry) || len(odd.Notes) != 1 || odd.Notes[0].Message != "said" {
		t.Errorf("%+v", odd)
	}
	var info *ContainerInfo
	if err := lenient([]byte(`{"container":"c","id":"i","name":"n","created":"odd","entrypoint":null,"command":[]}`), &info); err != nil {
		t.Fatal(err)
	}
	if info.ID != "i" || info.Name != "n" || info.Created != nil || info.Entrypoint != nil || info.Command == nil {
		t.Errorf("%+v", info)
	}
}

func TestAnErrorBesideADocumentThatIsNotUnderstoodKeepsItsCode(t *testing.T) {
	was := decode
	decode = lenient
	defer func() { decode = was }()
	var report *UpdateReport
	failure := &Error{Code: CodeRolledBack, Op: "img_update", Message: "the new image does not run"}
	err := understood("img_update", []byte("{not JSON"), &report, failure)
	var e *Error
	if !errors.Is(err, ErrRolledBack) || !errors.As(err, &e) || e.Message != "the new image does not run" || len(e.Causes) != 1 || !strings.Contains(e.Causes[0], "img_update") {
		t.Errorf("%+v", err)
	}
	if err := understood("img_update", []byte("{not JSON"), &report, nil); !errors.Is(err, ErrData) || !strings.Contains(err.Error(), "img_update") {
		t.Errorf("%v", err)
	}
	if err := understood("img_update", []byte("{}"), &report, failure); err != failure || report == nil {
		t.Errorf("%v, %+v", err, report)
	}
	if err := understood("img_update", []byte("{}"), &report, nil); err != nil {
		t.Error(err)
	}
}
