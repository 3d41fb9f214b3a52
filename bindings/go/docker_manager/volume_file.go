package docker_manager

import (
	"context"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"

	refit "github.com/refit-rs/refit/bindings/go"
)

// ReadConfigFile reads a file of the server's configuration folder, trimmed. No image has to be there.
func (dm *DockerManager) ReadConfigFile(serverID uint, fileName string) (string, error) {
	file, err := dm.configFile(fileName)
	if err != nil {
		return "", err
	}
	content, err := answer(dm, callLimit, func(ctx context.Context) ([]byte, error) {
		return dm.client.VolumeReadFile(ctx, dm.dataVolume(serverID), file, refit.VolumeReadFileOptions{})
	})
	return strings.TrimSpace(string(content)), err
}

// WriteConfigFile writes a file of the server's configuration folder, with mode 0644 and exactly these bytes, or those that BeforeWriteConfig makes
// of them. Folders that are missing are made. No image has to be there.
func (dm *DockerManager) WriteConfigFile(serverID uint, fileName, content string) error {
	file, err := dm.configFile(fileName)
	if err != nil {
		return err
	}
	if content, err = dm.profile.BeforeWriteConfig(serverID, fileName, content); err != nil {
		return err
	}
	mode := uint32(0o644)
	return dm.bounded(callLimit, func(ctx context.Context) error {
		_, err := dm.client.VolumeWriteFile(ctx, dm.dataVolume(serverID), file, []byte(content), refit.VolumeWriteFileOptions{Mode: &mode})
		return err
	})
}

func (dm *DockerManager) configFile(name string) (string, error) {
	if name == "" || strings.HasPrefix(name, "/") || strings.ContainsAny(name, "\\\x00") || leaves(name) {
		return "", invalid("config_file", "the configuration file %q is refused: it is a name in %s, without .. and not absolute", name, dm.profile.ConfigDir)
	}
	return path.Join(dm.profile.ConfigDir, name), nil
}

// leaves reports whether one part of the path is "..".
func leaves(name string) bool {
	for _, part := range strings.Split(name, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

// inVolume is the path in the volume of one that is below mountPath, or else relative to the volume's root. Double slashes mean nothing.
func inVolume(mountPath, name string) (string, error) {
	if leaves(name) {
		return "", invalid("volume_path", "the path %q is refused: it has a part that is ..", name)
	}
	mount, clean := path.Clean("/"+mountPath), path.Clean("/"+name)
	if strings.HasPrefix(name, "/") && mount != "/" {
		if clean == mount {
			return "/", nil
		}
		if below, ok := strings.CutPrefix(clean, mount+"/"); ok {
			return below, nil
		}
	}
	if clean == "/" {
		return clean, nil
	}
	return clean[1:], nil
}

// ListFiles lists what is directly in a folder of the volume, hidden files too; nil for a folder that is missing. path is below mountPath, or
// relative to the volume's root. No image has to be there; where the profile's HelperImage is, it lists without reading what is in the files.
func (dm *DockerManager) ListFiles(volumeName, mountPath, path string) ([]FileInfo, error) {
	folder, err := inVolume(mountPath, path)
	if err != nil {
		return nil, err
	}
	files, err := answer(dm, callLimit, func(ctx context.Context) ([]refit.VolumeFile, error) {
		files, err := dm.client.VolumeListFiles(ctx, volumeName, folder, refit.VolumeListFilesOptions{HelperImage: dm.profile.HelperImage})
		if errors.Is(err, refit.ErrImageMissing) {
			return dm.client.VolumeListFiles(ctx, volumeName, folder, refit.VolumeListFilesOptions{})
		}
		return files, err
	})
	if isMissing(err) {
		// A missing volume is another thing than a missing folder.
		if exists, other := dm.VolumeExists(volumeName); exists || other != nil {
			return nil, other
		}
	}
	if err != nil {
		return nil, err
	}
	list := make([]FileInfo, 0, len(files))
	for _, file := range files {
		info := FileInfo{Name: file.Name, IsDir: file.Type == "directory", Size: int64(file.Size), Mode: strconv.FormatUint(uint64(file.Mode), 8), ModTime: "0"}
		if file.Modified != nil {
			info.ModTime = strconv.FormatInt(file.Modified.Unix(), 10)
		}
		list = append(list, info)
	}
	return list, nil
}

// WriteFileToVolume unpacks a tar archive, not compressed, into the folder that holds destPath, which is made when it is missing. destPath is below
// mountPath, or relative to the volume's root. After an error content may still be in a Read, which is not waited for.
func (dm *DockerManager) WriteFileToVolume(volumeName, mountPath, destPath string, content io.Reader) error {
	file, err := inVolume(mountPath, destPath)
	if err != nil {
		return err
	}
	return dm.unpack(volumeName, path.Dir("/"+file), content)
}

func (dm *DockerManager) unpack(volume, folder string, archive io.Reader) error {
	s := newStream(dm.quiet, totalLimit)
	defer s.end()
	_, err := dm.client.VolumeImport(s, volume, folder, s.reads(archive), refit.VolumeImportOptions{})
	return explained(s, err)
}

// ReadFileFromVolume is a tar archive whose first entry is the file, as a stream that has to be closed. A missing file is refit.ErrNotFound here;
// once it is open, the stream outlives the file's removal.
func (dm *DockerManager) ReadFileFromVolume(volumeName, mountPath, path string) (io.ReadCloser, error) {
	file, err := inVolume(mountPath, path)
	if err != nil {
		return nil, err
	}
	s := newStream(dm.quiet, totalLimit)
	read, write := io.Pipe()
	begun := make(chan error, 1)
	go func() {
		defer s.end()
		_, err := dm.client.VolumeExport(s, volumeName, file, exporting{write, s, begun}, refit.VolumeExportOptions{})
		err = explained(s, err)
		select {
		case begun <- err:
		default:
		}
		// Nil is the end of the archive.
		write.CloseWithError(err)
	}()
	if err := <-begun; err != nil {
		return nil, err
	}
	return &export{read, s}, nil
}

// exporting says with its first bytes that the engine has opened the file.
type exporting struct {
	*io.PipeWriter
	s     *stream
	begun chan error
}

func (e exporting) Write(data []byte) (int, error) {
	select {
	case e.begun <- nil:
	default:
	}
	n, err := e.PipeWriter.Write(data)
	e.s.moved()
	return n, err
}

// export ends the call when it is closed, also while nothing comes.
type export struct {
	*io.PipeReader
	s *stream
}

func (e *export) Close() error {
	err := e.PipeReader.Close()
	e.s.end()
	return err
}
