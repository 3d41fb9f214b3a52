package refit

/*
#include "call.h"
*/
import "C"

import (
	"context"
	"errors"
	"io"
	"runtime/cgo"
	"time"
	"unsafe"
)

// VolumeExportOptions of [Client.VolumeExport].
type VolumeExportOptions struct {
	Timeout time.Duration
}

// VolumeExport is how much of an archive was handed over.
type VolumeExport struct {
	Bytes   uint64 `json:"bytes"`
	Entries uint64 `json:"entries"`
}

// VolumeImportOptions of [Client.VolumeImport]; the zero value takes everything from the archive.
type VolumeImportOptions struct {
	Mode     *uint32 // permissions of files, up to 07777
	UID      *uint32
	GID      *uint32
	Modified time.Time
	Actor    string // who asks for it, for the history
	Timeout  time.Duration
}

// VolumeExport writes a file or a folder of a volume to w as a tar archive, on the goroutine that made the call. Names are relative to the
// folder and begin with ./. An error of w ends the call and comes back from it unchanged; beside an error the result says how much was written.
func (c *Client) VolumeExport(ctx context.Context, volume, path string, w io.Writer, o VolumeExportOptions) (*VolumeExport, error) {
	onData := func(data []byte) error {
		_, err := w.Write(data)
		return err
	}
	settings := options{}.seconds("timeout_s", o.Timeout)
	q := request{function: C.REFIT_GO_volume_export, name: &volume, input: &path, options: settings, onData: onData}
	return call[VolumeExport](ctx, c, q)
}

// VolumeImport unpacks the tar archive that r reads, not compressed, into a folder of a volume. r is read on the goroutine that made the call, and
// not beyond its first error, which ends the call and comes back from it unchanged unless it is [io.EOF]. [ErrData] when it is no whole archive,
// [ErrInvalidArgument] when an entry leads out of the volume; beside an error the result says how much was read and whether the volume has changed.
func (c *Client) VolumeImport(ctx context.Context, volume, path string, r io.Reader, o VolumeImportOptions) (*VolumeFileChange, error) {
	settings := options{}.text("actor", o.Actor).seconds("timeout_s", o.Timeout).owner(o.Mode, o.UID, o.GID, o.Modified)
	q := request{function: C.REFIT_GO_volume_import, name: &volume, input: &path, options: settings, onRead: r.Read}
	return call[VolumeFileChange](ctx, c, q)
}

//export refitGoRead
func refitGoRead(buffer *C.uint8_t, capacity C.size_t, handle, thread C.uintptr_t) C.int64_t {
	to := cgo.Handle(handle).Value().(*listener)
	read := 0
	stopped := to.hear(thread, func() error {
		// A reader may return nothing without an error, which is not its end.
		for {
			n, err := to.onRead(unsafe.Slice((*byte)(buffer), int(capacity)))
			read = n
			if n > 0 || errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	if stopped != 0 {
		return -1
	}
	return C.int64_t(read)
}
