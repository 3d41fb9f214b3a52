package api

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/access"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/manager"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/store"
)

// headers are of every answer. The page needs nothing from another host, and no other page may show it.
func headers(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	if isAPI(c.Request.URL.Path) {
		h.Set("Cache-Control", "no-store")
	}
}

var errNoToken = manager.Fail("UNAUTHORIZED", "Log in first: there is no token, or it has expired.")

// guarded lets the user of a valid token through, and writes into the audit log what was to change something, also when it was refused.
func (a *API) guarded(route route) gin.HandlerFunc {
	isStream := strings.HasSuffix(route.path, "/events") || strings.HasSuffix(route.path, "/stream")
	return func(c *gin.Context) {
		r, err := a.authenticated(c, isStream)
		if err != nil {
			a.fail(c, err)
			return
		}
		if route.administrators && !r.user.Administrator {
			err = manager.Fail("FORBIDDEN", "This is for administrators.")
		} else {
			err = route.do(a, r)
		}
		if err != nil {
			a.fail(c, err)
		}
		if route.action != "" {
			a.record(c, &r.user.Username, route.action, r.target)
		}
	}
}

// authenticated finds the user of the bearer token, or of the ticket where a stream is asked for.
func (a *API) authenticated(c *gin.Context, isStream bool) (*request, error) {
	var token access.Token
	text, bearer := strings.CutPrefix(c.GetHeader("Authorization"), "Bearer ")
	ticket := c.Query("ticket")
	switch {
	case bearer:
		var err error
		if token, err = a.tokens.Read(text); err != nil {
			return nil, errNoToken
		}
	case isStream && ticket != "":
		var found bool
		if token, found = a.tickets.Use(ticket); !found {
			return nil, manager.Fail("UNAUTHORIZED", "The ticket was used, or it has expired: ask for another one.")
		}
	default:
		return nil, errNoToken
	}
	revoked, err := a.store.IsRevoked(token.ID)
	if err != nil {
		return nil, err
	}
	user, err := a.store.User(token.UserID)
	if revoked || err != nil || user.PasswordChanges != token.Changes {
		return nil, errNoToken
	}
	r := &request{Context: c, user: user, token: token}
	return r, nil
}

// record writes the audit log. A request is answered also when that fails; the service's own log says so.
func (a *API) record(c *gin.Context, username *string, action, target string) {
	entry := store.Audit{Username: username, Action: action, Status: c.Writer.Status(), Result: "ok", Address: c.RemoteIP()}
	if entry.Status >= http.StatusBadRequest {
		entry.Result = "refused"
	}
	if target != "" {
		entry.Target = &target
	}
	if err := a.store.Record(entry); err != nil {
		slog.Error("the audit log could not be written", "action", action, "error", err)
	}
}

// viewerOf is what the user may see. Administrators see everything, so that their servers need not be known.
func viewerOf(user store.User, owned []store.Server) operation.Viewer {
	viewer := operation.Viewer{Username: user.Username, Administrator: user.Administrator, Owns: map[uint]bool{}}
	for _, server := range owned {
		viewer.Owns[server.ID] = true
	}
	return viewer
}

// viewer reads which servers are the user's now.
func (a *API) viewer(user store.User) (operation.Viewer, error) {
	if user.Administrator {
		return viewerOf(user, nil), nil
	}
	owned, err := a.store.Servers(user.ID)
	return viewerOf(user, owned), err
}
