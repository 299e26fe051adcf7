package sigv4

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sluice-delivery/sluice/analysis/outbound"
)

// sessionName is how the controller appears in the audit log of AWS, unless AWS_ROLE_SESSION_NAME says otherwise.
const sessionName = "sluice-controller"

// granted is the answer of the token service.
type granted struct {
	ID         string    `xml:"AccessKeyId"`
	Secret     string    `xml:"SecretAccessKey"`
	Token      string    `xml:"SessionToken"`
	Expiration time.Time `xml:"Expiration"`
}

// webIdentity trades the token of a ServiceAccount for credentials of a role. The token is renewed by the kubelet, so it is read each time.
func (s *Signer) webIdentity(ctx context.Context, region, file, role string) (aws.Credentials, error) {
	token, err := readToken(file)
	if err != nil {
		return aws.Credentials{}, err
	}
	ask := s.ask("AssumeRoleWithWebIdentity", role)
	ask.Set("WebIdentityToken", token)
	var answer struct {
		Granted granted `xml:"AssumeRoleWithWebIdentityResult>Credentials"`
	}
	if err := s.trade(ctx, region, ask, outbound.Question{Secrets: []string{token}}, &answer); err != nil {
		return aws.Credentials{}, err
	}
	return lasting(answer.Granted.ID, answer.Granted.Secret, answer.Granted.Token, answer.Granted.Expiration)
}

// assumeRole takes on a role, in the name of the controller or of a profile.
func (s *Signer) assumeRole(ctx context.Context, region string, as Identity) (aws.Credentials, error) {
	who, err := s.cache(region, Identity{Profile: as.Profile}).Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	var answer struct {
		Granted granted `xml:"AssumeRoleResult>Credentials"`
	}
	key := Key{who, "sts", region}
	signed := outbound.Question{Secrets: key.Secrets(), Sign: key.Sign}
	if err := s.trade(ctx, region, s.ask("AssumeRole", as.RoleARN), signed, &answer); err != nil {
		return aws.Credentials{}, fmt.Errorf("taking on the role %s: %w", as.RoleARN, err)
	}
	return lasting(answer.Granted.ID, answer.Granted.Secret, answer.Granted.Token, answer.Granted.Expiration)
}

func (s *Signer) ask(action, role string) url.Values {
	return url.Values{
		"Action": {action}, "Version": {"2011-06-15"}, "RoleArn": {role},
		"RoleSessionName": {cmp.Or(s.Getenv("AWS_ROLE_SESSION_NAME"), sessionName)},
	}
}

// trade asks the token service of a region.
func (s *Signer) trade(ctx context.Context, region string, ask url.Values, q outbound.Question, into any) error {
	q.Method, q.URL = http.MethodPost, cmp.Or(s.Getenv("AWS_ENDPOINT_URL_STS"), "https://"+Host("sts", region)+"/")
	q.Header = map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	q.Body = []byte(ask.Encode())
	body, err := outbound.Ask(ctx, q)
	if err != nil {
		return err
	}
	if err := xml.Unmarshal(body, into); err != nil {
		return fmt.Errorf("reading the answer of the token service: %w", err)
	}
	return nil
}
