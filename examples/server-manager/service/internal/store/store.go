// Package store is the service's database: users, servers, the audit log, and the operations, so that one that was interrupted is known after a
// restart.
package store

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/glebarez/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// User is who may log in.
type User struct {
	ID            uint   `json:"id"`
	Username      string `json:"username" gorm:"uniqueIndex;not null"`
	PasswordHash  string `json:"-" gorm:"not null"`
	Administrator bool   `json:"administrator"`
	// PasswordChanges is how often the password was changed: a token that was signed before the last change is worthless.
	PasswordChanges uint      `json:"-" gorm:"not null;default:0"`
	CreatedAt       time.Time `json:"created_at"`
}

// Server is a game server. Its container and volumes are named by its ID, which is never given twice.
type Server struct {
	ID            uint   `gorm:"primaryKey;autoIncrement"`
	Identifier    string `gorm:"uniqueIndex;not null"`
	SessionName   string
	OwnerID       uint `gorm:"index;not null"`
	Owner         User
	ImageName     string
	Port          int
	QueryPort     int
	RconPort      int
	AdminPassword string
	Map           string
	GameModIds    string
	AutoRestart   bool
	CreatedAt     time.Time
}

// Audit is one request that wanted to change something, or the end of an operation.
type Audit struct {
	ID       uint      `json:"id"`
	At       time.Time `json:"at"`
	Username *string   `json:"username"`
	Action   string    `json:"action"`
	Target   *string   `json:"target"`
	Status   int       `json:"status"`
	Result   string    `json:"result"`
	Address  string    `json:"address"`
}

// Operation is an operation as it began, and again as it ended.
type Operation struct {
	ID        string `gorm:"primaryKey"`
	StartedAt time.Time
	Active    bool `gorm:"index"` // it has not ended
	Open      bool // it was interrupted, and no recovery has been done since
	Document  []byte
}

// Revoked is a token that was logged out, until it would have expired.
type Revoked struct {
	TokenID   string `gorm:"primaryKey"`
	ExpiresAt time.Time
}

// Store is the database.
type Store struct{ db *gorm.DB }

// maxAudit is how many entries the audit log keeps.
const maxAudit = 100_000

// Open opens the database of the folder, which is made where it is missing, for the owner alone: it holds the servers' passwords.
func Open(folder string) (*Store, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(folder, "server-manager.db")
	// SQLite gives its other files the mode of this one.
	made, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	made.Close()
	db, err := gorm.Open(sqlite.Open(file+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)"), &gorm.Config{
		Logger:         logger.Default.LogMode(logger.Silent),
		TranslateError: true,
	})
	if err != nil {
		return nil, err
	}
	connections, err := db.DB()
	if err != nil {
		return nil, err
	}
	// SQLite has one writer; readers of one process need no more than a connection either.
	connections.SetMaxOpenConns(1)
	if err := db.AutoMigrate(&User{}, &Server{}, &Audit{}, &Operation{}, &Revoked{}); err != nil {
		return nil, err
	}
	return &Store{db: db}, nil
}

// Close ends the connection.
func (s *Store) Close() error {
	connections, err := s.db.DB()
	if err != nil {
		return err
	}
	return connections.Close()
}

// ErrNotFound is that there is no such row, ErrTaken that a name or port is another one's.
var (
	ErrNotFound = gorm.ErrRecordNotFound
	ErrTaken    = errors.New("taken")
)

func taken(err error) error {
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return ErrTaken
	}
	return err
}

// Users are all users by name.
func (s *Store) Users() (users []User, err error) {
	return users, s.db.Order("username").Find(&users).Error
}

// HasUsers reports whether anybody can log in.
func (s *Store) HasUsers() (bool, error) {
	var count int64
	err := s.db.Model(&User{}).Count(&count).Error
	return count > 0, err
}

// UserByName finds a user.
func (s *Store) UserByName(name string) (user User, err error) {
	return user, s.db.Where("username = ?", name).Take(&user).Error
}

// User finds a user by number.
func (s *Store) User(id uint) (user User, err error) { return user, s.db.Take(&user, id).Error }

// CreateUser makes a user. ErrTaken when there is one of that name.
func (s *Store) CreateUser(user *User) error { return taken(s.db.Create(user).Error) }

// CreateFirst makes the first user. ErrTaken when there is one.
func (s *Store) CreateFirst(user *User) error {
	return s.db.Transaction(func(tx *gorm.DB) error {
		var count int64
		if err := tx.Model(&User{}).Count(&count).Error; err != nil {
			return err
		}
		if count > 0 {
			return ErrTaken
		}
		return taken(tx.Create(user).Error)
	})
}

// SetPassword changes a user's password, which makes every token worthless that was signed before. ErrNotFound when there is no such user.
func (s *Store) SetPassword(id uint, hash string) (user User, err error) {
	err = s.db.Transaction(func(tx *gorm.DB) error {
		if err := tx.Take(&user, id).Error; err != nil {
			return err
		}
		user.PasswordHash, user.PasswordChanges = hash, user.PasswordChanges+1
		return tx.Model(&user).Select("PasswordHash", "PasswordChanges").Updates(&user).Error
	})
	return user, err
}

// Revoke remembers a token that was logged out, and forgets those that have expired.
func (s *Store) Revoke(token string, expires time.Time) error {
	if err := s.db.Where("expires_at < ?", time.Now()).Delete(&Revoked{}).Error; err != nil {
		return err
	}
	return s.db.Save(&Revoked{TokenID: token, ExpiresAt: expires}).Error
}

// IsRevoked reports whether a token was logged out.
func (s *Store) IsRevoked(token string) (bool, error) {
	var count int64
	err := s.db.Model(&Revoked{}).Where("token_id = ?", token).Count(&count).Error
	return count > 0, err
}

// Record appends to the audit log.
func (s *Store) Record(entry Audit) error {
	entry.At = time.Now().UTC()
	if err := s.db.Create(&entry).Error; err != nil {
		return err
	}
	if entry.ID%1000 == 0 && entry.ID > maxAudit {
		return s.db.Where("id <= ?", entry.ID-maxAudit).Delete(&Audit{}).Error
	}
	return nil
}

// AuditLog is the newest of the audit log, newest first.
func (s *Store) AuditLog(limit int) (entries []Audit, err error) {
	return entries, s.db.Order("id DESC").Limit(limit).Find(&entries).Error
}
