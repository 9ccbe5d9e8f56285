// An xmpp.js client that does what it is told: one JSON object a line on standard input, and tells what happens: one JSON object a line on
// standard output. It signs in by SASL2, binds by Bind 2, and keeps the token that it is given.
//
// usage: node client.mjs NAME PASSWORD SERVICE
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The packages stand where make deps has put them.
const require = createRequire(process.env.XMPPJS + "/");
const { client, xml } = await import(pathToFileURL(require.resolve("@xmpp/client")));

const [username, password, service] = process.argv.slice(2);
const tell = (event, what = {}) => console.log(JSON.stringify({ event, ...what }));
const app = client({
  service, domain: "localhost", resource: "xmppjs", username, password,
  userAgent: xml("user-agent", { id: "d4565fa7-4d72-4749-b3d3-740edbf87770" }, [xml("software", {}, "xmpp.js"), xml("device", {}, "Test")]),
});
app.reconnect.delay = 200;

let mechanism = "", inline = [], answer = [];
app.on("send", (e) => {
  if (e.is("authenticate", "urn:xmpp:sasl:2")) {
    mechanism = e.attrs.mechanism;
    inline = e.getChildElements().map((c) => c.name);
  }
});
app.on("element", (e) => {
  if (e.is("success", "urn:xmpp:sasl:2")) answer = e.getChildElements().map((c) => c.name);
});
app.on("error", (err) => tell("error", { text: String(err) }));
app.on("disconnect", () => tell("lost"));
app.on("online", (jid) => tell("online", { jid: String(jid), mechanism, inline, answer }));
app.streamManagement.on("resumed", () => tell("resumed", { jid: String(app.jid), mechanism, inline, answer }));
app.on("stanza", (s) => {
  if (s.is("message") && s.getChild("body")) tell("message", { from: s.attrs.from, body: s.getChildText("body") });
});

createInterface({ input: process.stdin }).on("line", async (line) => {
  const o = JSON.parse(line);
  try {
    if (o.do === "start") await app.start();
    if (o.do === "stop") { await app.stop(); tell("stopped"); }
    if (o.do === "presence") await app.send(xml("presence"));
    if (o.do === "send") await app.send(xml("message", { to: o.to, type: "chat" }, xml("body", {}, o.body)));
    if (o.do === "cut") {
      const raw = app.socket.socket ?? app.socket;
      raw.destroy ? raw.destroy() : raw.close();
    }
    if (o.do === "devices") {
      const reply = await app.iqCaller.request(xml("iq", { type: "get" }, xml("list", { xmlns: "urn:xmpp:cam:0" })));
      const list = reply.getChild("clients", "urn:xmpp:cam:0");
      tell("devices", { software: list.getChildren("client").map((c) => c.getChild("user-agent")?.getChildText("software")),
        auth: list.getChildren("client").map((c) => c.getChild("auth").getChildElements().map((a) => a.name).join(" ")) });
    }
  } catch (err) {
    tell("error", { text: String(err) });
  }
}).on("close", () => process.exit());
