package server

import "net/url"

// base is where people reach the pages.
func (h *House) base() string {
	if h.Dev {
		return "http://localhost:" + devHTTP
	}
	return "https://" + h.Domain.ASCII()
}

// InviteLink is the address to hand over for an invitation's token.
func (h *House) InviteLink(token string) string { return h.base() + "/invite/" + url.PathEscape(token) }

// EnrolLink is the address at which a member of the staff enrols a passkey.
func (h *House) EnrolLink(token string) string { return h.base() + "/enrol/" + url.PathEscape(token) }
