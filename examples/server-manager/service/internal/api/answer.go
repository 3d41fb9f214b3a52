package api

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/manager"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/store"
)

// maxBody is enough for every request but that of a configuration file.
const maxBody = 64 << 10

// bodyTime is how long a client may take to send a body.
const bodyTime = 30 * time.Second

func isAPI(path string) bool { return path == "/api" || strings.HasPrefix(path, "/api/") }

func answer(c *gin.Context, status int, message string, data any) {
	c.JSON(status, gin.H{"message": message, "data": data})
}

// statuses are those of the codes; every other one is 409: it is the state of things that does not allow it.
var statuses = map[string]int{
	"INVALID_ARGUMENT": http.StatusBadRequest, "UNAUTHORIZED": http.StatusUnauthorized, "WRONG_PASSWORD": http.StatusUnauthorized, "FORBIDDEN": http.StatusForbidden,
	"WRONG_TOKEN": http.StatusForbidden, "NOT_FOUND": http.StatusNotFound, "IMAGE_NOT_MANAGED": http.StatusNotFound, "METHOD_NOT_ALLOWED": http.StatusMethodNotAllowed,
	"TOO_LARGE": http.StatusRequestEntityTooLarge, "NOT_JSON": http.StatusUnsupportedMediaType, "TOO_MANY": http.StatusTooManyRequests,
	"UNREACHABLE": http.StatusServiceUnavailable, "TIMEOUT": http.StatusServiceUnavailable, "CANCELLED": http.StatusServiceUnavailable,
	"ENGINE": http.StatusBadGateway, "REGISTRY": http.StatusBadGateway, "REGISTRY_UNAUTHORIZED": http.StatusBadGateway, "REGISTRY_UNREACHABLE": http.StatusBadGateway,
	"RATE_LIMITED": http.StatusBadGateway, "DATA": http.StatusBadGateway,
	"INTERNAL": http.StatusInternalServerError, "IO": http.StatusInternalServerError, "PANIC": http.StatusInternalServerError,
}

// tooMany is of this service, where RATE_LIMITED may also be of a registry.
const tooMany = "TOO_MANY"

// fail answers an error.
func (a *API) fail(c *gin.Context, err error) {
	failure := a.manager.Failure(err)
	if errors.Is(err, store.ErrNotFound) {
		failure = manager.Fail("NOT_FOUND", "There is no such thing.")
	}
	status, found := statuses[failure.Code]
	if !found {
		status = http.StatusConflict
	}
	message, code := failure.Message, failure.Code
	if status == http.StatusInternalServerError && code == "INTERNAL" {
		// What is not known may name files, or what is in them.
		slog.Error("a request has failed", "method", c.Request.Method, "path", c.FullPath(), "error", message)
		message = "The service could not do it; its log says why."
	}
	if code == tooMany {
		code = "RATE_LIMITED"
	}
	body := gin.H{"error": message, "code": code}
	if failure.Field != "" {
		body["field"] = failure.Field
	}
	if failure.Missing != nil && code == "IMAGE_MISSING" {
		body["missing"] = failure.Missing
	}
	if failure.RetryAfter > 0 {
		seconds := int(math.Ceil(failure.RetryAfter.Seconds()))
		body["retry_after"] = seconds
		c.Header("Retry-After", strconv.Itoa(seconds))
	}
	if code == "UNAUTHORIZED" {
		c.Header("WWW-Authenticate", "Bearer")
	}
	c.AbortWithStatusJSON(status, body)
}

func invalid(field, format string, values ...any) *manager.Failure {
	failure := manager.Fail("INVALID_ARGUMENT", format, values...)
	failure.Field = field
	return failure
}

// body reads the request's JSON: one object, of known fields, not too large.
func body(c *gin.Context, limit int64, into any) error {
	kind, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || kind != "application/json" {
		return manager.Fail("NOT_JSON", "The body has to be JSON, with Content-Type: application/json.")
	}
	control := http.NewResponseController(c.Writer)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime))
	text, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, limit))
	_ = control.SetReadDeadline(time.Time{})
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return manager.Fail("TOO_LARGE", "The body is larger than %d bytes.", limit)
	}
	if err != nil {
		return invalid("", "The body could not be read.")
	}
	if first := strings.TrimLeft(string(text), " \t\r\n"); !strings.HasPrefix(first, "{") {
		return invalid("", "The body has to be a JSON object.")
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) {
			return invalid(kind.Field, "%s is a %s and has to be a %s.", kind.Field, kind.Value, kind.Type)
		}
		return invalid("", "The body is not the JSON that is expected: %s.", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return invalid("", "There is something after the JSON object.")
	}
	return nil
}

// number reads a query parameter.
func number(c *gin.Context, name string, otherwise, least, most int) (int, error) {
	text, given := c.GetQuery(name)
	if !given {
		return otherwise, nil
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < least || value > most || strings.HasPrefix(text, "+") {
		return 0, invalid(name, "%s is a number from %d to %d.", name, least, most)
	}
	return value, nil
}

// flag reads a query parameter.
func flag(c *gin.Context, name string) (bool, error) {
	switch text, given := c.GetQuery(name); {
	case !given || text == "false":
		return false, nil
	case text == "true":
		return true, nil
	}
	return false, invalid(name, "%s is true or false.", name)
}
