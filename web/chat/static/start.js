const domain = document.body.dataset.domain;
const scheme = location.protocol === "https:" ? "wss://" : "ws://";
const dark = matchMedia("(prefers-color-scheme: dark)").matches;

converse.initialize({
	view_mode: "fullscreen",
	assets_path: "/chat/dist/",
	i18n: "en",
	theme: dark ? "dracula" : "classic",
	dark_theme: "dracula",
	discover_connection_methods: false,
	websocket_url: scheme + location.host + "/xmpp-websocket",
	bosh_service_url: location.origin + "/http-bind", // where the browser has no WebSocket
	locked_domain: domain,
	domain_placeholder: domain,
	allow_registration: false,
	allow_url_history_change: false,
	auto_reconnect: true,
	message_archiving: "always",
	persistent_store: "IndexedDB",
	omemo_default: true,
	muc_nickname_from_jid: true,
	send_chat_state_notifications: true,
	show_background: false,
	show_client_info: false,
	show_controlbox_by_default: true,
	render_media: false,
	embed_videos: false,
	embed_audio: false,
	embed_3rd_party_media_players: false,
	loglevel: "warn",
});
