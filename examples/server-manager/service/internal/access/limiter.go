package access

import (
	"sync"
	"time"
)

// window is how long a failed attempt counts.
const window = 15 * time.Minute

// Limiter counts failed attempts by name and by address.
type Limiter struct {
	mu       sync.Mutex
	attempts int
	failures map[string][]time.Time
}

// NewLimiter allows so many failures within 15 minutes.
func NewLimiter(attempts int) *Limiter {
	return &Limiter{attempts: attempts, failures: map[string][]time.Time{}}
}

// Wait is how long until the next attempt is allowed; 0: it is now. An attempt that is allowed counts as a failure until [Limiter.Succeeded] is
// called: many at once are not more than many one after another.
func (l *Limiter) Wait(keys ...string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.forget(now)
	var wait time.Duration
	for _, key := range keys {
		if failures := l.failures[key]; len(failures) >= l.attempts {
			wait = max(wait, window-now.Sub(failures[len(failures)-l.attempts]))
		}
	}
	if wait > 0 {
		return wait
	}
	for _, key := range keys {
		l.failures[key] = append(l.failures[key], now)
	}
	return 0
}

// Succeeded forgets all failures of the name. Of the address only this attempt is forgotten: else whoever has an account could try other names for ever.
func (l *Limiter) Succeeded(name, address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.failures, name)
	if failures := l.failures[address]; len(failures) > 1 {
		l.failures[address] = failures[:len(failures)-1]
	} else {
		delete(l.failures, address)
	}
}

// forget keeps the memory bounded: names are the caller's.
func (l *Limiter) forget(now time.Time) {
	for key, failures := range l.failures {
		if now.Sub(failures[len(failures)-1]) > window {
			delete(l.failures, key)
			continue
		}
		for len(failures) > 0 && now.Sub(failures[0]) > window {
			failures = failures[1:]
		}
		l.failures[key] = failures
	}
}
