package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// Keys of the Secret that holds what deliveries are verified with.
const (
	KeyGitHub          = "webhook.github.secret"
	KeyGitLab          = "webhook.gitlab.secret"
	KeyGogs            = "webhook.gogs.secret"
	KeyBitbucket       = "webhook.bitbucket.uuid"
	KeyBitbucketServer = "webhook.bitbucketserver.secret"
	KeyAzureUsername   = "webhook.azuredevops.username"
	KeyAzurePassword   = "webhook.azuredevops.password" //nolint:gosec // the name of a key
	KeyHarbor          = "webhook.harbor.secret"
)

// Provider is a kind of Git host or registry.
type Provider string

// Providers, in the order in which their headers are looked for. Gitea speaks as Gogs does.
const (
	AzureDevOps     Provider = "azuredevops"
	Gogs            Provider = "gogs"
	GitHub          Provider = "github"
	GitLab          Provider = "gitlab"
	Bitbucket       Provider = "bitbucket"
	BitbucketServer Provider = "bitbucket-server"
	Harbor          Provider = "harbor"
)

// Header gives the value of a header, empty if it is absent, whatever the case of its name.
type Header func(name string) string

// Secrets are the values of the Secret, by key.
type Secrets map[string][]byte

// Refusal says why a delivery is not taken. Its message is shown to whoever sent it and repeats nothing of what was sent.
type Refusal struct {
	// Unauthorized is true where it is not known that the provider sent it; otherwise the delivery itself is wrong.
	Unauthorized bool
	Message      string
}

func (e *Refusal) Error() string { return e.Message }

func unauthorized(format string, args ...any) error {
	return &Refusal{Unauthorized: true, Message: fmt.Sprintf(format, args...)}
}

func unusable(format string, args ...any) error {
	return &Refusal{Message: fmt.Sprintf(format, args...)}
}

// Delivery is one that may be read.
type Delivery struct {
	Provider Provider
	event    string
	// key signs the body and signature is that of the sender; without a key the headers proved enough.
	key, signature []byte
	read           func(event string, body []byte) (Event, error)
}

// ping is an event that has no effect.
const ping = "ping"

// Admit tells whose delivery it is and whether its headers are those of a sender who knows the secret.
func Admit(header Header, secrets Secrets) (Delivery, error) {
	switch {
	case header("X-Vss-Activityid") != "":
		return Delivery{Provider: AzureDevOps, read: readAzure}, basicAuth(header("Authorization"), secrets)
	case header("X-Gogs-Event") != "":
		return signed(Delivery{Provider: Gogs, event: header("X-Gogs-Event"), read: readGogs}, secrets, KeyGogs, "X-Gogs-Signature", header("X-Gogs-Signature"))
	case header("X-GitHub-Event") != "":
		return gitHub(header, secrets)
	case header("X-Gitlab-Event") != "":
		return Delivery{Provider: GitLab, event: header("X-Gitlab-Event"), read: readGitLab}, equal(secrets, KeyGitLab, "X-Gitlab-Token", header("X-Gitlab-Token"))
	case header("X-Hook-UUID") != "":
		return Delivery{Provider: Bitbucket, event: header("X-Event-Key"), read: readBitbucket}, equal(secrets, KeyBitbucket, "X-Hook-UUID", header("X-Hook-UUID"))
	case header("X-Event-Key") == "diagnostics:ping":
		// Bitbucket Server does not sign its test of a connection, which has no effect.
		return Delivery{Provider: BitbucketServer, event: ping, read: readNothing}, nil
	case header("X-Event-Key") != "":
		d := Delivery{Provider: BitbucketServer, event: header("X-Event-Key"), read: readBitbucketServer}
		return sha256Signed(d, secrets, KeyBitbucketServer, "X-Hub-Signature", header("X-Hub-Signature"))
	case header("Authorization") != "" && len(secrets[KeyHarbor]) > 0:
		return Delivery{Provider: Harbor, read: readHarbor}, equal(secrets, KeyHarbor, "Authorization", header("Authorization"))
	}
	return Delivery{}, unusable("Unknown webhook event: no header of a provider that is known")
}

func gitHub(header Header, secrets Secrets) (Delivery, error) {
	d := Delivery{Provider: GitHub, event: header("X-GitHub-Event"), read: readGitHub}
	return sha256Signed(d, secrets, KeyGitHub, "X-Hub-Signature-256", header("X-Hub-Signature-256"))
}

// Read verifies the body of a delivery and tells what happened.
func (d Delivery) Read(body []byte) (Event, error) {
	if d.key != nil {
		mac := hmac.New(sha256.New, d.key)
		mac.Write(body)
		if !hmac.Equal(mac.Sum(nil), d.signature) {
			return Event{}, unauthorized("the signature does not fit the body: the secret of the webhook at the provider is another than the one here")
		}
	}
	e, err := d.read(d.event, body)
	if err != nil {
		return Event{}, err
	}
	e.Provider = d.Provider
	return e.bounded()
}

func secretOf(secrets Secrets, key string) ([]byte, error) {
	if len(secrets[key]) == 0 {
		return nil, unauthorized("%s is not set in the Secret of webhooks, so nothing can be verified: set it there and at the provider", key)
	}
	return secrets[key], nil
}

// equal compares a header with a secret, in a time that tells nothing about either.
func equal(secrets Secrets, key, header, value string) error {
	secret, err := secretOf(secrets, key)
	if err != nil {
		return err
	}
	if !same(secret, []byte(value)) {
		return unauthorized("the header %s is not what %s says", header, key)
	}
	return nil
}

// same compares sums of equal length, because the comparison of texts tells their length.
func same(a, b []byte) bool {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func signed(d Delivery, secrets Secrets, key, header, signature string) (Delivery, error) {
	secret, err := secretOf(secrets, key)
	if err != nil {
		return d, err
	}
	d.key = secret
	if d.signature, err = hex.DecodeString(signature); err != nil || len(d.signature) != sha256.Size {
		return d, unauthorized("the header %s must hold the HMAC-SHA256 of the body: give the webhook at the provider the secret that %s has here", header, key)
	}
	return d, nil
}

func sha256Signed(d Delivery, secrets Secrets, key, header, signature string) (Delivery, error) {
	if _, err := secretOf(secrets, key); err != nil {
		return d, err
	}
	sum, found := strings.CutPrefix(signature, "sha256=")
	if !found {
		sum = ""
	}
	return signed(d, secrets, key, header, sum)
}

func basicAuth(authorization string, secrets Secrets) error {
	username, password := secrets[KeyAzureUsername], secrets[KeyAzurePassword]
	if len(username) == 0 || len(password) == 0 {
		return unauthorized("%s and %s are not both set in the Secret of webhooks, so nothing can be verified: set them there and at the provider",
			KeyAzureUsername, KeyAzurePassword)
	}
	encoded, _ := strings.CutPrefix(authorization, "Basic ")
	given, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !same(given, []byte(string(username)+":"+string(password))) {
		return unauthorized("the user name and password are not what %s and %s say", KeyAzureUsername, KeyAzurePassword)
	}
	return nil
}
