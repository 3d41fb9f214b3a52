//go:build !refit_dynamic

package refit

// The archive is named whole, so that no librefit.so of the system is taken in its place. `make go` puts it there.

/*
#cgo CFLAGS: -I${SRCDIR}/../../include
#cgo linux,amd64 LDFLAGS: ${SRCDIR}/lib/linux_amd64/librefit.a
#cgo linux,arm64 LDFLAGS: ${SRCDIR}/lib/linux_arm64/librefit.a
#cgo LDFLAGS: -lgcc_s -lutil -lrt -lpthread -lm -ldl
*/
import "C"
