package gitsync

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	gitopsv1 "github.com/sluice-delivery/sluice/apis/gitops/v1alpha1"
)

// addressesOf are the URLs at which people reach an object: those that its annotations name, and unless an annotation says otherwise those of an Ingress,
// of a Service of type LoadBalancer and of an HTTPRoute. They come without user and password.
func addressesOf(o *unstructured.Unstructured) (urls []string) {
	noDefaults := false
	for key, value := range o.GetAnnotations() {
		switch {
		case key == gitopsv1.AnnotationIgnoreDefaultLinks:
			noDefaults = value == "true"
		case strings.HasPrefix(key, gitopsv1.AnnotationLinkPrefix):
			urls = append(urls, linkOf(value))
		}
	}
	if !noDefaults {
		urls = append(urls, defaultAddresses(o)...)
	}
	slices.Sort(urls)
	return slices.DeleteFunc(slices.Compact(urls), func(u string) bool { return u == "" })
}

func defaultAddresses(o *unstructured.Unstructured) []string {
	switch k := KeyOf(o); (GroupKind{k.Group, k.Kind}) {
	case GroupKind{"networking.k8s.io", "Ingress"}, GroupKind{"extensions", "Ingress"}:
		return ingressAddresses(o)
	case GroupKind{"", "Service"}:
		return serviceAddresses(o)
	case GroupKind{groupGateway, "HTTPRoute"}:
		return routeAddresses(o)
	}
	return nil
}

// shownAddresses masks, because somebody may have put a token into an annotation.
func (d *decision) shownAddresses(urls []string) (shown []string) {
	for _, u := range urls {
		shown = append(shown, d.mask.Text(u))
	}
	slices.Sort(shown)
	return slices.Compact(shown)
}

// linkOf reads "title | URL" or a URL; empty for what is no web address, so that nobody clicks on a script.
func linkOf(text string) string {
	if _, after, titled := strings.Cut(text, "|"); titled {
		text = after
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	u.User = nil
	return u.String()
}

// ingressAddresses joins the hosts and paths of the rules; a rule without a host is reached at the addresses of the load balancer.
func ingressAddresses(o *unstructured.Unstructured) (urls []string) {
	secure := map[string]bool{}
	all := false
	for _, t := range mapsIn(o.Object, "spec", "tls") {
		hosts, _, _ := unstructured.NestedStringSlice(t, "hosts")
		all = all || len(hosts) == 0
		for _, host := range hosts {
			secure[host] = true
		}
	}
	for _, rule := range mapsIn(o.Object, "spec", "rules") {
		hosts := balancers(o)
		if host := textIn(rule, "host"); host != "" {
			hosts = []string{host}
		}
		paths := mapsIn(rule, "http", "paths")
		if len(paths) == 0 {
			paths = []map[string]any{{}}
		}
		for _, host := range hosts {
			scheme := "http"
			if all || secure[host] {
				scheme = "https"
			}
			for _, path := range paths {
				urls = append(urls, addressAt(scheme, host, textIn(path, "path")))
			}
		}
	}
	return urls
}

// serviceAddresses knows what is spoken at the ports 80 and 443 only.
func serviceAddresses(o *unstructured.Unstructured) (urls []string) {
	if textIn(o.Object, "spec", "type") != "LoadBalancer" {
		return nil
	}
	for _, host := range balancers(o) {
		for _, port := range mapsIn(o.Object, "spec", "ports") {
			switch number(port["port"]) {
			case 80.0:
				urls = append(urls, addressAt("http", host, ""))
			case 443.0:
				urls = append(urls, addressAt("https", host, ""))
			}
		}
	}
	return urls
}

// routeAddresses takes https for granted, because whether the Gateway ends TLS stands in another object.
func routeAddresses(o *unstructured.Unstructured) (urls []string) {
	hosts, _, _ := unstructured.NestedStringSlice(o.Object, "spec", "hostnames")
	for _, host := range hosts {
		urls = append(urls, addressAt("https", host, ""))
	}
	return urls
}

// addressAt is empty for a host with a star, which is no place.
func addressAt(scheme, host, path string) string {
	if host == "" || strings.Contains(host, "*") {
		return ""
	}
	if strings.Contains(host, ":") { // an address of IPv6
		host = "[" + host + "]"
	}
	// A path may be a pattern of the Ingress controller, of which the part before the first special character is a place.
	if at := strings.IndexAny(path, `*()[]{}^$\|+?`); at >= 0 {
		path = path[:at]
	}
	u := url.URL{Scheme: scheme, Host: host, Path: path}
	return u.String()
}

// balancers are the hosts or else addresses of the load balancer in front of an object.
func balancers(o *unstructured.Unstructured) (hosts []string) {
	for _, one := range mapsIn(o.Object, "status", "loadBalancer", "ingress") {
		hosts = append(hosts, cmp.Or(textIn(one, "hostname"), textIn(one, "ip")))
	}
	return hosts
}

func mapsIn(in map[string]any, path ...string) (all []map[string]any) {
	value, _, _ := unstructured.NestedFieldNoCopy(in, path...)
	list, _ := value.([]any)
	for _, one := range list {
		if m, ok := one.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}

func textIn(in map[string]any, path ...string) string {
	text, _, _ := unstructured.NestedString(in, path...)
	return text
}
