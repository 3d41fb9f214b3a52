package access

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const issuer = "server-manager"

// Tokens signs and reads the bearer tokens.
type Tokens struct {
	key  []byte
	life time.Duration
}

// Token is what a bearer token says.
type Token struct {
	ID        string
	UserID    uint
	Changes   uint // how often the user's password had been changed when it was signed
	ExpiresAt time.Time
}

// OpenTokens reads the key from the folder, or makes one there for the owner alone. Without the file every token is worthless.
func OpenTokens(folder string, life time.Duration) (*Tokens, error) {
	file := filepath.Join(folder, "token.key")
	key, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		key = random(32)
		if err := os.WriteFile(file, key, 0o600); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	if len(key) < 32 {
		return nil, fmt.Errorf("%s has %d bytes and needs 32: remove it, and everybody has to log in again", file, len(key))
	}
	return &Tokens{key: key, life: life}, nil
}

// claims are those of a token.
type claims struct {
	jwt.RegisteredClaims
	Changes uint `json:"pwd"`
}

// Sign makes a token for the user whose password has been changed so often.
func (t *Tokens) Sign(user, changes uint) (string, time.Time, error) {
	now := time.Now()
	expires := now.Add(t.life)
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{Changes: changes, RegisteredClaims: jwt.RegisteredClaims{
		Issuer: issuer, Subject: strconv.FormatUint(uint64(user), 10), ID: Random(), IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires),
	}}).SignedString(t.key)
	return text, expires.UTC(), err
}

// Read checks a token's signature, algorithm, issuer and time.
func (t *Tokens) Read(text string) (Token, error) {
	var c claims
	_, err := jwt.ParseWithClaims(text, &c, func(*jwt.Token) (any, error) { return t.key, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithIssuer(issuer), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	if err != nil {
		return Token{}, err
	}
	user, err := strconv.ParseUint(c.Subject, 10, 32)
	if err != nil || c.ID == "" {
		return Token{}, errors.New("the token is of nobody")
	}
	return Token{ID: c.ID, UserID: uint(user), Changes: c.Changes, ExpiresAt: c.ExpiresAt.Time}, nil
}
