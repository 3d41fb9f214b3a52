// Package api is the routes of openapi.yaml.
package api

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/access"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/config"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/manager"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/store"
)

// API answers requests.
type API struct {
	config  config.Config
	store   *store.Store
	manager *manager.Manager
	tokens  *access.Tokens
	tickets *access.Tickets
	limiter *access.Limiter
	setup   setup
	streams streams
}

// request is one of a user.
type request struct {
	*gin.Context
	user   store.User
	token  access.Token
	target string // for the audit log: an image, server or user
}

// handler does what is asked; what it returns is answered as an error.
type handler func(*API, *request) error

// route is a path, who may ask for it, and its name in the audit log ("" for those that change nothing).
type route struct {
	method, path, action string
	administrators       bool
	do                   handler
}

// imageRoutes are below /api/servers/images and below /api/images: the existing page asks for either.
var imageRoutes = []route{
	{"GET", "/status", "", false, (*API).imageStatus},
	{"GET", "/check-updates", "", true, (*API).checkUpdates},
	{"POST", "/pull", "pull", true, (*API).pull},
	{"GET", "/affected", "", false, (*API).affected},
	{"GET", "/plan", "", true, (*API).plan},
	{"POST", "/update", "update", true, (*API).update},
	{"POST", "/update-all", "update_all", true, (*API).updateAll},
	{"POST", "/rollback", "rollback", true, (*API).rollback},
	{"GET", "/history", "", false, (*API).history},
	{"GET", "/operations", "", false, (*API).operations},
	{"GET", "/operations/:id", "", false, (*API).operation},
	{"POST", "/operations/:id/cancel", "cancel", false, (*API).cancel},
	{"GET", "/events", "", false, (*API).events},
	{"POST", "/events/ticket", "", false, (*API).ticket},
}

var routes = []route{
	{"POST", "/api/auth/logout", "logout", false, (*API).logout},
	{"POST", "/api/auth/password", "password_change", false, (*API).changePassword},
	{"GET", "/api/me", "", false, (*API).me},
	{"GET", "/api/users", "", true, (*API).users},
	{"POST", "/api/users", "user_create", true, (*API).createUser},
	{"PUT", "/api/users/:id/password", "password_reset", true, (*API).resetPassword},
	{"GET", "/api/audit", "", true, (*API).audit},
	{"GET", "/api/servers/recover", "", true, (*API).recovery},
	{"POST", "/api/servers/recover", "recover", true, (*API).recover},
	{"GET", "/api/servers", "", false, (*API).servers},
	{"POST", "/api/servers", "server_create", false, (*API).createServer},
	{"GET", "/api/servers/:id", "", false, (*API).server},
	{"DELETE", "/api/servers/:id", "server_delete", false, (*API).deleteServer},
	{"POST", "/api/servers/:id/start", "server_start", false, (*API).start},
	{"POST", "/api/servers/:id/stop", "server_stop", false, (*API).stop},
	{"POST", "/api/servers/:id/recreate", "recreate", false, (*API).recreate},
	{"GET", "/api/servers/:id/config", "", false, (*API).configFiles},
	{"GET", "/api/servers/:id/config/:file", "", false, (*API).readConfig},
	{"PUT", "/api/servers/:id/config/:file", "config_write", false, (*API).writeConfig},
	{"GET", "/api/servers/:id/logs", "", false, (*API).logs},
	{"GET", "/api/servers/:id/logs/stream", "", false, (*API).followLogs},
	{"GET", "/api/servers/:id/stats", "", false, (*API).stats},
	{"GET", "/api/servers/:id/stats/stream", "", false, (*API).followStats},
}

// New makes the routes. page answers everything that is not below /api.
func New(c config.Config, s *store.Store, m *manager.Manager, page http.Handler) (*API, http.Handler, error) {
	tokens, err := access.OpenTokens(c.DataDir, time.Duration(c.TokenLife))
	if err != nil {
		return nil, nil, err
	}
	a := &API{config: c, store: s, manager: m, tokens: tokens, tickets: access.NewTickets(), limiter: access.NewLimiter(c.LoginAttempts)}
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	// An address that a client claims by a header is not its own.
	if err := engine.SetTrustedProxies(nil); err != nil {
		return nil, nil, err
	}
	engine.Use(headers, gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, panicked any) {
		slog.Error("a request has panicked", "path", c.FullPath(), "panic", panicked)
		a.fail(c, manager.Fail("INTERNAL", "The service could not do it; its log says why."))
	}))
	engine.NoMethod(func(c *gin.Context) {
		a.fail(c, manager.Fail("METHOD_NOT_ALLOWED", "%s is not possible here.", c.Request.Method))
	})
	engine.NoRoute(func(c *gin.Context) {
		if isAPI(c.Request.URL.Path) {
			a.fail(c, manager.Fail("NOT_FOUND", "There is no such path."))
			return
		}
		c.Status(http.StatusOK)
		page.ServeHTTP(c.Writer, c.Request)
	})
	engine.GET("/api/health", a.health)
	engine.POST("/api/setup", a.setUp)
	engine.POST("/api/auth/login", a.login)
	for _, r := range routes {
		engine.Handle(r.method, r.path, a.guarded(r))
	}
	for _, r := range imageRoutes {
		for _, prefix := range []string{"/api/servers/images", "/api/images"} {
			one := r
			one.path = prefix + r.path
			engine.Handle(one.method, one.path, a.guarded(one))
		}
	}
	return a, engine, nil
}
