package api

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/manager"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/store"
)

const maxID = 1<<31 - 1

var noServer = manager.Fail("NOT_FOUND", "There is no such server.")

// own finds a server of the user. That somebody else has it is not said: it is not found.
func (a *API) own(r *request, id uint) (*store.Server, error) {
	server, err := a.store.Server(id)
	if err != nil || !r.user.Administrator && server.OwnerID != r.user.ID {
		return nil, noServer
	}
	return &server, nil
}

// ofPath finds the server of the path.
func (a *API) ofPath(r *request) (*store.Server, error) {
	text := r.Param("id")
	id, err := strconv.ParseUint(text, 10, 31)
	if err != nil || id == 0 || strings.HasPrefix(text, "+") {
		return nil, invalid("id", "A server's id is a number from 1 to %d.", maxID)
	}
	r.target = "server " + text
	server, err := a.own(r, uint(id))
	if err == nil {
		r.target = server.Identifier
	}
	return server, err
}

func (a *API) answerServer(r *request, status int, message string, server store.Server) {
	answer(r.Context, status, message, a.manager.Servers(r.Request.Context(), []store.Server{server})[0])
}

func (a *API) servers(r *request) error {
	owner := r.user.ID
	if r.user.Administrator {
		owner = 0
	}
	servers, err := a.store.Servers(owner)
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "These are the servers.", gin.H{"servers": a.manager.Servers(r.Request.Context(), servers)})
	return nil
}

func (a *API) server(r *request) error {
	server, err := a.ofPath(r)
	if err != nil {
		return err
	}
	a.answerServer(r, http.StatusOK, "This is the server.", *server)
	return nil
}

// createRequest is CreateServerRequest of openapi.yaml.
type createRequest struct {
	Identifier    string  `json:"identifier"`
	SessionName   string  `json:"session_name"`
	ImageName     *string `json:"image_name"`
	Port          int     `json:"port"`
	QueryPort     int     `json:"query_port"`
	RconPort      int     `json:"rcon_port"`
	AdminPassword string  `json:"admin_password"`
	Map           *string `json:"map"`
	GameModIds    string  `json:"game_mod_ids"`
	AutoRestart   *bool   `json:"auto_restart"`
}

// texts are the patterns of openapi.yaml: all of them become parts of the game's command line, where ? begins the next option.
var texts = []struct {
	field, words string
	pattern      *regexp.Regexp
	of           func(*createRequest) string
}{
	{"identifier", "1 to 40 letters, digits, dashes and underscores, and begins with a letter or digit", regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$`), func(c *createRequest) string { return c.Identifier }},
	{"session_name", "1 to 63 characters, without ? and quotation marks", regexp.MustCompile(`^[^\x00-\x1f\x7f?"]{1,63}$`), func(c *createRequest) string { return c.SessionName }},
	{"admin_password", "4 to 64 letters, digits and signs, without ? and spaces", regexp.MustCompile(`^[!->@-~]{4,64}$`), func(c *createRequest) string { return c.AdminPassword }},
	{"map", "1 to 64 letters, digits and underscores", regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`), func(c *createRequest) string { return *c.Map }},
	{"game_mod_ids", "numbers with commas between, 50 at most", regexp.MustCompile(`^([0-9]{1,12}(,[0-9]{1,12}){0,49})?$`), func(c *createRequest) string { return c.GameModIds }},
}

func (c *createRequest) check() error {
	for _, text := range texts {
		if !text.pattern.MatchString(text.of(c)) {
			return invalid(text.field, "%s has %s.", text.field, text.words)
		}
	}
	used := map[int]string{}
	for _, port := range []struct {
		field  string
		number int
	}{{"port", c.Port}, {"port", c.Port + 1}, {"query_port", c.QueryPort}, {"rcon_port", c.RconPort}} {
		if port.number < 1 || port.number > 65535 {
			return invalid(port.field, "%s is a number from 1 to 65535, and the game takes the one after its port too.", port.field)
		}
		if other, twice := used[port.number]; twice {
			return invalid(port.field, "%s and %s both take the port %d.", other, port.field, port.number)
		}
		used[port.number] = port.field
	}
	return nil
}

func (a *API) createServer(r *request) error {
	var asked createRequest
	if err := body(r.Context, maxBody, &asked); err != nil {
		return err
	}
	island, restart := "TheIsland", true
	if asked.Map == nil {
		asked.Map = &island
	}
	if asked.AutoRestart == nil {
		asked.AutoRestart = &restart
	}
	if asked.ImageName == nil {
		asked.ImageName = &a.config.Images[0]
	}
	if err := a.managed(r, "image_name", *asked.ImageName); err != nil {
		return err
	}
	r.target = ""
	if err := asked.check(); err != nil {
		return err
	}
	r.target = asked.Identifier
	server := store.Server{Identifier: asked.Identifier, SessionName: asked.SessionName, OwnerID: r.user.ID, ImageName: *asked.ImageName, Port: asked.Port, QueryPort: asked.QueryPort,
		RconPort: asked.RconPort, AdminPassword: asked.AdminPassword, Map: *asked.Map, GameModIds: asked.GameModIds, AutoRestart: *asked.AutoRestart}
	if err := a.manager.CreateServer(r.Request.Context(), &server); err != nil {
		return err
	}
	made, err := a.store.Server(server.ID)
	if err != nil {
		return err
	}
	a.answerServer(r, http.StatusCreated, "The server was made; it is not started.", made)
	return nil
}

func (a *API) deleteServer(r *request) error {
	server, err := a.ofPath(r)
	if err != nil {
		return err
	}
	data, err := flag(r.Context, "remove_data")
	if err != nil {
		return err
	}
	if err := a.manager.Delete(server, data); err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "The server was removed.", nil)
	return nil
}

func (a *API) start(r *request) error {
	server, err := a.ofPath(r)
	if err != nil {
		return err
	}
	if err := a.manager.Start(r.Request.Context(), server, r.user.Username); err != nil {
		return err
	}
	a.answerServer(r, http.StatusOK, "The server was started.", *server)
	return nil
}

func (a *API) stop(r *request) error {
	server, err := a.ofPath(r)
	if err != nil {
		return err
	}
	if err := a.manager.Stop(server); err != nil {
		return err
	}
	a.answerServer(r, http.StatusOK, "The server was stopped.", *server)
	return nil
}

func (a *API) recreate(r *request) error {
	server, err := a.ofPath(r)
	if err != nil {
		return err
	}
	var asked backupRequest
	if r.Request.ContentLength != 0 {
		if err := body(r.Context, maxBody, &asked); err != nil {
			return err
		}
	}
	backup, err := asked.backup()
	if err != nil {
		return err
	}
	o, joined, err := a.manager.Recreate(r.Request.Context(), server, backup, r.user.Username)
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusAccepted, "The server is being recreated.", gin.H{"operation": o, "joined": joined})
	return nil
}

func (a *API) recovery(r *request) error {
	recovery, err := a.manager.Recovery(r.Request.Context())
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "This is what was interrupted.", recovery)
	return nil
}

func (a *API) recover(r *request) error {
	var asked struct{ Force bool }
	if r.Request.ContentLength != 0 {
		if err := body(r.Context, maxBody, &asked); err != nil {
			return err
		}
	}
	o, joined, err := a.manager.Recover(asked.Force, r.user.Username)
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusAccepted, "What was interrupted is being finished or rolled back.", gin.H{"operation": o, "joined": joined})
	return nil
}
