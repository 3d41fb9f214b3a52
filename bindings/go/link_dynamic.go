//go:build refit_dynamic

package refit

// #cgo pkg-config: refit
import "C"
