// Package config is what the operator of the service decides: a JSON file, and flags that come before it.
package config

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	refit "github.com/refit-rs/refit/bindings/go"
)

// Config is the whole of it. Names of fields in the file are those of the JSON tags.
type Config struct {
	Listen  string `json:"listen"`   // host:port; port 0 takes a free one
	DataDir string `json:"data_dir"` // the database, the key of the tokens, refit's state, backups
	PageDir string `json:"page_dir"` // the built page; "" takes the one inside the binary

	Images   []string `json:"images"`   // every managed image; the first is the default of a new server
	Required []string `json:"required"` // no server is created or started without these; default: the first image

	ContainerName string `json:"container_name"` // with one %d, the server's number; "" is docker_manager's default
	DataVolume    string `json:"data_volume"`
	PluginsVolume string `json:"plugins_volume"`
	DataMount     string `json:"data_mount"`
	PluginsMount  string `json:"plugins_mount"`

	HelperImage string `json:"helper_image"` // a local image with sh, rm, find, stat and readlink (alpine), which empties a volume before its backup is restored; "": none is restored

	Host       string              `json:"host"` // of the engine; "" is the one that the docker command would use
	Registries map[string]Registry `json:"registries"`

	TokenLife     Duration `json:"token_life"`
	StreamLife    Duration `json:"stream_life"` // an event stream is ended after this, and the client opens the next
	Settle        Duration `json:"settle"`      // how long a new container has to keep running before the old one is removed
	LoginAttempts int      `json:"login_attempts"`
}

// Registry is how one registry is reached, where docker's own configuration is not enough.
type Registry struct {
	Username string `json:"username"`
	Password string `json:"password"`
	CAFile   string `json:"ca_file"`
	Insecure bool   `json:"insecure"`
}

// Duration is written as "3s" or "12h".
type Duration time.Duration

// UnmarshalJSON reads "3s".
func (d *Duration) UnmarshalJSON(text []byte) error {
	var written string
	if err := json.Unmarshal(text, &written); err != nil {
		return fmt.Errorf("a duration is a text such as \"3s\": %w", err)
	}
	value, err := time.ParseDuration(written)
	*d = Duration(value)
	return err
}

type list []string

func (l *list) String() string         { return strings.Join(*l, ",") }
func (l *list) Set(value string) error { *l = append(*l, value); return nil }

// Parse reads the flags, and the file that -config names. The rest are the words after the flags.
func Parse(words []string) (c Config, rest []string, err error) {
	flags := flag.NewFlagSet("server-manager", flag.ContinueOnError)
	var images, required list
	file := flags.String("config", "", "a JSON file with the fields of internal/config/config.go")
	listen := flags.String("listen", "", "host:port (127.0.0.1:8080)")
	dataDir := flags.String("data", "", "the folder of the database, the backups and refit's state (./data)")
	pageDir := flags.String("page", "", "the folder of the built page (the one inside the binary)")
	flags.Var(&images, "image", "a managed image; may be given several times, the first is the default of a new server")
	flags.Var(&required, "required", "an image without which no server is created or started; may be given several times (the first managed one)")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "server-manager [flags]                         runs the service\nserver-manager [flags] create-admin NAME       makes an administrator; the password is the first line of the standard input")
		flags.PrintDefaults()
	}
	if err := flags.Parse(words); err != nil {
		return c, nil, err
	}
	if *file != "" {
		text, err := os.ReadFile(*file)
		if err != nil {
			return c, nil, err
		}
		decoder := json.NewDecoder(strings.NewReader(string(text)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&c); err != nil {
			return c, nil, fmt.Errorf("%s: %w", *file, err)
		}
	}
	for to, value := range map[*string]string{&c.Listen: *listen, &c.DataDir: *dataDir, &c.PageDir: *pageDir} {
		if value != "" {
			*to = value
		}
	}
	if images != nil {
		c.Images = images
	}
	if required != nil {
		c.Required = required
	}
	return c, flags.Args(), c.complete()
}

// complete fills what was left out and refuses what cannot work.
func (c *Config) complete() error {
	for to, value := range map[*string]string{&c.Listen: "127.0.0.1:8080", &c.DataDir: "data"} {
		if *to == "" {
			*to = value
		}
	}
	for to, value := range map[*Duration]time.Duration{&c.TokenLife: 12 * time.Hour, &c.StreamLife: time.Hour, &c.Settle: 3 * time.Second} {
		if *to <= 0 {
			*to = Duration(value)
		}
	}
	if c.LoginAttempts <= 0 {
		c.LoginAttempts = 5
	}
	if len(c.Images) == 0 {
		return errors.New("there is no managed image: give one with -image, or \"images\" in the file of -config")
	}
	if c.Required == nil {
		c.Required = c.Images[:1]
	}
	if c.HelperImage != "" && !c.Manages(c.HelperImage) {
		return fmt.Errorf("the helper image %s is not one of the managed images, so that nobody could download it: add it with -image", c.HelperImage)
	}
	for _, required := range c.Required {
		if !c.Manages(required) {
			return fmt.Errorf("the required image %s is not one of the managed images: add it with -image", required)
		}
	}
	absolute, err := filepath.Abs(c.DataDir)
	c.DataDir = absolute
	return err
}

// Manages reports whether the image is one of the managed images, byte for byte.
func (c *Config) Manages(image string) bool {
	for _, managed := range c.Images {
		if managed == image {
			return true
		}
	}
	return false
}

// Refit are the options of refit. Its state lies beside the database, so that history and an interrupted run outlive the service's container.
func (c *Config) Refit() refit.Options {
	options := refit.Options{Host: c.Host, HelperImage: c.HelperImage, StateDir: filepath.Join(c.DataDir, "refit"), Registries: map[string]refit.Registry{}}
	for host, r := range c.Registries {
		options.Registries[host] = refit.Registry{Username: r.Username, Password: r.Password, CAFile: r.CAFile, Insecure: r.Insecure}
	}
	return options
}
