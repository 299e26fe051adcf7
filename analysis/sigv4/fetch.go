package sigv4

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sluice-delivery/sluice/analysis/outbound"
)

const (
	// instanceTimeout is short: where there is no instance, nobody answers.
	instanceTimeout = 2 * time.Second
	instanceServer  = "http://169.254.169.254"
	containerServer = "http://169.254.170.2"
)

// fetch gets the credentials of an identity from the first source that is set up, in the order of the AWS libraries.
func (s *Signer) fetch(ctx context.Context, region string, as Identity) (aws.Credentials, error) {
	id := s.Getenv("AWS_ACCESS_KEY_ID")
	file, role := s.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), s.Getenv("AWS_ROLE_ARN")
	switch {
	case as.RoleARN != "":
		return s.assumeRole(ctx, region, as)
	case as.Profile != "":
		return s.profile(as.Profile)
	case id != "":
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: s.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: s.Getenv("AWS_SESSION_TOKEN")}, nil
	case file != "" && role != "":
		return s.webIdentity(ctx, region, file, role)
	case s.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI") != "":
		return s.container(ctx, s.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
	case s.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "":
		return s.container(ctx, containerServer+s.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
	case strings.EqualFold(s.Getenv("AWS_EC2_METADATA_DISABLED"), "true"):
		return aws.Credentials{}, errors.New("the controller was given none: no keys, profile, web identity or pod identity")
	}
	return s.instance(ctx)
}

// container asks the endpoint that EKS pod identity, or ECS, gives to a container. Its token changes, so it is read each time.
func (s *Signer) container(ctx context.Context, address string) (aws.Credentials, error) {
	token := s.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN")
	if file := s.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); file != "" {
		var err error
		if token, err = readToken(file); err != nil {
			return aws.Credentials{}, err
		}
	}
	q := outbound.Question{URL: address, OwnCloud: true, Secrets: []string{token}}
	if token != "" {
		q.Header = map[string]string{"Authorization": token}
	}
	return document(ctx, q)
}

// instance asks the metadata service of the instance that the controller runs on.
func (s *Signer) instance(ctx context.Context) (aws.Credentials, error) {
	base := strings.TrimSuffix(cmp.Or(s.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"), instanceServer), "/") + "/latest/"
	token, err := outbound.Ask(ctx, outbound.Question{
		Method: http.MethodPut, URL: base + "api/token", OwnCloud: true, Timeout: instanceTimeout,
		Header: map[string]string{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": "60"},
	})
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("the controller was given none, and there is no instance to ask: %w", err)
	}
	q := outbound.Question{
		URL: base + "meta-data/iam/security-credentials/", OwnCloud: true, Timeout: instanceTimeout,
		Header: map[string]string{"X-Aws-Ec2-Metadata-Token": string(token)}, Secrets: []string{string(token)},
	}
	role, err := outbound.Ask(ctx, q)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("finding the role of the instance: %w", err)
	}
	name, _, _ := strings.Cut(strings.TrimSpace(string(role)), "\n")
	q.URL += url.PathEscape(name)
	return document(ctx, q)
}

// document reads credentials as container and instance give them.
func document(ctx context.Context, q outbound.Question) (aws.Credentials, error) {
	var d struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      time.Time
	}
	if err := outbound.AskJSON(ctx, q, &d); err != nil {
		return aws.Credentials{}, err
	}
	return lasting(d.AccessKeyID, d.SecretAccessKey, d.Token, d.Expiration)
}

// lasting makes credentials that end.
func lasting(id, secret, token string, until time.Time) (aws.Credentials, error) {
	if id == "" || secret == "" || until.IsZero() {
		return aws.Credentials{}, errors.New("the answer holds no credentials")
	}
	return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token, CanExpire: true, Expires: until}, nil
}

// profile reads static keys from the credentials file. It is read again with every controller start only: such keys have no end.
func (s *Signer) profile(name string) (aws.Credentials, error) {
	path := cmp.Or(s.Getenv("AWS_SHARED_CREDENTIALS_FILE"), filepath.Join(s.Getenv("HOME"), ".aws", "credentials"))
	file, err := os.Open(path)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("opening the file of the profile %s: %w", name, err)
	}
	defer file.Close()
	section, found := "", map[string]string{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			section = strings.TrimSpace(strings.Trim(line, "[]"))
		} else if key, value, is := strings.Cut(line, "="); is && section == name {
			found[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
		}
	}
	if err := lines.Err(); err != nil {
		return aws.Credentials{}, fmt.Errorf("reading the file of the profile %s: %w", name, err)
	}
	id, secret := found["aws_access_key_id"], found["aws_secret_access_key"]
	if id == "" || secret == "" {
		return aws.Credentials{}, fmt.Errorf("the profile %s has no aws_access_key_id and aws_secret_access_key in %s", name, path)
	}
	return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: found["aws_session_token"]}, nil
}

func readToken(file string) (string, error) {
	token, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the token of the controller: %w", err)
	}
	return strings.TrimSpace(string(token)), nil
}
