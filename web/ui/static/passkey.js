"use strict";
// A form with data-passkey asks that address for WebAuthn options, lets the browser answer them, puts the answer into its hidden
// field "answer" (sign-in, registration) or "assertion" (a signature over data-hash), and is then sent as any form.
(() => {
	const decode = s => Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), c => c.charCodeAt(0));
	const encode = b => btoa(Array.from(new Uint8Array(b), c => String.fromCharCode(c)).join(""))
		.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
	const list = l => (l || []).map(d => ({ ...d, id: decode(d.id) }));

	async function ask(o) {
		const k = { ...o, challenge: decode(o.challenge) };
		if (!o.user) {
			return navigator.credentials.get({ publicKey: { ...k, allowCredentials: list(o.allowCredentials) } });
		}
		k.user = { ...o.user, id: decode(o.user.id) };
		k.excludeCredentials = list(o.excludeCredentials);
		return navigator.credentials.create({ publicKey: k });
	}

	function write(c) {
		const r = { clientDataJSON: encode(c.response.clientDataJSON) };
		for (const member of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
			if (c.response[member]) r[member] = encode(c.response[member]);
		}
		if (c.response.getTransports) r.transports = c.response.getTransports();
		return JSON.stringify({
			id: c.id, rawId: encode(c.rawId), type: c.type, response: r,
			authenticatorAttachment: c.authenticatorAttachment || undefined,
			clientExtensionResults: c.getClientExtensionResults(),
		});
	}

	function say(form, text) {
		let p = form.querySelector("[data-fault]");
		if (!p) {
			p = document.createElement("p");
			p.className = "note bad";
			p.setAttribute("role", "alert");
			p.setAttribute("data-fault", "");
			form.append(p);
		}
		p.textContent = text;
	}

	const words = {
		NotAllowedError: "It was cancelled, or took too long. Try again.",
		InvalidStateError: "This passkey is registered already.",
		SecurityError: "This page's address is not one that passkeys work on. Use https, or localhost.",
	};

	async function send(form, button) {
		const body = new URLSearchParams();
		if (form.dataset.hash) body.set("hash", form.dataset.hash);
		const res = await fetch(form.dataset.passkey, { method: "POST", body, credentials: "same-origin", redirect: "error" });
		const text = await res.text();
		if (!res.ok) throw new Error((res.headers.get("Content-Type") || "").startsWith("text/plain") ? text : "You are signed out, or the link has ended. Load the page again.");
		const field = form.elements.assertion || form.elements.answer;
		field.value = write(await ask(JSON.parse(text).publicKey));
		if (button && button.name) {
			const chosen = document.createElement("input");
			chosen.type = "hidden";
			chosen.name = button.name;
			chosen.value = button.value;
			form.append(chosen);
		}
		form.submit();
	}

	document.addEventListener("submit", e => {
		const form = e.target, button = e.submitter;
		if (!form.dataset.passkey) return;
		e.preventDefault();
		if (!window.PublicKeyCredential) {
			say(form, "This browser has no passkeys, or the page is not on https or localhost.");
			return;
		}
		if (button) button.disabled = true;
		send(form, button).catch(err => say(form, words[err.name] || err.message)).finally(() => { if (button) button.disabled = false; });
	});
})();
