package server

import (
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net/http"
	"time"

	"writ/xmpp/c2s"
)

// httpServer has limits for every phase of a request. Faces that take long bodies or answers extend their own deadlines.
func (h *House) httpServer(handler http.Handler) *http.Server {
	config := h.TLS.Clone()
	c2s.TieTickets(config) // the WebSocket binds sign-ins to the certificate
	return &http.Server{
		Handler:           handler,
		TLSConfig:         config,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       2 * time.Minute,
		WriteTimeout:      5 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          log.New(quiet{h.Log}, "", 0),
	}
}

// quiet takes net/http's own lines (failed handshakes of strangers) as debug lines.
type quiet struct{ log *slog.Logger }

func (q quiet) Write(b []byte) (int, error) {
	q.log.Debug(string(b), "room", "server")
	return len(b), nil
}

// httpHandler is what everyone may reach.
func (h *House) httpHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/xmpp-websocket", h.C2S.WebSocket())
	mux.Handle("/http-bind", h.C2S.BOSH())
	mux.Handle("GET /.well-known/host-meta", h.C2S.HostMeta())
	mux.Handle("GET /.well-known/host-meta.json", h.C2S.HostMeta())
	mux.Handle("/", h.C2S.Forwarded(h.pages)) // rates count by network
	return mux
}

// internalHandler is for the machine's own eyes: metrics, and health for whoever supervises the server.
func (h *House) internalHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", h.Metrics.Handler())
	mux.HandleFunc("GET /federation", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(h.S2S.Peers()) // an error is the reader's going away
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-h.DB.Failed():
			http.Error(w, "the store has failed", http.StatusServiceUnavailable)
			return
		default:
		}
		var one int
		if err := h.DB.QueryRow(r.Context(), "SELECT 1").Scan(&one); err != nil {
			http.Error(w, "the store does not answer", http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "ok\n")
	})
	return mux
}
