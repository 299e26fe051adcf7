package source

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
	"github.com/sluice-delivery/sluice/internal/githubapp"
)

// Keys are the Secrets of the control namespace that configure repositories, and what is trusted.
type Keys struct {
	Secrets []corev1.Secret
	// KnownHosts is the text of the known hosts of SSH; an unknown host is refused.
	KnownHosts string
	// Authorities has PEM bundles by host name, used instead of those of the system.
	Authorities map[string]string
	// Signers has the armored OpenPGP keys that commits may be signed with, by their ids.
	Signers map[string]string
}

// Types of repositories in Secrets; an empty one stands for git.
const (
	typeGit  = "git"
	typeHelm = "helm"
	typeOCI  = "oci"
)

// credentials are those of one repository for one project.
type credentials struct {
	// name of the Secret, for messages.
	name string
	data map[string]string
}

// identity keys are those that make a repository entry complete, so that no template is looked up.
var identityKeys = []string{"username", "password", "bearerToken", "sshPrivateKey", "tlsClientCertData", "githubAppPrivateKey",
	"useAzureWorkloadIdentity", "azureServicePrincipalClientSecret"}

// unbuilt keys change how a repository is reached in ways that are not built; using them without a word would surprise.
var unbuiltKeys = []string{"useAzureWorkloadIdentity", "azureServicePrincipalClientSecret", "gcpServiceAccountKey"}

// purpose is what credentials are for: the values of LabelSecretType of entries and of templates.
type purpose struct{ entry, template string }

var (
	reading = purpose{gitopsv1.SecretTypeRepository, gitopsv1.SecretTypeRepoCreds}
	writing = purpose{gitopsv1.SecretTypeRepositoryWrite, gitopsv1.SecretTypeRepoWriteCreds}
)

// choose picks the credentials of a repository of one of some types, to read it. Entries of other projects are never used, and none at all means
// anonymous.
func (k Keys) choose(repoURL, project string, types ...string) (credentials, error) {
	return k.chooseFor(reading, repoURL, project, types...)
}

// chooseToWrite picks those to write with. What is there for reading never serves for that, and nothing is written anonymously.
func (k Keys) chooseToWrite(repoURL, project string) (credentials, error) {
	c, err := k.chooseFor(writing, repoURL, project, typeGit)
	if err == nil && c.name == "" {
		return c, fmt.Errorf("there is no Secret with the label %s: %s (or %s) for it and the project %s; make one with credentials that may push",
			gitopsv1.LabelSecretType, writing.entry, writing.template, project)
	}
	return c, err
}

func (k Keys) chooseFor(use purpose, repoURL, project string, types ...string) (credentials, error) {
	c := credentials{data: map[string]string{}}
	if entry := k.repository(use.entry, repoURL, project); entry != nil {
		c = read(entry)
	}
	if !slices.ContainsFunc(identityKeys, func(key string) bool { return c.data[key] != "" }) {
		if template := k.template(use.template, repoURL, project); template != nil {
			t := read(template)
			maps.Copy(t.data, c.data)
			c = t
		}
	}
	if kind := c.data["type"]; kind != "" && !slices.Contains(types, kind) {
		return c, fmt.Errorf("secret %s is of the type %q, and the source asks for one of the type %s: a chart needs source.chart, an artifact a repoURL that begins with %s",
			c.name, kind, types[0], ociScheme)
	}
	unbuilt := unbuiltKeys
	if !slices.Contains(types, typeGit) {
		unbuilt = append(slices.Clone(unbuilt), githubapp.KeyPrivate)
	}
	for _, key := range unbuilt {
		if v := c.data[key]; v != "" && v != "false" {
			return c, fmt.Errorf("secret %s: %s cannot be used yet; remove it", c.name, key)
		}
	}
	for _, key := range []string{"username", "password", "bearerToken", "proxy"} {
		if strings.ContainsAny(c.data[key], "\r\n\x00") {
			return c, fmt.Errorf("secret %s: %s holds a line break or a NUL; write it on one line", c.name, key)
		}
	}
	return c, nil
}

func read(s *corev1.Secret) credentials {
	c := credentials{name: s.Namespace + "/" + s.Name, data: map[string]string{}}
	for key, value := range s.Data {
		c.data[key] = string(value)
		if key != "sshPrivateKey" && !strings.HasPrefix(key, "tlsClientCert") {
			c.data[key] = strings.TrimSpace(c.data[key])
		}
	}
	return c
}

func (k Keys) repository(label, repoURL, project string) *corev1.Secret {
	var found *corev1.Secret
	for i := range k.Secrets {
		s := &k.Secrets[i]
		if s.Labels[gitopsv1.LabelSecretType] != label || gitsync.NormalURL(string(s.Data["url"])) != gitsync.NormalURL(repoURL) {
			continue
		}
		switch owner := string(s.Data["project"]); {
		case owner == project:
			return s
		case owner == "" && found == nil:
			found = s
		}
	}
	return found
}

// template is the longest prefix that ends where a part of the path ends, so that https://host/org does not serve https://host/organisation. Of two
// that are alike, that of the project counts.
func (k Keys) template(label, repoURL, project string) *corev1.Secret {
	var found *corev1.Secret
	best := 0
	for i := range k.Secrets {
		s := &k.Secrets[i]
		prefix := gitsync.NormalURL(string(s.Data["url"]))
		owner := string(s.Data["project"])
		if s.Labels[gitopsv1.LabelSecretType] != label || prefix == "" || owner != "" && owner != project {
			continue
		}
		rank := 2 * len(prefix)
		if owner != "" {
			rank++
		}
		rest, within := strings.CutPrefix(gitsync.NormalURL(repoURL), prefix)
		if within && (rest == "" || rest[0] == '/') && rank > best {
			found, best = s, rank
		}
	}
	return found
}

// fingerprint keeps repositories apart that are reached with different credentials.
func (c credentials) fingerprint() string {
	h := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(c.data)) {
		fmt.Fprintf(h, "%q=%q\n", key, c.data[key])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// header is the Authorization header, or empty.
func (c credentials) header() string {
	if token := c.data["bearerToken"]; token != "" {
		return "Authorization: Bearer " + token
	}
	if c.data["username"] == "" && c.data["password"] == "" {
		return ""
	}
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(c.data["username"]+":"+c.data["password"]))
}

// openKeys hold nothing that is worth hiding, and hiding it would garble messages.
var openKeys = []string{"url", "type", "name", "project", "noProxy", "depth", "insecure", "insecureIgnoreHostKey", "insecureOCIForceHttp", "enableOCI", "enableLfs", keySubmodules, "forceHttpBasicAuth"}

// tells reports whether a value must not be told. Some put a token where the name of a user belongs, and no name such as git is that long.
func tells(key, value string) bool {
	if key == "username" {
		return len(value) > 12
	}
	return len(value) > 2 && !slices.Contains(openKeys, key)
}

// mask removes every secret from a text.
func (c credentials) mask(text string) string {
	secrets := []string{strings.TrimPrefix(strings.TrimPrefix(c.header(), "Authorization: Basic "), "Authorization: Bearer ")}
	for key, value := range c.data {
		if tells(key, value) {
			secrets = append(secrets, value)
		}
	}
	// The longest first: one secret may hold another.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "******")
		}
	}
	return text
}

// plain makes words of a server fit for a condition: masked, on one line, without control characters, bounded.
func (c credentials) plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x9b {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(c.mask(text), "?"))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 500 {
		text = strings.ToValidUTF8(text[:500], "") + "…"
	}
	return text
}

// fit is an error whose words are plain; it stays what it is.
func (c credentials) fit(err error) error {
	var gone *gitsync.UnreachableError
	plain := errors.New(c.plain(err.Error()))
	if errors.As(err, &gone) {
		return &gitsync.UnreachableError{Cause: plain, Again: gone.Again}
	}
	return plain
}
