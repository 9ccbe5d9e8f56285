package c2s

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
)

// The link relations of XEP-0156 §3.
const (
	webSocketRel = "urn:xmpp:alt-connections:websocket"
	boshRel      = "urn:xmpp:alt-connections:xbosh"
)

type link struct {
	XMLName xml.Name `xml:"Link" json:"-"`
	Rel     string   `xml:"rel,attr" json:"rel"`
	Href    string   `xml:"href,attr" json:"href"`
}

type xrd struct {
	XMLName xml.Name `xml:"http://docs.oasis-open.org/ns/xri/xrd-1.0 XRD" json:"-"`
	Links   []link   `json:"links"`
}

// HostMeta is the handler of /.well-known/host-meta and /.well-known/host-meta.json (XEP-0156 §3, RFC 6415 §3). The address told is the
// configured one: a Host header must not choose where people's clients connect.
func (s *Server) HostMeta() http.Handler {
	doc := xrd{Links: []link{}}
	for _, l := range []link{{Rel: webSocketRel, Href: s.c.WebSocket}, {Rel: boshRel, Href: s.c.BOSH}} {
		if l.Href != "" {
			doc.Links = append(doc.Links, l)
		}
	}
	asJSON, _ := json.Marshal(doc) // strings alone: it cannot fail
	asXML, _ := xml.MarshalIndent(doc, "", "  ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*") // XEP-0156 §3: pages of any origin read it
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "GET it", http.StatusMethodNotAllowed)
			return
		}
		if strings.HasSuffix(r.URL.Path, ".json") {
			w.Header().Set("Content-Type", "application/json")
			w.Write(asJSON)
			return
		}
		w.Header().Set("Content-Type", "application/xrd+xml")
		w.Write([]byte(xml.Header))
		w.Write(asXML)
	})
}
