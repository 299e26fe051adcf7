package webhook

import "strings"

// hubRegistry is where packages of GitHub are pulled from.
const hubRegistry = "ghcr.io"

type hubPackage struct {
	Name           string
	PackageType    string `json:"package_type"`
	Owner          struct{ Login string }
	PackageVersion struct {
		ContainerMetadata struct {
			Tag struct{ Name string }
		} `json:"container_metadata"`
	} `json:"package_version"`
}

// event tells of a container package that was published under a tag; of everything else there is nothing to tell.
func (p *hubPackage) event(action string) Event {
	if p == nil || action != "published" || !strings.EqualFold(p.PackageType, "container") {
		return Event{}
	}
	tag := p.PackageVersion.ContainerMetadata.Tag.Name
	if p.Owner.Login == "" || p.Name == "" || tag == "" {
		return Event{}
	}
	return Event{Artifacts: []Artifact{{Registry: hubRegistry, Repository: p.Owner.Login + "/" + p.Name, Tag: tag}}}
}

type harborPush struct {
	Type      string
	EventData struct {
		Resources []struct {
			Tag         string
			ResourceURL string `json:"resource_url"`
		}
	} `json:"event_data"`
}

func readHarbor(_ string, body []byte) (Event, error) {
	p, err := decode[harborPush](body)
	if err != nil {
		return Event{}, err
	}
	if p.Type != "PUSH_ARTIFACT" {
		return Event{}, notServed(p.Type)
	}
	var e Event
	for _, r := range p.EventData.Resources {
		// The address is host/path:tag, or host/path@digest.
		address := strings.TrimSuffix(r.ResourceURL, ":"+r.Tag)
		host, path, found := strings.Cut(address, "/")
		if found && path != "" && r.Tag != "" && address != r.ResourceURL {
			e.Artifacts = append(e.Artifacts, Artifact{Registry: host, Repository: path, Tag: r.Tag})
		}
	}
	return e, nil
}
