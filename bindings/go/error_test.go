package refit

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestEachCodeHasItsNameAndItsSentinel(t *testing.T) {
	for code, want := range map[Code]struct {
		name     string
		sentinel error
	}{
		CodeInvalidArgument: {"INVALID_ARGUMENT", ErrInvalidArgument}, CodeTimeout: {"TIMEOUT", ErrTimeout},
		CodeNotFound: {"NOT_FOUND", ErrNotFound}, CodeImageMissing: {"IMAGE_MISSING", ErrImageMissing},
		CodeUnauthorized: {"UNAUTHORIZED", ErrUnauthorized}, CodeConflict: {"CONFLICT", ErrConflict},
		CodeUnreachable: {"UNREACHABLE", ErrUnreachable}, CodeEngine: {"ENGINE", ErrEngine}, CodeRegistry: {"REGISTRY", ErrRegistry},
		CodeRateLimited: {"RATE_LIMITED", ErrRateLimited}, CodeUnsupported: {"UNSUPPORTED", ErrUnsupported},
		CodeRolledBack: {"ROLLED_BACK", ErrRolledBack}, CodeRollbackFailed: {"ROLLBACK_FAILED", ErrRollbackFailed},
		CodeData: {"DATA", ErrData}, CodeBusy: {"BUSY", ErrBusy}, CodeIO: {"IO", ErrIO}, CodePanic: {"PANIC", ErrPanic},
		CodeCancelled: {"CANCELLED", nil}, CodeStopped: {"STOPPED", nil},
	} {
		if code.String() != want.name {
			t.Errorf("%d is %s, not %s", int(code), code, want.name)
		}
		if e := error(&Error{Code: code}); want.sentinel != nil && (!errors.Is(e, want.sentinel) || errors.Is(e, ErrClosed)) {
			t.Errorf("%s is not found by its sentinel", want.name)
		}
	}
	if errors.Is(&Error{Code: CodeBusy}, ErrConflict) {
		t.Error("BUSY is CONFLICT")
	}
}

func TestTheDocumentOfAnErrorIsReadWhole(t *testing.T) {
	text := `{"code":12,"name":"RATE_LIMITED","message":"m","op":"img_pull","image":"i","container":"c","http_status":429,` +
		`"retry_after_s":1.5,"missing":["a"],"causes":["b"]}`
	var e Error
	if err := strict([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	if e.HTTPStatus != 429 || e.RetryAfter != 1500*time.Millisecond || e.Image != "i" || e.Container != "c" || e.Missing[0] != "a" || e.Causes[0] != "b" {
		t.Errorf("%+v", e)
	}
	if written, err := json.Marshal(&Error{Code: CodeBusy}); err != nil || !strings.Contains(string(written), `"causes":[]`) {
		t.Errorf("%s, %v", written, err)
	}
}

func TestErrorsTellWhatWasAttempted(t *testing.T) {
	ctx, c := context.Background(), open(t)
	name := scope(t, "error")
	_, err := c.ContainerInfo(ctx, name)
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrNotFound) || e.Op != "container_info" || e.Container != name || e.Error() != e.Message {
		t.Errorf("%+v", err)
	}
	for _, image := range []string{"", "UPPER/case", "a b", "a\x00b", "a\xffb", strings.Repeat("a", 5000)} {
		if _, err := c.ImageInfo(ctx, image); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%.20q: %v", image, err)
		}
	}
	if _, err := c.ImageExists(ctx, ""); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
	if _, err := c.Pull(ctx, "a:1", PullOptions{Timeout: -1}); !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), "timeout_s") {
		t.Error(err)
	}
	if _, err := c.ContainerCreate(ctx, name, Spec{"Image": func() {}}, ContainerCreateOptions{}); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
}
