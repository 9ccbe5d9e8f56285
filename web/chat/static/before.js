// Converse.js would define these elements with its own name, links of its authors and pictures of its sponsors, some loaded from another
// host. Who defines an element first wins.
const domain = document.body.dataset.domain;

function make(name, props = {}, ...children) {
	const e = Object.assign(document.createElement(name), props);
	e.append(...children);
	return e;
}

customElements.define("converse-brand-logo", class extends HTMLElement {
	connectedCallback() {
		const title = make("h1", { className: "writ-brand" },
			make("img", { src: "/chat/own/icon.svg", alt: "", width: 40, height: 40 }), make("span", {}, "Writ chat"));
		const parts = [title];
		if (!this.hasAttribute("hide_byline")) {
			parts.push(make("p", { className: "writ-byline" }, "Sign in to " + domain + ". Private messages are encrypted in this browser; the server cannot read them."));
		}
		this.replaceChildren(...parts);
	}
});

customElements.define("converse-controlbox-navbar", class extends HTMLElement {
	connectedCallback() {
		this.replaceChildren(make("p", { className: "writ-nav" }, make("a", { href: "/" }, "About this server")));
	}
});

customElements.define("converse-footer", class extends HTMLElement {
	connectedCallback() {
		this.replaceChildren(make("p", { className: "writ-footer" },
			"No account? Ask somebody here for an invitation. ", make("a", { href: "/held" }, "What this server holds about you"), " · The chat is ",
			make("a", { href: "https://conversejs.org", rel: "noreferrer" }, "Converse.js"), ", free software."));
	}
});

// The explanation of "a trusted device" is a button that shows a sign alone; others need its name.
new MutationObserver(() => {
	for (const b of document.querySelectorAll("converse-popover button:not([aria-label])")) b.setAttribute("aria-label", "What a trusted device is");
}).observe(document.body, { childList: true, subtree: true });
