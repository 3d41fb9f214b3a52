package manager

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
)

// Failure is an error with the code that a page translates (Code in openapi.yaml).
type Failure struct {
	Code       string
	Message    string
	Field      string
	Missing    []string
	RetryAfter time.Duration
}

func (f *Failure) Error() string { return f.Message }

// Fail makes a failure.
func Fail(code, format string, values ...any) *Failure {
	return &Failure{Code: code, Message: fmt.Sprintf(format, values...)}
}

// Failure is the error with its code. What is not known is INTERNAL, and its text is not for users.
func (m *Manager) Failure(err error) *Failure { return m.failure(err) }

func (m *Manager) failure(err error) *Failure {
	var own *Failure
	var document *refit.Error
	var busy *operation.Busy
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case errors.As(err, &busy):
		return Fail("BUSY", "%s", busy.Error())
	case errors.Is(err, refit.ErrClosed), errors.Is(err, context.Canceled):
		return Fail("CANCELLED", "It was cancelled, or the service is ending: try again.")
	case errors.As(err, &document):
		return m.ofRefit(document)
	case errors.Is(err, context.DeadlineExceeded):
		return Fail("TIMEOUT", "It took too long: try again.")
	}
	return Fail("INTERNAL", "The service could not do it: %v", err)
}

// ofRefit tells the engine from a registry where refit has one code for both.
func (m *Manager) ofRefit(e *refit.Error) *Failure {
	code := e.Code.String()
	switch e.Code {
	case refit.CodeUnauthorized:
		code = "REGISTRY_UNAUTHORIZED"
	case refit.CodeUnreachable:
		if e.Op != "refit_engine_info" && m.engineAnswers() {
			code = "REGISTRY_UNREACHABLE"
		}
	}
	return &Failure{Code: code, Message: e.Message, Missing: e.Missing, RetryAfter: e.RetryAfter}
}

func (m *Manager) engineAnswers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err := m.client.EngineInfo(ctx)
	return err == nil
}

// operationError is the failure in an operation's document.
func operationError(f *Failure) *operation.Error {
	if f == nil {
		return nil
	}
	e := &operation.Error{Code: f.Code, Message: f.Message, Missing: f.Missing}
	if e.Missing == nil {
		e.Missing = []string{}
	}
	if f.RetryAfter > 0 {
		seconds := f.RetryAfter.Seconds()
		e.RetryAfter = &seconds
	}
	return e
}

// documentError is that of a refit document, which may have none.
func (m *Manager) documentError(e *refit.Error) *operation.Error {
	if e == nil {
		return nil
	}
	return operationError(m.ofRefit(e))
}

// sameImage reports whether two references name the same, as Docker reads them.
func sameImage(one, other string) bool { return imageKey(one) == imageKey(other) }

func imageKey(image string) string {
	name := strings.TrimPrefix(strings.TrimPrefix(image, "docker.io/"), "index.docker.io/")
	name = strings.TrimPrefix(name, "library/")
	if last := name[strings.LastIndex(name, "/")+1:]; !strings.ContainsAny(last, ":@") {
		name += ":latest"
	}
	return name
}
