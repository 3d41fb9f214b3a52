package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/refit-rs/refit/examples/server-manager/service/internal/access"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/manager"
)

// changePassword changes the user's own password, for whoever knows the old one. All tokens of the user end; the answer has a new one.
func (a *API) changePassword(r *request) error {
	var asked struct {
		Old string `json:"old_password"`
		New string `json:"new_password"`
	}
	if err := body(r.Context, maxBody, &asked); err != nil {
		return err
	}
	r.target = r.user.Username
	if asked.Old == "" || len(asked.Old) > 800 {
		return invalid("old_password", "old_password is the password that you have now.")
	}
	if err := checkPassword("new_password", asked.New); err != nil {
		return err
	}
	// As an attempt to log in: somebody else's token must not be enough to try passwords.
	name, address := "login of "+r.user.Username, "login from "+r.RemoteIP()
	if err := a.tried(name, address); err != nil {
		return err
	}
	if !access.CheckPassword(r.user.PasswordHash, asked.Old) {
		return &manager.Failure{Code: "WRONG_PASSWORD", Field: "old_password", Message: "The old password is another one."}
	}
	a.limiter.Succeeded(name, address)
	user, err := a.store.SetPassword(r.user.ID, access.HashPassword(asked.New))
	if err != nil {
		return err
	}
	a.endStreamsOf(user.ID)
	return a.loggedIn(r.Context, http.StatusOK, user)
}

// resetPassword gives another user a new password. All tokens of that user end.
func (a *API) resetPassword(r *request) error {
	id, err := strconv.ParseUint(r.Param("id"), 10, 31)
	if err != nil || id == 0 || strings.HasPrefix(r.Param("id"), "+") {
		return invalid("id", "A user's id is a number from 1 to %d.", maxID)
	}
	r.target = "user " + r.Param("id")
	var asked struct{ Password string }
	if err := body(r.Context, maxBody, &asked); err != nil {
		return err
	}
	if err := checkPassword("password", asked.Password); err != nil {
		return err
	}
	if uint(id) == r.user.ID {
		return manager.Fail("CONFLICT", "Your own password is changed with the old one: POST /api/auth/password.")
	}
	user, err := a.store.SetPassword(uint(id), access.HashPassword(asked.Password))
	if err != nil {
		return err
	}
	r.target = user.Username
	a.limiter.Succeeded("login of "+user.Username, "")
	a.endStreamsOf(user.ID)
	answer(r.Context, http.StatusOK, "The password was changed; the user has to log in again.", user)
	return nil
}
