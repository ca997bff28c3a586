package signin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

const (
	// fetchTime is how long an IdP may take to say what an artifact stands for.
	fetchTime = 10 * time.Second
	// artifactLife is for how long an artifact is known to have been used. IdPs forget theirs within minutes.
	artifactLife = time.Hour
	// Artifacts in a window, each of which is a call to the IdP: of one sign-in under way, and of one client, which may be
	// an office of thousands (beginLimit).
	artifactsOfSignIn = 5
	artifactsOfClient = beginLimit
	// artifactsAtOnce is how many calls to the IdP of one connection this process has open.
	artifactsAtOnce = 32
	// reasonUnfetched is the code of an IdP that does not say what an artifact stands for.
	reasonUnfetched = "artifact_unresolved"
	// reasonArtifactOff is the code of an artifact at a connection that takes none.
	reasonArtifactOff = "artifact_off"
)

// fetched is what an IdP answered when it was asked for an artifact.
type fetched struct {
	asked    saml.ArtifactResolve
	envelope []byte
}

// resolve fetches what an artifact stands for, once, from the service that the connection's metadata has under the
// artifact's index. Nothing is verified yet, so nobody is asked for a stranger's artifact: it must belong to a sign-in that
// this browser began, where the connection takes no others. The error is a *saml.Refusal, or of the code reasonSPKey;
// limits are errs.KindLimited, or errs.KindUnavailable where too many are under way.
func (s *Service) resolve(ctx context.Context, r *received) error {
	if r.Artifact == "" || r.fetched != nil || r.unreadable != nil {
		return nil
	}
	c := r.side.connection
	switch {
	case !c.SAML.Artifact || s.Artifacts == nil:
		return &saml.Refusal{Reason: reasonArtifactOff, Detail: "An artifact came, and this connection takes none: its switch for the Artifact binding is off."}
	case usable(c) != nil && r.test == nil:
		return &saml.Refusal{Reason: errs.CodeOf(usable(c)), Detail: usable(c).Error()}
	case r.pending.state == nil && !unasked(c.SAML):
		return &saml.Refusal{Reason: saml.ReasonUnsolicited, Detail: "The artifact belongs to no sign-in that this browser has under way, so the identity provider was not asked for it."}
	}
	artifact, err := saml.ParseArtifact(r.Artifact)
	if err != nil {
		return err
	}
	to, err := settings.IdentityProvider(c.SAML).Resolver(artifact)
	if err != nil {
		return err
	}
	key, err := s.ourKey(c)
	if err != nil {
		return err
	}
	asked := saml.ArtifactResolve{ID: saml.NewID(), Issuer: ServiceProvider(s.PublicURL, c).EntityID, Destination: to.Location, IssueInstant: s.now(), Artifact: artifact}
	envelope, err := asked.SignedEnvelope(*key)
	if err != nil {
		return fmt.Errorf("ask for artifact: %w", err)
	}
	if !s.Artifacts.enter(c.ID, artifactsAtOnce) {
		return errs.Unavailable("busy", "Your identity provider is slow at the moment. Try again in a few seconds.")
	}
	if err := s.admitArtifact(ctx, r); err != nil {
		s.Artifacts.leave(c.ID)
		return err
	}
	answer, err := s.Artifacts.post(ctx, to.Location, envelope)
	s.Artifacts.leave(c.ID)
	if err != nil {
		return &saml.Refusal{Reason: reasonUnfetched, Detail: fmt.Sprintf("%s was asked what the artifact stands for: %s.", to.Location, unfetched(err))}
	}
	r.fetched = &fetched{asked: asked, envelope: answer}
	return nil
}

// wrongStatus is an answer that is none of SOAP's.
type wrongStatus string

func (e wrongStatus) Error() string { return "expected 200, received " + string(e) }

// unfetched is why there is no answer, in words that say nothing of the network here.
func unfetched(err error) string {
	var status wrongStatus
	switch {
	case errors.As(err, &status):
		return status.Error()
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, new(interface{ Timeout() bool })):
		return "no answer in time"
	}
	return "no answer"
}

// admitArtifact counts an artifact and notes that it was used, before the IdP is asked: whatever comes of it, there is no
// second time.
func (s *Service) admitArtifact(ctx context.Context, r *received) error {
	names, limits := []string{bucket("artifact-client", r.Connection, r.Client.Bucket)}, []int{artifactsOfClient}
	if r.pending.state != nil {
		names, limits = append(names, bucket("artifact-state", r.pending.hash)), append(limits, artifactsOfSignIn)
	}
	wait, err := s.DB.System().Attempt(ctx, limitWindow, names, limits)
	if err != nil {
		return fmt.Errorf("count artifact: %w", err)
	}
	if wait > 0 {
		s.DB.System().RecordStranger(r.Client.Bucket, "signin.too_many_attempts", nil)
		return limited(wait)
	}
	var first bool
	if err := s.DB.Write(ctx, r.side.workspace, func(tx *store.Tx) (err error) {
		first, err = tx.FirstSight(r.Connection, sightOf("artifact", r.Artifact), tx.Now().Add(artifactLife))
		return err
	}); err != nil {
		return fmt.Errorf("note artifact: %w", err)
	}
	if !first {
		return &saml.Refusal{Reason: reasonReplayed, Detail: "The artifact was used on this connection before; each counts once."}
	}
	return nil
}

// Artifacts asks IdPs what artifacts stand for, only so many of one connection at once.
type Artifacts struct {
	// HTTP calls addresses that customers choose.
	HTTP *http.Client

	mu   sync.Mutex
	open map[string]int // calls under way, by connection
}

// enter reports whether there is room for one more, and then takes it.
func (f *Artifacts) enter(connection string, most int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[connection] >= most {
		return false
	}
	if f.open == nil {
		f.open = map[string]int{}
	}
	f.open[connection]++
	return true
}

func (f *Artifacts) leave(connection string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open[connection]--; f.open[connection] <= 0 {
		delete(f.open, connection)
	}
}

// post sends an envelope and reads the answer within its bounds. It follows no redirect: the message was signed for that
// address.
func (f *Artifacts) post(ctx context.Context, address string, envelope []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(envelope))
	if err != nil {
		return nil, fmt.Errorf("ask for artifact: %w", err)
	}
	request.Header.Set("Content-Type", saml.SOAPType)
	request.Header.Set("SOAPAction", saml.SOAPAction)
	client := *f.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask for artifact: %w", err)
	}
	defer answer.Body.Close()
	// SOAP answers a fault with 500 (Bindings section 3.2.3.3), and the envelope says why.
	if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusInternalServerError {
		return nil, fmt.Errorf("ask for artifact: %w", wrongStatus(answer.Status))
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, saml.DefaultMaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("ask for artifact: %w", err)
	}
	return body, nil
}
