package api

import (
	"errors"
	"net/http"
	"regexp"
	"sync"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/access"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/manager"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/store"
)

// setup is the token of the link by which the first administrator is made; "" when there is none.
type setup struct {
	mu    sync.Mutex
	token string
}

// SetupToken makes the token of the first administrator's link; "" when there are users.
func (a *API) SetupToken() (string, error) {
	has, err := a.store.HasUsers()
	if err != nil || has {
		return "", err
	}
	a.setup.mu.Lock()
	defer a.setup.mu.Unlock()
	a.setup.token = access.Random()
	return a.setup.token, nil
}

var username = regexp.MustCompile(`^[A-Za-z0-9._-]{3,32}$`)

func checkPassword(field, password string) error {
	if length := utf8.RuneCountInString(password); length < 10 || length > 200 {
		return invalid(field, "A password has 10 to 200 characters.")
	}
	return nil
}

// NewUser checks name and password, and makes a user that is not stored yet.
func NewUser(name, password string, administrator bool) (*store.User, error) {
	if !username.MatchString(name) {
		return nil, invalid("username", "A user's name has 3 to 32 letters, digits, dots, dashes and underscores.")
	}
	if err := checkPassword("password", password); err != nil {
		return nil, err
	}
	return &store.User{Username: name, PasswordHash: access.HashPassword(password), Administrator: administrator}, nil
}

func (a *API) health(c *gin.Context) {
	has, err := a.store.HasUsers()
	if err != nil {
		a.fail(c, err)
		return
	}
	answer(c, http.StatusOK, "The service is up.", gin.H{"setup_needed": !has, "version": refit.Version()})
}

// tried counts an attempt, unless there were too many.
func (a *API) tried(keys ...string) error {
	if wait := a.limiter.Wait(keys...); wait > 0 {
		failure := manager.Fail(tooMany, "There were too many failed attempts: try again later.")
		failure.RetryAfter = wait
		return failure
	}
	return nil
}

func (a *API) setUp(c *gin.Context) {
	var asked struct{ Token, Username, Password string }
	user, err := func() (*store.User, error) {
		if err := body(c, maxBody, &asked); err != nil {
			return nil, err
		}
		if has, err := a.store.HasUsers(); err != nil || has {
			return nil, errors.Join(err, manager.Fail("ALREADY_SET_UP", "There is an administrator already: log in."))
		}
		address := "setup from " + c.RemoteIP()
		if err := a.tried(address); err != nil {
			return nil, err
		}
		a.setup.mu.Lock()
		defer a.setup.mu.Unlock()
		if a.setup.token == "" || !access.Equal(a.setup.token, asked.Token) {
			return nil, manager.Fail("WRONG_TOKEN", "This is not the link that the service printed when it started last: open that one.")
		}
		a.limiter.Succeeded("", address)
		user, err := NewUser(asked.Username, asked.Password, true)
		if err != nil {
			return nil, err
		}
		if err := a.store.CreateFirst(user); err != nil {
			return nil, manager.Fail("ALREADY_SET_UP", "There is an administrator already: log in.")
		}
		a.setup.token = ""
		return user, nil
	}()
	if err == nil {
		err = a.loggedIn(c, http.StatusCreated, *user)
	}
	if err != nil {
		a.fail(c, err)
	}
	a.record(c, nil, "setup", known(asked.Username))
}

func (a *API) login(c *gin.Context) {
	var asked struct{ Username, Password string }
	err := body(c, maxBody, &asked)
	if err == nil && (asked.Username == "" || asked.Password == "" || len(asked.Username) > 800 || len(asked.Password) > 800) {
		err = invalid("", "A login needs a username and a password, of at most 200 characters.")
	}
	if err != nil {
		a.fail(c, err)
		return
	}
	name, address := "login of "+asked.Username, "login from "+c.RemoteIP()
	if err = a.tried(name, address); err == nil {
		// A user that there is not has no hash, and takes as long.
		user, _ := a.store.UserByName(asked.Username)
		if access.CheckPassword(user.PasswordHash, asked.Password) {
			a.limiter.Succeeded(name, address)
			err = a.loggedIn(c, http.StatusOK, user)
		} else {
			err = manager.Fail("WRONG_PASSWORD", "There is no such user, or the password is another one.")
		}
	}
	if err != nil {
		a.fail(c, err)
	}
	a.record(c, nil, "login", known(asked.Username))
}

// known is a text for the audit log that can be a user's name: somebody may type a password in the wrong field.
func known(name string) string {
	if !username.MatchString(name) {
		return ""
	}
	return name
}

func (a *API) loggedIn(c *gin.Context, status int, user store.User) error {
	token, expires, err := a.tokens.Sign(user.ID, user.PasswordChanges)
	if err != nil {
		return err
	}
	answer(c, status, "Logged in.", gin.H{"token": token, "expires_at": expires, "user": user})
	return nil
}

func (a *API) logout(r *request) error {
	if err := a.store.Revoke(r.token.ID, r.token.ExpiresAt); err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "Logged out.", nil)
	return nil
}

func (a *API) me(r *request) error {
	answer(r.Context, http.StatusOK, "This is you.", r.user)
	return nil
}

func (a *API) users(r *request) error {
	users, err := a.store.Users()
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "These are the users.", gin.H{"users": users})
	return nil
}

func (a *API) createUser(r *request) error {
	var asked struct {
		Username, Password string
		Administrator      bool
	}
	if err := body(r.Context, maxBody, &asked); err != nil {
		return err
	}
	r.target = known(asked.Username)
	user, err := NewUser(asked.Username, asked.Password, asked.Administrator)
	if err != nil {
		return err
	}
	err = a.store.CreateUser(user)
	if errors.Is(err, store.ErrTaken) {
		return &manager.Failure{Code: "NAME_TAKEN", Field: "username", Message: "There is a user of this name: choose another one."}
	}
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusCreated, "The user was made.", user)
	return nil
}

func (a *API) audit(r *request) error {
	limit, err := number(r.Context, "limit", 100, 1, 1000)
	if err != nil {
		return err
	}
	entries, err := a.store.AuditLog(limit)
	if err != nil {
		return err
	}
	answer(r.Context, http.StatusOK, "This is the audit log.", gin.H{"entries": entries})
	return nil
}
