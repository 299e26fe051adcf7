package webhook

import (
	"strings"
)

// bitbucketRef is a branch or tag in a push to Bitbucket Cloud.
type bitbucketRef struct {
	Name, Type string
	Target     struct{ Hash string }
}

type bitbucketPush struct {
	Push struct {
		Changes []struct{ New, Old *bitbucketRef }
	}
	Repository struct {
		Links struct {
			HTML struct{ Href string }
		}
	}
}

// readBitbucket reads a push to Bitbucket Cloud, which tells neither the default branch nor files.
func readBitbucket(event string, body []byte) (Event, error) {
	if event != "repo:push" {
		return Event{}, notServed(event)
	}
	p, err := decode[bitbucketPush](body)
	if err != nil {
		return Event{}, err
	}
	var e Event
	for _, change := range p.Push.Changes {
		to := change.New
		if to == nil {
			continue // the branch is gone
		}
		one := Push{Ref: "refs/heads/" + to.Name, After: to.Target.Hash, TouchedHead: to.Type != "tag"}
		if to.Type == "tag" {
			one.Ref = "refs/tags/" + to.Name
		}
		if change.Old != nil {
			one.Before = change.Old.Target.Hash
		}
		if url := p.Repository.Links.HTML.Href; url != "" {
			one.RepoURLs = []string{url}
			e.Pushes = append(e.Pushes, one)
		}
	}
	return e, nil
}

type bitbucketServerPush struct {
	Changes []struct {
		RefID    string `json:"refId"`
		FromHash string `json:"fromHash"`
		ToHash   string `json:"toHash"`
		Ref      struct{ ID string }
	}
	Repository struct {
		Links struct {
			Clone []struct{ Href, Name string }
		}
	}
}

// readBitbucketServer reads a push to Bitbucket Server, which tells neither the default branch nor files.
func readBitbucketServer(event string, body []byte) (Event, error) {
	if event != "repo:refs_changed" {
		return Event{}, notServed(event)
	}
	p, err := decode[bitbucketServerPush](body)
	if err != nil {
		return Event{}, err
	}
	var urls []string
	for _, link := range p.Repository.Links.Clone {
		if (link.Name == "http" || link.Name == "ssh") && link.Href != "" {
			urls = append(urls, link.Href)
		}
	}
	var e Event
	for _, change := range p.Changes {
		ref := change.Ref.ID
		if ref == "" {
			ref = change.RefID
		}
		if len(urls) > 0 && ref != "" {
			e.Pushes = append(e.Pushes, Push{
				RepoURLs: urls, Ref: ref, Before: change.FromHash, After: change.ToHash, TouchedHead: strings.HasPrefix(ref, "refs/heads/"),
			})
		}
	}
	return e, nil
}

type azureEvent struct {
	EventType string `json:"eventType"`
	Resource  struct {
		RefUpdates []struct {
			Name        string
			OldObjectID string `json:"oldObjectId"`
			NewObjectID string `json:"newObjectId"`
		} `json:"refUpdates"`
		Repository struct {
			RemoteURL     string `json:"remoteUrl"`
			DefaultBranch string `json:"defaultBranch"`
		}
	}
}

func readAzure(_ string, body []byte) (Event, error) {
	p, err := decode[azureEvent](body)
	if err != nil {
		return Event{}, err
	}
	url := p.Resource.Repository.RemoteURL
	switch {
	case strings.HasPrefix(p.EventType, "git.pullrequest."):
		if url == "" {
			return Event{}, nil
		}
		return Event{Requests: &Repository{URL: url}}, nil
	case p.EventType != "git.push":
		return Event{}, notServed(p.EventType)
	}
	var e Event
	for _, u := range p.Resource.RefUpdates {
		if url != "" && u.Name != "" {
			e.Pushes = append(e.Pushes, Push{
				RepoURLs: []string{url}, Ref: u.Name, Before: u.OldObjectID, After: u.NewObjectID, TouchedHead: u.Name == p.Resource.Repository.DefaultBranch,
			})
		}
	}
	return e, nil
}
