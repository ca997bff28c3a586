package main

import (
	"context"
	"fmt"
	"strings"
)

// everyWriteIsLogged holds the event log of each workspace against what its IdP sent: an event
// with the payload for each write that was answered 2xx, and numbers without a gap.
func (w *world) everyWriteIsLogged(ctx context.Context) (string, error) {
	writes, total := 0, 0
	for _, t := range w.tenants {
		events, err := w.events(ctx, t)
		if err != nil {
			return "", err
		}
		logged := 0
		for i, e := range events {
			if err := same(t.slug+": event number", int64(i+1), e.Seq); err != nil {
				return "", err
			}
			if e.Directory != t.directory || !strings.HasPrefix(e.Type, "scim.") || e.Outcome != "ok" {
				continue
			}
			if len(e.Payload) == 0 {
				return "", differs(fmt.Sprintf("%s: event %d (%s) with its payload", t.slug, e.Seq, e.Type), "none")
			}
			logged++
		}
		sent := w.wire.traffic(t.kind).writes
		if err := same(fmt.Sprintf("%s: events for %d writes:", t.slug, sent), sent, logged); err != nil {
			return "", err
		}
		writes, total = writes+sent, total+len(events)
	}
	return fmt.Sprintf("%d writes, %d events", writes, total), nil
}

// noSecretIsLogged looks for every token, password, link and session that the story made in every
// event of every workspace.
func (w *world) noSecretIsLogged(ctx context.Context) (string, error) {
	secrets, looked := w.wire.allSecrets(), 0
	for _, t := range w.everybody() {
		events, err := w.events(ctx, t)
		if err != nil {
			return "", err
		}
		for _, e := range events {
			looked++
			for _, s := range secrets {
				if strings.Contains(string(e.raw), s) {
					return "", differs(fmt.Sprintf("%s: event %d (%s) without secrets", t.slug, e.Seq, e.Type), "one in it")
				}
			}
		}
	}
	if len(secrets) == 0 || looked == 0 {
		return "", differs("secrets to look for and events to look in", fmt.Sprintf("%d and %d", len(secrets), looked))
	}
	return fmt.Sprintf("%d secrets looked for in %d events", len(secrets), looked), nil
}
