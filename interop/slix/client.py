"""A slixmpp client with OMEMO that does what it is told: one JSON object a line on standard input, and tells what
happens: one JSON object a line on standard output.

usage: client.py JID PASSWORD PORT CERTIFICATE [old]    (old: publishes keys of OMEMO 0.3 alone; this library reads no text of OMEMO 2)
"""
import asyncio
import json
import ssl
import sys

from omemo.storage import Just, Nothing, Storage
import slixmpp
from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.plugins import register_plugin
from slixmpp_omemo import XEP_0384, xep_0384

from account import Account
from tell import tell


def old_alone():
    make, new = xep_0384._make_session_manager, "urn:xmpp:omemo:2"

    def made(*given):
        manager = make(*given)

        class Old(manager):
            @staticmethod
            async def _upload_bundle(bundle):
                if bundle.namespace != new:
                    await manager._upload_bundle(bundle)

            @classmethod
            async def _upload_device_list(cls, namespace, devices):
                if namespace != new:
                    await manager._upload_device_list(namespace, devices)

        return Old

    xep_0384._make_session_manager = made


class Memory(Storage):
    def __init__(self):
        super().__init__()
        self.data = {}

    async def _load(self, key):
        return Just(self.data[key]) if key in self.data else Nothing()

    async def _store(self, key, value):
        self.data[key] = value

    async def _delete(self, key):
        self.data.pop(key, None)


class Omemo(XEP_0384):
    default_config = {"fallback_message": "This message is OMEMO encrypted."}

    def plugin_init(self):
        self._memory = Memory()
        super().plugin_init()

    @property
    def storage(self):
        return self._memory

    @property
    def _btbv_enabled(self):
        return True

    async def _devices_blindly_trusted(self, blindly_trusted, identifier):
        pass

    async def _prompt_manual_trust(self, manually_trusted, identifier):
        manager = await self.get_session_manager()
        for device in manually_trusted:
            await manager.set_trust(device.bare_jid, device.identity_key, "TRUSTED")


register_plugin(Omemo)


class Client(Account, ClientXMPP):
    def __init__(self, jid, password, port, certificate):
        super().__init__(jid, password)
        self.port, self.quitting, self.away = int(port), False, False
        self.ca_certs = certificate
        for plugin in ("xep_0030", "xep_0004", "xep_0045", "xep_0059", "xep_0060", "xep_0163", "xep_0198", "xep_0199", "xep_0203", "xep_0297", "xep_0280", "xep_0313",
                       "xep_0334", "xep_0353", "xep_0359", "xep_0380"):
            self.register_plugin(plugin)
        self.register_plugin("xep_0384", module=sys.modules[__name__])
        self.prepare()
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("session_resumed", lambda _: tell("resumed"))
        self.add_event_handler("omemo_initialized", self.initialized)
        self.add_event_handler("disconnected", self.lost)
        self.add_event_handler("message", self.message)
        self.add_event_handler("message_error", self.refused)
        self.add_event_handler("carbon_received", lambda m: asyncio.create_task(self.show(m["carbon_received"], "carbon-received")))
        self.add_event_handler("carbon_sent", lambda m: asyncio.create_task(self.show(m["carbon_sent"], "carbon-sent")))
        self.add_event_handler("groupchat_message", self.room_message)
        self.add_event_handler("groupchat_message_error", self.refused)
        self.add_event_handler("groupchat_presence", self.room_presence)
        self.add_event_handler("failed_auth", lambda _: tell("failed_auth"))

    def dial(self):
        self.connect("127.0.0.1", self.port)

    async def started(self, _):
        # slixmpp notes interests under the address of before the bind; noted again, they stand in the first presence.
        self.plugin["xep_0163"].add_interest(["urn:xmpp:omemo:2:devices", "eu.siacs.conversations.axolotl.devicelist", *self.interests])
        await self.plugin["xep_0115"].update_caps(broadcast=False)
        self.send_presence()
        await self.get_roster()
        await self.plugin["xep_0280"].enable()
        tell("started")

    async def initialized(self, _):
        tell("ready", jid=str(self.boundjid))

    def lost(self, _):
        tell("lost")
        if not self.quitting and not self.away:
            self.dial()

    def message(self, stanza):
        if stanza["type"] in ("chat", "normal"):
            asyncio.create_task(self.show(stanza, "message"))

    def refused(self, stanza):
        tell("refused", text=stanza["error"]["text"], id=stanza["id"])

    def room_message(self, stanza):
        asyncio.create_task(self.show(stanza, "room"))

    def room_presence(self, stanza):
        codes = sorted(stanza["muc"]["status_codes"])
        if 110 in codes:
            tell("left" if stanza["type"] == "unavailable" else "joined", room=stanza["from"].bare, codes=codes)

    async def show(self, stanza, how):
        omemo = self.plugin["xep_0384"]
        what = {"from": str(stanza["from"]), "delayed": bool(stanza["delay"]["stamp"]), "how": how, "stanza": stanza["stanza_id"]["id"]}
        if omemo.is_encrypted(stanza):
            try:
                clear, _ = await omemo.decrypt_message(stanza)
            except Exception as e:  # told, so that the test fails with the reason
                tell("undecryptable", why=repr(e), **what)
                return
            if clear["body"]:
                tell("message", body=clear["body"], encrypted=True, **what)
        elif stanza["body"]:
            tell("message", body=stanza["body"], encrypted=False, **what)

    async def do(self, what):
        name = what["do"]
        if name == "encrypted":
            await self.encrypted(what["to"], what["body"])
        elif name == "plain":
            self.send_message(mto=what["to"], mbody=what["body"], mtype="chat")
        elif name == "befriend":
            self.send_presence_subscription(pto=what["to"])
        elif name == "archive":
            await self.archive(what.get("with"))
        elif name == "join":
            self.plugin["xep_0045"].join_muc(what["room"], what["nick"], maxhistory="0")
        elif name == "instant":
            form = self.plugin["xep_0004"].make_form("submit")
            await self.plugin["xep_0045"].set_room_config(what["room"], form)
            tell("configured")
        elif name == "members":
            for jid in what["jids"]:
                await self.plugin["xep_0045"].set_affiliation(what["room"], "member", jid=jid)
            tell("admitted")
        elif name == "kick":
            await self.plugin["xep_0045"].set_role(what["room"], what["nick"], "none", reason="enough")
            tell("kicked")
        elif name == "say":
            await self.encrypted(what["room"], what["body"], to={slixmpp.JID(j) for j in what["jids"]}, mtype="groupchat")
        elif name == "plain-room":
            self.send_message(mto=what["room"], mbody=what["body"], mtype="groupchat")
        elif name == "room-archive":
            await self.room_archive(what["room"])
        elif name == "ping":
            await self.plugin["xep_0199"].send_ping(self.boundjid.domain)
            tell("pinged")
        elif name == "away":
            self.away = True
            await self.disconnect()
        elif name == "back":
            self.away = False
            self.dial()
        elif name == "cut":
            self.transport.abort()
        elif name == "quit":
            self.quitting = True
            await self.disconnect()
            return False
        else:
            await self.more(name, what)
        return True

    async def encrypted(self, address, body, to=None, mtype="chat"):
        stanza = self.make_message(mto=address, mtype=mtype)
        stanza["body"] = body
        stanza.set_to(address)
        stanza.set_from(self.boundjid)
        sealed, faults = await self.plugin["xep_0384"].encrypt_message(stanza, to or stanza["to"])
        if sealed is None:
            tell("unsent", faults=[repr(f) for f in faults])
            return
        sealed["eme"]["namespace"] = "eu.siacs.conversations.axolotl"
        sealed.send()
        tell("sent", id=sealed["id"])

    async def room_archive(self, room):
        found = []
        async for result in self.plugin["xep_0313"].iterate(jid=room, rsm={"max": 20}):
            stanza = result["mam_result"]["forwarded"]["stanza"]
            if self.plugin["xep_0384"].is_encrypted(stanza):
                try:
                    clear, _ = await self.plugin["xep_0384"].decrypt_message(stanza)
                    found.append({"from": str(stanza["from"]), "body": clear["body"]})
                except Exception as e:
                    found.append({"from": str(stanza["from"]), "fault": repr(e)})
            else:
                found.append({"from": str(stanza["from"]), "clear": stanza["body"]})
        tell("room-archived", messages=found)

    async def archive(self, peer):
        found = []
        try:
            async for result in self.plugin["xep_0313"].iterate(with_jid=peer, rsm={"max": 2}):
                stanza = result["mam_result"]["forwarded"]["stanza"]
                found.append({"from": str(stanza["from"]), "encrypted": bool(self.plugin["xep_0384"].is_encrypted(stanza)), "body": stanza["body"]})
        except (IqError, IqTimeout) as e:
            tell("fault", why=repr(e))
            return
        tell("archived", messages=found)


async def main():
    if sys.argv[5:] == ["old"]:
        old_alone()
    client = Client(*sys.argv[1:5])
    client.dial()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        try:
            if not await client.do(json.loads(line)):
                break
        except Exception as e:
            tell("fault", why=repr(e))


asyncio.run(main())
