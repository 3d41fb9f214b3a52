package refit

/*
#include "call.h"
*/
import "C"

import (
	"context"
	"time"
)

// VolumesOptions of [Client.Volumes].
type VolumesOptions struct {
	Names   []string          // only those with one of these names
	Labels  map[string]string // only those with all of these labels; "" matches any value
	Timeout time.Duration
}

// Volume is a volume in a list.
type Volume struct {
	Name       string            `json:"name"`
	Driver     string            `json:"driver"`
	Created    *time.Time        `json:"created"` // what the engine says; Docker says when its root was changed last
	Labels     map[string]string `json:"labels"`
	Containers []string          `json:"containers"` // the names of those that mount it, running or not
}

// VolumeCreateOptions of [Client.VolumeCreate].
type VolumeCreateOptions struct {
	Driver        string // default: local
	DriverOptions map[string]string
	Labels        map[string]string
	Actor         string // who asks for it, for the history
	Timeout       time.Duration
}

// VolumeRemoveOptions of [Client.VolumeRemove].
type VolumeRemoveOptions struct {
	Actor   string // who asks for it, for the history
	Timeout time.Duration
}

// VolumeChange reports the result of a creation or a removal.
type VolumeChange struct {
	Volume  string `json:"volume"`
	Changed bool   `json:"changed"` // false: it was there, with the same driver, options and labels
}

// VolumeListFilesOptions of [Client.VolumeListFiles].
type VolumeListFilesOptions struct {
	Recursive bool // those in folders below, too
	// HelperImage is a local image with sh, find, stat and readlink: what is in the files is not read then, and sockets are listed. Default: the
	// client's.
	HelperImage string
	Timeout     time.Duration
}

// VolumeFile is a file in a list.
type VolumeFile struct {
	Name       string     `json:"name"`
	Path       string     `json:"path"` // from the volume's root, without a slash at the beginning
	Type       FileType   `json:"type"`
	Size       uint64     `json:"size"`
	Mode       uint32     `json:"mode"` // permissions, with setuid (04000), setgid (02000) and sticky (01000)
	UID        uint64     `json:"uid"`
	GID        uint64     `json:"gid"`
	Modified   *time.Time `json:"modified"` // in whole seconds
	LinkTarget *string    `json:"link_target"`
}

// VolumeReadFileOptions of [Client.VolumeReadFile].
type VolumeReadFileOptions struct {
	MaxBytes int // a larger file is [ErrInvalidArgument]. Default: 64 MiB
	Timeout  time.Duration
}

// VolumeWriteFileOptions of [Client.VolumeWriteFile].
type VolumeWriteFileOptions struct {
	Mode     *uint32   // permissions, up to 07777. Default: those of the file that is there, else 0644
	UID      *uint32   // default: that of the file that is there, else 0
	GID      *uint32   // default: that of the file that is there, else 0
	Modified time.Time // default: now
	Actor    string    // who asks for it, for the history
	Timeout  time.Duration
}

// VolumeRemoveFileOptions of [Client.VolumeRemoveFile].
type VolumeRemoveFileOptions struct {
	Recursive   bool   // a folder with all that is in it, too
	HelperImage string // a local image with sh and rm. Default: the client's
	Actor       string // who asks for it, for the history
	Timeout     time.Duration
}

// VolumeFileChange reports the result of a write or a removal.
type VolumeFileChange struct {
	Path    string  `json:"path"` // as asked
	Bytes   *uint64 `json:"bytes"`
	Changed bool    `json:"changed"`
}

// Volumes lists the volumes by name, and the containers that mount each.
func (c *Client) Volumes(ctx context.Context, o VolumesOptions) ([]Volume, error) {
	var document struct {
		Volumes []Volume `json:"volumes"`
	}
	settings := options{}.texts("names", o.Names).labels("labels", o.Labels).seconds("timeout_s", o.Timeout)
	err := c.read(ctx, request{function: C.REFIT_GO_volume_list, options: settings}, &document)
	return document.Volumes, err
}

// VolumeExists says whether there is a volume of that name.
func (c *Client) VolumeExists(ctx context.Context, volume string) (bool, error) {
	return c.exists(ctx, request{function: C.REFIT_GO_volume_exists, name: &volume})
}

// VolumeCreate creates a volume. [ErrConflict] when there is one with another driver, other options or other labels.
func (c *Client) VolumeCreate(ctx context.Context, volume string, o VolumeCreateOptions) (*VolumeChange, error) {
	settings := options{}.text("driver", o.Driver).labels("driver_options", o.DriverOptions).labels("labels", o.Labels).
		text("actor", o.Actor).seconds("timeout_s", o.Timeout)
	return call[VolumeChange](ctx, c, request{function: C.REFIT_GO_volume_create, name: &volume, options: settings})
}

// VolumeRemove removes a volume and everything in it. [ErrConflict] while containers have it, running or not.
func (c *Client) VolumeRemove(ctx context.Context, volume string, o VolumeRemoveOptions) (*VolumeChange, error) {
	settings := options{}.text("actor", o.Actor).seconds("timeout_s", o.Timeout)
	return call[VolumeChange](ctx, c, request{function: C.REFIT_GO_volume_remove, name: &volume, options: settings})
}

// VolumeListFiles lists the files in a folder of a volume ("/": its root); of a file, that one. Without a HelperImage it takes as
// long as the engine needs to read all that is below the path.
func (c *Client) VolumeListFiles(ctx context.Context, volume, path string, o VolumeListFilesOptions) ([]VolumeFile, error) {
	var document struct {
		Files []VolumeFile `json:"files"`
	}
	settings := options{}.flag("recursive", o.Recursive).text("helper_image", o.HelperImage).seconds("timeout_s", o.Timeout)
	err := c.read(ctx, request{function: C.REFIT_GO_volume_list_files, name: &volume, input: &path, options: settings}, &document)
	return document.Files, err
}

// VolumeReadFile reads a file of a volume, whether containers use it or not.
func (c *Client) VolumeReadFile(ctx context.Context, volume, path string, o VolumeReadFileOptions) ([]byte, error) {
	var content []byte
	settings := options{}.number("max_bytes", o.MaxBytes).seconds("timeout_s", o.Timeout)
	q := request{function: C.REFIT_GO_volume_read_file, name: &volume, input: &path, options: settings, into: &content}
	if _, err := c.cross(ctx, q, nil); err != nil {
		return nil, err
	}
	return content, nil
}

// VolumeWriteFile writes a file of a volume, and the folders on the way that are missing.
func (c *Client) VolumeWriteFile(ctx context.Context, volume, path string, content []byte, o VolumeWriteFileOptions) (*VolumeFileChange, error) {
	settings := options{}.text("actor", o.Actor).seconds("timeout_s", o.Timeout).owner(o.Mode, o.UID, o.GID, o.Modified)
	q := request{function: C.REFIT_GO_volume_write_file, name: &volume, input: &path, options: settings, content: content}
	return call[VolumeFileChange](ctx, c, q)
}

// VolumeRemoveFile removes a file, a link, or with o.Recursive a folder. [ErrUnsupported] without a HelperImage.
func (c *Client) VolumeRemoveFile(ctx context.Context, volume, path string, o VolumeRemoveFileOptions) (*VolumeFileChange, error) {
	settings := options{}.flag("recursive", o.Recursive).text("helper_image", o.HelperImage).text("actor", o.Actor).seconds("timeout_s", o.Timeout)
	return call[VolumeFileChange](ctx, c, request{function: C.REFIT_GO_volume_remove_file, name: &volume, input: &path, options: settings})
}
