// Converse.js would define this element with pictures of its sponsors, loaded from another host. Who defines it first wins.
customElements.define("converse-footer", class extends HTMLElement {
	connectedCallback() {
		const p = document.createElement("p");
		p.className = "writ-footer";
		const a = document.createElement("a");
		a.href = "/held";
		a.textContent = "What this server holds about you";
		p.append(a);
		this.replaceChildren(p);
	}
});
