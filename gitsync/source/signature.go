package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
	"github.com/sluice-delivery/sluice/gitsync"
)

const (
	// maxHistory bounds how many commits are verified at once where all of a history must be signed.
	maxHistory = 20_000
	// shortestKey is the length of the shortest key id that nobody can make up a key for.
	shortestKey = 16
)

// policy says whose signature a commit needs.
type policy struct {
	// strict asks for the signatures of all commits that lead to the one that is synced, too.
	strict bool
	keys   []string
}

// policiesOf lists what a project asks of a Git repository.
func policiesOf(project *gitopsv1.AppProject, repoURL string) ([]policy, error) {
	var all []policy
	if keys := project.Spec.SignatureKeys; len(keys) > 0 {
		p := policy{}
		for _, k := range keys {
			p.keys = append(p.keys, k.KeyID)
		}
		all = append(all, p)
	}
	integrity := project.Spec.SourceIntegrity
	if integrity == nil || integrity.Git == nil {
		return all, nil
	}
	for _, rule := range integrity.Git.Policies {
		asked, err := policyOf(rule, repoURL)
		if err != nil {
			return nil, fmt.Errorf("project %s, sourceIntegrity: %w", project.Name, err)
		}
		all = append(all, asked...)
	}
	return all, nil
}

// policyOf gives what one rule asks of a repository; none if it is for others, or asks for no signature.
func policyOf(rule gitopsv1.GitIntegrityPolicy, repoURL string) ([]policy, error) {
	patterns, err := gitopsv1.RepoPatterns(rule)
	if err != nil {
		return nil, err
	}
	switch concerned, err := gitsync.MatchesSource(patterns, repoURL); {
	case err != nil || !concerned:
		return nil, err
	case rule.GPG == nil:
		return nil, errors.New("a policy for this repository does not say which signatures it wants")
	case rule.GPG.Mode == "none":
		return nil, nil
	case rule.GPG.Mode == "head" || rule.GPG.Mode == "strict":
		return []policy{{strict: rule.GPG.Mode == "strict", keys: rule.GPG.Keys}}, nil
	}
	return nil, fmt.Errorf("the mode %q is none of none, head and strict", rule.GPG.Mode)
}

// verify checks a commit against every policy of the project. What was found to be good once stays so for the same keys.
func (c *clone) verify(ctx context.Context, git *runner, want gitsync.Want, revision string) error {
	policies, err := policiesOf(want.Project, want.Source.RepoURL)
	if err != nil {
		return err
	}
	for _, p := range policies {
		ring, id, err := git.keys.ring(p.keys)
		if err != nil {
			return fmt.Errorf("project %s asks for signed commits: %w", want.Project.Name, err)
		}
		if err := c.verifyAs(ctx, git, revision, p.strict, ring, id); err != nil {
			return fmt.Errorf("project %s asks for signed commits: %w", want.Project.Name, err)
		}
	}
	return nil
}

func (c *clone) verifyAs(ctx context.Context, git *runner, revision string, strict bool, ring openpgp.EntityList, id string) error {
	known := fmt.Sprintf("%s %t %s", revision, strict, id)
	if _, found := c.verified.Load(known); found {
		return nil
	}
	// The files may be there still when the clone that they are from was begun anew.
	if err := c.bring(ctx, git, revision); err != nil {
		return err
	}
	commits := []string{revision}
	if strict {
		if err := c.deepen(ctx, git); err != nil {
			return &gitsync.UnreachableError{Cause: fmt.Errorf("fetching the history: %w", err)}
		}
		out, err := git.run(ctx, nil, "--git-dir="+c.bare(), "rev-list", fmt.Sprintf("--max-count=%d", maxHistory+1), "--end-of-options", revision)
		if err != nil {
			return err
		}
		if commits = strings.Fields(string(out)); len(commits) > maxHistory {
			return fmt.Errorf("the history has more than %d commits, which are too many to verify; use the mode head", maxHistory)
		}
	}
	for _, commit := range commits {
		one := fmt.Sprintf("%s false %s", commit, id)
		if _, found := c.verified.Load(one); found {
			continue
		}
		object, err := git.run(ctx, nil, "--git-dir="+c.bare(), "cat-file", "commit", commit)
		if err != nil {
			return err
		}
		if err := checkSignature(object, ring); err != nil {
			return fmt.Errorf("commit %s: %w", commit, err)
		}
		c.verified.Store(one, true)
	}
	c.verified.Store(known, true)
	return nil
}

// ring gathers the keys with some ids, and an identity of just these keys.
func (k Keys) ring(ids []string) (openpgp.EntityList, string, error) {
	if len(ids) == 0 {
		return nil, "", errors.New("it names no key that may sign")
	}
	var ring openpgp.EntityList
	identity := sha256.New()
	for _, id := range ids {
		id = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(id)), "0X")
		if len(id) < shortestKey {
			return nil, "", fmt.Errorf("the key id %q is too short to be safe; write %d digits or the whole fingerprint", id, shortestKey)
		}
		for _, armored := range k.Signers {
			entities, err := openpgp.ReadArmoredKeyRing(strings.NewReader(armored))
			if err != nil {
				continue // somebody else's key that cannot be read must not stop this project
			}
			for _, e := range entities {
				if hasKey(e, id) {
					ring = append(ring, e)
					identity.Write([]byte(armored))
				}
			}
		}
		fmt.Fprintf(identity, "\n%s\n", id)
	}
	if len(ring) == 0 {
		return nil, "", fmt.Errorf("ConfigMap %s holds none of the keys that may sign: %s", gitopsv1.ConfigMapGPGKeys, strings.Join(ids, ", "))
	}
	return ring, fmt.Sprintf("%x", identity.Sum(nil)), nil
}

func hasKey(e *openpgp.Entity, id string) bool {
	has := func(fingerprint []byte) bool { return strings.HasSuffix(fmt.Sprintf("%X", fingerprint), id) }
	return has(e.PrimaryKey.Fingerprint) || slices.ContainsFunc(e.Subkeys, func(s openpgp.Subkey) bool { return has(s.PublicKey.Fingerprint) })
}

// checkSignature checks the signature inside a commit object, which is over the object without it.
func checkSignature(object []byte, ring openpgp.EntityList) error {
	signed, signature, err := splitSignature(object)
	switch {
	case err != nil:
		return err
	case len(signature) == 0:
		return errors.New("it is not signed")
	case !bytes.HasPrefix(signature, []byte("-----BEGIN PGP SIGNATURE-----")):
		return errors.New("it is signed with something else than OpenPGP, which cannot be verified")
	}
	if _, err := openpgp.CheckArmoredDetachedSignature(ring, bytes.NewReader(signed), bytes.NewReader(signature), nil); err != nil {
		return fmt.Errorf("its signature is not from a key that may sign: %w", err)
	}
	return nil
}

// splitSignature takes the signature headers out of a commit object. A line that begins with a space goes on the header before it.
func splitSignature(object []byte) (signed, signature []byte, err error) {
	headers, message, found := bytes.Cut(object, []byte("\n\n"))
	if !found {
		return nil, nil, errors.New("it is no commit with a message")
	}
	header := ""
	for line := range bytes.Lines(append(headers, '\n')) {
		// A line that goes on has an empty name, and what follows the space is its text.
		name, text, _ := bytes.Cut(line, []byte(" "))
		if len(name) > 0 {
			header = string(name)
			if header == "gpgsig" && signature != nil {
				return nil, nil, errors.New("it has more than one signature")
			}
		}
		switch header {
		case "gpgsig":
			signature = append(signature, text...)
		case "gpgsig-sha256":
		default:
			signed = append(signed, line...)
		}
	}
	return append(append(signed, '\n'), message...), signature, nil
}
