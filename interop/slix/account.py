"""What a client does beside talking: bookmarks, pictures, invitations, moderation, calls, blocking, and the account itself."""
from slixmpp.xmlstream import ET

from tell import tell

BOOKMARKS, METADATA = "urn:xmpp:bookmarks:1", "urn:xmpp:avatar:metadata"


class Account:
    interests = (BOOKMARKS, METADATA)

    def prepare(self):
        for plugin in ("xep_0048", "xep_0049", "xep_0054", "xep_0077", "xep_0084", "xep_0191", "xep_0223", "xep_0249", "xep_0308", "xep_0402", "xep_0424", "xep_0425"):
            self.register_plugin(plugin, {"auto_join": False} if plugin == "xep_0048" else None)
        self.add_event_handler("pubsub_publish", self.published)
        self.add_event_handler("avatar_metadata_publish", self.published)
        self.add_event_handler("groupchat_direct_invite", lambda m: tell("invited", how="direct", room=m["groupchat_invite"]["jid"], by=m["from"].bare))
        self.add_event_handler("groupchat_invite", lambda m: tell("invited", how="mediated", room=m["from"].bare))
        self.add_event_handler("moderated_message", lambda m: tell("moderated", by=str(m["from"]), id=m["retract"]["id"], reason=m["retract"]["reason"]))
        self.add_event_handler("message_retract", lambda m: tell("retracted", by=str(m["from"]), id=m["retract"]["id"]))
        for step in ("propose", "proceed", "reject", "retract"):
            self.add_event_handler("jingle_message_" + step, lambda m, step=step: tell("call", step=step, by=m["from"].bare, id=m["jingle_" + step]["id"]))
        self.add_event_handler("got_offline", lambda p: tell("gone", who=p["from"].bare))

    def published(self, message):
        items = message["pubsub_event"]["items"]
        tell("published", node=items["node"], by=message["from"].bare, items=[i["id"] for i in items["substanzas"]])

    async def more(self, name, what):
        me = self.boundjid.bare
        if name == "bookmark":
            item = ET.fromstring(f'<conference xmlns="{BOOKMARKS}" name="{what["name"]}" autojoin="true"/>')
            await self.plugin["xep_0060"].publish(me, BOOKMARKS, id=what["room"], payload=item, options=self.kept())
            tell("bookmarked")
        elif name == "bookmarks":
            await self.bookmarks()
        elif name == "show-picture":
            data = bytes.fromhex(what["hex"])
            await self.plugin["xep_0084"].publish_avatar(data)
            await self.plugin["xep_0084"].publish_avatar_metadata({"id": self.plugin["xep_0084"].generate_id(data), "type": "image/png", "bytes": len(data)})
            tell("shown")
        elif name == "picture":
            found = await self.plugin["xep_0084"].retrieve_avatar(what["of"], what["id"])
            card = await self.plugin["xep_0054"].get_vcard(what["of"], cached=False)
            data = found["pubsub"]["items"]["item"]["avatar_data"]["value"]
            tell("picture", hex=data.hex(), card=card["vcard_temp"]["PHOTO"]["BINVAL"].hex())
        elif name == "invite":
            if what["how"] == "direct":
                self.plugin["xep_0249"].send_invitation(what["who"], what["room"], reason="come in")
            else:
                self.plugin["xep_0045"].invite(what["room"], what["who"], reason="come in")
        elif name == "moderate":
            await self.plugin["xep_0425"].moderate(what["room"], what["id"], what["reason"])
            tell("moderates")
        elif name == "call":
            calls = self.plugin["xep_0353"]
            if what["step"] == "propose":
                calls.propose(what["to"], what["id"], [("urn:xmpp:jingle:apps:rtp:1", "audio")])
            else:
                getattr(calls, what["step"])(what["to"], what["id"])
        elif name == "block":
            await self.plugin["xep_0191"].block({what["who"]})
            tell("blocked", all=sorted(str(j) for j in await self.plugin["xep_0191"].get_blocked_jids()))
        elif name == "contacts":
            answer = await self.get_roster()
            tell("contacts", all=[str(j) for j in answer["roster"]["items"]])
        elif name == "unblock":
            await self.plugin["xep_0191"].unblock({what["who"]})
            tell("unblocked")
        elif name == "password":
            await self.plugin["xep_0077"].change_password(what["new"])
            tell("password-changed")
        elif name == "delete":
            self.quitting = True
            await self.plugin["xep_0077"].cancel_registration()
            tell("deleted")
        else:
            tell("fault", why="no such order: " + name)

    def kept(self):
        form = self.plugin["xep_0004"].make_form("submit")
        for var, value in (("FORM_TYPE", "http://jabber.org/protocol/pubsub#publish-options"), ("pubsub#persist_items", "true"), ("pubsub#max_items", "max"),
                           ("pubsub#send_last_published_item", "never"), ("pubsub#access_model", "whitelist")):
            form.add_field(var=var, ftype="hidden" if var == "FORM_TYPE" else None, value=value)
        return form

    async def bookmarks(self):
        """The list in its three forms: items (XEP-0402), one item (XEP-0048), private storage (XEP-0049)."""
        items = await self.plugin["xep_0060"].get_items(self.boundjid.bare, BOOKMARKS)
        list_ = await self.plugin["xep_0048"].get_bookmarks(method="xep_0223")
        private = await self.plugin["xep_0048"].get_bookmarks(method="xep_0049")
        tell("bookmarks", items=sorted(i["id"] for i in items["pubsub"]["items"]["substanzas"]),
             list=sorted(str(c["jid"]) for c in list_["pubsub"]["items"]["item"]["bookmarks"]["conferences"]),
             private=sorted(str(c["jid"]) for c in private["private"]["bookmarks"]["conferences"]))
