package signin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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
	// Artifacts in a window, each of which is a call to the IdP: of one client, and of all at one connection.
	artifactsOfClient     = 60
	artifactsOfConnection = 3000
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
// limits are errs.KindLimited.
func (s *Service) resolve(ctx context.Context, r *received) error {
	if r.Artifact == "" || r.fetched != nil || r.unreadable != nil {
		return nil
	}
	c := r.side.connection
	switch {
	case !c.SAML.Artifact:
		return &saml.Refusal{Reason: reasonArtifactOff, Detail: "An artifact came, and this connection takes none: its switch for the Artifact binding is off."}
	case usable(c) != nil:
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
	if err := s.admitArtifact(ctx, r); err != nil {
		return err
	}
	asked := saml.ArtifactResolve{ID: saml.NewID(), Issuer: ServiceProvider(s.PublicURL, c).EntityID, Destination: to.Location, IssueInstant: s.now(), Artifact: artifact}
	envelope, err := asked.SignedEnvelope(*key)
	if err != nil {
		return fmt.Errorf("ask for artifact: %w", err)
	}
	answer, err := s.post(ctx, to.Location, envelope)
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
	wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("artifact-client", r.Connection, r.Client.Bucket)}, []int{artifactsOfClient})
	if err == nil && wait == 0 {
		wait, err = s.DB.System().Attempt(ctx, limitWindow, []string{bucket("artifact", r.Connection)}, []int{artifactsOfConnection})
	}
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

// post sends an envelope and reads the answer within its bounds. It follows no redirect: the message was signed for that
// address.
func (s *Service) post(ctx context.Context, address string, envelope []byte) ([]byte, error) {
	if s.HTTP == nil {
		return nil, errors.New("ask for artifact: nothing can be fetched here")
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(envelope))
	if err != nil {
		return nil, fmt.Errorf("ask for artifact: %w", err)
	}
	request.Header.Set("Content-Type", saml.SOAPType)
	request.Header.Set("SOAPAction", saml.SOAPAction)
	client := *s.HTTP
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
