package state

import (
	"context"

	"latlab/devices/transport"
)

// IdentifyBelow is Identify on a recorded tree.
var IdentifyBelow = identifyBelow

// ApplyBelow is Apply on a recorded tree.
func ApplyBelow(ctx context.Context, t transport.Transport, dir, root string, s Settings) error {
	return setter{t: t, dir: dir, root: root}.apply(ctx, s)
}

// RestoreBelow is Restore on a recorded tree.
func RestoreBelow(ctx context.Context, t transport.Transport, dir, root string) ([]string, error) {
	return setter{t: t, dir: dir, root: root}.restore(ctx)
}
