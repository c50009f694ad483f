package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"latlab/bench"
	"latlab/internal/ui"
)

// noticeUnfinished prints a line if the command begins a new sweep although one that differs only in
// the protocol, or in the file of its space, is unfinished: most people mean to resume that one.
func noticeUnfinished(ctx context.Context, s streams, st bench.Reader, m bench.Sweep) error {
	if _, err := st.Sweep(ctx, m.Identity()); !errors.Is(err, bench.ErrNoSweep) {
		return err
	}
	all, err := st.Sweeps(ctx)
	if err != nil {
		return err
	}
	for _, was := range all {
		why := differsOnlyIn(m, was)
		if why == "" {
			continue
		}
		t, err := bench.Count(ctx, st, was.ID)
		if err != nil {
			return err
		}
		if done := t.Measured + t.Failed; done < was.Networks {
			fmt.Fprintf(s.err, "latlab: this is a new sweep, %s; sweep %s stays unfinished (%s of %s)\n",
				why, was.ID, ui.Thousands(done), ui.Plural(was.Networks, "network"))
		}
	}
	return nil
}

// differsOnlyIn says in words what sets two sweeps apart, "" unless it is the protocol, the space or both.
func differsOnlyIn(m, was bench.Sweep) string {
	protocol := fmt.Sprintf("because the protocol is %s and not %s", m.Protocol.Name, was.Protocol.Name)
	space := fmt.Sprintf("because space %s has changed", m.Space)
	other := m
	other.Protocol = was.Protocol
	if other.Identity() == was.ID {
		return protocol
	}
	if other.SpaceFile = was.SpaceFile; m.Space == "" || other.Identity() != was.ID {
		return ""
	}
	if other.Protocol = m.Protocol; other.Identity() == was.ID {
		return space
	}
	return space + " and " + protocol
}

// versionedSpace is the name of a sweep's space, with a version where other sweeps have another space of
// that name.
func versionedSpace(all []bench.Sweep, m bench.Sweep) string {
	for _, other := range all {
		if m.Space != "" && other.Space == m.Space && other.SpaceFile != m.SpaceFile {
			sum := sha256.Sum256([]byte(m.SpaceFile))
			return fmt.Sprintf("%s (version %x)", m.Space, sum[:4])
		}
	}
	return m.Space
}
