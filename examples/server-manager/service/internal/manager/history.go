package manager

import (
	"context"
	"os"
	"slices"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
	"github.com/refit-rs/refit/examples/server-manager/service/internal/operation"
)

// HistoryFilter chooses entries. Zero fields choose all.
type HistoryFilter struct {
	Image, Kind, Result, Actor string
	ServerID                   uint
	Since                      time.Time
	Limit                      int
}

// HistoryEntry is a call that has changed something, or tried to.
type HistoryEntry struct {
	ID        string             `json:"id"`
	At        time.Time          `json:"at"`
	Kind      string             `json:"kind"`
	Actor     *string            `json:"actor"`
	Image     *string            `json:"image"`
	From      *refit.HistorySide `json:"from"`
	To        *refit.HistorySide `json:"to"`
	Result    string             `json:"result"`
	Error     *operation.Error   `json:"error"`
	ElapsedMS int64              `json:"elapsed_ms"`
	Servers   []HistoryServer    `json:"servers"`
	Backups   []HistoryBackup    `json:"backups"`
	CanGoBack bool               `json:"can_go_back"`
}

// HistoryBackup is a volume that was backed up before, and whether the file is there still.
type HistoryBackup struct {
	Volume string `json:"volume"`
	File   string `json:"file"`
	Exists bool   `json:"exists"`
}

// HistoryServer is a container that was recreated, or not.
type HistoryServer struct {
	ID         *uint            `json:"id"`
	Identifier string           `json:"identifier"`
	Container  string           `json:"container"`
	Result     string           `json:"result"`
	Error      *operation.Error `json:"error"`
}

// History is what the viewer may see of refit's history, newest first. Entries of images and containers that are not this service's are left out.
func (m *Manager) History(ctx context.Context, filter HistoryFilter, viewer operation.Viewer) ([]HistoryEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	options := refit.HistoryOptions{Image: filter.Image, Kind: filter.Kind, Since: filter.Since, Limit: 10_000}
	if viewer.Administrator {
		options.Actor = filter.Actor
	}
	if filter.ServerID != 0 {
		options.Container = m.container(filter.ServerID)
	}
	records, err := m.client.HistoryList(ctx, options)
	if err != nil {
		return nil, err
	}
	known, err := m.serverNames()
	if err != nil {
		return nil, err
	}
	local, _ := m.client.ImageList(ctx, refit.ImageListOptions{})
	entries := []HistoryEntry{}
	for _, record := range records {
		if filter.Result != "" && record.Result != filter.Result {
			continue
		}
		entry := HistoryEntry{ID: record.ID, At: record.At, Kind: record.Kind, Actor: record.Actor, Image: record.Image, From: record.From, To: record.To,
			Result: record.Result, ElapsedMS: record.ElapsedMS, Servers: []HistoryServer{}, Backups: []HistoryBackup{}}
		if record.Image != nil {
			// refit writes references out in full; the page knows them as they are managed.
			if i := slices.IndexFunc(m.config.Images, func(managed string) bool { return sameImage(managed, *record.Image) }); i >= 0 {
				entry.Image = &m.config.Images[i]
			}
		}
		parts := record.Containers
		if record.Container != nil && len(parts) == 0 {
			parts = []refit.HistoryContainer{{Container: *record.Container, Result: record.Result}}
		}
		for _, part := range parts {
			one := HistoryServer{Identifier: part.Container, Container: part.Container, Result: part.Result}
			if server, found := known[part.Container]; found {
				id := server.ID
				one.ID, one.Identifier = &id, server.Identifier
			}
			if viewer.Administrator {
				one.Error = m.documentError(part.Error)
			} else if one.ID == nil || !viewer.Owns[*one.ID] {
				continue
			}
			entry.Servers = append(entry.Servers, one)
		}
		if viewer.Administrator {
			entry.Error = m.documentError(record.Error)
			for _, backup := range record.Backups {
				_, err := os.Stat(backup.File)
				entry.Backups = append(entry.Backups, HistoryBackup{Volume: backup.Volume, File: backup.File, Exists: err == nil})
			}
			entry.CanGoBack = record.Image != nil && record.Result == refit.HistoryDone && record.From != nil && record.To != nil && record.From.ID != record.To.ID &&
				slices.ContainsFunc(local, func(image refit.Image) bool { return image.ID == record.From.ID })
		} else {
			if len(entry.Servers) == 0 {
				continue
			}
			if entry.Actor == nil || *entry.Actor != viewer.Username {
				entry.Actor = nil
			}
			if record.Error != nil {
				entry.Error = &operation.Error{Code: m.ofRefit(record.Error).Code, Message: "It did not succeed; an administrator can see why.", Missing: []string{}}
			}
		}
		if entries = append(entries, entry); len(entries) == filter.Limit {
			break
		}
	}
	return entries, nil
}
