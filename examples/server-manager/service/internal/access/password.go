// Package access is who somebody is: passwords, tokens, tickets of event streams, and how often one may try.
package access

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"
)

// The cost of a hash is the first recommendation of RFC 9106 that fits a small machine: 64 MiB, three passes.
const (
	memory  = 64 << 10
	passes  = 3
	lanes   = 4
	saltLen = 16
	keyLen  = 32
)

// atOnce bounds the memory of hashing: 64 MiB each.
var atOnce = make(chan struct{}, 2)

// HashPassword gives the text that is stored.
func HashPassword(password string) string {
	salt := random(saltLen)
	key := hash(password, salt, passes, memory, lanes)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, lanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

func hash(password string, salt []byte, passes, memory uint32, lanes uint8) []byte {
	atOnce <- struct{}{}
	defer func() {
		// 64 MiB that are not needed until the next login.
		debug.FreeOSMemory()
		<-atOnce
	}()
	return argon2.IDKey([]byte(password), salt, passes, memory, lanes, keyLen)
}

// nobody has a password that nobody knows: a login with an unknown name takes as long as one with a wrong password.
var nobody = sync.OnceValue(func() string { return HashPassword(Random()) })

// CheckPassword compares the password with a stored hash; "" is that of nobody.
func CheckPassword(stored, password string) bool {
	known := stored != ""
	if !known {
		stored = nobody()
	}
	matches, err := compare(stored, password)
	return known && err == nil && matches
}

func compare(stored, password string) (bool, error) {
	parts := strings.Split(stored, "$")
	var version int
	var memory, passes uint32
	var lanes uint8
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errors.New("this is no hash of argon2id")
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &passes, &lanes); err != nil || version != argon2.Version {
		return false, errors.New("this hash has other parameters")
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, err
	}
	key, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(hash(password, salt, passes, memory, lanes), key) == 1, nil
}

func random(bytes int) []byte {
	random := make([]byte, bytes)
	// It never fails on Linux.
	_, _ = rand.Read(random)
	return random
}

// Random is a text of 256 bits that nobody can guess.
func Random() string { return base64.RawURLEncoding.EncodeToString(random(32)) }

// Equal compares two secrets in the same time whatever they are.
func Equal(one, other string) bool {
	return subtle.ConstantTimeCompare([]byte(one), []byte(other)) == 1
}
