package access

import (
	"sync"
	"time"
)

// TicketLife is how long a ticket waits for its use.
const TicketLife = 30 * time.Second

// ticketsAtOnce is how many unused tickets one user may have.
const ticketsAtOnce = 100

// Tickets open event streams for clients that send no header. Each works once.
type Tickets struct {
	mu   sync.Mutex
	open map[string]Ticket
}

// Ticket is whose it is. A stream ends with the token that the ticket was made with.
type Ticket struct {
	Token   Token
	Expires time.Time
}

// NewTickets has none.
func NewTickets() *Tickets { return &Tickets{open: map[string]Ticket{}} }

// Make gives a ticket; false: the user has too many that were not used.
func (t *Tickets) Make(token Token) (string, time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, count := time.Now(), 0
	for text, ticket := range t.open {
		if ticket.Expires.Before(now) {
			delete(t.open, text)
		} else if ticket.Token.UserID == token.UserID {
			count++
		}
	}
	if count >= ticketsAtOnce {
		return "", time.Time{}, false
	}
	text, expires := Random(), now.Add(TicketLife)
	t.open[text] = Ticket{Token: token, Expires: expires}
	return text, expires.UTC(), true
}

// Use takes the ticket away and gives whose it was.
func (t *Tickets) Use(text string) (Token, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ticket, found := t.open[text]
	delete(t.open, text)
	return ticket.Token, found && time.Now().Before(ticket.Expires)
}
