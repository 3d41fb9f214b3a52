// Package include holds refit.h, which `make go` puts here. It is a package so that `go mod vendor` takes the header along.
package include
