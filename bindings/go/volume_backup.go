package refit

/*
#include "call.h"
*/
import "C"

import (
	"context"
	"time"
)

// VolumeBackupOptions of [Client.VolumeBackup].
type VolumeBackupOptions struct {
	Level      int    // how hard zstd compresses, 1 to 19. Default: 3
	Actor      string // who asks for it, for the history
	Timeout    time.Duration
	OnProgress func(Progress) error
}

// VolumeBackup is a backup that was made.
type VolumeBackup struct {
	Volume    string    `json:"volume"`
	File      string    `json:"file"`      // as asked
	Entries   uint64    `json:"entries"`   // files, folders and links of the volume, its root too
	BytesIn   uint64    `json:"bytes_in"`  // of the volume's archive, before it was compressed
	BytesOut  uint64    `json:"bytes_out"` // of the file
	SHA256    string    `json:"sha256"`    // of the file, in hex
	ElapsedMS int64     `json:"elapsed_ms"`
	Warnings  []Warning `json:"warnings"` // volume_in_use
}

// VolumeRestoreOptions of [Client.VolumeRestore].
type VolumeRestoreOptions struct {
	Overwrite bool // replace all that is in the volume; otherwise one that is not empty is [ErrConflict]
	// HelperImage is a local image with sh, rm and find, which empties the volume. Default: the client's. Without one a volume that is not empty is
	// removed and created again, which is possible while no container has it.
	HelperImage string
	Actor       string // who asks for it, for the history
	Timeout     time.Duration
	OnProgress  func(Progress) error
}

// VolumeRestore is a volume that was restored.
type VolumeRestore struct {
	Volume    string    `json:"volume"`
	File      string    `json:"file"`     // as asked
	Entries   uint64    `json:"entries"`  // of the backup
	Bytes     uint64    `json:"bytes"`    // of the volume's archive, that were written
	Replaced  bool      `json:"replaced"` // there was something in the volume, and it is gone
	ElapsedMS int64     `json:"elapsed_ms"`
	Warnings  []Warning `json:"warnings"`
}

// VolumeBackup writes all of a volume to a local file, which is there as a whole or not at all: an earlier backup of that name stays until this one is
// complete. [ErrConflict] when a file becomes shorter meanwhile, [ErrIO] when it cannot be written.
func (c *Client) VolumeBackup(ctx context.Context, volume, file string, o VolumeBackupOptions) (*VolumeBackup, error) {
	settings := options{}.number("level", o.Level).text("actor", o.Actor).seconds("timeout_s", o.Timeout)
	q := request{function: C.REFIT_GO_volume_backup, name: &volume, input: &file, options: settings, onProgress: o.OnProgress}
	return call[VolumeBackup](ctx, c, q)
}

// VolumeRestore replaces all that is in a volume by what is in a backup, which is verified as a whole first. A volume that is missing is created as it
// was. No container that has the volume may run: [ErrConflict]. Beside an error the result is there once the volume has begun to change, and
// [Client.Recover] finishes the restore where the client has a StateDir.
func (c *Client) VolumeRestore(ctx context.Context, volume, file string, o VolumeRestoreOptions) (*VolumeRestore, error) {
	settings := options{}.flag("overwrite", o.Overwrite).text("helper_image", o.HelperImage).text("actor", o.Actor).seconds("timeout_s", o.Timeout)
	q := request{function: C.REFIT_GO_volume_restore, name: &volume, input: &file, options: settings, onProgress: o.OnProgress}
	return call[VolumeRestore](ctx, c, q)
}
