// Package linux_amd64 holds the archive for this platform, which `make go` puts here. It is a package so that `go mod vendor` takes it along.
package linux_amd64
