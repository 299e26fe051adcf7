package sigv4

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sluice-delivery/sluice/analysis"
)

const (
	// early is how long before their end credentials are renewed.
	early = 5 * time.Minute
	// maxKnown bounds how many identities are kept.
	maxKnown = 100
)

// Signer signs requests. It keeps credentials until shortly before they end, and is safe for concurrent use.
type Signer struct {
	// Getenv reads the variables of the controller.
	Getenv func(string) string

	mu    sync.Mutex
	known map[Identity]*aws.CredentialsCache
}

// Identity is who signs, if it is not simply the controller.
type Identity struct {
	// Profile is a section of the credentials file; that of AWS_PROFILE if empty.
	Profile string
	// RoleARN is a role to take on; none if empty.
	RoleARN string
}

// regionName keeps a region, which may be written by users, from being a part of some other host name.
var regionName = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$`)

// Region checks a region, or finds that of the controller if it is empty.
func (s *Signer) Region(region string) (string, error) {
	region = cmp.Or(region, s.Getenv("AWS_REGION"), s.Getenv("AWS_DEFAULT_REGION"))
	switch {
	case region == "":
		return "", errors.New("the AWS region is not known; set AWS_REGION on the controller")
	case !regionName.MatchString(region):
		return "", fmt.Errorf("%q is no AWS region", region)
	}
	return region, nil
}

// Host gives the public host of a service in a region.
func Host(service, region string) string {
	domain := "amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		domain = "amazonaws.com.cn"
	}
	return service + "." + region + "." + domain
}

// Key is what signs requests for one service in one region. It holds for minutes, so it is asked for anew with each measurement.
type Key struct {
	who             aws.Credentials
	service, region string
}

// Key finds the credentials of an identity.
func (s *Signer) Key(ctx context.Context, service, region string, as Identity) (Key, error) {
	region, err := s.Region(region)
	if err != nil {
		return Key{}, err
	}
	who, err := s.cache(region, as).Retrieve(ctx)
	if err != nil {
		return Key{}, fmt.Errorf("finding the AWS credentials: %w", err)
	}
	return Key{who, service, region}, nil
}

// Secrets are the parts of the key that nobody may see.
func (k Key) Secrets() []string { return []string{k.who.SecretAccessKey, k.who.SessionToken} }

// Hide takes the key out of a text.
func (k Key) Hide(text string) string {
	return analysis.Redact(text, map[string]string{"key": k.who.SecretAccessKey, "token": k.who.SessionToken})
}

// Sign adds a signature to a request. The body of the request is not used up.
func (k Key) Sign(r *http.Request) error {
	sum := sha256.New()
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return fmt.Errorf("reading the body of the request: %w", err)
		}
		defer body.Close()
		if _, err := io.Copy(sum, body); err != nil {
			return fmt.Errorf("reading the body of the request: %w", err)
		}
	}
	return v4.NewSigner().SignHTTP(r.Context(), k.who, r, hex.EncodeToString(sum.Sum(nil)), k.service, k.region, time.Now())
}

// cache gives the credentials of an identity, which are fetched when they are first needed and again before they end.
func (s *Signer) cache(region string, as Identity) *aws.CredentialsCache {
	as.Profile = cmp.Or(as.Profile, s.Getenv("AWS_PROFILE"))
	s.mu.Lock()
	defer s.mu.Unlock()
	// Roles may be written by users, so that their number has no other bound.
	if s.known == nil || len(s.known) >= maxKnown {
		s.known = map[Identity]*aws.CredentialsCache{}
	}
	if _, is := s.known[as]; !is {
		fetch := func(ctx context.Context) (aws.Credentials, error) { return s.fetch(ctx, region, as) }
		s.known[as] = aws.NewCredentialsCache(aws.CredentialsProviderFunc(fetch), func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = early })
	}
	return s.known[as]
}
