package refit

/*
#include "call.h"
*/
import "C"

import (
	"context"
	"time"
)

// EngineInfo is what the engine reports about itself.
type EngineInfo struct {
	Engine             string   `json:"engine"` // docker or podman
	Version            string   `json:"version"`
	APIVersion         string   `json:"api_version"`
	MinAPIVersion      *string  `json:"min_api_version"`
	OS                 string   `json:"os"`
	Architecture       string   `json:"architecture"`
	Store              string   `json:"store"` // classic, containerd or podman
	StorageDriver      string   `json:"storage_driver"`
	Host               string   `json:"host"`
	RootDir            string   `json:"root_dir"`
	Swarm              bool     `json:"swarm"`
	Mirrors            []string `json:"mirrors"`
	InsecureRegistries []string `json:"insecure_registries"`
	StateDir           *string  `json:"state_dir"`
}

// EngineInfo asks the engine about itself.
func (c *Client) EngineInfo(ctx context.Context) (*EngineInfo, error) {
	return call[EngineInfo](ctx, c, request{function: C.REFIT_GO_refit_engine_info})
}

// HistoryOptions choose entries of the history.
type HistoryOptions struct {
	// Image in any form; Container finds the updates too that recreated it.
	Image, Container, Actor string
	Kind                    HistoryKind
	// Since is the time of the oldest entry.
	Since time.Time
	// Limit is how many at most. Default: 100.
	Limit   int
	Timeout time.Duration
}

// HistoryEntry is one call that changed something, or tried to.
type HistoryEntry struct {
	ID         string             `json:"id"`
	At         time.Time          `json:"at"` // its end
	Kind       HistoryKind        `json:"kind"`
	Actor      *string            `json:"actor"`
	Image      *string            `json:"image"`
	Container  *string            `json:"container"`
	Volume     *string            `json:"volume"`
	Service    *string            `json:"service"`
	From       *HistorySide       `json:"from"`
	To         *HistorySide       `json:"to"`
	Result     HistoryResult      `json:"result"`
	Error      *Error             `json:"error"`
	ElapsedMS  int64              `json:"elapsed_ms"`
	Containers []HistoryContainer `json:"containers"`
	Backups    []Backup           `json:"backups"` // the volumes that were backed up before
}

// HistoryContainer is a container that such a call recreated, or tried to.
type HistoryContainer struct {
	Container string `json:"container"`
	Result    string `json:"result"`
	Error     *Error `json:"error"`
}

// HistorySide is an image before or after.
type HistorySide struct {
	ID      string  `json:"id"`
	Digest  *string `json:"digest"`
	Version *string `json:"version"`
}

// HistoryList is what was pulled, updated, recreated, rolled back and removed through this client, or through any with its StateDir,
// newest first; failed calls too. Reads, dry runs and calls whose arguments were refused are not in it.
func (c *Client) HistoryList(ctx context.Context, o HistoryOptions) ([]HistoryEntry, error) {
	settings := options{}.text("image", o.Image).text("container", o.Container).text("actor", o.Actor).text("kind", o.Kind).
		number("limit", o.Limit).seconds("timeout_s", o.Timeout)
	if !o.Since.IsZero() {
		settings["since"] = o.Since.UTC().Format(time.RFC3339Nano)
	}
	var list struct {
		Entries []HistoryEntry `json:"entries"`
	}
	err := c.read(ctx, request{function: C.REFIT_GO_refit_history_list, options: settings}, &list)
	return list.Entries, err
}
