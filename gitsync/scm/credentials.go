package scm

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// pluginKeys is how the keys of the Secret of webhooks begin that are meant for plugins.
const pluginKeys = "plugin."

// access is how a set names a server.
type access struct {
	api      string
	token    *gitopsv1.SecretRef
	insecure bool
	ca       *gitopsv1.ConfigMapKeyRef
}

// public are the servers that everybody may ask.
var public = []*url.URL{{Scheme: "https", Host: "api.github.com"}, {Scheme: "https", Host: "gitlab.com"}}

// Address reads where a server is. Credentials belong into a Secret, and nothing that follows the path would be asked for. Its errors do not hold the text.
func Address(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("the address of the server must be a URL that begins with https:// or http://")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the address of the server must hold neither a user nor a query")
	}
	u.Host = strings.ToLower(u.Host)
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

// token reads the token that a set names; empty if it names none. Source says where it comes from, for errors.
func (a *Asker) token(ctx context.Context, set *gitopsv1.ApplicationSet, ref *gitopsv1.SecretRef, to *url.URL) (token, source string, err error) {
	if ref == nil {
		return "", "", nil
	}
	data, err := a.secret(ctx, set, ref.SecretName, ref.Key, to)
	if err != nil {
		return "", "", err
	}
	source = fmt.Sprintf("key %s of Secret %s/%s", ref.Key, set.Namespace, ref.SecretName)
	token, err = value(data, ref.Key, source)
	return token, source, err
}

func value(data map[string][]byte, key, source string) (string, error) {
	text := strings.TrimSpace(string(data[key]))
	switch {
	case text == "":
		return "", fmt.Errorf("the %s is empty or missing", source)
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }):
		return "", fmt.Errorf("the %s holds a line break or another character that no token has", source)
	}
	return text, nil
}

// secret reads a Secret that something of may be sent to a server.
func (a *Asker) secret(ctx context.Context, set *gitopsv1.ApplicationSet, name, key string, to *url.URL) (map[string][]byte, error) {
	secret := &corev1.Secret{}
	switch err := a.Reader.Get(ctx, client.ObjectKey{Namespace: set.Namespace, Name: name}, secret); {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("the Secret %s/%s does not exist", set.Namespace, name)
	case err != nil:
		return nil, fmt.Errorf("reading Secret %s/%s: %w", set.Namespace, name, err)
	}
	if why := a.withheld(secret, key, to); why != "" {
		return nil, fmt.Errorf("the Secret %s/%s is not sent to %s: %s", set.Namespace, name, to.Host, why)
	}
	return secret.Data, nil
}

// withheld says why a Secret is not for a server; empty if nothing speaks against it. Whoever writes an ApplicationSet chooses the server, and may have no
// right to read Secrets.
func (a *Asker) withheld(secret *corev1.Secret, key string, to *url.URL) string {
	switch kind := secret.Labels[gitopsv1.LabelSecretType]; {
	case kind == gitopsv1.SecretTypeSCMCreds:
		return ""
	case kind == gitopsv1.SecretTypeRepository || kind == gitopsv1.SecretTypeRepoCreds:
		if of, err := url.Parse(string(secret.Data["url"])); err == nil && of.Hostname() != "" && strings.EqualFold(of.Hostname(), strings.TrimPrefix(to.Hostname(), "api.")) {
			return ""
		}
		return "it is for repositories of another server; put the token into a Secret of its own"
	case kind != "":
		return fmt.Sprintf("it is of the type %s; put the token into a Secret of its own", kind)
	case secret.Namespace != a.Namespace:
		return fmt.Sprintf("outside of the namespace %s it needs the label %s: %s", a.Namespace, gitopsv1.LabelSecretType, gitopsv1.SecretTypeSCMCreds)
	case secret.Name == gitopsv1.SecretWebhooks && !strings.HasPrefix(key, pluginKeys):
		return fmt.Sprintf("only its keys that begin with %s are for others", pluginKeys)
	case secret.Type == corev1.SecretTypeServiceAccountToken:
		return "it is the token of a service account"
	}
	return ""
}

// authority gives the certificates that are trusted for a server, as PEM: those that the set names, or else those that Git uses for that host; empty for those
// of the system.
func (a *Asker) authority(ctx context.Context, set *gitopsv1.ApplicationSet, ref *gitopsv1.ConfigMapKeyRef, to *url.URL) (string, error) {
	at := client.ObjectKey{Namespace: a.Namespace, Name: gitopsv1.ConfigMapTLSCerts}
	key := to.Hostname()
	if ref != nil {
		at, key = client.ObjectKey{Namespace: set.Namespace, Name: ref.ConfigMapName}, ref.Key
	}
	m := &corev1.ConfigMap{}
	err := a.Reader.Get(ctx, at, m)
	switch {
	case ref == nil && apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("reading the certificates for %s in ConfigMap %s: %w", to.Host, at, err)
	case ref != nil && m.Data[key] == "":
		return "", fmt.Errorf("the key %s of ConfigMap %s is empty or missing", key, at)
	}
	return m.Data[key], nil
}
