package refit

/*
#include "call.h"
*/
import "C"

import (
	"encoding/json"
	"errors"
	"time"
)

// Code is the kind of an [Error]: one for each decision that a caller can take. The numbers are the C ABI's and never change.
type Code int32

// The kinds of errors.
const (
	CodeInvalidArgument Code = C.REFIT_E_INVALID_ARGUMENT
	CodeCancelled       Code = C.REFIT_E_CANCELLED
	CodeStopped         Code = C.REFIT_E_STOPPED
	CodeTimeout         Code = C.REFIT_E_TIMEOUT
	CodeNotFound        Code = C.REFIT_E_NOT_FOUND
	CodeImageMissing    Code = C.REFIT_E_IMAGE_MISSING
	CodeUnauthorized    Code = C.REFIT_E_UNAUTHORIZED
	CodeConflict        Code = C.REFIT_E_CONFLICT
	CodeUnreachable     Code = C.REFIT_E_UNREACHABLE
	CodeEngine          Code = C.REFIT_E_ENGINE
	CodeRegistry        Code = C.REFIT_E_REGISTRY
	CodeRateLimited     Code = C.REFIT_E_RATE_LIMITED
	CodeUnsupported     Code = C.REFIT_E_UNSUPPORTED
	CodeRolledBack      Code = C.REFIT_E_ROLLED_BACK
	CodeRollbackFailed  Code = C.REFIT_E_ROLLBACK_FAILED
	CodeData            Code = C.REFIT_E_DATA
	CodeBusy            Code = C.REFIT_E_BUSY
	CodeIO              Code = C.REFIT_E_IO
	CodePanic           Code = C.REFIT_E_PANIC
)

// String is the code's name in the documents: NOT_FOUND.
func (c Code) String() string {
	return C.GoString(C.refit_code_name(C.refit_code(c)))
}

// The kinds of errors for [errors.Is].
var (
	ErrInvalidArgument error = kind(CodeInvalidArgument) // an argument or option is invalid; nothing has happened
	ErrTimeout         error = kind(CodeTimeout)         // the Timeout of the call's options has passed
	ErrNotFound        error = kind(CodeNotFound)        // no such image or container
	ErrImageMissing    error = kind(CodeImageMissing)    // a required image is not local: pull it by hand
	ErrUnauthorized    error = kind(CodeUnauthorized)    // the registry wants other credentials
	ErrConflict        error = kind(CodeConflict)        // name taken, in use, changed concurrently, or leftovers of an interrupted run
	ErrUnreachable     error = kind(CodeUnreachable)     // the engine or the registry cannot be reached
	ErrEngine          error = kind(CodeEngine)          // the engine answered with an error
	ErrRegistry        error = kind(CodeRegistry)        // the registry answered with an error
	ErrRateLimited     error = kind(CodeRateLimited)     // the registry wants fewer requests for a while
	ErrUnsupported     error = kind(CodeUnsupported)     // this version, engine or container cannot do that
	ErrRolledBack      error = kind(CodeRolledBack)      // the update failed and was rolled back: everything is as before
	ErrRollbackFailed  error = kind(CodeRollbackFailed)  // the rollback failed: the message says where the containers are
	ErrData            error = kind(CodeData)            // a digest or an archive does not verify
	ErrBusy            error = kind(CodeBusy)            // the same thing is being done now, here or elsewhere: try again later
	ErrIO              error = kind(CodeIO)              // a local file or folder: disk full, StateDir
	ErrPanic           error = kind(CodePanic)           // a defect of refit, contained; the next call works

	// ErrClosed is found in the error of every call on a client that was closed, and of those that its closing has ended.
	ErrClosed = errors.New("refit: the client is closed")
)

type kind Code

func (k kind) Error() string { return "refit: " + Code(k).String() }

// Error is what every call returns when it fails, unless it was the error of an OnProgress function.
type Error struct {
	Code       Code
	Op         string // the C function that failed: img_pull
	Message    string // one line: what was attempted on what, and what to do next where that is known
	Image      string // the image that it is about, if any
	Container  string // the container that it is about, if any
	HTTPStatus int    // what the engine or the registry answered, or 0
	RetryAfter time.Duration
	Missing    []string // images that are required and not local
	Causes     []string // the errors below this one, outermost first
	// CreateBody is the body of POST /containers/create for a container that is lost otherwise, with the values of its environment; or nil.
	CreateBody any

	wrapped []error
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Is tells whether target is the sentinel of this error's code.
func (e *Error) Is(target error) bool {
	kind, ok := target.(kind)
	return ok && Code(kind) == e.Code
}

// Unwrap gives the context's error and its cause where the context has ended the call, and [ErrClosed] where [Client.Close] has.
func (e *Error) Unwrap() []error { return e.wrapped }

// errorDocument is the error in C's JSON.
type errorDocument struct {
	Code       Code     `json:"code"`
	Name       string   `json:"name"`
	Message    string   `json:"message"`
	Op         string   `json:"op"`
	Image      *string  `json:"image"`
	Container  *string  `json:"container"`
	HTTPStatus *int     `json:"http_status"`
	RetryAfter *float64 `json:"retry_after_s"`
	Missing    []string `json:"missing"`
	Causes     []string `json:"causes"`
	CreateBody any      `json:"create_body"`
}

// UnmarshalJSON reads the document of an error as the library writes it.
func (e *Error) UnmarshalJSON(text []byte) error {
	var d errorDocument
	if err := json.Unmarshal(text, &d); err != nil {
		return err
	}
	*e = Error{Code: d.Code, Op: d.Op, Message: d.Message, Missing: d.Missing, Causes: d.Causes, CreateBody: d.CreateBody}
	if d.Image != nil {
		e.Image = *d.Image
	}
	if d.Container != nil {
		e.Container = *d.Container
	}
	if d.HTTPStatus != nil {
		e.HTTPStatus = *d.HTTPStatus
	}
	if d.RetryAfter != nil {
		e.RetryAfter = time.Duration(*d.RetryAfter * float64(time.Second))
	}
	return nil
}

// MarshalJSON writes the same document.
func (e *Error) MarshalJSON() ([]byte, error) {
	d := errorDocument{Code: e.Code, Name: e.Code.String(), Message: e.Message, Op: e.Op, Missing: list(e.Missing), Causes: list(e.Causes), CreateBody: e.CreateBody}
	if e.Image != "" {
		d.Image = &e.Image
	}
	if e.Container != "" {
		d.Container = &e.Container
	}
	if e.HTTPStatus != 0 {
		d.HTTPStatus = &e.HTTPStatus
	}
	if e.RetryAfter != 0 {
		seconds := e.RetryAfter.Seconds()
		d.RetryAfter = &seconds
	}
	return json.Marshal(d)
}

// list is never null in JSON.
func list(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}
